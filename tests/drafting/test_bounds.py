"""What drafts keep to is what the language allows, and names that are taken."""

from itertools import islice
from pathlib import Path

import pytest

from reconciler.drafting.bounds import (
    LARGEST_NUMBER,
    LIMIT,
    MOST_TUNERS,
    RESERVED,
    channel_number,
    free_name,
    letters,
    open_name,
)
from reconciler.lineups.limits import MOST_CHANNELS
from reconciler.spec import check
from reconciler.spec.checks.buckets import POLICIES
from reconciler.spec.language.words import LARGEST_LIMIT

SPEC = """\
version: 1
name: home
sources: {{main: {{kind: m3u, path: list.m3u}}}}
buckets: [{{name: {name}, match: {{}}}}]
dvrs: {{{name}: {{tuners: {tuners}, numbers: {number}}}}}
"""


def test_bounds_are_those_of_the_language() -> None:
    """The same figures as where specs are read and lineups made."""
    assert (LARGEST_LIMIT, MOST_CHANNELS) == (LIMIT, LIMIT)
    assert set(POLICIES) < RESERVED


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({}, 0),
        ({"tuners": MOST_TUNERS}, 0),
        ({"tuners": MOST_TUNERS + 1}, 1),
        ({"number": f"90000-{LARGEST_NUMBER}"}, 0),
        ({"number": f"90000-{LARGEST_NUMBER + 1}"}, 1),
        *(({"name": name}, 1) for name in sorted(RESERVED)),
        *(({"name": open_name(name)}, 0) for name in sorted(RESERVED)),
    ],
)
def test_a_spec_at_its_bounds(changes: dict[str, object], errors: int, tmp_path: Path) -> None:
    """The last value is allowed, and the one behind it is not."""
    path = tmp_path / "ptctl.yaml"
    path.write_text(SPEC.format(**{"name": "news", "tuners": 2, "number": "1000-1599", **changes}), "utf-8")
    found, _ = check(path)
    assert errors == found.errors


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        ("0012", 12),
        ("99999", 99_999),
        ("100000", None),
        ("9" * 5000, None),  # more digits than Python reads
        ("0" * 5000, None),
        ("0", None),
        ("", None),
        ("4.1", None),
        ("-4", None),
        ("\u0664", None),
    ],
)
def test_the_number_of_a_channel(text: str, number: int | None) -> None:
    """Whole and in the range, however it is padded; nothing else, and never an error."""
    assert number == channel_number(text)


def test_a_free_name() -> None:
    """As it is where nobody has it, else counted on; b, c and so on where numbers mean something else."""
    assert "news" == free_name("news", set())
    assert "news-2" == free_name("news", {"news"})
    assert "news-4" == free_name("news", {"news", "news-2", "news-3"})
    assert "news-c" == free_name("news", {"news", "news-b"}, letters())
    every = list(islice(letters(), 60))
    assert ["b", "c", "z", "a1", "b1", "z1", "a2"] == [every[i] for i in (0, 1, 24, 25, 26, 50, 51)]
    assert len(every) == len(set(every))
