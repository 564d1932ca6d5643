"""The spec's text as a tree in which everything knows its place.

Nodes are plain slotted classes and not data classes: a long spec has a hundred thousand of them. A place is kept as
five values and becomes a `Span` only when somebody asks. This module refuses to interpret text: what a scalar means
is decided by the shape that wants it (`spec.values`), so that `NO`, `22:30`, `010` and `1.10` stay what was typed.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from reconciler.diagnostics import Span

__all__ = ["Kind", "Mapping", "Node", "Pair", "Scalar", "Sequence", "core_kind", "walk_scalars"]

Kind = Literal["null", "flag", "whole", "number", "text"]

# The core schema of YAML 1.2, which is what editors apply. It only tells apart what a *shape* may take:
# nothing is converted by it.
_CORE: Final = re.compile(
    r"(?P<null>null|Null|NULL|~|)"
    r"|(?P<flag>true|True|TRUE|false|False|FALSE)"
    r"|(?P<whole>[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<number>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_KINDS: Final[dict[str | None, Kind]] = {"null": "null", "flag": "flag", "whole": "whole", "number": "number"}


class Node:
    """Something written in a file: where it begins and where it ends (lines and columns from 1, end exclusive)."""

    __slots__ = ("column", "end_column", "end_line", "file", "line")

    def __init__(self, file: str, line: int, column: int, end_line: int, end_column: int) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column

    @property
    def span(self) -> Span:
        """Where it stands."""
        return Span(self.file, self.line, self.column, self.end_line, self.end_column)


class Scalar(Node):
    """One text. `plain`: written without quotes and without a block indicator."""

    __slots__ = ("plain", "style", "text")

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        end_line: int,
        end_column: int,
        *,
        text: str,
        plain: bool,
        style: str = "",
    ) -> None:
        super().__init__(file, line, column, end_line, end_column)
        self.text = text
        self.plain = plain
        self.style = style


class Pair(NamedTuple):
    """A key and its value. `via` is the alias or the merge key through which the value came, if it did."""

    key: Scalar
    value: Node
    via: Span | None = None


class Mapping(Node):
    """Keys with values, in order, each key once; `dropped` are the repetitions (already reported)."""

    __slots__ = ("dropped", "height", "pairs", "weight")

    def __init__(self, file: str, line: int, column: int, end_line: int = 0, end_column: int = 0) -> None:
        super().__init__(file, line, column, end_line, end_column)
        self.pairs: list[Pair] = []
        self.dropped: list[Pair] = []
        self.weight = 1
        self.height = 1

    def get(self, name: str) -> Pair | None:
        """The pair with that key, if there is one."""
        return next((pair for pair in self.pairs if pair.key.text == name), None)


class Sequence(Node):
    """Items in order. `vias` holds the places of aliases among them, by position."""

    __slots__ = ("height", "items", "vias", "weight")

    def __init__(self, file: str, line: int, column: int, end_line: int = 0, end_column: int = 0) -> None:
        super().__init__(file, line, column, end_line, end_column)
        self.items: list[Node] = []
        self.vias: dict[int, Span] = {}
        self.weight = 1
        self.height = 1


def core_kind(scalar: Scalar) -> Kind:
    """How YAML 1.2 (and so an editor) would read the scalar. Quoted text is always text."""
    if not scalar.plain:
        return "text"
    found = _CORE.fullmatch(scalar.text)
    return _KINDS[found.lastgroup] if found else "text"


def walk_scalars(root: Node) -> Iterator[tuple[tuple[str, ...], Scalar]]:
    """Every value scalar once with the keys above it, repetitions included. Shared nodes are visited once."""
    seen: set[int] = set()
    todo: list[tuple[tuple[str, ...], Node]] = [((), root)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, Scalar):
            yield path, node
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Mapping):
            todo.extend(((*path, pair.key.text), pair.value) for pair in (*node.pairs, *node.dropped))
        elif isinstance(node, Sequence):
            todo.extend((path, item) for item in node.items)
