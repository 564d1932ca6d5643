"""Numbers and nouns as people read them, in whatever part of the program a sentence is made.

Refuses to know of colour, width and language: `rendering` lays out, and the program speaks English.
"""

from collections.abc import Sequence

__all__ = ["number", "plural", "size", "some", "span"]


def number(value: int) -> str:
    """Thousands separated by commas."""
    return f"{value:,}"


def plural(count: int, noun: str, plural_noun: str = "") -> str:
    """`1 change`, `2 changes`, `1 entry`, `2 entries`."""
    many = plural_noun or (
        noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"
    )
    return f"{number(count)} {noun if count == 1 else many}"


def some(items: Sequence[str], most: int) -> str:
    """The first `most` of them and how many are left out: `a, b, c and 4 more`."""
    left_out = f" and {number(len(items) - most)} more" if len(items) > most else ""
    return ", ".join(items[:most]) + left_out


def size(count: int) -> str:
    """Bytes as `29.3 kB` or `84.2 MB` (powers of 1,000)."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def span(seconds: float) -> str:
    """A time in two figures at most: `40 s`, `12 min`, `7 h`, `3 d`. What is negative (a clock was set) is none."""
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 48 * 3600 else f"{round(seconds / 86400)} d"
