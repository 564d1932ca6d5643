"""Diagnostics for people: one block each with the line, a caret, and the next step.

The look is that of output.md 2. Columns in the header count characters of the file; the caret is placed by display
width, because wide and combining characters take two columns or none. Colour repeats what the words say and nothing
else: without it the text is the same. Lines come from `SourceTexts`, which hides secrets. This module refuses to
print and to look at the terminal.
"""

from collections.abc import Iterator
from typing import Final

from reconciler.diagnostics import Diagnostic, Diagnostics, SourceTexts, Span
from reconciler.rendering.ink import Role, cells, paint
from reconciler.wording import plural

__all__ = ["render", "summary"]

WIDEST: Final = 140
"""Longer lines are cut around the caret."""
_BEFORE: Final = 50


def render(diagnostics: Diagnostics, texts: SourceTexts, *, color: bool) -> str:
    """All findings in their order and a line that counts them; ends with a newline."""
    blocks = ["\n".join(_block(found, texts, color=color)) for found in diagnostics]
    return "\n\n".join([*blocks, summary(diagnostics, texts)]) + "\n"


def summary(diagnostics: Diagnostics, texts: SourceTexts) -> str:
    """The last line: how many errors and warnings in how many files."""
    files = plural(len(texts.files), "file")
    if not len(diagnostics):
        return f"no errors, no warnings in {files}."
    counts = [plural(diagnostics.errors, "error")] if diagnostics.errors else []
    counts += [plural(diagnostics.warnings, "warning")] if diagnostics.warnings else []
    first = next(
        (found.code for found in diagnostics if found.severity == "error"), next(iter(diagnostics)).code
    )
    return f"{', '.join(counts)} in {files}.   ptctl help {first} explains a code."


def _block(found: Diagnostic, texts: SourceTexts, *, color: bool) -> Iterator[str]:
    loud: Role = "blocked" if found.severity == "error" else "caution"
    head = paint(f"{found.severity}[{found.code}]", loud, color=color)
    yield head + paint(f": {found.summary}", "head", color=color)
    span = found.span
    if span is not None:
        yield f"{paint('  -->', 'place', color=color)} {span.file}:{span.line}:{span.column}"
        here = [(span, found.label, True)]
        here += [(place.span, place.label, False) for place in found.related if place.span.file == span.file]
        elsewhere = [place for place in found.related if place.span.file != span.file]
        lines = {mark.line for mark, _, _ in here} | {place.span.line for place in elsewhere}
        width = max(4, len(str(max(lines))) + 1)
        yield from _snippet(here, texts, width, loud, color=color)
        for place in elsewhere:
            at = place.span
            yield f"{paint('  and', 'place', color=color)} {at.file}:{at.line}:{at.column}"
            yield from _snippet([(at, place.label, False)], texts, width, loud, color=color)
    for hint in found.hints:
        yield f"{paint('   =', 'place', color=color)} {hint}"


def _snippet(
    marks: list[tuple[Span, str, bool]], texts: SourceTexts, width: int, loud: Role, *, color: bool
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
            yield paint("  ...", "place", color=color)
        last = number
        ordered = sorted(by_line[number], key=lambda mark: (not mark[2], mark[0].column))
        start = min(line.column(mark[0].column) for mark in ordered) - 1
        begin, shown = _window(line.text, start)
        yield paint(f"{number:>{width}} |", "place", color=color) + (f" {shown}" if shown else "")
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
            row = " " * cells(shown[:first]) + paint(
                sign * max(1, cells(marked)) + (f" {label}" if label else ""),
                loud if primary else "place",
                color=color,
            )
            yield paint(f"{'':>{width}} |", "place", color=color) + f" {row}"


def _window(text: str, at: int) -> tuple[int, str]:
    """The part of a line to show, and what to subtract from an index into the line."""
    if len(text) <= WIDEST:
        return 0, text
    begin = max(0, min(at - _BEFORE, len(text) - WIDEST))
    part = text[begin : begin + WIDEST]
    if begin + WIDEST < len(text):
        part += "…"
    return (begin - 1, f"…{part}") if begin else (0, part)
