"""Channels told by hand: the spec wins over the provider, for every member of the channel it names.

An override may name a channel by any of its ids. Fields it sets are fixed: no filter changes them afterwards. This
module refuses to give numbers: a wished one is noted and `lineups.numbering` decides.
"""

from collections.abc import Iterable, Sequence

from reconciler.ledger.model import Ledger
from reconciler.lineups.filters import Tally, Watch
from reconciler.lineups.item import Item
from reconciler.spec.model import Override

__all__ = ["overridden"]

OVERRIDES = "overrides"


def overridden(
    items: Iterable[Item], overrides: Sequence[Override], ledger: Ledger, tally: Tally, watch: Watch
) -> list[Item]:
    """The items with overrides applied, without those that are dropped by hand. Later overrides win field by field."""
    by_id: dict[str, list[Override]] = {}
    for override in overrides:
        for id_ in _ids_of(override.channel, ledger):
            by_id.setdefault(id_, []).append(override)
    if not by_id:
        return list(items)
    left = []
    for item in items:
        mine = by_id.get(item.id, [])
        if any(o.drop for o in mine):
            tally.note(OVERRIDES, item)
            watch.note(item.id, OVERRIDES, "dropped", mine[-1].at)
            continue
        for override in mine:
            _apply(override, item)
            watch.note(item.id, OVERRIDES, "set", override.at)
        left.append(item)
    return left


def _ids_of(channel: str, ledger: Ledger) -> set[str]:
    """The ids of the channel that an override names: those of its living record, or the one itself."""
    record = ledger.channels.get(channel) or next(
        (r for r in ledger.channels.values() if channel in r.aliases), None
    )
    return {channel} if record is None else {record.id, *record.aliases}


def _apply(override: Override, item: Item) -> None:
    fixed = set(item.fixed)
    if override.name is not None:
        item.name = override.name
        fixed.add("name")
    if override.guide_id is not None:
        item.guide_id = override.guide_id
        fixed.add("guide_id")
    if override.logo is not None:
        item.logo = override.logo
        fixed.add("logo")
    if override.group is not None:
        item.group = override.group
        fixed.add("group")
    if override.number is not None:
        item.wanted = override.number
    item.fixed = frozenset(fixed)
    item.linked = False
