"""Colour and width of terminal text. Colour only repeats what the words say (output.md 1): without it nothing is lost.

Refuses to know what is printed, and to ask whether a terminal is there: the caller says so.
"""

import unicodedata
from typing import Final, Literal

__all__ = ["Role", "cells", "cut", "pad", "paint"]

Role = Literal["add", "change", "danger", "blocked", "dim", "head", "good"]

_CODES: Final[dict[Role, str]] = {
    "add": "32",
    "good": "32",
    "change": "33",
    "danger": "31",
    "blocked": "1;31",
    "dim": "2",
    "head": "1",
}


def paint(text: str, role: Role | None, *, color: bool) -> str:
    """`text` in the role's colour, or as it is."""
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m" if color and role and text else text


def cells(text: str) -> int:
    """How many terminal cells `text` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in {"Mn", "Me", "Cf"}
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end replaced by `…` where it is longer. For names, never for numbers."""
    if cells(text) <= width:
        return text
    kept = ""
    for char in text:
        if cells(kept + char) > width - 1:
            break
        kept += char
    return kept.rstrip() + "…"


def pad(text: str, width: int, *, right: bool = False) -> str:
    """`text` filled with blanks to `width` cells, on its right side or, for numbers, on its left."""
    fill = " " * max(0, width - cells(text))
    return fill + text if right else text + fill
