"""A skeleton of a spec from the DVRs that Plex has: what it knows of each, kept as it is, and what only others know.

Plex knows tuners, guides, numbers and which are on; it does not know where channels come from. An old tuner that still
answers tells the names behind the numbers. Tuners of real hardware and cloud guides are left alone. This module refuses
to ask Plex anything: it is given what was observed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from reconciler.drafting.addresses import host_and_port, is_public_query
from reconciler.drafting.bounds import MOST_TUNERS, channel_number, free_name, open_name
from reconciler.drafting.channels import NumberedChannel
from reconciler.drafting.draft import Loss, exactly, slug
from reconciler.drafting.number_ranges import ranges
from reconciler.drafting.yaml_text import Value
from reconciler.plex.model import XMLTV_PROVIDER, Device, Dvr, Observed, Unknown
from reconciler.wording import plural

__all__ = ["Adoptable", "Skeleton", "TunerChannel", "adoptable", "skeleton"]

HDHOMERUN_PORTS: Final = (None, 80)
SERVED_GUIDE: Final = "/guide.xml"
"""Where ptctl serves a guide unless told otherwise."""


@dataclass(frozen=True, slots=True)
class TunerChannel:
    """A row of an old tuner's `lineup.json`."""

    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Adoptable:
    """A DVR that can be taken over: its name in the spec, Plex's row, its one tuner, the numbers that are on."""

    name: str
    dvr: Dvr
    device: Device
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The parts of a spec for the DVRs. `advertise` is the host most tuners answer at, with our hub's port."""

    buckets: tuple[tuple[dict[str, Value], str], ...]
    dvrs: Mapping[str, Mapping[str, Value]]
    channels: tuple[NumberedChannel, ...]
    losses: tuple[Loss, ...]
    advertise: str
    unnamed: tuple[str, ...] = field(default=())
    """DVRs whose channels nobody could name."""


def adoptable(seen: Observed) -> tuple[tuple[Adoptable, ...], tuple[Loss, ...]]:
    """The DVRs of emulated tuners, in Plex's order, and why the others are left alone."""
    if isinstance(seen.dvrs, Unknown):
        return (), (Loss("Plex", f"its DVRs could not be read: {seen.dvrs.why}", "run it again"),)
    found: list[Adoptable] = []
    losses: list[Loss] = []
    for listed in seen.dvrs:
        detail = seen.details.get(listed.key)
        dvr = detail if isinstance(detail, Dvr) else listed
        where = f'DVR {dvr.key} "{dvr.title}"'
        if why := _not_ours(dvr):
            losses.append(Loss(where, why, "it is left as it is"))
            continue
        device = dvr.devices[0]
        if len(dvr.devices) > 1:
            others = plural(len(dvr.devices) - 1, "further tuner")
            losses.append(
                Loss(
                    where,
                    f"{others} in the same DVR",
                    "take the others out of it in Plex, then adopt: ptctl gives each DVR one tuner",
                )
            )
        numbers = tuple(n for p in device.enabled if (n := channel_number(p.device)) is not None)
        if odd := len(device.enabled) - len(numbers):
            losses.append(
                Loss(where, f"{plural(odd, 'channel')} with numbers that are not whole", "they get new ones")
            )
        name = free_name(open_name(slug(dvr.title, f"dvr-{dvr.key}")), {a.name for a in found})
        found.append(Adoptable(name, dvr, device, tuple(sorted(numbers))))
    return tuple(found), tuple(losses)


