"""Did you mean: near words are found, far ones are not guessed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.spec.suggest import closest, distance

KEYS = ("connections", "content", "credentials", "hosts", "kind", "max_age", "order", "stream")


@pytest.mark.accepts("VAL-1")
@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("credentails", "credentials"),
        ("Credentials", "credentials"),
        ("max-age", "max_age"),
        ("maxage", "max_age"),
        ("host", "hosts"),
        ("hsots", "hosts"),
        ("strem", "stream"),
        ("xyzzy", None),
        ("", None),
        ("h", None),
        ("cred", "credentials"),
        ("con", None),
        ("a" * 500, None),
    ],
)
def test_the_nearest_word_is_found(word: str, wanted: str | None) -> None:
    """Typing slips are recognised; what resembles nothing gets no suggestion."""
    assert wanted == closest(word, KEYS)


def test_among_equals_the_first_wins() -> None:
    """Candidates come in order of likelihood: later buckets before earlier ones."""
    assert closest("sportz", ("sportsb", "sportsa")) == "sportsb"


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_distance_is_a_distance(one: str, other: str) -> None:
    """Zero for equals only, the same both ways, never more than the longer word."""
    steps = distance(one, other, 10)
    assert (steps == 0) == (one == other)
    assert steps == distance(other, one, 10)
    assert steps <= max(len(one), len(other))
