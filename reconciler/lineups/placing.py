"""Seats: living channels first, returning ones, newcomers in order, and what happens when a DVR is full.

Overflow leads to later buckets only, so one pass in the order of the spec is enough. Nobody who lives somewhere is
ever moved by it. This module refuses to write the ledger: `lineups.outcome` does.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from reconciler.ledger.model import Ledger, Retired
from reconciler.lineups.buckets import Assigned, Homes
from reconciler.lineups.devices import Devices
from reconciler.lineups.filters import Filters, Watch
from reconciler.lineups.item import Item
from reconciler.lineups.limits import MAP_BUDGET_BYTES
from reconciler.lineups.matching import Hosts, predicate
from reconciler.lineups.model import Block
from reconciler.lineups.numbering import Admission, Numbers, Part, renumber
from reconciler.spec.model import Bucket, SortKey, Spec
from reconciler.wording import plural

__all__ = ["Order", "Placed", "newcomer_order", "place", "split_names"]

Order = Callable[[Item], tuple[object, ...]]

_QUALITY_RANK: Final = {quality: rank for rank, quality in enumerate(("uhd", "fhd", "hd", "sd"))}


def newcomer_order(sort: Iterable[SortKey], hosts: Hosts) -> Order:
    """The order of newcomers: the bucket's `sort`, the provider's number, listed in a guide, folded name, id."""
    steps = [_sort_step(key, hosts) for key in sort]

    def order(item: Item) -> tuple[object, ...]:
        return (
            *(step(item) for step in steps),
            _listed_number(item),
            item.link is None,
            item.name.casefold(),
            item.id,
        )

    return order


def _sort_step(key: SortKey, hosts: Hosts) -> Callable[[Item], object]:
    if key.match is not None:
        test = predicate(key.match, hosts)
        return lambda item: not test(item)
    match key.field:
        case "name":
            return lambda item: item.name.casefold()
        case "group":
            return lambda item: item.group.casefold()
        case "guide_id":
            return lambda item: item.guide_id.casefold()
        case "quality":
            return lambda item: _QUALITY_RANK.get(item.quality.casefold(), len(_QUALITY_RANK))
        case "number" | None:
            return _listed_number


def _listed_number(item: Item) -> tuple[bool, int]:
    """The provider's number; who has none comes last."""
    return (item.entry.number is None, item.entry.number or 0)


def split_names(dvr: str, ledger: Ledger) -> list[str]:
    """The names of a DVR's devices that the ledger knows: itself, then the parts of a split in their order."""
    parts = [r.name for r in ledger.dvrs.values() if r.split_of == dvr]
    return [dvr, *sorted(parts, key=lambda n: (len(n), n))]


@dataclass(slots=True)
class Placed:
    """Every device with its channels, and who found no seat."""

    parts: list[Part]
    exports: dict[str, list[Item]] = field(default_factory=dict)
    overflowed: dict[str, Counter[str]] = field(default_factory=dict)
    """By DVR: where newcomers went that found it full ("" for left out)."""
    left_out: list[Item] = field(default_factory=list)
    retired: list[Retired] = field(default_factory=list)
    """Whose numbers are kept free from today on."""

    def of(self, names: Iterable[str]) -> list[Part]:
        """The devices of the given names."""
        wanted = set(names)
        return [p for p in self.parts if p.name in wanted]


