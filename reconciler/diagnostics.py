"""What is wrong with a spec, as data: code, place, message, hints, related places, suggestions.

Diagnostics are collected, never raised one by one; phases run to their end (style.md, habit 18). How they look
is the business of `rendering`. This module refuses to read files and to know any rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

__all__ = ["Diagnostic", "Diagnostics", "Related", "Severity", "Span", "Suggestion"]

Severity = Literal["error", "warning"]

_RANK: Final[dict[Severity, int]] = {"error": 0, "warning": 1}


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one file. Lines and columns count characters from 1; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains the first, with a few words for its underline."""

    span: Span
    label: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to write instead, and where: an editor can apply it."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `summary` is one line in lower case without a full stop; `label` stands beside the caret; `hints` are next
    steps. `secret` says that the text under the span must be masked wherever source lines are shown.
    """

    code: str
    severity: Severity
    summary: str
    span: Span | None
    label: str = ""
    hints: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    path: tuple[str | int, ...] = ()
    secret: bool = False


@dataclass(slots=True)
class Diagnostics:
    """The list that a validation fills. Sorted by file, line, column, code when read."""

    _found: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        """Note a finding. The same finding twice is noted once."""
        if diagnostic not in self._found:
            self._found.append(diagnostic)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.sorted())

    def __len__(self) -> int:
        return len(self._found)

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(d.severity == "error" for d in self._found)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return len(self._found) - self.errors

    def sorted(self) -> tuple[Diagnostic, ...]:
        """By place; what has no place comes first; at one place errors before warnings."""
        nowhere = Span("", 0, 0, 0, 0)
        return tuple(
            sorted(self._found, key=lambda d: (d.span or nowhere, _RANK[d.severity], d.code, d.summary))
        )
