"""Users' patterns: which can run for ever, and that those end all the same."""

import re

import pytest

from reconciler import patterns
from reconciler.errors import SpecError
from reconciler.patterns import explosive, searching, substituting


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*)*b", r"(\w+\s?)+$", "(?:a|b+)*", "((x+)y?)*", "(.*,)*x"])
def test_explosive_patterns_are_known(pattern: str) -> None:
    """Repetitions of repetitions without a firm sign between them are found in the parse tree."""
    assert explosive(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["a+b+c+", "(ab)+", "(a+b)+", r"(?i)adult|xxx", "(a++)+", "(?>a+)+", "x{2,5}y*", r"\s+(HD|FHD)$"],
)
def test_ordinary_patterns_are_not_suspected(pattern: str) -> None:
    """What people write does not get a warning."""
    assert not explosive(pattern)
    assert re.compile(pattern)


@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(\w+\s?)+$", "^(?:a|b+)*$"])
def test_an_explosive_pattern_ends(pattern: str) -> None:
    """`re` would take years on the second text, and nothing could stop it."""
    found = searching(pattern)
    assert found("aaaa")
    assert not found("a" * 60 + "!")
    assert "x!" == substituting(pattern.replace("$", ""))("x", "a" * 60 + "!")


def test_what_takes_too_long_is_an_error_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the other library needs too long, after a limit."""
    monkeypatch.setattr(patterns, "LIMIT_S", 0.02)
    with pytest.raises(SpecError, match=r"\(x\+x\+\)\+y.* takes more than 0.02 s on 'x{60}\.\.\.'") as caught:
        searching("(x+x+)+y")("x" * 2000)
    assert caught.value.next_step == "ptctl help V307"


def test_other_patterns_are_pythons() -> None:
    """Search and replacement mean what `re` says."""
    assert searching(r"(?i)\bsport")("SKY SPORT 1")
    assert not searching(r"^sport")("sky sport")
    assert "Sky" == substituting(r"\s+(HD|FHD)$")("", "Sky FHD")
    assert "1 Sky" == substituting(r"^(\w+) (\d)$")(r"\2 \1", "Sky 1")
