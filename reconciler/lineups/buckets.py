"""Which bucket each channel belongs to: first match wins, and a living channel stays where it lives.

A provider that renames a group must not move anybody (design.md 4 "held"): a channel whose rule now says another DVR
stays unless the *spec* changed its place. The two are told apart by asking the rules about the group that the channel
had when rule and place last agreed. This module refuses to give numbers.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never

from reconciler.ledger.model import ChannelRecord
from reconciler.lineups.filters import Filters, Watch
from reconciler.lineups.identity import facts_of
from reconciler.lineups.item import Item
from reconciler.lineups.matching import Hosts, Predicate, predicate, uses_field
from reconciler.lineups.model import Held
from reconciler.spec.model import AllOf, AnyOf, Bucket, FieldIs, Matcher, Nothing, Spec

__all__ = ["Assigned", "Buckets", "Homes", "settle"]

_FEW: Final = frozenset({"group", "source", "country", "language", "kind", "radio"})

Key = tuple[str, str, str, str, str, bool]


class Buckets:
    """The rules of a spec, compiled. `link` matches items with guides where a rule asks for them.

    Most rules speak of the group, and a list has few groups among many channels: for each combination of such fields
    the rules are simplified once, and a channel is asked only what is left open (its name, mostly).
    """

    def __init__(self, spec: Spec, hosts: Hosts, link: Callable[[Sequence[Item]], None]) -> None:
        self._rules = [(b, b.match) for b in spec.buckets if b.match is not None]
        self._hosts = hosts
        self._asks_guides = any(uses_field(m, "guide") for _, m in self._rules)
        self._link = link
        self._few: dict[FieldIs, Predicate] = {}
        self._open: dict[Matcher, Predicate] = {}

    def assign(self, items: Sequence[Item]) -> list[Bucket | None]:
        """The bucket of each item by rule, None where none matches."""
        if self._asks_guides:
            self._link(items)
        known: dict[Key, tuple[tuple[tuple[Bucket, Predicate], ...], Bucket | None]] = {}
        found: list[Bucket | None] = []
        for item in items:
            entry = item.entry
            key = (item.group, entry.source, item.country, item.language, entry.kind, entry.radio)
            rules = known.get(key)
            if rules is None:
                rules = known[key] = self._simplified(item)
            for bucket, test in rules[0]:
                if test(item):
                    found.append(bucket)
                    break
            else:
                found.append(rules[1])
        return found

    def _simplified(self, item: Item) -> tuple[tuple[tuple[Bucket, Predicate], ...], Bucket | None]:
        """The rules left open for items of this kind, and the bucket of those that meet none of them."""
        left: list[tuple[Bucket, Predicate]] = []
        for bucket, matcher in self._rules:
            rest = self._rest(matcher, item)
            if rest is True:
                return tuple(left), bucket
            if rest is not False:
                if rest not in self._open:
                    self._open[rest] = predicate(rest, self._hosts)
                left.append((bucket, self._open[rest]))
        return tuple(left), None

    def _rest(self, matcher: Matcher, item: Item) -> Matcher | bool:
        """The matcher with what is known of the item put in: an answer, or what remains to be asked."""
        match matcher:
            case FieldIs(field):
                if field not in _FEW:
                    return matcher
                if matcher not in self._few:
                    self._few[matcher] = predicate(matcher, self._hosts)
                return self._few[matcher](item)
            case Nothing(inner):
                rest = self._rest(inner, item)
                return (not rest) if isinstance(rest, bool) else Nothing(rest)
            case AllOf(matchers):
                parts = [self._rest(m, item) for m in matchers]
                if any(part is False for part in parts):
                    return False
                left = tuple(part for part in parts if not isinstance(part, bool))
                return AllOf(left) if left else True
            case AnyOf(matchers):
                parts = [self._rest(m, item) for m in matchers]
                if any(part is True for part in parts):
                    return True
                left = tuple(part for part in parts if not isinstance(part, bool))
                return AnyOf(left) if left else False
            case _ as never:
                assert_never(never)


@dataclass(frozen=True, slots=True)
class Homes:
    """Where channels of a bucket may live: its own DVRs, then those its overflow leads to, and back."""

    own: Mapping[str, tuple[str, ...]]
    reach: Mapping[str, frozenset[str]]
    bucket_of: Mapping[str, str]

    @classmethod
    def of(cls, spec: Spec, parts: Mapping[str, Sequence[str]]) -> "Homes":
        """The homes of a spec. `parts` are the names of each DVR's devices, split ones included."""
        own: dict[str, tuple[str, ...]] = {b.name: () for b in spec.buckets}
        for dvr in spec.dvrs.values():
            own[dvr.bucket] = (*own.get(dvr.bucket, ()), *parts.get(dvr.name, (dvr.name,)))
        overflow = {b.name: b.overflow for b in spec.buckets}
        reach = {}
        for name in own:
            names: list[str] = []
            at: str | None = name
            while at in own and at not in names:
                names.append(at)
                at = overflow.get(at)
            reach[name] = frozenset(dvr for n in names for dvr in own[n])
        return cls(own, reach, {dvr: b for b, dvrs in own.items() for dvr in dvrs})


