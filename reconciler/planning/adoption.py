"""Taking ownership of a DVR that Plex has already: the ledger learns its keys, its address and its numbers, verbatim.

Nothing is written to Plex. Numbers come from the live map; which channel one belongs to is told by an import file, else by
number and name, else by a name that occurs once on both sides. What matches nothing keeps its number reserved, and stays on
in Plex until the map is sent for another reason (design.md 4). Pure. This module refuses to choose which DVR to adopt.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from reconciler.errors import OperatorError
from reconciler.ledger.model import Applied, ChannelRecord, DvrRecord, Ledger, Retired
from reconciler.lineups.devices import BLOCK
from reconciler.lineups.model import Channel, Desired, DvrTarget
from reconciler.planning.addresses import normal_address
from reconciler.planning.diff import map_digest
from reconciler.plex.model import XMLTV_PROVIDER, Device, Dvr, Observed, Unknown
from reconciler.wording import plural

__all__ = [
    "UNMATCHED",
    "Adoption",
    "Match",
    "Told",
    "adopt",
    "found_dvr",
    "is_unmatched",
    "told_ids",
]

UNMATCHED: Final = "unmatched/"


@dataclass(frozen=True, slots=True)
class Match:
    """One live number. `id` "" where no channel matches; `how` "file", "number", "name" or ""."""

    number: int
    name: str
    id: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A row of an import file: which channel had this number. `names` are what viewers and the provider call it."""

    number: int
    channel: str = ""
    guide_id: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adoption:
    """The ledger after it, and what became of each number. `keeps` are sentences about what is kept as it is."""

    ledger: Ledger
    matches: tuple[Match, ...]
    keeps: tuple[str, ...]

    @property
    def unmatched(self) -> tuple[Match, ...]:
        """Numbers that are reserved because no channel matches."""
        return tuple(match for match in self.matches if not match.id)


def is_unmatched(entry: Retired) -> bool:
    """Whether a reservation stands for a live channel that nothing matched at adoption."""
    return entry.id.startswith(UNMATCHED)


def told_ids(
    told: Iterable[Told], channels: Iterable[Channel], normal: Callable[[str], str]
) -> dict[int, str]:
    """Channel ids by number, as an import file has them: by id, else guide id and name, else a unique guide id or name."""
    ids: dict[str, str] = {}
    found: dict[tuple[str, str], set[str]] = {}
    for channel in channels:
        ids.update(dict.fromkeys((channel.id, *channel.aliases), channel.id))
        guides = {g.casefold() for g in (channel.guide_id, *(m.guide_id for m in channel.members)) if g}
        names = {normal(name) for name in (channel.name, *(m.name for m in channel.members))} - {""}
        for guide in (*guides, ""):
            for name in (*names, ""):
                found.setdefault((guide, name), set()).add(channel.id)
    result = {}
    for row in told:
        guide, said = row.guide_id.casefold(), [normal(name) for name in row.names]
        keys = [*((guide, name) for name in said if guide), (guide, ""), *(("", name) for name in said)]
        unique = (found[key] for key in keys if key != ("", "") and len(found.get(key, ())) == 1)
        id_ = ids.get(row.channel) or next((next(iter(few)) for few in unique), "")
        if id_:
            result[row.number] = id_
    return result


