"""Numbers, counts and spans as every sentence of the program writes them."""

import pytest

from reconciler.wording import plural, size, some, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3.0, "0 s"),
        (0.0, "0 s"),
        (59.9, "59 s"),
        (60.0, "1 min"),
        (5399.0, "90 min"),
        (5400.0, "2 h"),
        (48 * 3600.0 - 1, "48 h"),
        (48 * 3600.0, "2 d"),
        (10 * 86400.0, "10 d"),
    ],
)
def test_a_span_has_one_unit(seconds: float, said: str) -> None:
    """Two figures where it can; a clock that was set back is no negative age."""
    assert said == span(seconds)


@pytest.mark.parametrize(
    ("count", "noun", "many", "said"),
    [
        (0, "channel", "", "0 channels"),
        (1, "entry", "", "1 entry"),
        (2, "entry", "", "2 entries"),
        (2, "day", "", "2 days"),
        (1200, "switch", "switches", "1,200 switches"),
    ],
)
def test_a_count_and_its_noun(count: int, noun: str, many: str, said: str) -> None:
    """One is one; every other number takes the plural, with its thousands apart."""
    assert said == plural(count, noun, many)


def test_a_list_is_cut_with_its_rest_counted() -> None:
    """Three of three are all; a fourth is one more."""
    assert "a, b, c" == some("abc", 3)
    assert "a, b, c and 1,000 more" == some("abc" + "d" * 1000, 3)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (29_300, "29.3 kB"),
        (999_949, "999.9 kB"),
        (1_000_000, "1.0 MB"),
        (84_200_000, "84.2 MB"),
    ],
)
def test_a_size_is_in_powers_of_a_thousand(count: int, said: str) -> None:
    """Bytes, kilobytes, megabytes."""
    assert said == size(count)
