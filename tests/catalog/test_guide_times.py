"""Times in guides: the wild forms of the survey, and the one form we write."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.catalog.guide_times import day_window, time_text, time_value


def seconds(*parts: int) -> int:
    """Seconds since 1970 of a UTC time."""
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


NOON = seconds(2026, 8, 22, 12, 30, 15)
NOON_MINUTE = seconds(2026, 8, 22, 12, 30)


@pytest.mark.accepts("EPG-6")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (NOON, "20260822123015 +0000"),
        (NOON, "20260822123015"),
        (NOON, "20260822123015Z"),
        (NOON, "20260822123015 UTC"),
        (NOON, "20260822143015 +0200"),
        (NOON, "20260822143015+0200"),
        (NOON, "20260822143015 +02:00"),
        (NOON, "20260822143015 +02"),
        (NOON, "20260822093015 -0300"),
        (NOON, "20260822180015 +0530"),
        (NOON, "20260822143015 CEST"),
        (NOON, "20260822053015 MST"),
        (NOON, "20260822083015 edt"),
        (NOON, "20260822133015 BST"),
        (NOON, "  20260822123015  +0000 "),
        (NOON, "2026-08-22T12:30:15Z"),
        (NOON, "2026-08-22 14:30:15 +0200"),
        (NOON, "2026-08-22T12:30:15.250Z"),
        (NOON, "20260822143015 GMT+0200"),
        (NOON, "20260822113015 UTC-1"),
        (NOON, str(NOON)),  # seconds and milliseconds since 1970
        (NOON, f"{NOON}250"),
        (NOON_MINUTE, "202608221230"),
        (NOON_MINUTE, "202608221430 +0200"),
        (NOON_MINUTE, "2026082212301"),  # 13 digits: one in 475,400
        (seconds(2026, 8, 22, 12), "2026082212"),
        (seconds(2026, 8, 22), "20260822"),
        (seconds(2026, 8, 1), "202608"),
        (seconds(2026, 1, 1), "2026"),
        (seconds(2026, 8, 23), "20260822240000 +0000"),
        (seconds(2026, 8, 22, 12, 31), "20260822123060"),
        (NOON, "20260822123015 XYZT"),  # an unknown zone is read as UTC
        (None, ""),
        (None, "tomorrow"),
        (None, "20261322123015"),
        (None, "20260230123015"),
        (None, "20260822256015"),
        (None, "20260822123015 +0000 x"),
    ],
)
def test_wild_times(value: int | None, text: str) -> None:
    """Every form seen in guides means what its writer meant; what is no time is None."""
    assert value == time_value(text)


@given(st.integers(0, 4102444800))
def test_what_is_written_is_read_back(value: int) -> None:
    """Our own form is read as the same second."""
    assert value == time_value(time_text(value) + " +0000")


@given(st.integers(seconds(2026, 1, 1), seconds(2027, 1, 1)), st.integers(1, 14))
def test_window_is_the_same_all_day(now: int, days: int) -> None:
    """The window begins at midnight at least 3 h ago and less than 27 h ago, and has whole days."""
    start, end = day_window(now, days)
    assert start % 86400 == 0
    assert 3 * 3600 <= now - start < 27 * 3600
    assert days * 86400 == end - start
    assert (start, end) == day_window(start + 3 * 3600, days)
