"""Diagnostics as annotations of a GitHub workflow.

GitHub shows at most ten annotations of a kind per step and drops the rest without a word, so the tenth counts what
is left; the ordinary text goes to the log beside them, which is the command's business. This module refuses to print.
"""

from typing import Final

from reconciler.diagnostics import Diagnostic, Diagnostics, Severity, SourceTexts
from reconciler.rendering import help_pages

__all__ = ["MOST", "render"]

MOST: Final = 10
"""Annotations of one kind."""


def render(diagnostics: Diagnostics, _texts: SourceTexts) -> str:
    """Annotations, errors first, each on a line; empty where nothing was found."""
    lines: list[str] = []
    kinds: tuple[Severity, ...] = ("error", "warning")
    for kind in kinds:
        found = [finding for finding in diagnostics if finding.severity == kind]
        shown = found if len(found) <= MOST else found[: MOST - 1]
        lines += [_annotation(finding) for finding in shown]
        if len(found) > len(shown):
            lines.append(f"::{kind} title=ptctl::{len(found) - len(shown)} more in the log")
    return "".join(f"{line}\n" for line in lines)


def _annotation(found: Diagnostic) -> str:
    fields: list[str] = []
    if (span := found.told) is not None:
        fields += [f"file={_property(span.file)}", f"line={span.line}", f"col={span.column}"]
        if span.end_line == span.line and span.end_column > span.column:
            fields.append(f"endColumn={span.end_column}")
    fields.append(f"title={_property(f'{found.code} {help_pages.title(found.code)}')}")
    # The label of a hidden secret says only that it is hidden; what to do stands in the first hint.
    advice = (found.hints[0] if found.hints else "") if found.secret else found.label
    message = f"{found.summary}; {advice}" if advice else found.summary
    return f"::{found.severity} {','.join(fields)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
