"""DVRs: what they hold, which numbers and ports they have, and that no two want the same.

Numbers beside those of foreign DVRs in Plex are compared when planning (S302). Refuses to hand out a number or a
port: `lineups` and the ledger do.
"""

from bisect import insort
from itertools import zip_longest
from typing import Final

from reconciler.diagnostics import Related, Span
from reconciler.spec.checks.subject import Subject, inner
from reconciler.spec.language import LARGEST_LIMIT
from reconciler.spec.shape import Val

__all__ = ["check", "next_free"]

_FIRST_NUMBER: Final = 1000
_FOUR_DIGITS: Final = 9999
_RESERVED: Final = ("all",)
_Range = tuple[int, int, int, str, Val]
"""First and last number, the DVR's place in the spec, its name, the value."""
# What the hub answers itself when everything is under one port (design.md 6).
_HUB_PATHS: Final = ("api", "guide", "metrics", "healthz", "readyz", "vod", "series", "static")


def check(subject: Subject) -> None:
    """V120, V145, V150, V151, V152, V303, V306."""
    _names(subject)
    _buckets(subject)
    _limits(subject)
    _ranges(subject)
    _ports(subject)
    _profiles(subject)


def _names(subject: Subject) -> None:
    layout = subject.value("serve", "layout")
    hub = _HUB_PATHS if layout is not None and layout.data == "path" else ()
    for name, place in subject.keys("dvrs").items():
        if name in _RESERVED:
            reason = "a permission such as shrink:all means every DVR by it"
        elif name in hub:
            reason = f"the hub answers at /{name} itself"
        else:
            continue
        subject.findings.error(
            "V120", place, f'a DVR cannot be called "{name}": {reason}', hints=("choose another name",)
        )


def _buckets(subject: Subject) -> None:
    first: dict[str, tuple[str, Span]] = {}
    for name, dvr in subject.named("dvrs").items():
        bucket = inner(dvr, "bucket")
        if "bucket" in dvr.data and bucket is None:
            continue
        filled_by = bucket.data if bucket is not None else name
        place = bucket.node.span if bucket is not None else dvr.key.span if dvr.key else dvr.node.span
        other, before = first.setdefault(filled_by, (name, place))
        if other != name:
            subject.findings.error(
                "V145",
                place,
                f'dvrs "{other}" and "{name}" would both be filled by bucket "{filled_by}"',
                related=(Related(before, other),),
                hints=("make a bucket for each; one that is full can overflow into the next",),
            )


def _limits(subject: Subject) -> None:
    order = list(subject.bucket_names())
    after = dict(zip_longest(order, order[1:]))
    for name, dvr in subject.named("dvrs").items():
        limit = inner(dvr, "limit")
        if limit is None or limit.data <= LARGEST_LIMIT:
            continue
        bucket = inner(dvr, "bucket")
        own = bucket.data if bucket is not None and bucket.data in after else name
        into = f"overflow: {later}, or " if (later := after.get(own)) else ""
        subject.findings.error(
            "V150",
            limit.node,
            f"limit {limit.data} is more than one DVR can hold",
            label=f"at most {LARGEST_LIMIT}",
            hints=(f"more channels need another DVR: {into}overflow: split",),
            suggest=str(LARGEST_LIMIT),
        )


def _ranges(subject: Subject) -> None:
    ranges: list[_Range] = [
        (numbers.data[0], numbers.data[1], index, name, numbers)
        for index, (name, dvr) in enumerate(subject.named("dvrs").items())
        if (numbers := inner(dvr, "numbers")) is not None
    ]
    ranges.sort(key=lambda entry: entry[:3])
    taken = [(first, last) for first, last, *_ in ranges]
    widest: _Range | None = None
    for entry in ranges:
        # Whoever overlaps anything that began before overlaps what reaches furthest of it: one finding per range.
        if widest is not None and widest[1] >= entry[0]:
            one, two = (widest, entry) if widest[2] < entry[2] else (entry, widest)
            _overlap(subject, one, two, taken)
        if widest is None or entry[1] > widest[1]:
            widest = entry
    for _, last, _, _, numbers in ranges:
        if last > _FOUR_DIGITS:
            subject.findings.warning(
                "V303",
                numbers.node,
                "numbers of five digits make the channel map longer: about 445 channels fit, not 480",
                hints=("a range below 10000 keeps four digits",),
            )


