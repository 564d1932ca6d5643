"""Which words lift which blocks: `--allow` of this command, and `approvals` of the spec while they last.

A word lifts exactly the blocks that name it, nothing else; there is no word for everything. An approval holds through
its `until` day and is spent on use (design.md 2). This module refuses to know what the rules are about.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.lineups.model import Block
from reconciler.planning.model import PlanWarning
from reconciler.spec.model import Approval

__all__ = ["Allowances", "Lifted", "allowances", "ended", "lift"]


@dataclass(frozen=True, slots=True)
class Allowances:
    """The words in force. `approved` maps a word to the `until` day of the approval that gives it."""

    words: frozenset[str]
    approved: tuple[tuple[str, str], ...] = ()

    @property
    def every(self) -> frozenset[str]:
        """All words that count, wherever they come from: what computing lineups is given."""
        return self.words | {word for word, _ in self.approved}

    def covers(self, word: str) -> bool:
        """Whether a block with this word is lifted."""
        return bool(word) and (word in self.words or any(word == w for w, _ in self.approved))

    def spends(self, word: str) -> str:
        """The ledger's mark of the approval that a use of this word uses up; "" when the command line gave it."""
        if word in self.words:
            return ""
        return next((f"{w} {until}" for w, until in self.approved if w == word), "")


@dataclass(frozen=True, slots=True)
class Lifted:
    """What remains of some blocks, and what lifted the others."""

    blocks: tuple[Block, ...]
    used: tuple[str, ...]
    spends: tuple[str, ...]


def allowances(
    words: Iterable[str], approvals: Iterable[Approval], *, spent: Iterable[str], today: str
) -> Allowances:
    """The words that count on this ISO day."""
    gone = set(spent)
    live = [
        (approval.allow, approval.until.isoformat())
        for approval in approvals
        if approval.until.isoformat() >= today
        and f"{approval.allow} {approval.until.isoformat()}" not in gone
    ]
    return Allowances(frozenset(words), tuple(sorted(live)))


def lift(blocks: Iterable[Block], allowed: Allowances) -> Lifted:
    """Take away what the words cover."""
    remaining: list[Block] = []
    used: set[str] = set()
    for block in blocks:
        if allowed.covers(block.lift):
            used.add(block.lift)
        else:
            remaining.append(block)
    spends = {mark for word in used if (mark := allowed.spends(word))}
    return Lifted(tuple(remaining), tuple(sorted(used)), tuple(sorted(spends)))


def ended(approvals: Iterable[Approval], *, spent: Iterable[str], today: str) -> tuple[PlanWarning, ...]:
    """W401 for each approval that no longer lifts anything, because its day is over or it was used."""
    gone = set(spent)
    found = []
    for approval in approvals:
        until = approval.until.isoformat()
        if f"{approval.allow} {until}" in gone:
            found.append(
                PlanWarning("W402", f'the approval "{approval.allow}" was used; take it out of the spec')
            )
        elif until < today:
            found.append(
                PlanWarning("W401", f'the approval "{approval.allow}" ended on {until} and lifts nothing')
            )
    return tuple(found)
