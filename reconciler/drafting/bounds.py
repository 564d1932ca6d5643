"""What a spec allows, as far as a draft must keep to it: numbers, sizes, names.

Written here again, so that drafting does not load the language; a test holds each against what the language says. This
module refuses to check specs.
"""

import string
from collections.abc import Container, Iterable
from itertools import count
from typing import Final

__all__ = [
    "LARGEST_NUMBER",
    "LIMIT",
    "MOST_TUNERS",
    "RESERVED",
    "channel_number",
    "free_name",
    "letters",
    "open_name",
]

LIMIT: Final = 480
"""Channels of one DVR (plex-livetv.md 7.1)."""
LARGEST_NUMBER: Final = 99_999
MOST_TUNERS: Final = 32
RESERVED: Final = frozenset({"all", "fail", "drop", "split"})
"""What bucket and DVR may not be called: words of `overflow`, and of permissions (`shrink:all`)."""


def channel_number(text: str) -> int | None:
    """The number of a channel that a text is: whole, from 1 to 99,999; None for anything else."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")  # Python reads no number of thousands of digits
    return int(digits) if 1 <= len(digits) <= len(str(LARGEST_NUMBER)) else None


def open_name(stem: str) -> str:
    """`stem`, or something near it where it is a word of the language."""
    return f"{stem}-tv" if stem in RESERVED else stem


def free_name(stem: str, taken: Container[str], suffixes: Iterable[object] | None = None) -> str:
    """`stem` where nobody has it, else with the first of `suffixes` (2, 3, … if left out) that makes it free."""
    if stem not in taken:
        return stem
    return next(name for s in suffixes or count(2) if (name := f"{stem}-{s}") not in taken)


def letters() -> Iterable[str]:
    """b, c, … z, a1, b1, …: suffixes where "-2" would be taken for the second part of a bucket that splits."""
    every = (f"{letter}{turn or ''}" for turn in count() for letter in string.ascii_lowercase)
    return (suffix for suffix in every if suffix != "a")
