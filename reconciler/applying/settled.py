"""How a whole run ended: the plan, what carrying it out came to, and what planning again found. Refuses to act."""

from dataclasses import dataclass

from reconciler.applying.events import RunResult
from reconciler.applying.verify import Verdict
from reconciler.planning.model import Plan

__all__ = ["Settled"]


@dataclass(frozen=True, slots=True)
class Settled:
    """How it ended. `result` None: nothing was begun (`why` says it). `verdict` None: not proven, the run is incomplete."""

    plan: Plan
    result: RunResult | None = None
    verdict: Verdict | None = None
    why: str = ""
    run: int = 0
    waiting: frozenset[str] = frozenset()
    """DVRs that a run for content alone left to a whole one."""

    @property
    def converged(self) -> bool:
        """Everything of the plan that may be done is done, and planning again found nothing left."""
        return self.verdict is not None and self.verdict.converged

    @property
    def blocked(self) -> bool:
        """Whether something of the plan was blocked."""
        return bool(self.plan.blocks) or any(change.blocks for change in self.plan.changes)