def found_dvr(observed: Observed, key: str) -> tuple[Dvr, Device]:
    """The DVR with this key and its tuner. Raises OperatorError naming what there is instead."""
    if isinstance(observed.dvrs, Unknown):
        raise OperatorError(f"Plex's DVRs cannot be read: {observed.dvrs.why}", next_step="ptctl doctor")
    detail = observed.details.get(key)
    dvr = detail if isinstance(detail, Dvr) else next((d for d in observed.dvrs if d.key == key), None)
    if dvr is None:
        there = ", ".join(f'{d.key} "{d.title}"' for d in observed.dvrs) or "none"
        raise OperatorError(
            f"Plex has no DVR {key}; it has {there}", next_step="ptctl plan shows them as not ours"
        )
    if isinstance(detail, Unknown):
        raise OperatorError(f"DVR {key} cannot be read: {detail.why}", next_step="ptctl doctor")
    # An empty lineup is an unreadable one; what names a provider of Plex's own has channels that no file of ours has.
    if dvr.provider not in {"", XMLTV_PROVIDER}:
        raise OperatorError(
            f'DVR {dvr.key} "{dvr.title}" has a guide of Plex\'s own ({dvr.provider}); a DVR of ptctl has an XMLTV guide',
            next_step="leave it as it is: it goes on beside those of ptctl",
        )
    if len(dvr.devices) != 1:
        count = len(dvr.devices)
        raise OperatorError(
            f"DVR {key} has {count} tuners; one DVR of ptctl has one",
            next_step="take the others out of it in Plex",
        )
    return dvr, dvr.devices[0]


def adopt(
    target: DvrTarget,
    desired: Desired,
    ledger: Ledger,
    observed: Observed,
    key: str,
    *,
    names: Mapping[str, str],
    normal: Callable[[str], str],
    now: str,
    channels: Mapping[int, str] | None = None,
) -> Adoption:
    """Adopt DVR `key` as `target`.

    `desired` was computed for the spec over `ledger`; `names` are the live channels' names by number, `normal` makes names
    comparable, `channels` is the import file: channel ids by number. Raises OperatorError when the DVR is another's, is
    not there, its DeviceID is not the one the spec says, or the one that it would take the place of is protected.
    """
    dvr, device = found_dvr(observed, key)
    name = target.record.name
    _allowed(target, ledger, dvr, device)
    live = {int(p.device): names.get(p.device, "") for p in device.enabled if p.device.isdecimal()}
    rows = {row.channel.id: row.channel for row in target.lineup.rows}
    matches = _matches(live, rows, channels or {}, normal)
    server = observed.server
    record = _record(target, dvr, device, live, "" if isinstance(server, Unknown) else server.machine, now)
    taken = {match.id for match in matches if match.id}
    numbers = {match.number for match in matches}
    kept: dict[str, ChannelRecord] = {
        i: r
        for i, r in ledger.channels.items()
        if i not in taken and not (r.dvr == name and r.number in numbers)
    }
    for match in matches:
        if match.id:
            kept[match.id] = replace(desired.ledger.channels[match.id], dvr=name, number=match.number)
    free = tuple(
        Retired(name, match.number, f"{UNMATCHED}{name}/{match.number}", now[:10], name=normal(match.name))
        for match in matches
        if not match.id
    )
    others = tuple(r for r in ledger.retired if not (r.dvr == name and r.number in numbers))
    after = replace(
        ledger,
        dvrs=dict(sorted({**ledger.dvrs, name: record}.items())),
        channels=dict(sorted(kept.items())),
        retired=tuple(sorted((*others, *free), key=lambda r: (r.dvr, r.number, r.id))),
    )
    return Adoption(after, matches, (*_keeps(dvr, device), *_lets_go(ledger.dvrs.get(name), device)))


def _allowed(target: DvrTarget, ledger: Ledger, dvr: Dvr, device: Device) -> None:
    wanted = target.dvr.device_id
    if not wanted or wanted.casefold() != device.device_id.casefold():
        raise OperatorError(
            f'DVR {dvr.key} has the tuner "{device.device_id}"; the spec does not say that of {target.record.name}',
            next_step=f'write  device_id: "{device.device_id}"  under dvrs.{target.record.name}, then adopt again',
        )
    for name, record in ledger.dvrs.items():
        if name != target.record.name and record.device_id.casefold() == device.device_id.casefold():
            raise OperatorError(
                f'that tuner is "{name}" in the ledger already', next_step=f"ptctl explain dvr {name}"
            )
    former = ledger.dvrs.get(target.record.name)
    if former is not None and former.protected and _lets_go(former, device):
        raise OperatorError(
            f"{former.name} is DVR {former.dvr_key} with tuner {former.device_id}, which the ledger protects (S203)",
            next_step=f"write  protect: false  under dvrs.{former.name} and its old device_id, apply once, then adopt again",
        )