def _overlap(subject: Subject, one: _Range, two: _Range, taken: list[tuple[int, int]]) -> None:
    """Note that two ranges overlap. `taken`: all ranges in order; what is proposed here is taken for the next one."""
    first, last = max(one[0], two[0]), min(one[1], two[1])
    free: tuple[int, int] | None = None
    if not subject.findings.full:
        others = taken.copy()
        others.remove((two[0], two[1]))
        free = next_free(one[1] + 1, two[1] - two[0] + 1, others)
    if free is not None:
        insort(taken, free)
    hints = (f"the next free range that keeps four digits is {free[0]}-{free[1]}",) if free else ()
    subject.findings.error(
        "V152",
        two[4].node,
        f'number ranges of "{one[3]}" and "{two[3]}" overlap',
        label=f"{first}-{last} are in both" if first != last else f"{first} is in both",
        related=(Related(one[4].node.span, one[3]),),
        hints=hints or ("make one of the ranges smaller",),
        suggest=f"{free[0]}-{free[1]}" if free else None,
    )


def next_free(start: int, size: int, taken: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The first free range of that size from `start`, else from the beginning, below 10000. `taken` is sorted."""
    for begin in (start, _FIRST_NUMBER):
        at = begin
        for first, last in taken:
            if last >= at and first < at + size:
                at = last + 1
        if at + size - 1 <= _FOUR_DIGITS:
            return at, at + size - 1
    return None


def _ports(subject: Subject) -> None:
    layout = subject.value("serve", "layout")
    if layout is not None and layout.data == "path":
        return
    listen = subject.value("serve", "listen")
    hub = listen.data[1] if listen is not None else 5004
    owners: dict[int, tuple[str, Span | None]] = {
        hub: ("the hub", listen.node.span if listen is not None else None)
    }
    dvrs = subject.named("dvrs")
    for name, dvr in dvrs.items():
        port = inner(dvr, "port")
        if port is None:
            continue
        owner, place = owners.setdefault(port.data, (f'dvr "{name}"', port.node.span))
        if place is not port.node.span and owner != f'dvr "{name}"':
            subject.findings.error(
                "V151",
                port.node,
                f"port {port.data} belongs to {owner} already",
                related=(Related(place, owner),) if place is not None else (),
                hints=("choose another port, or leave it out: the next free one of `serve.ports` is taken",),
            )
    ports = subject.value("serve", "ports")
    first, last = ports.data if ports is not None else (5005, 5030)
    if "serve" in subject.root.data and not subject.known("serve"):
        return
    free = (last - first + 1) - sum(first <= port <= last for port in owners)
    waiting = sum("port" not in dvr.data for dvr in dvrs.values())
    if waiting > free:
        at: Span | None = ports.node.span if ports is not None else None
        if at is None:
            at = subject.root.data["dvrs"].key.span
        subject.findings.error(
            "V151",
            at,
            f"ports {first}-{last} have room for {max(free, 0)} more DVRs, and {waiting} have no port",
            hints=(f"write serve: {{ports: {first}-{first + len(dvrs) + 10}}}",),
        )


def _profiles(subject: Subject) -> None:
    for section in ("sources", "dvrs"):
        for name, entry in subject.named(section).items():
            profile = inner(entry, "stream", "profile")
            if profile is not None and profile.data == "salvage":
                subject.findings.warning(
                    "V306",
                    profile.node,
                    f'{section[:-1]} "{name}" will have no sound: salvage keeps the first video only',
                    hints=("use it for channels that cannot be watched otherwise; remux keeps sound",),
                )
