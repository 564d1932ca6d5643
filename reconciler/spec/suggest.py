"""Did you mean: the nearest of the words that would have been right.

Ten lines of edit distance instead of `difflib`, which costs 5 ms to import and suggests by common letters. This
module refuses to guess wildly: what is further away than a third of the word is no suggestion.
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["closest", "distance"]

_PREFIX: Final = 3
"""A shorter beginning fits too much."""


def distance(one: str, other: str, most: int) -> int:
    """How many letters to insert, remove, replace or swap with their neighbour; `most` + 1 for "more than that".

    Costs the product of the lengths, with rows cut off as soon as they are beyond `most`.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(row[j - 1] + 1, before[j] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return row[-1]


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, or None. Among equals the last one given wins no more
    than the first: candidates come in order of likelihood. A beginning of one alone is it, too: `user`, `pass`.
    """
    word, candidates = word.casefold(), tuple(candidates)
    if not word or len(word) > 60:
        return None
    plain = word.replace("-", "").replace("_", "")
    best: str | None = None
    most = max(1, len(word) // 3)
    for candidate in candidates:
        folded = candidate.casefold()
        if folded.replace("-", "").replace("_", "") == plain:
            return candidate
        if (steps := distance(word, folded, most)) <= most:
            best, most = candidate, steps - 1
            if most < 0:
                break
    if best is None and len(word) >= _PREFIX:
        longer = [other for other in dict.fromkeys(candidates) if other.casefold().startswith(word)]
        best = longer[0] if len(longer) == 1 else None
    return best
