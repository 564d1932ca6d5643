"""Ranges for DVRs that have numbers already: wide enough to grow, never over another's.

Plex cannot tell two channels of one number apart, so ptctl gives each DVR a range of its own; tuners that were set up
one by one often all begin at 1000. Who comes first keeps what it has. This module refuses to renumber anything.
"""

from collections.abc import Mapping
from typing import Final

from reconciler.drafting.bounds import LARGEST_NUMBER

__all__ = ["ranges"]

ROOM: Final = 600
FOUR_DIGITS: Final = 9_999


def ranges(used: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """A range for each name that can have one, from the lowest and highest number it uses.

    Each is 600 wide where the next one leaves room, and keeps to four digits if its numbers do. A name whose numbers lie
    among those of an earlier one is left out.
    """
    kept: dict[str, tuple[int, int]] = {}
    for name, (low, high) in used.items():
        if not any(low <= last and first <= high for first, last in kept.values()):
            kept[name] = (low, high)
    starts = sorted(low for low, _ in kept.values())
    wide = {}
    for name, (low, high) in kept.items():
        following = next((s for s in starts if s > low), LARGEST_NUMBER + 1)
        limit = FOUR_DIGITS if high <= FOUR_DIGITS else LARGEST_NUMBER
        wide[name] = (low, max(high, min(low + ROOM - 1, following - 1, limit)))
    return wide
