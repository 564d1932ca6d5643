"""New ids for old channels: a renamed source, or a panel that was swapped for another with new stream ids.

Pairs are made by what both sides say of a channel, and only where the words are unique on both sides; everything else
is listed as ambiguous and left to retire (design.md 2 `moved`, 4 S105). This module refuses to decide whether a swap
happened: `lineups.desired` counts, a person allows.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from reconciler.ledger.model import ChannelRecord, Ledger, Retired
from reconciler.lineups.identity import Facts, facts_of
from reconciler.lineups.item import Item

__all__ = ["Rematch", "rekeyed", "rematch", "source_moved"]

Field = Literal["guide_id", "name"]
Old = ChannelRecord | Retired


@dataclass(frozen=True, slots=True)
class Rematch:
    """Pairs (old id, new id) sorted, and the old ids that pair with several or none."""

    pairs: tuple[tuple[str, str], ...] = ()
    ambiguous: tuple[str, ...] = ()


def rematch(
    old: Iterable[Old], new: Sequence[Item], match: Sequence[Field] = ("guide_id", "name")
) -> Rematch:
    """Old channels and new items brought together by all `match` fields, variants told apart by quality first.

    An item counts with each of its members, so a merged channel is found by any of them.
    """
    olds = {o.id: Facts(o.guide_id, o.name, o.path, o.quality) for o in old}
    news = {i.id: tuple(facts_of(p.entry) for p in i.parts) for i in new}
    pairs: dict[str, str] = {}
    for exact in (True, False):
        key = _key(match, exact=exact)
        left = {id_: facts for id_, facts in olds.items() if id_ not in pairs}
        taken = set(pairs.values())
        offered: dict[tuple[str, ...], set[str]] = {}
        for id_, parts in news.items():
            if id_ not in taken:
                for facts in parts:
                    if (k := key(facts)) is not None:
                        offered.setdefault(k, set()).add(id_)
        wanted = Counter(k for f in left.values() if (k := key(f)) is not None)
        for id_, facts in left.items():
            if (k := key(facts)) is not None and wanted[k] == 1 and len(found := offered.get(k, ())) == 1:
                pairs[id_] = next(iter(found))
    doubled = {n for n, count in Counter(pairs.values()).items() if count > 1}
    sure = {o: n for o, n in pairs.items() if n not in doubled}
    return Rematch(tuple(sorted(sure.items())), tuple(sorted(olds.keys() - sure.keys())))


def source_moved(
    ledger: Ledger, items: Sequence[Item], old: str, new: str, match: Sequence[Field]
) -> Rematch:
    """The pairs of a `moved` source. Without `match` fields the stream ids themselves must have stayed."""
    present = {id_: i for i in items for id_ in i.ids}
    gone: dict[str, Old] = {r.id: r for r in ledger.retired if r.source == old and r.id not in present}
    gone |= {r.id: r for r in ledger.channels.values() if r.source == old and r.id not in present}
    if not gone:
        return Rematch()
    known = set(ledger.channels) | {a for r in ledger.channels.values() for a in r.aliases}
    free = [i for i in items if i.entry.source == new and not known.intersection(i.ids)]
    if not match:
        ids = {id_ for i in free for id_ in i.ids}
        same = {o: new + o.removeprefix(old) for o in gone}
        pairs = tuple(sorted((o, n) for o, n in same.items() if n in ids))
        return Rematch(pairs, tuple(sorted(gone.keys() - {o for o, _ in pairs})))
    return rematch(gone.values(), free, match)


def rekeyed(ledger: Ledger, pairs: Mapping[str, str], items: Sequence[Item]) -> Ledger:
    """The ledger with old ids replaced; DVR, number and date stay. Aliases of the old panel go: its ids mean others now."""
    if not pairs:
        return ledger
    sources = {i.id: i.entry.source for i in items}

    def channel(record: ChannelRecord) -> ChannelRecord:
        if (id_ := pairs.get(record.id)) is None:
            return record
        return replace(record, id=id_, aliases=(), members=(), source=sources.get(id_, record.source))

    def retired(kept: Retired) -> Retired:
        if (id_ := pairs.get(kept.id)) is None:
            return kept
        return replace(kept, id=id_, aliases=(), members=(), source=sources.get(id_, kept.source))

    channels = [channel(r) for r in ledger.channels.values()]
    return replace(
        ledger,
        channels={r.id: r for r in sorted(channels, key=lambda r: r.id)},
        retired=tuple(retired(r) for r in ledger.retired),
    )


def _key(match: Sequence[Field], *, exact: bool) -> Callable[[Facts], tuple[str, ...] | None]:
    def key(facts: Facts) -> tuple[str, ...] | None:
        values = tuple(facts.guide_id if f == "guide_id" else facts.name for f in match)
        if not all(values):
            return None
        return (*values, facts.quality) if exact else values

    return key
