"""The size of a lineup: channels and bytes of the map request."""

import pytest

from reconciler.lineups.limits import MAP_BUDGET_BYTES, MOST_CHANNELS, map_bytes, row_bytes
from reconciler.plex.requests import channel_map_query_bytes


@pytest.mark.accepts("M3U-4")
def test_known_sizes() -> None:
    """480 four-digit channels make 29,775 bytes, five-digit ones 32,175 (style.md 3)."""
    assert 29_775 == map_bytes(range(1000, 1480))
    assert 32_175 == map_bytes(range(10_000, 10_480))
    assert 0 == map_bytes([])
    assert 62 == row_bytes(1000)


def test_agrees_with_the_request() -> None:
    """The budget is counted as the request is built."""
    for numbers in ([1], range(95, 105), range(9990, 10_010)):
        assert channel_map_query_bytes(numbers) == map_bytes(numbers)


def test_what_plex_bears() -> None:
    """480 channels and 30,000 bytes; 480 numbers of four digits fit, of five digits they do not."""
    assert (480, 30_000) == (MOST_CHANNELS, MAP_BUDGET_BYTES)
    assert map_bytes(range(1000, 1480)) < MAP_BUDGET_BYTES < map_bytes(range(10_000, 10_480))