def skeleton(found: Sequence[Adoptable], lineups: Mapping[str, Sequence[TunerChannel]]) -> Skeleton:
    """Buckets and DVRs for what can be taken over. `lineups` are rows of old tuners by device key, where they are known.

    A bucket holds the channels that are on, by name; where nobody knows the names, its rule is left to the author.
    """
    numbers = ranges({a.name: (a.numbers[0], a.numbers[-1]) for a in found if a.numbers})
    ports = Counter(host_and_port(a.device.uri)[1] for a in found)
    hosts = Counter(host_and_port(a.device.uri)[0] for a in found)
    buckets: list[tuple[dict[str, Value], str]] = []
    dvrs: dict[str, dict[str, Value]] = {}
    channels: list[NumberedChannel] = []
    losses: list[Loss] = []
    unnamed: list[str] = []
    first_of: dict[int, str] = {}
    for one in found:
        rows = lineups.get(one.device.key, ())
        on = {str(n) for n in one.numbers}
        names = list(dict.fromkeys(r.name for r in rows if r.number in on or not on))
        if names:
            note = f'DVR {one.dvr.key} "{one.dvr.title}": the channels that are on now; a rule by group is shorter'
            buckets.append(({"name": one.name, "match": {"name": {"in": names}}}, note))
        else:
            unnamed.append(one.name)
            note = f'DVR {one.dvr.key} "{one.dvr.title}": say which channels belong here'
            buckets.append(({"name": one.name, "match": {"group": exactly(one.dvr.title or one.name)}}, note))
        channels += _named(one, rows)
        dvr: dict[str, Value] = {}
        if one.name in numbers:
            dvr["numbers"] = "{}-{}".format(*numbers[one.name])
        elif one.numbers:
            what = f"numbers {one.numbers[0]}-{one.numbers[-1]} lie among those of another DVR"
            losses.append(Loss(one.name, what, "it gets the next free range"))
        if one.device.tuners:
            dvr["tuners"] = min(one.device.tuners, MOST_TUNERS)
        dvr |= _address(one, ports, first_of, losses)
        if one.device.device_id:
            dvr["device_id"] = one.device.device_id
        dvr |= _guide(one, losses)
        dvrs[one.name] = dvr
    host = hosts.most_common(1)[0][0] if hosts else ""
    if len(hosts) > 1:
        others = ", ".join(sorted(h for h in hosts if h != host))
        losses.append(
            Loss(
                "addresses",
                f"tuners answer at several hosts: {host}, {others}",
                "let all of them lead to ptctl serve",
            )
        )
    return Skeleton(
        tuple(buckets),
        dvrs,
        tuple(channels),
        tuple(losses),
        f"http://{f'[{host}]' if ':' in host else host}:5004" if host else "",
        tuple(unnamed),
    )


def _not_ours(dvr: Dvr) -> str:
    """Why a DVR cannot be taken over, "" where it can."""
    if dvr.provider != XMLTV_PROVIDER:
        return f"its guide is Plex's own ({dvr.provider or 'none'})"
    if not dvr.devices:
        return "it has no tuner"
    device = dvr.devices[0]
    _, port = host_and_port(device.uri)
    if port in HDHOMERUN_PORTS and urlsplit(device.uri).path in {"", "/"} and len(device.device_id) == 8:
        return f"its tuner {device.device_id} looks like a real HDHomeRun"
    return ""


def _named(one: Adoptable, rows: Sequence[TunerChannel]) -> Iterator[NumberedChannel]:
    """The numbers that are on in Plex, with the names the tuner gives them."""
    names = {r.number: r.name for r in rows}
    for number in one.numbers:
        if name := names.get(str(number)):
            yield NumberedChannel(one.name, number, name)


def _address(
    one: Adoptable, ports: Counter[int | None], first_of: dict[int, str], losses: list[Loss]
) -> dict[str, Value]:
    """The port the tuner answers at; where several machines had the same port, the first keeps it."""
    host, port = host_and_port(one.device.uri)
    if port is None:
        losses.append(
            Loss(one.name, f"its tuner's address {one.device.uri} has no port", "plan shows the new address")
        )
        return {}
    if ports[port] == 1 or port not in first_of:
        first_of[port] = one.name
        return {"port": port}
    if host.replace(".", "").isdigit():
        return {"also": [f"{host}:{port}"]}
    losses.append(
        Loss(
            one.name,
            f'port {port} at host "{host}" is also that of "{first_of[port]}", on another host',
            "let the old address lead to its new port (a proxy, a service), or plan moves it",
        )
    )
    return {}


def _guide(one: Adoptable, losses: list[Loss]) -> dict[str, Value]:
    """The guide's path, where the tuner serves its guide itself."""
    guide = one.dvr.guide
    if "://" not in guide:
        losses.append(
            Loss(one.name, f"its guide is the file {guide}", "plex.guide_location: file:/… keeps it in place")
        )
        return {}
    if host_and_port(guide) != host_and_port(one.device.uri):
        place = "{}:{}".format(*host_and_port(guide))
        losses.append(
            Loss(
                one.name,
                f"its guide is at {place} and not at its tuner",
                f"let {place} lead to ptctl, or plan replaces it",
            )
        )
    parts = urlsplit(guide)
    path = parts.path or "/"
    if is_public_query(parts.query):
        path += f"?{parts.query}"  # what the other program made of it is nothing to us, but Plex compares it
    elif parts.query:
        losses.append(
            Loss(
                one.name,
                "its guide's address has a query that may hold a secret, which no spec may",
                "plan replaces it",
            )
        )
    return {"guide_path": path} if path != SERVED_GUIDE else {}
