"""Which remembered channel each item is: the ledger's id for any of its members, and no record claimed twice.

A merged channel keeps id and number while any member lives, whichever is preferred today (design.md 2). Where a merge
joins several channels that have numbers, the lowest number stays and the others retire. Where a merge is undone, the
member that gave the channel its id goes on as the channel. This module refuses to change the ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from reconciler.ledger.model import ChannelRecord, Ledger, Retired
from reconciler.lineups.item import Item

__all__ = ["claim", "final_ids"]


def claim(items: Sequence[Item], ledger: Ledger, reserved: Iterable[Retired]) -> None:
    """Sets `record` (a living channel) or `returning` (a number kept free for it) on each item, or neither.

    `reserved` are the retirements still in force. Calling it again after a merge is harmless.
    """
    by_id = ledger.channels
    by_alias = {a: r for r in by_id.values() for a in r.aliases if a not in by_id}
    won = _won(items, by_id, by_alias)
    for item in items:
        mine = won.get(item.id)
        item.record = min(mine, key=lambda r: (r.number, r.id)) if mine else None
        item.returning = None
    _claim_reserved([i for i in items if i.record is None], reserved)


def final_ids(items: Sequence[Item]) -> dict[str, str]:
    """The id each channel goes by, by its item's own id: the ledger's where it has one, else the preferred member's."""
    used = {i.record.id for i in items if i.record is not None}
    used |= {i.id for i in items if i.record is None and i.returning is None}
    ids: dict[str, str] = {}
    for item in sorted(items, key=lambda i: i.id):
        if item.record is not None:
            ids[item.id] = item.record.id
        elif item.returning is not None and item.returning.id not in used:
            ids[item.id] = item.returning.id
            used.add(item.returning.id)
        else:
            ids[item.id] = item.id
    return ids


def _won(
    items: Sequence[Item], by_id: Mapping[str, ChannelRecord], by_alias: Mapping[str, ChannelRecord]
) -> dict[str, list[ChannelRecord]]:
    """Records by the item that gets them: the one that holds the record's own id, else its first alias."""
    best: dict[str, tuple[tuple[int, str, str], ChannelRecord]] = {}
    if not by_id:
        return {}
    for item in items:
        for id_ in item.ids if item.members else (item.id,):
            record = by_id.get(id_)
            own = record is not None
            if record is None:
                record = by_alias.get(id_)
                if record is None:
                    continue  # nearly all of a large list
            rank = (0 if own else 1, id_, item.id)
            held = best.get(record.id)
            if held is None or rank < held[0]:
                best[record.id] = (rank, record)
    won: dict[str, list[ChannelRecord]] = {}
    for rank, record in best.values():
        won.setdefault(rank[2], []).append(record)
    return won


def _claim_reserved(items: Sequence[Item], reserved: Iterable[Retired]) -> None:
    """The same for numbers kept free: the latest retirement of a channel counts, then the lowest number."""
    by_any: dict[str, list[Retired]] = {}
    for kept in reserved:
        for id_ in (kept.id, *kept.aliases):
            by_any.setdefault(id_, []).append(kept)
    if not by_any:
        return
    claims: list[tuple[tuple[int, str, str], Item, Retired]] = []
    for item in items:
        for id_ in item.ids if item.members else (item.id,):
            if id_ in by_any:
                claims += [((int(id_ != kept.id), id_, item.id), item, kept) for kept in by_any[id_]]
    taken: set[tuple[str, int, str]] = set()
    for _, item, kept in sorted(claims, key=lambda c: (c[0], _age(c[2]))):
        place = (kept.dvr, kept.number, kept.id)
        if item.returning is None and place not in taken:
            item.returning = kept
            taken.add(place)


def _age(kept: Retired) -> tuple[int, int, str]:
    return (-date.fromisoformat(kept.day).toordinal(), kept.number, kept.dvr)