@dataclass(slots=True)
class Assigned:
    """Items by bucket; `living` stay in their record's DVR whatever the bucket's room."""

    by_bucket: dict[str, list[Item]]
    held: list[Held] = field(default_factory=list)
    unbucketed: list[Item] = field(default_factory=list)
    held_items: dict[str, str] = field(default_factory=dict)
    """By item id of those held: the bucket of the rule where the provider renamed the channel, else ""."""
    moved: set[str] = field(default_factory=set)
    """Ids of items that leave the DVR they lived in, because spec or `--allow moved:` says so."""


def settle(
    items: Sequence[Item],
    rules: Buckets,
    homes: Homes,
    ghosts: Callable[[], Filters],
    *,
    allow: frozenset[str],
    watch: Watch,
) -> Assigned:
    """Every item in a bucket or in none. `ghosts` makes the filters anew, for asking what they would have said."""
    buckets = rules.assign(items)
    assigned = Assigned({name: [] for name in homes.own})
    astray = [
        (item, bucket)
        for item, bucket in zip(items, buckets, strict=True)
        if (r := item.record) is not None
        and r.dvr in homes.bucket_of
        and (bucket is None or r.dvr not in homes.reach[bucket.name])
    ]
    stay = _holders(astray, rules, homes, ghosts, allow=allow)
    watching = bool(watch.ids)  # texts for nobody would cost as much as all the rest
    for item, bucket in zip(items, buckets, strict=True):
        record = item.record
        if item.id in stay and record is not None:
            would_be = bucket.name if bucket else ""
            assigned.held.append(
                Held(record.id, item.name, record.dvr, would_be, record.group, item.entry.group)
            )
            assigned.held_items[item.id] = stay[item.id]
            assigned.by_bucket[homes.bucket_of[record.dvr]].append(item)
            watch.note(item.id, f"bucket {would_be or '(none)'}", f"held in {record.dvr}, where it lives")
            continue
        if record is not None and (bucket is None or record.dvr not in homes.reach[bucket.name]):
            assigned.moved.add(item.id)
        if bucket is None:
            assigned.unbucketed.append(item)
            if watching:
                watch.note(item.id, "bucket", "no rule matches")
        else:
            assigned.by_bucket[bucket.name].append(item)
            if watching:
                watch.note(item.id, f"bucket {bucket.name}", "matched", bucket.at)
    assigned.held.sort(key=lambda h: (h.dvr, h.channel))
    return assigned


def _holders(
    astray: Iterable[tuple[Item, Bucket | None]],
    rules: Buckets,
    homes: Homes,
    ghosts: Callable[[], Filters],
    *,
    allow: frozenset[str],
) -> dict[str, str]:
    """Those of the astray that stay, because the provider changed what it says of them, as `Assigned.held_items`."""
    stay: dict[str, str] = {}
    asked = []
    for item, bucket in astray:
        record = item.record
        if record is None or f"moved:{record.dvr}" in allow:
            continue
        rule = bucket.name if bucket else "-"
        # Rules over a name or guide id cannot be asked about the old one: held at the rename, and as long as the rule
        # says the same; an edited rule then moves it.
        if record.held == rule or _renamed(item, record):
            stay[item.id] = rule
        elif not record.group:
            stay[item.id] = ""
        elif item.entry.group != record.group:
            asked.append(item)
    if asked:
        before = [_as_before(item) for item in asked]
        left = {id(ghost) for ghost in ghosts().run(before)}
        for item, ghost, bucket in zip(asked, before, rules.assign(before), strict=True):
            record = item.record
            if record is None or bucket is None or id(ghost) not in left:
                continue
            if record.dvr in homes.reach[bucket.name]:
                stay[item.id] = ""
    return stay


def _renamed(item: Item, record: ChannelRecord) -> bool:
    """Whether the provider changed name or guide id since the last run."""
    if not record.name and not record.guide_id:
        return True
    return not any(
        (f := facts_of(p.entry)).name == record.name and f.guide_id == record.guide_id for p in item.parts
    )


def _as_before(item: Item) -> Item:
    """The item as the provider listed it when it came to live where it lives."""
    record = item.record
    assert record is not None
    ghost = Item(item.entry._replace(group=record.group), item.id, item.path)
    ghost.fixed = item.fixed
    for name in item.fixed & {"name", "group", "guide_id", "logo"}:
        setattr(ghost, name, getattr(item, name))
    ghost.link, ghost.linked = item.link, True
    return ghost
