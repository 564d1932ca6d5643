"""How large one lineup may be: channels, and bytes of the request that switches them on.

Plex takes the whole channel map in one request line of at most 32 KiB (plex-livetv.md 7.1), hence a budget of 30,000
bytes besides the 480 channels that Plex's own pages manage. This module refuses to build the request.
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["MAP_BUDGET_BYTES", "MOST_CHANNELS", "map_bytes", "row_bytes"]

MAP_BUDGET_BYTES: Final = 30_000
MOST_CHANNELS: Final = 480

_FIXED: Final = 15  # `channelsEnabled=` without the comma that the last channel does not need


def row_bytes(number: int) -> int:
    """What one channel adds: `N,`, `&channelMapping[N]=N` and `&channelMappingByKey[N]=N`, brackets literal."""
    return 42 + 5 * len(str(number))


def map_bytes(numbers: Iterable[int]) -> int:
    """Bytes of the query that maps each number to itself; 0 for none, because an empty map is never sent."""
    rows = sum(row_bytes(n) for n in numbers)
    return _FIXED + rows if rows else 0
