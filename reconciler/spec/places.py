"""Where a part of a value stands in the file: the bracket in a pattern, the password in an address.

Quotes and escapes make the text of a scalar differ from what is written. The way back is walked over the raw line.
A scalar over several lines gives its own span: which part of a folded text came from where helps nobody. This
module refuses to parse YAML; it retraces what was parsed already.
"""

import re
from typing import Final

from reconciler.diagnostics import Span
from reconciler.spec.nodes import Scalar

__all__ = ["inside"]

_ESCAPE: Final = r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)"


def inside(scalar: Scalar, line: str, start: int, end: int) -> Span:
    """The span of the characters `start` to `end` (from 0) of the scalar's text; `line` is its raw first line."""
    if scalar.line != scalar.end_line or scalar.style in ("|", ">"):
        return scalar.span
    columns = _columns(scalar, line)
    if len(columns) != len(scalar.text) + 1 or not 0 <= start < end <= len(scalar.text):
        return scalar.span
    return Span(scalar.file, scalar.line, columns[start], scalar.line, columns[end])


def _columns(scalar: Scalar, line: str) -> list[int]:
    """The column of each character of the text, and the one behind the last."""
    first, last = scalar.column - 1, scalar.end_column - 1
    if not scalar.style:
        return (
            list(range(first + 1, first + len(scalar.text) + 2)) if len(scalar.text) <= last - first else []
        )
    at, last = first, last - 1
    while at < last and line[at : at + 1] != scalar.style:
        at += 1  # an anchor or a tag stands before the quote
    at += 1
    columns = []
    while at < last:
        columns.append(at + 1)
        if scalar.style == "'":
            at += 2 if line[at : at + 2] == "''" else 1
        else:
            escape = re.match(_ESCAPE, line[at : at + 10])
            at += escape.end() if escape else 1
    return [*columns, last + 1]
