"""Exit codes, chosen in one place (design.md 3). Refuses to print."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

__all__ = ["Exit", "choose"]


class Exit(IntEnum):
    """What a command's exit status means."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    INVALID = 3
    REFUSED = 4
    STALE = 5
    INCOMPLETE = 6
    LOCKED = 7
    SKIPPED_BLOCKED = 8
    USAGE = 64
    INTERRUPTED = 130


_PRECEDENCE: Final = (
    Exit.USAGE,
    Exit.INTERRUPTED,
    Exit.LOCKED,
    Exit.INVALID,
    Exit.STALE,
    Exit.FAILED,
    Exit.REFUSED,
    Exit.INCOMPLETE,
    Exit.SKIPPED_BLOCKED,
    Exit.CHANGES,
    Exit.DONE,
)


def choose(reasons: Iterable[Exit]) -> Exit:
    """The one that counts where several hold: 130, 7, 3, 5, 1, 4, 6, 8, 2, 0."""
    return min(reasons, key=_PRECEDENCE.index, default=Exit.DONE)