class _Seating:
    """One run of placing: the devices, and who moves on to which bucket."""

    def __init__(
        self,
        spec: Spec,
        ledger: Ledger,
        numbers: Numbers,
        *,
        allow: frozenset[str],
        watch: Watch,
    ) -> None:
        self.spec = spec
        self.numbers = numbers
        self.allow = allow
        self.watch = watch
        self.devices = Devices(spec, ledger)
        self.placed = Placed([])
        for dvr in spec.dvrs.values():
            for name in split_names(dvr.name, ledger):
                record = self.devices.record(name, dvr, "" if name == dvr.name else dvr.name)
                self.placed.parts.append(Part(dvr, record, numbers))

    def seat(self, bucket: Bucket, names: Sequence[str], newcomers: Sequence[Item]) -> list[Item]:
        """Admit who fits, by the bucket's own devices. Returns those that go on to the overflow bucket."""
        parts = self.placed.of(names)
        onward: list[Item] = []
        reasons: Counter[Admission] = Counter()
        closed: dict[str, Admission] = {}
        for item in newcomers:
            outcome = self._admit(item, parts, closed)
            if outcome != "in" and bucket.overflow == "split" and parts:
                parts.append(self._further_part(parts[-1]))
                outcome = self._admit(item, parts, closed)
            if outcome != "in":
                reasons[outcome] += 1
                onward.append(item)
        return self._overflow(bucket, parts, onward, reasons)

    def _admit(self, item: Item, parts: Sequence[Part], closed: dict[str, Admission]) -> Admission:
        """The first device with room. A device that turned one away is asked again only where a wish may help."""
        outcome: Admission = "full"
        for part in parts:
            outcome = closed.get(part.name, "in")
            if outcome == "in" or item.wanted is not None:
                outcome = part.admit(item, reuse=f"reuse:{part.name}" in self.allow)
                if outcome == "in":
                    return "in"
                closed[part.name] = outcome
        return outcome

    def _further_part(self, part: Part) -> Part:
        """One more device for a split bucket."""
        dvr = part.dvr
        counter = 2
        taken = {p.name for p in self.placed.parts} | set(self.spec.dvrs)
        while f"{dvr.name}-{counter}" in taken:
            counter += 1
        new = Part(dvr, self.devices.record(f"{dvr.name}-{counter}", dvr, dvr.name), self.numbers)
        self.placed.parts.insert(self.placed.parts.index(part) + 1, new)
        return new

    def _overflow(
        self, bucket: Bucket, parts: Sequence[Part], onward: list[Item], reasons: Counter[Admission]
    ) -> list[Item]:
        if not onward or not parts:
            return onward
        policy = "" if bucket.overflow in {"fail", "drop", "split"} else bucket.overflow
        for item in onward:
            went = f"went to {policy}" if policy else "left out"
            self.watch.note(item.id, f"room in {parts[-1].name}", f"none left: {went}")
        self.placed.overflowed.setdefault(parts[0].name, Counter())[policy] += len(onward)
        if bucket.overflow == "fail":
            parts[-1].blocks += _no_room(parts[-1], reasons)
        if policy:
            return onward
        self.placed.left_out += onward
        return []


def place(
    spec: Spec,
    ledger: Ledger,
    assigned: Assigned,
    homes: Homes,
    numbers: Numbers,
    *,
    filters: Filters,
    hosts: Hosts,
    link: Callable[[Sequence[Item]], None],
    out: frozenset[str],
    allow: frozenset[str],
    anew: frozenset[str],
    watch: Watch,
    today: date,
) -> Placed:
    """Every channel with a number, in its device. `out` are item ids that keep their number but have no seat now.

    `anew` are DVRs to number from scratch. Blocks of size and numbering (S204, S301, S303) are on the parts.
    """
    seating = _Seating(spec, ledger, numbers, allow=allow, watch=watch)
    placed = seating.placed
    by_name = {p.name: p for p in placed.parts}
    orders = {b.name: newcomer_order(b.sort, hosts) for b in spec.buckets}
    newcomers: dict[str, list[Item]] = {}
    for name, items in assigned.by_bucket.items():
        newcomers[name] = []
        for item in items:
            record = item.record
            if record is not None and record.dvr in by_name and item.id not in assigned.moved:
                by_name[record.dvr].keep(record.number, item)
            elif item.id not in out or not homes.own[name]:
                newcomers[name].append(item)
    placed.retired = _retire(ledger, by_name, numbers, today)
    wishes = {
        item.wanted: item
        for bucket, items in assigned.by_bucket.items()
        for item in sorted(items, key=lambda i: i.id, reverse=True)
        if item.wanted is not None and homes.own[bucket] and (item.record or item.id not in out)
    }
    scratch = {d: orders[b] for d, b in homes.bucket_of.items() if d in anew}
    renumber(placed.parts, numbers, wishes, allow=allow, anew=scratch)
    newcomers = _return(newcomers, by_name, homes, allow)
    arrivals: dict[str, list[Item]] = {}
    for bucket in spec.buckets:
        order = orders[bucket.name]
        own, late = newcomers.get(bucket.name, []), arrivals.get(bucket.name, [])
        if late:
            late = filters.run_bucket(bucket.name, late)
        link([*own, *late])
        waiting = [*sorted(own, key=order), *sorted(late, key=order)]
        if not homes.own[bucket.name]:
            placed.exports[bucket.name] = waiting
            continue
        onward = seating.seat(bucket, homes.own[bucket.name], waiting)
        if onward:
            arrivals.setdefault(bucket.overflow, []).extend(onward)
    for part in placed.parts:
        part.blocks += _oversize(part)
    for name in seating.devices.without_port:
        first, last = spec.serve.ports
        by_name = {p.name: p for p in placed.parts}
        message = (
            f"no free port left in serve.ports {first}-{last}: widen it, or give another DVR its own port"
        )
        by_name[name].blocks.append(Block("S303", name, message, ""))
    return placed


