"""What the loop's last run left as it was because a safety rule blocks it, for pages and status.

Blocked DVRs are served as before, byte for byte (design.md 4): that is easily taken for a `serve` that does nothing.
Nothing is kept on disk: after a restart it is unknown until the next run. This module refuses to judge.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Blocked", "blocked_of"]


@dataclass(frozen=True, slots=True)
class Blocked:
    """One block: of which DVR ("" for all), its code, what it says, and the command that decides it."""

    dvr: str
    code: str
    text: str
    next_step: str


def blocked_of(rows: Iterable[Mapping[str, Any]]) -> tuple[Blocked, ...]:  # Any: our own JSON report
    """`blocked` of a run's report (`ptctl-run-report/1`)."""
    return tuple(Blocked(row["dvr"], row["code"], row["message"], row["next_step"]) for row in rows)
