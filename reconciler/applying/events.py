"""What a run tells while it runs, and what it was in the end. Values alone; `rendering` and `cli` show them.

This module refuses to print.
"""

from dataclasses import dataclass
from typing import Literal

from reconciler.ledger.model import Ledger

__all__ = ["Outcome", "Progress", "RunResult", "State"]

State = Literal["done", "failed", "not-started", "interrupted"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One step forward. `state` "running" with `text` says what is waited for; the others end the action.

    `done` and `expected` count channels where something fills (0: nothing to count). `seconds` since the action began.
    """

    action: str
    kind: str
    dvr: str
    state: State | Literal["running"]
    text: str
    seconds: float = 0.0
    done: int = 0
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one action ended. `text` is a sentence without secrets; `next_step` the command that helps, where one does.

    `notes` are remarks that do not make it a failure (channels that Plex does not pair).
    """

    action: str
    kind: str
    dvr: str
    state: State
    text: str
    seconds: float = 0.0
    next_step: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """A whole run. `ledger` is what was last saved. `disturbed` names DVRs of others whose map is not as before.

    `next_step` is the one command to run now, "" when nothing is left to do.
    """

    outcomes: tuple[Outcome, ...]
    ledger: Ledger
    disturbed: tuple[str, ...] = ()
    next_step: str = ""

    @property
    def complete(self) -> bool:
        """Every action succeeded (an empty run is complete)."""
        return all(outcome.state == "done" for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The actions that failed."""
        return tuple(o for o in self.outcomes if o.state == "failed")

    @property
    def undone(self) -> tuple[Outcome, ...]:
        """The actions that were not started or were interrupted."""
        return tuple(o for o in self.outcomes if o.state in {"not-started", "interrupted"})

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the actions had to remark, in their order."""
        return tuple(note for outcome in self.outcomes for note in outcome.notes)