def _retire(ledger: Ledger, parts: Mapping[str, Part], numbers: Numbers, today: date) -> list[Retired]:
    """Keeps free the numbers of channels that live here no longer."""
    retired = []
    for record in ledger.channels.values():
        part = parts.get(record.dvr)
        if part is None or record.number in part.items:
            continue
        kept = record.retired(today.isoformat())
        retired.append(kept)
        numbers.release(record.number, kept)
    return retired


def _return(
    newcomers: Mapping[str, Sequence[Item]], parts: Mapping[str, Part], homes: Homes, allow: frozenset[str]
) -> dict[str, list[Item]]:
    """Seats those who come back to a DVR their bucket leads to, before any newcomer. Returns the rest."""
    back: list[tuple[int, str, str, Item]] = []
    for bucket, items in newcomers.items():
        for item in items:
            kept = item.returning
            if kept is not None and kept.dvr in homes.reach[bucket] and kept.dvr in parts:
                back.append((kept.number, item.id, kept.dvr, item))
    seated = set()
    for _, id_, dvr, item in sorted(back, key=lambda b: b[:2]):
        if parts[dvr].admit(item, reuse=f"reuse:{dvr}" in allow) == "in":
            seated.add(id_)
    return {b: [i for i in items if i.id not in seated] for b, items in newcomers.items()}


def _no_room(part: Part, reasons: Counter[Admission]) -> list[Block]:
    blocks = []
    if count := reasons["full"]:
        message = (
            f"{plural(count, 'channel')} too many: {len(part.items)} of at most {part.limit}, "
            f"map of {part.map_bytes:,} of {MAP_BUDGET_BYTES:,} bytes"
        )
        blocks.append(Block("S301", part.name, message, "", "lineup"))
    if count := reasons["exhausted"]:
        first, last = part.record.block
        kept = part.retired_here()
        message = f"no free number in {first}-{last} for {plural(count, 'channel')}, {kept} kept free for channels that left"
        blocks.append(Block("S303", part.name, message, f"reuse:{part.name}" if kept else "", "numbers"))
    return blocks


def _oversize(part: Part) -> list[Block]:
    """What no policy helps against: those who live here are too many for Plex or for an edited limit."""
    if len(part.items) > part.limit:
        message = f"{plural(len(part.items), 'living channel')}, limit {part.limit}"
        return [Block("S301", part.name, message, "", "lineup")]
    if part.map_bytes > MAP_BUDGET_BYTES:
        message = f"channel map of {part.map_bytes:,} bytes, at most {MAP_BUDGET_BYTES:,}"
        return [Block("S301", part.name, message, "", "lineup")]
    return []
