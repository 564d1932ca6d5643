"""What the sources offer, counted: groups with their share in the guides, and what a matcher would catch.

For `ptctl catalog` and `ptctl init`, from the cache, before any bucket exists. This module refuses to number and to
filter: it shows what filters would see.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.catalog.address import host_of
from reconciler.catalog.entry import Catalog, Kind
from reconciler.catalog.guide_index import GuideIndex
from reconciler.catalog.pause import collector_paused
from reconciler.ledger.model import Ledger
from reconciler.lineups.identity import identify
from reconciler.lineups.item import Item, channel_of
from reconciler.lineups.links import Links
from reconciler.lineups.matching import predicate
from reconciler.lineups.model import Channel
from reconciler.spec.model import Matcher, Spec

__all__ = ["GroupCount", "groups", "offered"]


@dataclass(frozen=True, slots=True)
class GroupCount:
    """One group of one source: its entries, those with a guide id, those that a guide lists, three names."""

    source: str
    kind: Kind
    group: str
    entries: int
    with_id: int
    listed: int
    examples: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The part of the entries that a guide lists, 0 to 1."""
        return self.listed / self.entries


def groups(spec: Spec, catalog: Catalog, guides: Mapping[str, GuideIndex]) -> tuple[GroupCount, ...]:
    """All groups, by source in the order of the spec, live before films and series, the largest first."""
    with collector_paused():
        items = identify(catalog.entries, Ledger())
        Links(spec, guides).ensure(items)
        found: dict[tuple[str, Kind, str], list[Item]] = {}
        for item in items:
            entry = item.entry
            found.setdefault((entry.source, entry.kind, entry.group), []).append(item)
    rank = {name: i for i, name in enumerate(spec.sources)}
    kinds = {"live": 0, "vod": 1, "series": 2}
    counted = [
        GroupCount(
            source=source,
            kind=kind,
            group=group,
            entries=len(of),
            with_id=sum(bool(i.guide_id) for i in of),
            listed=sum(i.link is not None for i in of),
            examples=tuple(sorted({i.name for i in of}, key=lambda n: (n.casefold(), n))[:3]),
        )
        for (source, kind, group), of in found.items()
    ]
    counted.sort(key=lambda g: (rank.get(g.source, len(rank)), kinds[g.kind], -g.entries, g.group))
    return tuple(counted)


def offered(
    spec: Spec,
    catalog: Catalog,
    guides: Mapping[str, GuideIndex],
    matcher: Matcher,
    ledger: Ledger | None = None,
) -> tuple[Channel, ...]:
    """What a matcher would catch of the unfiltered catalogue, by source, provider number and name.

    With the ledger, ids of lists without stream ids are those that channels already go by.
    """
    with collector_paused():
        items = identify(catalog.entries, ledger or Ledger())
        Links(spec, guides).ensure(items)
        test = predicate(matcher, {n: tuple(host_of(h) for h in s.hosts) for n, s in spec.sources.items()})
        caught = [item for item in items if test(item)]
    rank = {name: i for i, name in enumerate(spec.sources)}
    caught.sort(
        key=lambda i: (
            rank.get(i.entry.source, len(rank)),
            i.entry.number is None,
            i.entry.number or 0,
            i.name.casefold(),
            i.id,
        )
    )
    return tuple(channel_of(item, item.id, ()) for item in caught)
