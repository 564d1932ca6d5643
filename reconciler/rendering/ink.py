"""Colour and width of terminal text. Colour only repeats what the words say (output.md 1): without it nothing is lost.

Names come from providers and from Plex, so what reaches a terminal is made harmless here, once, behind every renderer.
Refuses to know what is printed, and to ask whether a terminal is there: the caller says so.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

__all__ = ["WIDTH", "Role", "cells", "cut", "encodable", "harmless", "pad", "paint"]

WIDTH: Final = 100
"""Cells of a line where names are cut to fit (output.md 1)."""

Role = Literal["add", "change", "danger", "blocked", "caution", "place", "dim", "head", "good"]

_CODES: Final[dict[Role, str]] = {
    "add": "32",
    "good": "32",
    "change": "33",
    "caution": "1;33",
    "danger": "31",
    "blocked": "1;31",
    "place": "34",
    "dim": "2",
    "head": "1",
}
_OFF: Final = "\x1b[0m"
# What moves a cursor, ends a line or turns the direction of what follows, in C0, C1 and Unicode; lone surrogates, which
# no stream can write.
_CONTROL: Final = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
_HARMFUL: Final = re.compile(_CONTROL)
_HARMFUL_BUT_OURS: Final = re.compile(rf"(\x1b\[(?:0|{'|'.join(_CODES.values())})m)|{_CONTROL}")


def paint(text: str, role: Role | None, *, color: bool) -> str:
    """`text` in the role's colour, or as it is."""
    return f"\x1b[{_CODES[role]}m{text}{_OFF}" if color and role and text else text


def harmless(text: str, *, color: bool) -> str:
    r"""`text` with its control characters written out (`\u001b`); line ends, tabs and, with `color`, our colours stay.

    In JSON that is the same text in another spelling, so documents lose nothing. Costs 10 ms a megabyte.
    """
    if text.replace("\n", " ").isprintable():
        return text
    return (_HARMFUL_BUT_OURS if color else _HARMFUL).sub(_written_out, text)


def encodable(text: str, encoding: str) -> str:
    r"""`text` for a stream of this encoding: signs that it lacks are written out as JSON does it (`\u65e5`).

    Terminals and pipes of another time are not UTF-8: a plan is worth reading there, too.
    """
    if _fits(text, encoding):
        return text
    from json import dumps  # a validation does without, and hardly anybody comes here

    return text.translate({ord(c): dumps(c)[1:-1] for c in set(text) if not _fits(c, encoding)})


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _written_out(found: re.Match[str]) -> str:
    return found[1] if found.lastindex else f"\\u{ord(found[0]):04x}"


def cells(text: str) -> int:
    """How many terminal cells `text` takes: wide characters two, combining ones none, those written out (`harmless`) six."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(map(_cells, text))


@lru_cache(maxsize=4096)  # tables of twenty thousand names: a quarter of the time
def _cells(char: str) -> int:
    if _HARMFUL.match(char):
        return len(r"\u001b")
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, width: int) -> str:
    """`text` on one line in at most `width` cells, its end replaced by `…` where it is longer. Not for numbers."""
    text = text.replace("\n", " ")
    if cells(text) <= width:
        return text
    room = width - 1
    for place, char in enumerate(text):
        room -= _cells(char)
        if room < 0:
            return text[:place].rstrip() + "…"
    return text


def pad(text: str, width: int) -> str:
    """`text` and blanks behind it, `width` cells together; a longer one stays as it is."""
    return text + " " * (width - cells(text))
