"""One spec from any number of Threadfin (or xTeVe) instances, with the channels' numbers for their adoption.

Each instance becomes a bucket and a DVR that answers as the old tuner did: same DeviceID, port and guide path, so that
Plex notices nothing (design.md 4). What has no counterpart is listed, never dropped in silence (PLY-7). This module
combines what the others of the package read; it refuses to interpret settings itself.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.drafting.bounds import LIMIT, MOST_TUNERS, free_name, open_name
from reconciler.drafting.channels import NumberedChannel
from reconciler.drafting.draft import Draft, Loss, Section, Vault, gathered, slug
from reconciler.drafting.number_ranges import ranges
from reconciler.drafting.threadfin_channels import Chosen, chosen
from reconciler.drafting.threadfin_inputs import Inputs
from reconciler.drafting.threadfin_rules import admitting
from reconciler.drafting.threadfin_settings import CARRIED, LOST, MEANINGLESS, Instance
from reconciler.drafting.yaml_text import Value
from reconciler.wording import plural

__all__ = ["GUIDE_PATH", "Imported", "dvr_names", "imported"]

GUIDE_PATH: Final = "/xmltv/threadfin.xml"
XTEVE_GUIDE_PATH: Final = "/xmltv/xteve.xml"
NO_SOURCE: Final[dict[str, Value]] = {"main": {"kind": "m3u", "path": "channels.m3u"}}
_SAYS_NOTHING: Final = frozenset(
    {"conf", "config", "data", "threadfin", "xteve", "home", "settings", "root", "tmp"}
)


@dataclass(frozen=True, slots=True)
class Imported:
    """The draft, and the channels with their numbers for `adopt --channels`."""

    draft: Draft
    channels: tuple[NumberedChannel, ...]
    dvrs: tuple[str, ...]


def dvr_names(instances: Sequence[str]) -> dict[str, str]:
    """Names of DVRs for instances called after their folders: `threadfin-bcastus` becomes `bcastus`."""
    names: dict[str, str] = {}
    for instance in instances:
        words = slug(instance, "").split("-")
        stem = "-".join(w for w in words if w not in _SAYS_NOTHING) or "tv"
        names[instance] = free_name(open_name(stem), set(names.values()))
    return names


def imported(
    instances: Sequence[Instance],
    *,
    name: str,
    env_file: str,
    plex: Mapping[str, Value] | None = None,
    plex_token: str = "",
    advertise: str = "",
    blacklists: Sequence[str] = (),
) -> Imported:
    """The spec that does what the instances did. `plex` is the value of that section, `plex_token` a reference;
    `blacklists` are paths of lists of broken streams that lay beside the settings.

    Instances are told apart by name. Costs little: tens of milliseconds for thirteen instances of 480 channels.
    """
    losses: list[Loss] = []
    names = dvr_names([i.name for i in instances])
    inputs = Inputs(Vault(env_file), losses, names)
    for instance in instances:
        inputs.add(instance)
    picks = {i.name: _chosen(i, names[i.name], inputs) for i in instances}
    for instance in instances:
        losses += _settings_lost(instance)
        losses += picks[instance.name].losses
    losses += _shared(instances, picks, names)
    buckets = _buckets(instances, names, picks, inputs)
    dvrs, notes = _dvrs(instances, names, picks, losses)
    credentials = dict(inputs.credentials)
    if plex is not None and plex_token:
        credentials["plex"] = {"token": plex_token}
    serve: dict[str, Value] = {"listen": "0.0.0.0:5004"}  # what design.md 2 says
    if advertise:
        serve["advertise"] = advertise
    if every := _refresh(instances):
        serve["refresh"] = {"every": every}
    filters = [f for p in picks.values() for f in p.filters]
    overrides = _overrides(picks, losses)
    sections = (
        Section(
            "credentials", credentials, "References only; the values are in the env file beside this spec."
        ),
        Section("sources", inputs.sources or NO_SOURCE, notes=_notes(inputs.notes, "sources")),
        Section("guides", inputs.guides, "XMLTV, in the order of priority."),
        Section("filters", filters, "What was switched on and off by hand in the channel mapping."),
        Section("buckets", buckets, "One for each old tuner; the first match wins."),
        Section(
            "dvrs",
            dvrs,
            "The old tuners: same DeviceID, port and guide path, so that Plex keeps them.",
            notes=notes,
        ),
        Section(
            "overrides",
            [o for o, _ in overrides],
            "Names and guides that were set by hand.",
            notes={str(i): n for i, (_, n) in enumerate(overrides)},
        ),
        Section(
            "probes",
            {"blacklist": list(blacklists)} if blacklists else {},
            "Streams that were found broken; lists written by hand go here, too.",
            flat=True,
        ),
        *((Section("plex", plex, flat=True),) if plex is not None else ()),
        Section("serve", serve, flat=True),
    )
    head = (
        f"Written by `ptctl import threadfin` from {plural(len(instances), 'instance')}.",
        "Next: `ptctl validate`, `ptctl plan`, then adopt each DVR with its channels.",
    )
    draft = Draft(
        name,
        tuple(s for s in sections if s.value),
        head,
        inputs.vault.values,
        gathered(losses, len(instances)),
    )
    channels = tuple(c for i in instances for c in picks[i.name].channels)
    return Imported(draft, channels, tuple(names.values()))


def _chosen(instance: Instance, dvr: str, inputs: Inputs) -> Chosen:
    sources = {f.id: inputs.of[instance.name, f.id] for f in instance.of_kind("m3u", "hdhr")}
    return chosen(instance, dvr, sources, inputs.accounts)


def _settings_lost(instance: Instance) -> Iterator[Loss]:
    where = instance.name
    for key, value in sorted(instance.settings.items()):
        if key in LOST and value not in (False, "", None, "-"):
            yield Loss(where, f'"{key}": {LOST[key][0]}', LOST[key][1])
        elif key not in CARRIED | MEANINGLESS and key not in LOST:
            yield Loss(where, f'"{key}": a setting this import does not know')
    if instance.channels is None and instance.text("epgSource") != "PMS":
        yield Loss(
            where,
            "no xepg.json: numbers, names and which channels were on are not known",
            "import again with the folder, or with --xepg",
        )
    if instance.text("epgSource") == "PMS":
        yield Loss(
            where, "Plex brought the guide itself (PMS)", "ptctl serves a guide; name one under guides"
        )
    if not instance.of_kind("m3u", "hdhr"):
        yield Loss(where, "it has no playlist", "write its source by hand")
    for rule in instance.filters:
        if rule.category:
            yield Loss(where, f'filter "{rule.text}" gives programmes the category {rule.category}')
    if rough := admitting(instance.filters)[1]:
        yield Loss(
            where,
            f"custom filters look at all attributes, here at name, group and guide id: {', '.join(rough)}",
            "compare with ptctl catalog channels --match",
        )


def _shared(
    instances: Sequence[Instance], picks: Mapping[str, Chosen], names: Mapping[str, str]
) -> Iterator[Loss]:
    """Channels that two tuners showed: here a channel has one home."""
    ids = {i.name: {c.channel for c in picks[i.name].channels if c.channel} for i in instances}
    for one, two in itertools.combinations(instances, 2):
        if both := ids[one.name] & ids[two.name]:
            yield Loss(
                f"{one.name}, {two.name}",
                f"{plural(len(both), 'channel')} {'is' if len(both) == 1 else 'are'} in both",
                f'ptctl puts a channel in one DVR, "{names[one.name]}" unless a bucket says otherwise',
            )


def _buckets(
    instances: Sequence[Instance], names: Mapping[str, str], picks: Mapping[str, Chosen], inputs: Inputs
) -> list[dict[str, Value]]:
    """One each; those that filter come before those that take all of a source, or they would get nothing."""
    alone = len(instances) == 1
    ordered = sorted(instances, key=lambda i: not i.filters or bool(i.settings.get("ignoreFilters")))
    buckets: list[dict[str, Value]] = []
    seen: dict[str, dict[str, Value]] = {}
    for instance in ordered:
        name, pick = names[instance.name], picks[instance.name]
        sources = inputs.sources_of(instance)
        rules: dict[str, Value] = {}
        if not instance.settings.get("ignoreFilters"):
            rules = admitting(instance.filters)[0]
        of: dict[str, Value] = {} if alone else {"source": sources[0] if len(sources) == 1 else sources}
        if not sources:
            of = {"group": name}
        bucket: dict[str, Value] = {"name": name, "match": {**of, **rules}}
        if _by_name(rules) and (renamed := sorted({c.name for c in pick.channels if c.listed})):
            # an override gives the name before the rule is asked, and the rule knows the provider's
            whole = rules["any"] if list(rules) == ["any"] else [rules]
            assert isinstance(whole, list)
            bucket["match"] = {**of, "any": [*whole, {"name": {"in": renamed}}]}
        form = repr(bucket["match"]).casefold()
        before = seen.get(form)
        if before is not None and pick.channels:
            listed = sorted({c.listed or c.name for c in pick.channels} | {c.name for c in pick.channels})
            bucket["match"] = {**of, "name": {"in": listed}}
            buckets.insert(0, bucket)
            continue
        if before is not None:
            before["overflow"] = name
            bucket = {"name": name}
        if len(pick.channels) > LIMIT and not _second_parts(name, names):
            bucket["overflow"] = "split"
        seen[form] = bucket
        buckets.append(bucket)
    return buckets


def _second_parts(name: str, names: Mapping[str, str]) -> bool:
    """Whether another DVR is called as the second part of this one would be."""
    return any(n.rpartition("-")[0] == name and n.rpartition("-")[2].isdigit() for n in names.values())


def _by_name(rules: object) -> bool:
    """Whether a matcher looks at names."""
    if isinstance(rules, Mapping):
        return "name" in rules or any(_by_name(v) for v in rules.values())
    return isinstance(rules, list) and any(_by_name(v) for v in rules)


def _dvrs(
    instances: Sequence[Instance], names: Mapping[str, str], picks: Mapping[str, Chosen], losses: list[Loss]
) -> tuple[dict[str, Value], dict[str, str]]:
    used = {names[i.name]: _used(i, picks[i.name]) for i in instances}
    numbers = ranges(used)
    ports = Counter(i.number("port") for i in instances)
    bound = Counter((i.text("bindIpAddress"), i.number("port")) for i in instances)
    first_of: dict[int, str] = {}
    dvrs: dict[str, Value] = {}
    notes: dict[str, str] = {}
    for instance in instances:
        name, pick, port = names[instance.name], picks[instance.name], instance.number("port")
        dvr: dict[str, Value] = {}
        if name in numbers:
            dvr["numbers"] = "{}-{}".format(*numbers[name])
        else:
            low, high = used[name]
            losses.append(
                Loss(
                    instance.name,
                    f"numbers {low}-{high} lie among those of another tuner",
                    f'"{name}" gets the next free range; Plex cannot tell equal numbers apart',
                )
            )
        dvr["tuners"] = min(max(instance.number("tuner") or 1, 1), MOST_TUNERS)
        ip = instance.text("bindIpAddress")
        if port and ports[port] == 1:
            dvr["port"] = port
        elif port and ip and bound[ip, port] == 1:
            dvr["also"] = [f"{ip}:{port}"]
        elif port and port not in first_of:
            first_of[port] = name
            dvr["port"] = port
        elif port:
            losses.append(
                Loss(
                    instance.name,
                    f'port {port} belongs to "{first_of[port]}" here: both were on machines of their own',
                    f"let the old address lead to the new port of {name}, or give also: [ADDRESS:{port}]",
                )
            )
        if instance.device_id:
            dvr["device_id"] = instance.device_id
        xteve = "xteve" in (instance.text("user.agent") + instance.text("temp.path")).lower()
        dvr["guide_path"] = XTEVE_GUIDE_PATH if xteve else GUIDE_PATH
        if size := instance.number("buffer.size.kb"):
            dvr["stream"] = {"buffer": f"{min(size, 1024 * 1024)}KiB"}
        if len(pick.channels) > LIMIT:
            losses.append(
                Loss(
                    instance.name,
                    f"{plural(len(pick.channels), 'channel')} are more than the {LIMIT} that Plex activates",
                    f'bucket "{name}" overflows into further DVRs (overflow: split)'
                    if not _second_parts(name, names)
                    else f'say where bucket "{name}" overflows to',
                )
            )
        dvrs[name] = dvr
        notes[name] = f"{instance.name}: {plural(len(pick.channels), 'channel')}"
    return dvrs, notes


def _used(instance: Instance, pick: Chosen) -> tuple[int, int]:
    first = instance.number("mapping.first.channel") or 1000
    return pick.used or (first, first)


def _overrides(picks: Mapping[str, Chosen], losses: list[Loss]) -> list[tuple[dict[str, Value], str]]:
    """One per channel. A channel that one tuner shows is not dropped because another one hid it."""
    shown = {c.channel for p in picks.values() for c in p.channels if c.channel}
    kept: dict[str, tuple[dict[str, Value], str]] = {}
    for where, pick in picks.items():
        for override, note in zip(pick.overrides, pick.notes, strict=True):
            channel = str(override["channel"])
            if override.get("drop") and channel in shown:
                losses.append(Loss(where, f"{note}, and on in another tuner", "it is kept"))
            else:
                kept.setdefault(channel, (override, note))
    return list(kept.values())


def _refresh(instances: Sequence[Instance]) -> str:
    """How often the busiest instance fetched: so many times a day, never more than hourly."""
    times = [len(t) for i in instances if isinstance(t := i.settings.get("update"), list) and t]
    return f"{max(24 // max(times), 1)}h" if times else ""


def _notes(notes: Mapping[str, str], section: str) -> dict[str, str]:
    return {k.partition(".")[2]: v for k, v in notes.items() if k.startswith(section + ".")}
