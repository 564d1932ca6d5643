"""What became of a DVR's numbers, as text: how they were found, and none of those that were not is left out in silence."""

import pytest

from reconciler.ledger.model import Ledger
from reconciler.planning.adoption import Adoption, Match
from reconciler.rendering.adoption_text import LISTED, render, render_rebuilt


def lost(count: int) -> tuple[Match, ...]:
    """Numbers that no channel matches."""
    return tuple(Match(1000 + place, f"Old {place}" if place else "") for place in range(count))


@pytest.mark.parametrize(
    ("count", "named", "rest"),
    [
        (0, 0, []),
        (1, 1, []),
        (LISTED, LISTED, []),
        (LISTED + 1, LISTED, ["  and 1 more (-f json lists all)"]),
    ],
)
def test_numbers_without_a_channel(count: int, named: int, rest: list[str]) -> None:
    """Each on a line, and how many more there are; at an adoption and where the ledger is rebuilt."""
    adopted = render("news", "41", Adoption(Ledger(), lost(count), ("title",)), color=False)
    rebuilt = render_rebuilt(["news"], [], [], {"news": lost(count)} if count else {}, {}, Ledger())
    for text in (adopted, rebuilt):
        lines = text.splitlines()
        assert named == sum(line.startswith("    10") for line in lines)
        assert rest == [line for line in lines if line.startswith("  and ")]
        assert bool(count) == any("(no name)" in line for line in lines)
        assert "Next:  ptctl plan" == lines[-1]


def test_how_numbers_were_found() -> None:
    """Counted by way, the surest first."""
    found = [
        Match(1, "A", "main/1", "name"),
        Match(2, "B", "main/2", "file"),
        Match(3, "C", "main/3", "file"),
    ]
    text = render("news", "41", Adoption(Ledger(), tuple(found), ()), color=False)
    assert "Numbers: 3 channels, found 2 by the list, 1 by a name that occurs once\n" in text
    assert "found none\n" in render("news", "41", Adoption(Ledger(), (), ()), color=False)
