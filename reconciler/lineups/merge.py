"""Duplicates become one channel with ordered alternatives; no address is lost.

Which member comes first is a matter of today's preferences; which id the merged channel has is the ledger's business
(`lineups.claims`). The order is total, so a shuffled list merges the same. This module refuses to compare streams.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence

from reconciler.catalog.names import normalise_name
from reconciler.lineups.item import Item
from reconciler.lineups.matching import Predicate
from reconciler.spec.model import Merge

__all__ = ["merged"]


def merged(
    items: Sequence[Item], by: Merge, prefer: Sequence[Predicate], sources: Mapping[str, int]
) -> list[Item]:
    """The items with those equal in all `by` fields folded into the preferred one. Order of survivors as it was.

    `prefer` are the compiled wishes of `by`; `sources` ranks sources by their place in the spec, which decides where
    no wish does. Items that lack one of the fields stay alone; different kinds never merge.
    """
    key = _key(by)
    groups: defaultdict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        if (k := key(item)) is not None:
            groups[k].append(item)

    def order(item: Item) -> tuple[object, ...]:
        number = item.entry.number
        return (
            *(not wish(item) for wish in prefer),
            sources.get(item.entry.source, len(sources)),
            number is None,
            number or 0,
            item.name.casefold(),
            item.id,
        )

    folded: set[str] = set()
    for same in groups.values():
        if len(same) > 1:
            same.sort(key=order)
            _fold(same)
            folded.update(item.id for item in same[1:])
    return [item for item in items if item.id not in folded] if folded else list(items)


def _key(by: Merge) -> Callable[[Item], Hashable | None]:
    """The item's key, or None where a field is empty."""

    def value(item: Item, field: str) -> Hashable:
        if field == "guide_id":
            return item.guide_id.strip().casefold()
        if field == "name":
            return normalise_name(item.name)
        if field == "number":
            return item.entry.number
        return item.group

    def key(item: Item) -> Hashable | None:
        values = tuple(value(item, field) for field in by.by)
        return None if any(v is None or v == "" for v in values) else (item.entry.kind, *values)

    return key


def _fold(same: Sequence[Item]) -> None:
    """Makes the first item stand for all. What it lacks the others give; what an override set anywhere holds."""
    first = same[0]
    first.members = tuple(part for item in same for part in item.parts)
    # by id and not by preference, which may change every day while the number must not
    first.wanted = min(((i.id, i.wanted) for i in same if i.wanted is not None), default=("", None))[1]
    for other in same[1:]:
        for field in other.fixed - first.fixed - {"drop"}:
            setattr(first, field, getattr(other, field))
        first.fixed |= other.fixed
        first.guide_id = first.guide_id or other.guide_id
        first.logo = first.logo or other.logo
        first.link = first.link or other.link
