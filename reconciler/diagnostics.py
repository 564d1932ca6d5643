"""What is wrong with a spec, as data: code, place, message, hints, related places, suggestions.

Diagnostics are collected, never raised one by one; phases run to their end (style.md, habit 18). How they look
is the business of `rendering`. The text they point into travels beside them and never shows a secret. This module
refuses to read files and to know any rule.

They are named tuples: making a frozen data class takes a millisecond, and a cold `ptctl validate` has 60.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

__all__ = [
    "EIGHT_STARS",
    "Diagnostic",
    "Diagnostics",
    "Related",
    "Severity",
    "SourceLine",
    "SourceTexts",
    "Span",
    "Suggestion",
    "joined",
]

Severity = Literal["error", "warning"]

_RANK: Final[dict[Severity, int]] = {"error": 0, "warning": 1}


class Span(NamedTuple):
    """A stretch of one file. Lines and columns count characters from 1; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class Related(NamedTuple):
    """A second place that explains the first, with a few words for its underline."""

    span: Span
    label: str


class Suggestion(NamedTuple):
    """What to write instead, and where: an editor can apply it."""

    text: str
    span: Span


class Diagnostic(NamedTuple):
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

    @property
    def told(self) -> Span | None:
        """The span as programs are told it: of a secret only where it begins, so that its length does not show."""
        if self.span is None or not self.secret:
            return self.span
        return self.span._replace(end_line=self.span.line, end_column=self.span.column)


class Diagnostics:
    """The list that a validation fills. Sorted by file, line, column, code when read."""

    __slots__ = ("_found",)

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self._found = list(found)

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


EIGHT_STARS: Final = "********"
"""What stands where a secret stood; always eight, so that the length does not show."""

LONGEST_LINE: Final = 20_000
"""What stands further right in a line is not shown: it is no line a person wrote."""

_BREAK: Final = "\r\n|[\r\n\x85\u2028\u2029]"


class SourceLine(NamedTuple):
    """One line as it may be shown: secrets are stars, tabs are spaces. `masks` are the hidden stretches (from 0)."""

    text: str
    masks: tuple[tuple[int, int], ...] = ()

    def column(self, column: int) -> int:
        """Where a column (from 1) of the file is in `text` (from 1)."""
        moved = column - 1
        for start, end in self.masks:
            if column - 1 >= end:
                moved += len(EIGHT_STARS) - (end - start)
            elif column - 1 > start:
                moved -= column - 1 - start
                break
        return moved + 1


class SourceTexts:
    """The text of the files that diagnostics point into, line by line, with secrets hidden.

    `hidden` tells for file, line number and raw text which stretches (from 0, end exclusive) are secret. Lines are
    prepared when they are asked for; a file is split once, and a line that many findings point into is prepared once.
    """

    __slots__ = ("_hidden", "_lines", "_prepared", "_texts")

    def __init__(
        self,
        texts: Mapping[str, str],
        hidden: Callable[[str, int, str], Iterable[tuple[int, int]]] = lambda _file, _line, _text: (),
    ) -> None:
        self._texts = texts
        self._hidden = hidden
        self._lines: dict[str, list[str]] = {}
        self._prepared: dict[tuple[str, int], SourceLine] = {}

    @property
    def files(self) -> tuple[str, ...]:
        """The files that were read, the main one first."""
        return tuple(self._texts)

    def line(self, file: str, number: int) -> SourceLine | None:
        """One line (from 1), or None where the file has no such line, or none that may be shown."""
        if not self._texts.get(file):
            return None
        if file not in self._lines:
            self._lines[file] = re.split(_BREAK, self._texts[file])
        lines = self._lines[file]
        if not 1 <= number <= len(lines):
            return None
        if (file, number) not in self._prepared:
            self._prepared[file, number] = self._prepare(file, number, lines[number - 1])
        return self._prepared[file, number]

    def _prepare(self, file: str, number: int, raw: str) -> SourceLine:
        masks: list[tuple[int, int]] = []
        for start, end in sorted(self._hidden(file, number, raw)):
            if masks and start <= masks[-1][1]:
                masks[-1] = (masks[-1][0], max(end, masks[-1][1]))
            elif end > start and start < LONGEST_LINE:
                masks.append((start, end))
        parts, last = [], 0
        for start, end in masks:
            parts += [raw[last:start], EIGHT_STARS]
            last = end
        text = "".join([*parts, raw[last : max(last, LONGEST_LINE)]])
        # Control characters would move the cursor of a terminal or change its colours.
        if not text.isprintable():
            marks = (" " if sign == "\t" else sign if sign.isprintable() else "�" for sign in text)
            text = "".join(marks)
        return SourceLine(text, tuple(masks))


def joined(reports: Iterable[tuple[Diagnostics, SourceTexts]]) -> tuple[Diagnostics, SourceTexts]:
    """Several validations as one, for reporting them together. Each file keeps the masks of its own validation."""
    diagnostics = Diagnostics()
    owners: dict[str, SourceTexts] = {}
    for found, texts in reports:
        for diagnostic in found:
            diagnostics.add(diagnostic)
        for file in texts.files:
            owners.setdefault(file, texts)
    return diagnostics, _Joined(owners)


class _Joined(SourceTexts):
    """The texts of several validations; every line is asked of the one that read the file."""

    __slots__ = ("_owners",)

    def __init__(self, owners: Mapping[str, SourceTexts]) -> None:
        super().__init__(dict.fromkeys(owners, ""))
        self._owners = owners

    def line(self, file: str, number: int) -> SourceLine | None:
        """One line (from 1) as its own validation shows it."""
        owner = self._owners.get(file)
        return owner.line(file, number) if owner else None
