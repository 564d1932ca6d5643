"""Why a channel is where it is: every stage it went through, with the place of the rule in the spec.

The same computation as any other run, with some channels watched; so an explanation cannot disagree with the plan.
This module refuses to render.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Final

from reconciler.catalog.entry import Catalog
from reconciler.catalog.guide_index import GuideIndex
from reconciler.catalog.guide_match import How, MatchInput, match
from reconciler.ledger.model import Ledger
from reconciler.lineups.desired import compute
from reconciler.lineups.filters import Event, Watch
from reconciler.lineups.identity import identify
from reconciler.lineups.item import Item
from reconciler.lineups.model import Desired, DvrTarget, GuideLink, Held, Row, Verdict
from reconciler.spec.model import Spec

__all__ = ["Explained", "explain"]

_MOST: Final = 50
_SURE_WAYS: Final[tuple[How, ...]] = ("id", "id-normalised", "name")
_NO_VERDICTS: Final[Mapping[str, Verdict]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Explained:
    """One channel's way. `dvr` and `number` are "" and None where it has no place; `since` is the day it got the number.

    `events` are in order; `alternatives` are all ids that stand behind it, the preferred one first.
    """

    id: str
    name: str
    group: str
    source: str
    guide_id: str
    events: tuple[Event, ...]
    dvr: str = ""
    number: int | None = None
    since: str = ""
    place: int = 0
    of: int = 0
    off: bool = False
    link: GuideLink | None = None
    alternatives: tuple[str, ...] = ()
    held: Held | None = None


def explain(
    query: str,
    spec: Spec,
    catalog: Catalog,
    guides: Mapping[str, GuideIndex],
    ledger: Ledger,
    *,
    today: date,
    allow: frozenset[str] = frozenset(),
    verdicts: Mapping[str, Verdict] = _NO_VERDICTS,
) -> tuple[Explained, ...]:
    """The ways of all channels that `query` means: an id, alias or guide number, else an exact name or guide id, else part
    of a name.

    At most 50, by id. Costs what two runs of `compute` cost.
    """
    items = _meant(query, identify(catalog.entries, ledger), ledger)
    if not items:
        return ()
    watch = Watch(frozenset(i.id for i in items))
    desired = compute(spec, catalog, guides, ledger, today=today, allow=allow, verdicts=verdicts, watch=watch)
    rows = _rows(desired)
    held = {h.channel: h for h in desired.held}
    ways = [_explained(item, watch, rows, held, desired.ledger, verdicts) for item in items]
    return tuple(
        one if one.link or one.number is None else _without_guide(one, item, spec, guides)
        for one, item in zip(ways, items, strict=True)
    )


def _without_guide(found: Explained, item: Item, spec: Spec, guides: Mapping[str, GuideIndex]) -> Explained:
    """With a word on why no guide tells its programmes, and by which other way of `match` one would."""
    had = [(guide, guides[name]) for name, guide in spec.guides.items() if name in guides]
    if not had:
        return (
            replace(found, events=(*found.events, Event("guide", "none could be had")))
            if spec.guides
            else found
        )
    why = f'none lists "{found.guide_id}"' if found.guide_id else "it has no guide id"
    asked = MatchInput(found.id, found.guide_id, found.name, item.entry.guide_name)
    for guide, index in had:
        more = tuple(how for how in _SURE_WAYS if how not in guide.match)
        hit = match([asked], [(replace(guide, match=more), index)]).get(found.id)
        if hit is not None:
            ways = ", ".join((*guide.match, hit.how))
            why += f'; "{hit.xmltv_id}" of {guide.name} looks like it: match: [{ways}] there'
            break
    return replace(found, events=(*found.events, Event("guide", why)))


def _meant(query: str, items: list[Item], ledger: Ledger) -> list[Item]:
    ids = {query}
    for record in ledger.channels.values():
        if query in {record.id, str(record.number)} or query in record.aliases:
            ids |= {record.id, *record.aliases}
    folded = query.casefold()
    for found in (
        [i for i in items if i.id in ids],
        [i for i in items if folded in {i.name.casefold(), i.guide_id.casefold()}],
        [i for i in items if folded in i.name.casefold()],
    ):
        if found and folded:
            return sorted(found, key=lambda i: i.id)[:_MOST]
    return []


def _rows(desired: Desired) -> dict[str, tuple[DvrTarget, int, Row]]:
    """Target, place in the lineup and row, by every id that stands behind the row's channel."""
    return {
        id_: (target, place, row)
        for target in desired.dvrs
        for place, row in enumerate(target.lineup.rows, 1)
        for id_ in (row.channel.id, *row.channel.aliases)
    }


def _explained(
    item: Item,
    watch: Watch,
    rows: Mapping[str, tuple[DvrTarget, int, Row]],
    held: Mapping[str, Held],
    ledger: Ledger,
    verdicts: Mapping[str, Verdict],
) -> Explained:
    entry = item.entry
    events = [Event(f"source {entry.source}", _listed(item)), *watch.events.get(item.id, ())]
    verdict = verdicts.get(item.id)
    if verdict is not None:
        events.append(
            Event(verdict.cause, f"{verdict.effect}: {verdict.why}" if verdict.why else verdict.effect)
        )
    plain = Explained(item.id, item.name, entry.group, entry.source, entry.guide_id, tuple(events))
    if item.id not in rows:
        return plain
    target, place, row = rows[item.id]
    record = ledger.channels.get(row.channel.id)
    return Explained(
        id=row.channel.id,
        name=row.channel.name,
        group=entry.group,
        source=entry.source,
        guide_id=row.channel.guide_id,
        events=tuple(events),
        dvr=target.record.name,
        number=row.number,
        since=record.since if record else "",
        place=place,
        of=len(target.lineup.rows),
        off=row.off,
        link=row.channel.link,
        alternatives=(row.channel.id, *row.channel.aliases),
        held=held.get(row.channel.id),
    )


def _listed(item: Item) -> str:
    entry = item.entry
    addresses = bool(entry.url) + len(entry.more_urls)
    more = f", {addresses} addresses" if addresses > 1 else ""
    return f'listed in group "{entry.group}"{more}' if entry.group else f"listed without a group{more}"
