"""The page of the benchmarks: every result under its heading, with the machine."""

from tests.benchmarks.__main__ import registry
from tests.benchmarks.page import MEASURED, PATH, SECTIONS, machine, page


def test_every_benchmark_has_a_section() -> None:
    """No result is left out because nobody named its letter, and each benchmark says what it measures."""
    assert registry().keys() == MEASURED.keys()
    assert {name[0] for name in registry()} <= SECTIONS.keys()


def test_rows_stand_under_their_heading() -> None:
    """A row for each result, its bar escaped, and nothing of those that did not run."""
    text = page({"S2": [("S2 lineup of 479", "0.3 ms", "25 | ms", 0.6, "at most 1")]}, machine())
    assert "## Being thirteen tuners" in text
    assert "| S2 | lineup of 479 | 0.3 ms | 25 \\| ms | 0.60 | at most 1 |" in text
    assert "## Relaying" not in text
    assert machine() in text


def test_the_page_begins_with_what_is_measured() -> None:
    """Whatever was run last, the page in docs/ has the words of today."""
    assert PATH.read_text("utf-8").startswith(page({}, ""))
