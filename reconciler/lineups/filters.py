"""Filters in the order of the spec: what is dropped, kept, renamed, set, merged, and the verdict on each.

Each step runs over all items before the next begins, so that a step that needs the guides can have them matched for
everything at once. Counts are in catalogue entries. This module refuses to know buckets' contents and numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from reconciler.diagnostics import Span
from reconciler.lineups.item import Item
from reconciler.lineups.matching import Hosts, Predicate, predicate, uses_field
from reconciler.lineups.merge import merged
from reconciler.patterns import substituting
from reconciler.spec.model import Drop, Filter, Matcher, Merge, Only, Prefer, Rename, SetFields, Spec

__all__ = ["Event", "Filters", "Tally", "Watch"]

Ensure = Callable[[Sequence[Item]], None]


@dataclass(frozen=True, slots=True)
class Event:
    """What one stage did to a watched channel: "filter no-adult", "kept (no match)", and where the rule stands."""

    stage: str
    verdict: str
    at: Span | None = None


@dataclass(slots=True)
class Watch:
    """Item ids whose way is noted, for `ptctl explain`. Empty in every ordinary run, and then it costs nothing."""

    ids: frozenset[str] = frozenset()
    events: dict[str, list[Event]] = field(default_factory=dict)

    def note(self, id_: str, stage: str, verdict: str, at: Span | None = None) -> None:
        """Add a line to the trail of a watched id; nothing for others."""
        if id_ in self.ids:
            self.events.setdefault(id_, []).append(Event(stage, verdict, at))


@dataclass(slots=True)
class Tally:
    """Entries taken out, by filter name in first-use order, and by filters that ask for a guide."""

    dropped: Counter[str] = field(default_factory=Counter)
    without_guide: int = 0

    def note(self, name: str, item: Item, *, guide: bool = False) -> None:
        """Count an item's entries as taken out by `name`. Only live entries are counted: others have no lineup."""
        item.dropped = name
        if item.entry.kind != "live":
            return
        if guide:
            self.without_guide += item.weight
        else:
            self.dropped[name] += item.weight


@dataclass(frozen=True, slots=True)
class _Step:
    rule: Filter
    run: Callable[[list[Item]], list[Item]]
    needs_guide: bool


class Filters:
    """The compiled filters of a spec. `link` matches items with guides; it is called before a step that asks.

    The instance is used for one run: it holds the tally.
    """

    def __init__(self, spec: Spec, hosts: Hosts, link: Ensure, watch: Watch) -> None:
        self.tally = Tally()
        self._hosts = hosts
        self._link = link
        self._watch = watch
        self._sources = {name: rank for rank, name in enumerate(spec.sources)}
        self._general = [self._step(f) for f in spec.filters if not f.buckets]
        self._special: dict[str, list[_Step]] = {}
        for rule in spec.filters:
            for bucket in rule.buckets:
                self._special.setdefault(bucket, []).append(self._step(rule))

    def run(self, items: Iterable[Item]) -> list[Item]:
        """What is left after all filters without `for`."""
        return self._through(self._general, list(items))

    def run_bucket(self, bucket: str, items: Sequence[Item]) -> list[Item]:
        """What is left after the filters `for` one bucket."""
        return self._through(self._special.get(bucket, ()), list(items))

    def _through(self, steps: Iterable[_Step], items: list[Item]) -> list[Item]:
        for step in steps:
            if step.needs_guide:
                self._link(items)
            before = self._before(items)
            items = step.run(items)
            if before:
                self._explain(step.rule, before, items)
        return items

    def _step(self, rule: Filter) -> _Step:
        action = rule.action
        match action:
            case Drop(match):
                return _Step(rule, self._removal(rule, match, keep=False), uses_field(match, "guide"))
            case Only(match):
                return _Step(rule, self._removal(rule, match, keep=True), uses_field(match, "guide"))
            case Rename():
                return _Step(rule, _renaming(action), needs_guide=False)
            case SetFields(when, _):
                return _Step(rule, _setting(action, predicate(when, self._hosts)), uses_field(when, "guide"))
            case Merge(_, prefer):
                asks = any(uses_field(p.match, "guide") for p in prefer)
                return _Step(rule, self._merging(rule, action, prefer), asks)
            case _ as never:
                assert_never(never)

    def _removal(self, rule: Filter, match: Matcher, *, keep: bool) -> Callable[[list[Item]], list[Item]]:
        test = predicate(match, self._hosts)
        guide = uses_field(match, "guide")

        def run(items: list[Item]) -> list[Item]:
            left = []
            for item in items:
                if test(item) is keep:
                    left.append(item)
                else:
                    self.tally.note(rule.name, item, guide=guide)
            return left

        return run

    def _merging(
        self, rule: Filter, action: Merge, prefer: Iterable[Prefer]
    ) -> Callable[[list[Item]], list[Item]]:
        wishes = [predicate(p.match, self._hosts) for p in prefer]

        def run(items: list[Item]) -> list[Item]:
            left = merged(items, action, wishes, self._sources)
            if folded := _live(items) - _live(left):
                self.tally.dropped[rule.name] += folded
            return left

        return run

    def _before(self, items: Sequence[Item]) -> Mapping[str, tuple[str, ...]]:
        ids = self._watch.ids
        return {i.id: _face(i) for i in items if i.id in ids} if ids else {}

    def _explain(self, rule: Filter, before: Mapping[str, tuple[str, ...]], items: Sequence[Item]) -> None:
        after = {i.id: i for i in items if i.id in before}
        homes = {m.id: i for i in items for m in i.members} if isinstance(rule.action, Merge) else {}
        for id_, face in before.items():
            item = after.get(id_)
            if item is not None and item.id in homes and len(item.members) > 1:
                verdict = f"stands for {len(item.members)} alternatives"
            elif item is not None:
                changed = [f"{a!r} -> {b!r}" for a, b in zip(face, _face(item), strict=True) if a != b]
                matched = "kept (matches)" if isinstance(rule.action, Only) else "kept (no match)"
                verdict = ", ".join(changed) or matched
            elif id_ in homes:
                verdict = f"an alternative of {homes[id_].id}"
            else:
                verdict = "dropped"
            self._watch.note(id_, f"filter {rule.name}", verdict, rule.at)


def _live(items: Iterable[Item]) -> int:
    return sum(item.entry.kind == "live" for item in items)


def _face(item: Item) -> tuple[str, ...]:
    return (item.name, item.group, item.guide_id, item.logo, item.country, item.language, item.quality)


def _renaming(action: Rename) -> Callable[[list[Item]], list[Item]]:
    substitute = substituting(action.regex)
    wanted, to = action.field, action.to

    def run(items: list[Item]) -> list[Item]:
        if wanted == "group":
            known: dict[str, str] = {}
            for item in items:
                if "group" not in item.fixed:
                    group = item.group
                    if group not in known:
                        known[group] = substitute(to, group).strip() or group
                    item.group = known[group]
            return items
        for item in items:
            # a name that the pattern eats whole is kept: a channel without a name helps nobody
            name = substitute(to, item.name).strip()
            if name and name != item.name and "name" not in item.fixed:
                item.name = name
                item.linked = False
        return items

    return run


def _setting(action: SetFields, test: Predicate) -> Callable[[list[Item]], list[Item]]:
    def run(items: list[Item]) -> list[Item]:
        for item in items:
            if not test(item):
                continue
            for name, value in action.values:
                if name in item.fixed:
                    continue
                if name == "quality":
                    item.quality_set = value
                else:
                    setattr(item, name, value)
                if name in {"name", "guide_id"}:
                    item.linked = False
        return items

    return run
