"""Channels told by hand: the spec wins over the provider, for the channel that has the named id among its own.

The override is put on one item before the filters run, so that they see it, and no filter changes what it set. Where
items are merged, what an override set on any of them holds for the channel; so does a drop, which is why dropped items
leave only after the merging. This module refuses to give numbers: a wished one is noted, `lineups.numbering` decides.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from reconciler.ledger.model import Ledger
from reconciler.lineups.filters import Tally, Watch
from reconciler.lineups.item import Item
from reconciler.spec.model import Override

__all__ = ["override", "without_dropped"]

OVERRIDES: Final = "overrides"
_DROP: Final = "drop"


def override(items: Iterable[Item], overrides: Sequence[Override], ledger: Ledger, watch: Watch) -> None:
    """Put every override on its item: the one with that id, else, where the provider no longer lists that member, the
    first other member that the ledger knows of the channel. Later overrides win field by field.
    """
    if not overrides:
        return
    present = {item.id: item for item in items}
    aliases = {a: r.id for r in ledger.channels.values() for a in r.aliases}
    for rule in overrides:
        item = present.get(rule.channel)
        if item is None:
            record = ledger.channels.get(aliases.get(rule.channel, rule.channel))
            ids = (record.id, *record.aliases) if record else ()
            item = next((present[i] for i in ids if i in present), None)
        if item is not None:
            _apply(rule, item)
            watch.note(item.id, OVERRIDES, "to be dropped" if rule.drop else "set", rule.at)


def without_dropped(items: Collection[Item], tally: Tally, watch: Watch) -> list[Item]:
    """The items without those that an override drops. Called after each merging."""
    left = []
    for item in items:
        if _DROP in item.fixed:
            tally.note(OVERRIDES, item)
            watch.note(item.id, OVERRIDES, "dropped")
        else:
            left.append(item)
    return left


def _apply(rule: Override, item: Item) -> None:
    fixed = set(item.fixed)
    if rule.drop:
        fixed.add(_DROP)
    if rule.name is not None:
        item.name = rule.name
        fixed.add("name")
    if rule.guide_id is not None:
        item.guide_id = rule.guide_id
        fixed.add("guide_id")
    if rule.logo is not None:
        item.logo = rule.logo
        fixed.add("logo")
    if rule.group is not None:
        item.group = rule.group
        fixed.add("group")
    if rule.number is not None:
        item.wanted = rule.number
    item.fixed = frozenset(fixed)
    item.linked = False