def _lets_go(former: DvrRecord | None, device: Device) -> tuple[str, ...]:
    """What was ours under this name until now and is in Plex: only a word of the spec may delete it, so it is let go."""
    if former is None or former.device_id.casefold() == device.device_id.casefold():
        return ()
    if not (former.device_key or former.dvr_key):
        return ()
    held = f"DVR {former.dvr_key}" if former.dvr_key else f"device {former.device_key}"
    return (f"{held} with tuner {former.device_id}, as it is in Plex: it is not ours any more",)


def _matches(
    live: Mapping[int, str],
    rows: Mapping[str, Channel],
    listed: Mapping[int, str],
    normal: Callable[[str], str],
) -> tuple[Match, ...]:
    aliases = {alias: channel.id for channel in rows.values() for alias in channel.aliases}
    found: list[Match] = []
    used: set[str] = set()
    for number, name in sorted(live.items()):
        told = listed.get(number, "")
        wanted = told if told in rows else aliases.get(told, "")
        if wanted and wanted not in used:
            used.add(wanted)
            found.append(Match(number, name, wanted, "file"))
        else:
            found.append(Match(number, name))
    # As it is written first: "News" and "News HD" are one name only when nothing tells them apart.
    for how, form in (("number", normal), ("name", _as_written), ("name", normal)):
        by_name: dict[str, list[Channel]] = {}
        for channel in rows.values():
            by_name.setdefault(form(channel.name), []).append(channel)
        live_names = Counter(form(name) for name in live.values())
        for i, match in enumerate(found):
            text = form(match.name)
            if match.id or not text:
                continue
            alike = by_name.get(text, [])
            if how == "name" and not len(alike) == live_names[text] == 1:
                continue
            free = [c.id for c in alike if c.id not in used and (how == "name" or c.number == match.number)]
            if len(free) == 1:
                used.add(free[0])
                found[i] = Match(match.number, match.name, free[0], how)
    return tuple(found)


def _as_written(name: str) -> str:
    return " ".join(name.split()).casefold()


def _record(
    target: DvrTarget, dvr: Dvr, device: Device, live: Mapping[int, str], machine: str, now: str
) -> DvrRecord:
    first, last = (min(live), max(live)) if live else target.record.block
    block = target.dvr.numbers or (first, max(last, first + BLOCK - 1))
    applied = Applied(
        generation="",
        tuner_uri=device.uri,
        guide_url=dvr.guide,
        title=dvr.title,
        map_digest=map_digest(device.pairs),
        channels=len(device.enabled),
        loaded_at=now,
    )
    known = target.record.applied
    if known is not None and applied == replace(
        known, generation="", guide_digest="", loaded_at=now, lineup_digest="", unmatched="", guide_rules=""
    ):
        applied = known  # adopted before, and as it was: nothing to forget
    return replace(
        target.record,
        device_id=device.device_id,
        title=dvr.title,
        block=block,
        guide_path=target.dvr.guide_path or target.record.guide_path,
        device_key=device.key,
        dvr_key=dvr.key,
        dvr_uuid=dvr.uuid,
        machine=machine,
        adopted=True,
        applied=applied,
    )


def _keeps(dvr: Dvr, device: Device) -> tuple[str, ...]:
    found = [
        f'DeviceID "{device.device_id}", tuner address {device.uri}, guide {dvr.guide}, title "{dvr.title}"',
        plural(
            len(device.enabled),
            "channel that is on, with its number",
            "channels that are on, with their numbers",
        ),
    ]
    tuner, guide = normal_address(device.uri), normal_address(dvr.guide)
    if not guide.startswith(f"{tuner}/"):
        found.append(
            f"its guide lies elsewhere than its tuner: {guide}; that address has to stay (serve.advertise, port, "
            "guide_path), the tuner's can be renewed in place"
            if "://" in guide
            else f"its guide is a file on Plex's machine: {guide}; that stays with plex.guide_location"
        )
    return tuple(found)
