"""Diagnostics for people: one block each with the line, a caret, and the next step.

The look is that of output.md 2. Columns in the header count characters of the file; the caret is placed by display
width, because wide and combining characters take two columns or none. Colour repeats what the words say and nothing
else: without it the text is the same. Lines come from `SourceTexts`, which hides secrets. This module refuses to
print and to look at the terminal.
"""

from collections.abc import Iterator
from typing import Final

from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts, Span

__all__ = ["render", "summary"]

WIDEST: Final = 140
"""Longer lines are cut around the caret."""
_BEFORE: Final = 50

_RED: Final = "\x1b[1;31m"
_YELLOW: Final = "\x1b[1;33m"
_BLUE: Final = "\x1b[34m"
_BOLD: Final = "\x1b[1m"
_OFF: Final = "\x1b[0m"


def render(diagnostics: Diagnostics, texts: SourceTexts, *, color: bool) -> str:
    """All findings in their order and a line that counts them; ends with a newline."""
    paint = _Paint(color=color)
    blocks = ["\n".join(_block(found, texts, paint)) for found in diagnostics]
    return "\n\n".join([*blocks, summary(diagnostics, texts)]) + "\n"


def summary(diagnostics: Diagnostics, texts: SourceTexts) -> str:
    """The last line: how many errors and warnings in how many files."""
    files = _count(len(texts.files), "file")
    if not len(diagnostics):
        return f"no errors, no warnings in {files}."
    counts = [_count(diagnostics.errors, "error")] if diagnostics.errors else []
    counts += [_count(diagnostics.warnings, "warning")] if diagnostics.warnings else []
    first = next(
        (found.code for found in diagnostics if found.severity == "error"), next(iter(diagnostics)).code
    )
    return f"{', '.join(counts)} in {files}.   ptctl help {first} explains a code."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Paint:
    """Wraps text in colour codes, or does not."""

    __slots__ = ("_color",)

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, code: str, text: str) -> str:
        return f"{code}{text}{_OFF}" if self._color and text else text


def _block(found: Diagnostic, texts: SourceTexts, paint: _Paint) -> Iterator[str]:
    loud = _RED if found.severity == "error" else _YELLOW
    yield paint(loud, f"{found.severity}[{found.code}]") + paint(_BOLD, f": {found.summary}")
    span = found.span
    if span is not None:
        yield f"{paint(_BLUE, '  -->')} {span.file}:{span.line}:{span.column}"
        here = [(span, found.label, True)]
        here += [(place.span, place.label, False) for place in found.related if place.span.file == span.file]
        elsewhere = [place for place in found.related if place.span.file != span.file]
        lines = {mark.line for mark, _, _ in here} | {place.span.line for place in elsewhere}
        width = max(4, len(str(max(lines))) + 1)
        yield from _snippet(here, texts, width, loud, paint)
        for place in elsewhere:
            at = place.span
            yield f"{paint(_BLUE, '  and')} {at.file}:{at.line}:{at.column}"
            yield from _snippet([(at, place.label, False)], texts, width, loud, paint)
    for hint in found.hints:
        yield f"{paint(_BLUE, '   =')} {hint}"


def _snippet(
    marks: list[tuple[Span, str, bool]], texts: SourceTexts, width: int, loud: str, paint: _Paint
) -> Iterator[str]:
    """The lines of one file with what is marked in them; lines left out between them become "..."."""
    by_line: dict[int, list[tuple[Span, str, bool]]] = {}
    for mark in marks:
        by_line.setdefault(mark[0].line, []).append(mark)
    last: int | None = None
    for number in sorted(by_line):
        line = texts.line(by_line[number][0][0].file, number)
        if line is None or not (line.text.strip() or len(by_line) == 1):
            continue
        if last is not None and number > last + 1:
            yield paint(_BLUE, "  ...")
        last = number
        ordered = sorted(by_line[number], key=lambda mark: (not mark[2], mark[0].column))
        start = min(line.column(mark[0].column) for mark in ordered) - 1
        begin, shown = _window(line.text, start)
        yield paint(_BLUE, f"{number:>{width}} |") + (f" {shown}" if shown else "")
        for span, label, primary in ordered:
            if not primary and not label:
                continue
            first = line.column(span.column) - 1 - begin
            end = (
                line.column(span.end_column) - 1 - begin
                if span.end_line == span.line
                else len(shown.rstrip())
            )
            first = min(first, len(shown))
            marked = shown[first : max(end, first)]
            sign = "^" if primary else "-"
            row = " " * _wide(shown[:first]) + paint(
                loud if primary else _BLUE, sign * max(1, _wide(marked)) + (f" {label}" if label else "")
            )
            yield paint(_BLUE, f"{'':>{width}} |") + f" {row}"


def _window(text: str, at: int) -> tuple[int, str]:
    """The part of a line to show, and what to subtract from an index into the line."""
    if len(text) <= WIDEST:
        return 0, text
    begin = max(0, min(at - _BEFORE, len(text) - WIDEST))
    part = text[begin : begin + WIDEST]
    if begin + WIDEST < len(text):
        part += "…"
    return (begin - 1, f"…{part}") if begin else (0, part)


def _wide(text: str) -> int:
    """How many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(sign) else 2 if east_asian_width(sign) in "WF" else 1 for sign in text)
