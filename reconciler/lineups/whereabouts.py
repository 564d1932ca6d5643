"""Where each entry of the sources goes by the rules of the spec as they are: a bucket, a filter, another entry.

For `ptctl catalog`: what a group or a matcher catches, and what becomes of it now. The rules are those of every run
(`filters`, `buckets`), asked without numbering; a channel that lives elsewhere is `plan`'s business. This module refuses
to number, and to know what a DVR has room for.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from reconciler.catalog.address import host_of
from reconciler.catalog.entry import Catalog, Kind
from reconciler.catalog.guide_index import GuideIndex
from reconciler.catalog.pause import collector_paused
from reconciler.ledger.model import Ledger
from reconciler.lineups.buckets import Buckets
from reconciler.lineups.filters import Filters, Watch
from reconciler.lineups.identity import identify
from reconciler.lineups.item import Item
from reconciler.lineups.links import Links
from reconciler.lineups.matching import predicate
from reconciler.lineups.overrides import override, without_dropped
from reconciler.spec.model import Matcher, Spec

__all__ = ["Goes", "GroupCount", "Whereabout", "group_counts", "whereabouts"]

KINDS: Final[dict[Kind, int]] = {"live": 0, "vod": 1, "series": 2}
Goes = Literal["bucket", "filter", "merged", "none", "export"]


@dataclass(frozen=True, slots=True)
class Whereabout:
    """One entry as its provider lists it, and where it goes.

    `place` is the bucket's or the filter's name, the id of the entry it is an alternative of, or for films and series
    (`export`) their kind; "" for `none`: no bucket's rule matches.
    """

    id: str
    name: str
    group: str
    source: str
    kind: Kind
    guide_id: str
    listed: bool
    number: int | None
    goes: Goes
    place: str


@dataclass(frozen=True, slots=True)
class GroupCount:
    """One group of one source: its entries, those with a guide id, those that a guide lists, and where they go.

    `goes` are pairs of what `Whereabout` says (goes, place) with counts, the most frequent first; an alternative's
    place is left out, because each has another.
    """

    source: str
    kind: Kind
    group: str
    entries: int
    with_id: int
    listed: int
    goes: tuple[tuple[tuple[Goes, str], int], ...]

    @property
    def share(self) -> float:
        """The part of the entries that a guide lists, 0 to 1."""
        return self.listed / self.entries


def group_counts(entries: Iterable[Whereabout]) -> tuple[GroupCount, ...]:
    """All groups, by source in the order of the entries, live before films and series, the largest first."""
    by_group: dict[tuple[str, Kind, str], list[Whereabout]] = {}
    for entry in entries:
        by_group.setdefault((entry.source, entry.kind, entry.group), []).append(entry)
    counted = [
        GroupCount(
            *key,
            entries=len(of),
            with_id=sum(bool(e.guide_id) for e in of),
            listed=sum(e.listed for e in of),
            goes=_most_common((e.goes, "" if e.goes == "merged" else e.place) for e in of),
        )
        for key, of in by_group.items()
    ]
    rank = {source: place for place, source in enumerate(dict.fromkeys(g.source for g in counted))}
    counted.sort(key=lambda g: (rank[g.source], KINDS[g.kind], -g.entries, g.group.casefold(), g.group))
    return tuple(counted)


def _most_common(places: Iterable[tuple[Goes, str]]) -> tuple[tuple[tuple[Goes, str], int], ...]:
    return tuple(sorted(Counter(places).items(), key=lambda p: (-p[1], p[0])))


def whereabouts(
    spec: Spec,
    catalog: Catalog,
    guides: Mapping[str, GuideIndex],
    ledger: Ledger,
    matcher: Matcher | None = None,
) -> tuple[Whereabout, ...]:
    """All entries in the order of the sources, or those that `matcher` catches before any filter changes them.

    Costs about a second per 100,000 entries.
    """
    hosts = {n: tuple(host_of(h) for h in s.hosts) for n, s in spec.sources.items()}
    with collector_paused():
        items = identify(catalog.entries, ledger)
        links = Links(spec, guides)
        links.ensure(items)
        test = predicate(matcher, hosts) if matcher is not None else None
        wanted = [item for item in items if test is None or test(item)]
        # as listed: the filters below change the items themselves
        faces = [(i, i.name, i.group, i.guide_id, i.link is not None) for i in wanted]
        homes = _homes(spec, items, links, hosts, ledger)
        rank = {name: place for place, name in enumerate(spec.sources)}
        faces.sort(
            key=lambda f: (
                rank.get(f[0].entry.source, len(rank)),
                KINDS[f[0].entry.kind],
                f[0].entry.number is None,
                f[0].entry.number or 0,
                f[1].casefold(),
                f[0].id,
            )
        )
        return tuple(
            Whereabout(
                item.id, name, group, item.entry.source, item.entry.kind, guide_id, listed, item.entry.number,
                *homes.get(item.id, ("none", "")),
            )
            for item, name, group, guide_id, listed in faces
        )  # fmt: skip


def _homes(
    spec: Spec,
    items: list[Item],
    links: Links,
    hosts: Mapping[str, tuple[str, ...]],
    ledger: Ledger,
) -> dict[str, tuple[Goes, str]]:
    watch = Watch()
    filters = Filters(spec, hosts, links.ensure, watch)
    override(items, spec.overrides, ledger, watch)
    left = without_dropped(filters.run(items), filters.tally, watch)
    homes: dict[str, tuple[Goes, str]] = {i.id: ("filter", i.dropped) for i in items if i.dropped}
    live = [i for i in left if i.entry.kind == "live"]
    for item, bucket in zip(live, Buckets(spec, hosts, links.ensure).assign(live), strict=True):
        homes[item.id] = ("bucket", bucket.name) if bucket else ("none", "")
    for item in left:
        if item.entry.kind != "live":
            homes[item.id] = ("export", item.entry.kind)
    homes.update(_merged(left))
    of_bucket: dict[str, list[Item]] = {}
    for item in live:
        goes, name = homes[item.id]
        if goes == "bucket":
            of_bucket.setdefault(name, []).append(item)
    for name, some in of_bucket.items():
        kept = without_dropped(filters.run_bucket(name, some), filters.tally, watch)
        homes.update({i.id: ("filter", i.dropped) for i in some if i.dropped})
        homes.update(_merged(kept))
    return homes


def _merged(items: Iterable[Item]) -> dict[str, tuple[Goes, str]]:
    return {m.id: ("merged", i.id) for i in items for m in i.members if m.id != i.id}
