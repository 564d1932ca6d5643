"""After a run: observe again, plan again, and expect nothing left (design.md 1.3, 4).

The function that plans is given, so that this proof uses the very code that planned before. This module refuses to
repair what it finds: the next apply does.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reconciler.planning.model import Plan

__all__ = ["Verdict", "verify"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the world is as planned. `left` names what is not, in the words of the new plan."""

    plan: Plan
    left: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """Nothing is left."""
        return not self.left


async def verify(
    replan: Callable[[], Awaitable[Plan]],
    *,
    blocked_before: frozenset[str] = frozenset(),
    waiting: frozenset[str] = frozenset(),
) -> Verdict:
    """Plan again and say what is left. `blocked_before` are DVRs that were blocked and are allowed to be still.

    `waiting` are those that this run was not to touch: whatever is left of them is left on purpose.

    Costs one observation and no write. Raises what `replan` raises.
    """
    plan = await replan()
    left = [
        f"{change.dvr}: {change.kind}" + (f" ({change.note})" if change.note else "")
        for change in plan.changes
        if change.kind != "same"
        and not change.content_only
        and change.dvr not in waiting
        and not (change.blocks and change.dvr in blocked_before)
    ]
    left += [
        f"{item.dvr}: {item.note or item.path}"
        for item in plan.drift
        if item.dvr not in blocked_before | waiting
    ]
    return Verdict(plan, tuple(left))
