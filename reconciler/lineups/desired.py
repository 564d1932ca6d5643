"""The desired state, computed: spec + what sources and guides say now + the ledger -> lineups.

    compute(spec, catalog, guides, ledger, today=...) -> Desired

Pure: equal inputs give equal values, in whatever order the sources listed their channels. The stages are, in order:
renames in the ledger, identity, overrides, filters, claims on remembered channels, buckets and who is held, filters
`for` a bucket, numbers, the ledger after. This module combines them and refuses to know any of their rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from types import MappingProxyType
from typing import Final

from reconciler.catalog.address import host_of
from reconciler.catalog.entry import Catalog
from reconciler.catalog.guide_index import GuideIndex
from reconciler.catalog.pause import collector_paused
from reconciler.ledger.model import ChannelRecord, Ledger
from reconciler.lineups.buckets import Assigned, Buckets, Homes, settle
from reconciler.lineups.claims import claim, final_ids
from reconciler.lineups.devices import dvrs_renamed, let_go
from reconciler.lineups.filters import Filters, Watch
from reconciler.lineups.identity import identify
from reconciler.lineups.item import Item, channel_of
from reconciler.lineups.links import Links
from reconciler.lineups.matching import uses_field
from reconciler.lineups.model import (
    OVERFLOW,
    Block,
    Channel,
    Desired,
    DvrTarget,
    Export,
    Funnel,
    Lineup,
    Row,
    Unbucketed,
    Verdict,
)
from reconciler.lineups.numbering import Numbers, Part, in_force
from reconciler.lineups.outcome import Causes, ledger_after
from reconciler.lineups.overrides import override, without_dropped
from reconciler.lineups.placing import Placed, place, split_names
from reconciler.lineups.rematch import Rematch, rekeyed, rematch, source_moved
from reconciler.spec.model import Drop, Merge, Only, Spec

__all__ = ["compute"]

_NO_VERDICTS: Final[Mapping[str, Verdict]] = MappingProxyType({})
_NO_WATCH: Final = Watch()


def compute(
    spec: Spec,
    catalog: Catalog,
    guides: Mapping[str, GuideIndex],
    ledger: Ledger,
    *,
    today: date,
    allow: frozenset[str] = frozenset(),
    verdicts: Mapping[str, Verdict] = _NO_VERDICTS,
    renumber: frozenset[str] = frozenset(),
    watch: Watch = _NO_WATCH,
) -> Desired:
    """What there should be. `allow` are words like `moved:sportsa`; `verdicts` by channel id.

    `renumber` are DVRs to number from scratch (`ptctl renumber`).
    `guides` by name; a missing one is as if it listed nothing. Costs about a second per 100,000 entries.
    """
    run = _Run(spec, catalog, guides, ledger, today, allow, verdicts, renumber, watch)
    with collector_paused():
        return run.desired()


@dataclass(slots=True)
class _Run:
    spec: Spec
    catalog: Catalog
    guides: Mapping[str, GuideIndex]
    ledger: Ledger
    today: date
    allow: frozenset[str]
    verdicts: Mapping[str, Verdict]
    renumber: frozenset[str]
    watch: Watch
    hosts: dict[str, tuple[str, ...]] = field(init=False)
    links: Links = field(init=False)
    bad: frozenset[str] = field(init=False)
    blocks: list[Block] = field(default_factory=list)
    rematch: Rematch = field(default=Rematch())

    def __post_init__(self) -> None:
        self.hosts = {n: tuple(host_of(h) for h in s.hosts) for n, s in self.spec.sources.items()}
        self.links = Links(self.spec, self.guides)
        self.bad = frozenset(i for i, v in self.verdicts.items() if v.effect == "out")

    def desired(self) -> Desired:
        spec = self.spec
        ledger = let_go(dvrs_renamed(self.ledger, spec.moved), spec.removed)
        items = identify(self.catalog.entries, ledger)
        present = {i.id: i for i in items}
        ledger = self._sources_moved(ledger, items)
        filters = Filters(spec, self.hosts, self.links.ensure, self.watch)
        override(items, spec.overrides, ledger, self.watch)
        left = without_dropped(filters.run(items), filters.tally, self.watch)
        entries = sum(i.entry.kind == "live" for i in items)
        live = [i for i in left if i.entry.kind == "live"]
        others = [i for i in left if i.entry.kind != "live"]
        del items, left  # the peak of memory is still to come
        homes = Homes.of(spec, {d: split_names(d, ledger) for d in spec.dvrs})
        assigned = self._assigned(live, ledger, homes)
        found = self._swapped(ledger, live, assigned, homes, present)
        if found is not ledger:
            ledger = found
            assigned = self._assigned(live, ledger, homes)
        del live
        caught = {name: list(of) for name, of in assigned.by_bucket.items()}
        for of in caught.values():
            self.links.ensure(of)
        funnels = {name: _caught(name, of) for name, of in caught.items()}
        self._special_filters(filters, assigned, homes, ledger)
        came_by = {i.id: name for name, of in assigned.by_bucket.items() for i in of}
        numbers = Numbers(ledger, self.today)
        placed = place(
            spec,
            ledger,
            assigned,
            homes,
            numbers,
            filters=filters,
            hosts=self.hosts,
            link=self.links.ensure,
            out=self._out(assigned),
            allow=self.allow,
            anew=self.renumber,
            watch=self.watch,
            today=self.today,
        )
        seated = [i for p in placed.parts for i in p.items.values()]
        exported = [i for of in placed.exports.values() for i in of]
        self.links.ensure(seated)
        ids = final_ids([*seated, *exported, *others])
        after = ledger_after(
            ledger,
            placed,
            ids,
            numbers,
            held=assigned.held_items,
            present=present,
            spec_digest=spec.digest,
            today=self.today,
        )
        causes = Causes(
            ledger,
            present,
            guide_filters=_guide_filters(spec),
            verdicts=self.verdicts,
            spec_digest=spec.digest,
        )
        targets = tuple(self._target(part, placed, ids, after, causes) for part in placed.parts)
        exports = self._exports(placed, others, ids)
        tally = filters.tally
        tally.dropped[OVERFLOW] += sum(i.weight for i in placed.left_out)
        return Desired(
            dvrs=targets,
            exports=exports,
            ledger=after,
            funnels=_funnels(spec, funnels, came_by, placed, targets),
            filtered=tuple((name, count) for name, count in tally.dropped.items() if count),
            held=tuple(assigned.held),
            unbucketed=_unbucketed(assigned.unbucketed),
            blocks=(*self.blocks, *(b for p in placed.parts for b in p.blocks)),
            entries=entries,
            without_guide=tally.without_guide,
            rematches=self.rematch.pairs,
            ambiguous=self.rematch.ambiguous,
        )

    def _sources_moved(self, ledger: Ledger, items: Sequence[Item]) -> Ledger:
        for rule in self.spec.moved:
            if rule.kind == "source":
                found = source_moved(ledger, items, rule.old, rule.new, rule.match)
                ledger = rekeyed(ledger, dict(found.pairs), items)
                self._note(found)
        return ledger

    def _note(self, found: Rematch) -> None:
        self.rematch = Rematch(
            (*self.rematch.pairs, *found.pairs), (*self.rematch.ambiguous, *found.ambiguous)
        )

    def _assigned(self, live: Sequence[Item], ledger: Ledger, homes: Homes) -> Assigned:
        claim(live, ledger, in_force(ledger.retired, self.today))
        return settle(
            live,
            Buckets(self.spec, self.hosts, self.links.ensure),
            homes,
            lambda: Filters(self.spec, self.hosts, self.links.ensure, _NO_WATCH),
            allow=self.allow,
            watch=self.watch,
        )

    def _swapped(
        self,
        ledger: Ledger,
        live: Sequence[Item],
        assigned: Assigned,
        homes: Homes,
        present: Mapping[str, Item],
    ) -> Ledger:
        """S105: most channels of a source are gone and as many new ones came. Returns the ledger with new ids, if allowed."""
        living: dict[str, list[ChannelRecord]] = {}
        for record in ledger.channels.values():
            if record.dvr in homes.bucket_of:
                living.setdefault(record.source, []).append(record)
        new: dict[str, list[Item]] = {}
        for name, of in assigned.by_bucket.items():
            for item in of if homes.own[name] else ():
                if item.record is None and item.returning is None:
                    new.setdefault(item.entry.source, []).append(item)
        for source in self.spec.sources:
            records, fresh = living.get(source, []), new.get(source, [])
            claimed = {i.record.id for i in live if i.record is not None}
            gone = [
                r
                for r in records
                if r.id not in claimed and not any(i in present for i in (r.id, *r.aliases))
            ]
            if len(records) < self.spec.safety.minimum or 2 * len(gone) <= len(records):
                continue
            if 2 * len(fresh) < len(gone):
                continue
            found = rematch(gone, fresh)
            self._note(found)
            if f"rematch:{source}" in self.allow:
                ledger = rekeyed(ledger, dict(found.pairs), live)
                continue
            message = (
                f"{len(gone)} of {len(records)} channels of source {source} are gone and {len(fresh)} new ones "
                f"came, as when a panel is swapped: {len(found.pairs)} can be matched again by guide id and name"
            )
            self.blocks.append(Block("S105", "", message, f"rematch:{source}"))
        return ledger

    def _special_filters(self, filters: Filters, assigned: Assigned, homes: Homes, ledger: Ledger) -> None:
        """Filters `for` buckets. Who lives in another bucket's DVR by overflow also meets that bucket's filters."""
        if not any(f.buckets for f in self.spec.filters):
            return
        for name, of in assigned.by_bucket.items():
            self._not_for(name, of)
            left = filters.run_bucket(name, of)
            abroad: dict[str, list[Item]] = {}
            for item in left:
                where = homes.bucket_of.get(item.record.dvr, name) if item.record else name
                if where != name and item.id not in assigned.moved:
                    abroad.setdefault(where, []).append(item)
            for where, some in abroad.items():
                kept = {i.id for i in filters.run_bucket(where, some)}
                left = [i for i in left if i.id in kept or i not in some]
            assigned.by_bucket[name] = without_dropped(left, filters.tally, self.watch)
        if any(f.buckets and isinstance(f.action, Merge) for f in self.spec.filters):
            everyone = [i for of in assigned.by_bucket.values() for i in of]
            claim(everyone, ledger, in_force(ledger.retired, self.today))

    def _not_for(self, bucket: str, items: Iterable[Item]) -> None:
        """Tell watched channels of a bucket which filters are for others."""
        for item in items if self.watch.ids else ():
            for rule in self.spec.filters:
                if rule.buckets and bucket not in rule.buckets:
                    self.watch.note(item.id, f"filter {rule.name}", "not for this bucket", rule.at)

    def _out(self, assigned: Assigned) -> frozenset[str]:
        """Items that probes, lists or pruning leave out."""
        if not self.verdicts:
            return frozenset()
        return frozenset(
            item.id
            for of in assigned.by_bucket.values()
            for item in of
            if self._verdict(item, item.record.id if item.record else item.id) == "out"
        )

    def _verdict(self, item: Item, id_: str) -> str:
        """What is said of the channel, else "out" where it is said of every member, else ""."""
        verdict = self.verdicts.get(id_)
        if verdict is not None:
            return verdict.effect
        return "out" if all(i in self.bad for i in item.ids) else ""

    def _target(
        self, part: Part, placed: Placed, ids: Mapping[str, str], after: Ledger, causes: Causes
    ) -> DvrTarget:
        rows = []
        for number, item in sorted(part.items.items()):
            verdict = self._verdict(item, ids[item.id])
            if verdict != "out":
                channel = self._channel(item, ids[item.id], after)
                rows.append(Row(number, channel, off=verdict == "off"))
        overflowed = placed.overflowed.get(part.name, Counter())
        return DvrTarget(
            record=part.record,
            dvr=part.dvr,
            lineup=Lineup(part.name, tuple(rows)),
            causes=causes.of(part, ids, placed.retired),
            overflowed=tuple(sorted(overflowed.items())),
        )

    def _channel(self, item: Item, id_: str, after: Ledger) -> Channel:
        record = after.channels.get(id_)
        aliases = record.aliases if record else tuple(sorted(i for i in item.ids if i != id_))
        return channel_of(item, id_, aliases, self.links.icon, self.bad)

    def _exports(self, placed: Placed, others: Sequence[Item], ids: Mapping[str, str]) -> tuple[Export, ...]:
        exports = [
            Export(f"dvr-{name}", tuple(self._channel(i, ids[i.id], self.ledger) for i in items))
            for name, items in placed.exports.items()
        ]
        for kind in ("vod", "series"):
            wanted = any(kind in s.content for s in self.spec.sources.values())
            some = [i for i in others if i.entry.kind == kind]
            some.sort(key=lambda i: (i.group.casefold(), i.name.casefold(), i.id))
            if wanted or some:
                exports.append(
                    Export(kind, tuple(channel_of(i, ids[i.id], (), self.links.icon) for i in some))
                )
        return tuple(exports)


def _caught(name: str, items: Sequence[Item]) -> Funnel:
    parts = [p for i in items for p in i.parts]
    return Funnel(
        bucket=name,
        caught=len(parts),
        with_id=sum(bool(p.guide_id) for p in parts),
        in_guide=sum(p.link is not None for p in parts),
        merged=0,
        kept=0,
    )


def _funnels(
    spec: Spec,
    caught: Mapping[str, Funnel],
    came_by: Mapping[str, str],
    placed: Placed,
    targets: Iterable[DvrTarget],
) -> tuple[Funnel, ...]:
    """`came_by` is the bucket of each item id: one that overflowed is kept of its own bucket, wherever it sits."""
    merged = Counter(came_by.values())
    kept = Counter(came_by[i.id] for of in placed.exports.values() for i in of)
    for part, target in zip(placed.parts, targets, strict=True):
        kept.update(came_by[part.items[row.number].id] for row in target.lineup.rows)
    return tuple(replace(caught[b.name], merged=merged[b.name], kept=kept[b.name]) for b in spec.buckets)


def _unbucketed(items: Iterable[Item]) -> Unbucketed:
    groups: Counter[str] = Counter()
    for item in items:
        groups[item.group] += len(item.members) or 1  # `weight`, without a call for each of a large list
    return Unbucketed(tuple(sorted(groups.items(), key=lambda g: (-g[1], g[0]))))


def _guide_filters(spec: Spec) -> frozenset[str]:
    return frozenset(
        f.name
        for f in spec.filters
        if isinstance(f.action, (Drop, Only)) and uses_field(f.action.match, "guide")
    )
