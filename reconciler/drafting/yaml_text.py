"""Values as YAML that reads back as the same values, in the layout of the examples: one line where it fits.

A text is written plainly only where neither YAML 1.1 nor 1.2 could take it for something else; everything else is in
double quotes. Mappings keep their order. This module refuses to know the language of the spec.
"""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["WIDTH", "Value", "comment", "entry", "flow", "item", "one_line", "scalar"]

WIDTH: Final = 108

Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]

_WORD: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9_./+-]*|[a-z]+://[A-Za-z0-9_./:+-]*[A-Za-z0-9_/]|/[A-Za-z0-9_./+-]+"
)
_COUNT: Final = re.compile(r"[0-9]{1,5}-[0-9]{1,5}|[0-9]+(?:\.[0-9]+)?(?:%|ms|[smhd]|[KMG]iB)")
# YAML 1.1 takes these for flags and nothing; our own reader does not, but an editor may.
_LOADED: Final = frozenset(
    {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"}
)


def scalar(value: str | int | bool | None) -> str:  # noqa: FBT001 - it is the value, not a switch
    """One value on one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _COUNT.fullmatch(value) or (_WORD.fullmatch(value) and value.lower() not in _LOADED):
        return value
    return "".join(
        c if c == " " or c.isprintable() else _escaped(c) for c in json.dumps(value, ensure_ascii=False)
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:  # half of a pair cannot be written as UTF-8
        return "\N{REPLACEMENT CHARACTER}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def flow(value: Value) -> str:
    """Any value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    return scalar(value)


def entry(key: str, value: Value, indent: int = 0) -> list[str]:
    """`key: value` as lines, on one if that is short enough."""
    return _lines(value, " " * indent + scalar(key) + ": ", indent)


def item(value: Value, indent: int = 0) -> list[str]:
    """`- value` as lines, on one if that is short enough."""
    return _lines(value, " " * indent + "- ", indent)


def _lines(value: Value, first: str, indent: int) -> list[str]:
    """`first` is what stands before the value in its line; what does not fit goes on deeper than `indent`."""
    short = first + flow(value)
    if len(short) <= WIDTH or not value or isinstance(value, str | int):
        return [short]
    inner = indent + 2
    if isinstance(value, Mapping):
        pairs = [_lines(v, " " * inner + scalar(k) + ": ", inner) for k, v in value.items()]
        if first.endswith("- "):
            pairs[0][0] = first + pairs[0][0].lstrip()
            return [line for pair in pairs for line in pair]
        return [first.rstrip(), *(line for pair in pairs for line in pair)]
    items = [line for v in value for line in _lines(v, " " * inner + "- ", inner)]
    if first.endswith("- "):
        items[0] = first + items[0].lstrip()
        return items
    return [first.rstrip(), *items]


def comment(text: str, indent: int = 0) -> list[str]:
    """A paragraph as comment lines. Line breaks and control characters of `text` become blanks."""
    prefix = " " * indent + "# "
    return textwrap.wrap(
        one_line(text), WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False
    )


def one_line(text: str) -> str:
    """`text` without what would end a comment line or move a cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
