"""The order of actions: a graph of needs, sorted, with ids as tie-break, so that equal input gives equal bytes.

This module refuses to invent needs.
"""

import heapq
from collections.abc import Iterable

from reconciler.planning.model import Action

__all__ = ["in_order"]


def in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    """The actions so that each comes after those it needs. Needs outside the set count as met.

    Raises ValueError for a cycle or an id that stands twice: both are mistakes of planning.
    """
    by_id: dict[str, Action] = {}
    for action in actions:
        if action.id in by_id:
            raise ValueError(f'action "{action.id}" is planned twice')
        by_id[action.id] = action
    waiting = {key: {need for need in action.needs if need in by_id} for key, action in by_id.items()}
    ready = [key for key, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    ordered: list[Action] = []
    while ready:
        key = heapq.heappop(ready)
        ordered.append(by_id[key])
        for other, needs in waiting.items():
            if key in needs:
                needs.remove(key)
                if not needs:
                    heapq.heappush(ready, other)
    if len(ordered) != len(by_id):
        raise ValueError("actions need each other in a circle")
    return tuple(ordered)
