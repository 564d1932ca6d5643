"""Words that lift, and approvals that end: said to the letter."""

from datetime import date

import pytest

from reconciler.lineups.model import Block
from reconciler.planning.allowances import Allowances, allowances, ended, lift
from reconciler.spec.model import Approval

TODAY = "2026-03-01"


def approval(word: str, until: str) -> Approval:
    """An approval of the spec."""
    return Approval(word, date.fromisoformat(until), "seasonal")


LATE, NOW, PAST = (
    approval("delete:b", "2026-03-05"),
    approval("shrink:a", TODAY),
    approval("busy:c", "2026-02-28"),
)


@pytest.mark.accepts("GIT-2")
def test_an_approval_holds_through_its_day() -> None:
    """Ended or used ones give no word; the others are every bit as good as --allow."""
    found = allowances(["replace:x"], [LATE, PAST, NOW], spent=["delete:b 2026-03-04"], today=TODAY)
    assert frozenset({"replace:x", "shrink:a", "delete:b"}) == found.every
    assert (("delete:b", "2026-03-05"), ("shrink:a", TODAY)) == found.approved
    used = allowances([], [LATE, NOW], spent=["delete:b 2026-03-05"], today=TODAY)
    assert frozenset({"shrink:a"}) == used.every


@pytest.mark.accepts("GIT-2", "PLN-7")
def test_what_is_lifted_and_what_that_spends() -> None:
    """The blocks that a word names, whoever says it; the command line's own words use no approval up."""
    blocks = [Block(code, "d", "", word) for code, word in (("S501", "z:1"), ("S101", "shrink:a"), ("S201", "delete:b"), ("S401", ""))]  # fmt: skip
    given = allowances(["delete:b", ""], [LATE, NOW, approval("z:1", TODAY)], spent=[], today=TODAY)
    found = lift(blocks, given)
    assert ["S401"] == [block.code for block in found.blocks]
    assert ("delete:b", "shrink:a", "z:1") == found.used
    assert (f"shrink:a {TODAY}", f"z:1 {TODAY}") == found.spends
    assert "" == Allowances(frozenset()).spends("shrink:a")
    assert not Allowances(frozenset({""})).covers("")


@pytest.mark.accepts("GIT-2")
def test_approvals_that_lift_nothing_any_more() -> None:
    """One that ended yesterday, not one that ends today; one that was used, whenever it ends."""
    told = ended([LATE, NOW, PAST], spent=["delete:b 2026-03-05"], today=TODAY)
    assert [
        ("W402", 'the approval "delete:b" was used; take it out of the spec'),
        ("W401", 'the approval "busy:c" ended on 2026-02-28 and lifts nothing'),
    ] == [(w.code, w.message) for w in told]
