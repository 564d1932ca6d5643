"""What the checks look at: the checked values, the facts from outside, and what is silenced already.

This module refuses to hold a rule.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.diagnostics import Span
from reconciler.spec.findings import Findings
from reconciler.spec.nodes import Scalar
from reconciler.spec.secrets import SourceLines
from reconciler.spec.shape import INVALID, Val
from reconciler.spec.suggest import closest

__all__ = ["Given", "Subject", "spot"]

# Keys of a matcher that hold matchers and not conditions.
_NESTED: Final = ("any", "all", "not")


class Given(NamedTuple):
    """Facts that are not in the spec. `mode_of` gives the permission bits of a file, `newest` of a glob's match."""

    allow_exec: bool
    today: date
    base: Path
    texts: Mapping[str, str]
    mode_of: Callable[[Path], int | None]
    newest: Callable[[Path, str], Path | None]


_GUESSES: Final = 20_000
"""So many names are compared in search of what was meant: after that whoever wrote the spec did not misspell them."""
_LISTED: Final = 60


def spot(span: Span) -> str:
    """A place in one word."""
    return f"{span.file}:{span.line}:{span.column}"


class Subject:
    """One spec under examination."""

    __slots__ = ("_guesses", "_keys", "findings", "given", "lines", "root", "silenced")

    def __init__(self, root: Val, given: Given, findings: Findings) -> None:
        self.root = root
        self.given = given
        self.findings = findings
        self.lines = SourceLines(given.texts)
        self.silenced: set[str] = set()
        self._guesses = _GUESSES
        self._keys: dict[str, dict[str, Span]] = {}

    def value(self, *path: str) -> Val | None:
        """The accepted value under these keys, or None."""
        return inner(self.root, *path)

    def named(self, section: str) -> dict[str, Val]:
        """The accepted values of a section of names, in order."""
        found = self.value(section)
        values: dict[str, Val] = found.data if found and isinstance(found.data, dict) else {}
        return {name: value for name, value in values.items() if value.ok}

    def listed(self, section: str) -> list[Val]:
        """The accepted values of a section that is a list, in order."""
        found = self.value(section)
        return [value for value in found.data if value.ok] if found and isinstance(found.data, list) else []

    def keys(self, section: str) -> dict[str, Span]:
        """Every name of a section with its place, also of values that were refused."""
        if section not in self._keys:
            found = self.value(section)
            values: dict[str, Val] = found.data if found and isinstance(found.data, dict) else {}
            self._keys[section] = {
                name: value.key.span if value.key else value.node.span for name, value in values.items()
            }
        return self._keys[section]

    def buckets(self) -> list[tuple[str, Val]]:
        """Named buckets in order."""
        pairs = ((inner(bucket, "name"), bucket) for bucket in self.listed("buckets"))
        return [(name.data, bucket) for name, bucket in pairs if name is not None]

    def bucket_names(self) -> dict[str, Span]:
        """The first place of each bucket's name."""
        names: dict[str, Span] = {}
        for bucket in self.listed("buckets"):
            if (name := inner(bucket, "name")) is not None:
                names.setdefault(name.data, name.node.span)
        return names

    def bucket_keys(self) -> dict[str, Span] | None:
        """The same with the names that were refused; None where one has no name to go by."""
        found = self.value("buckets")
        if found is None or not isinstance(found.data, list):
            return None
        names: dict[str, Span] = {}
        for bucket in found.data:
            name = bucket.data.get("name") if isinstance(bucket.data, dict) else None
            if name is None or not isinstance(name.node, Scalar):
                return None
            names.setdefault(name.node.text, name.node.span)
        return names

    def known(self, section: str) -> bool:
        """Whether the section can be relied on: without it, what refers to it is not judged."""
        root = self.root.data
        return isinstance(root, dict) and section in root and root[section].data is not INVALID

    def refers(
        self, value: Val, noun: str, candidates: Mapping[str, Span], *, first: tuple[str, ...] = ()
    ) -> bool:
        """Whether the name in `value` is among the candidates; notes V140 if not. `first`: likelier candidates."""
        name: str = value.data
        if name in candidates:
            return True
        self.dangling(value, noun, name, candidates, first=first)
        return False

    def dangling(
        self,
        value: Val,
        noun: str,
        name: str,
        candidates: Mapping[str, Span],
        *,
        first: tuple[str, ...] = (),
        at: Span | None = None,
    ) -> None:
        """Note a reference that leads nowhere."""
        self.silenced.add(noun)
        better: str | None = None
        if self._guesses > 0 and not self.findings.full:
            self._guesses -= len(candidates)
            better = closest(name, (*first, *candidates))
        names = ", ".join(sorted(candidates) if len(candidates) <= _LISTED else islice(candidates, _LISTED))
        hint = f"{noun}s: {names}" if candidates else f"no {noun} is defined"
        self.findings.error(
            "V140",
            at or value.node,
            f'no {noun} "{name}"',
            label=f'did you mean "{better}"? ({spot(candidates[better])})' if better else "",
            hints=() if better else (hint,),
            suggest=better,
        )

    def matchers(self) -> Iterator[Val]:
        """Every matcher that stands somewhere in the spec, the outermost ones."""
        for step in self.listed("filters"):
            for path in (("drop",), ("only",), ("set", "when")):
                if (found := inner(step, *path)) is not None:
                    yield found
            yield from items(inner(step, "merge", "prefer"))
        for bucket in self.listed("buckets"):
            if (found := inner(bucket, "match")) is not None:
                yield found
            yield from (key for key in items(inner(bucket, "sort")) if isinstance(key.data, dict))

    def conditions(self) -> Iterator[tuple[str, Val]]:
        """Every field condition in every matcher, with the name of its field; lists are taken apart."""
        todo = list(self.matchers())
        while todo:
            matcher = todo.pop()
            if not isinstance(matcher.data, dict):
                continue
            for key, value in matcher.data.items():
                if key in _NESTED:
                    todo.extend(value.data if isinstance(value.data, list) else [value])
                else:
                    yield from ((key, part) for part in _parts(value))


def _parts(condition: Val) -> Iterator[Val]:
    if isinstance(condition.data, list):
        for item in condition.data:
            yield from _parts(item)
    elif condition.ok:
        yield condition


def inner(value: Val | None, *path: str) -> Val | None:
    """The accepted value at these keys below another one, or None."""
    for key in path:
        if value is None or not isinstance(value.data, dict):
            return None
        value = value.data.get(key)
    return value if value is not None and value.ok else None


def items(value: Val | None) -> list[Val]:
    """The accepted items of a list value; none of none."""
    return (
        [item for item in value.data if item.ok] if value is not None and isinstance(value.data, list) else []
    )
