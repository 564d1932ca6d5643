"""Guide numbers as short text, for remarks and for the arguments of actions: `1000-1004,1010`."""

from collections.abc import Iterable

__all__ = ["numbers_in", "ranges"]


def ranges(numbers: Iterable[int]) -> str:
    """The numbers as ascending ranges. Equal sets give equal text."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def numbers_in(text: str) -> tuple[int, ...]:
    """The numbers that `ranges` wrote, ascending. Raises ValueError for anything else."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)
