"""How Plex differed from what was last applied, as whoever looked last told it.

`serve`'s loop looks (`serve.reconcile`); pages and metrics show. Nothing is kept on disk: after a restart drift is
unknown until the next look, and unknown is not "none". This module refuses to look by itself.
"""

from dataclasses import dataclass

__all__ = ["DriftItem", "DriftLog", "DriftSeen"]


@dataclass(frozen=True, slots=True)
class DriftItem:
    """One difference: of which DVR (or ""), what differs (`tuner.uri`), and a sentence about it without secrets."""

    dvr: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """One look at Plex. `at` in seconds since 1970. `failed` says why it gave no answer; then `items` say nothing."""

    at: float
    items: tuple[DriftItem, ...] = ()
    failed: str = ""


class DriftLog:
    """The latest look, or none yet."""

    __slots__ = ("latest",)

    def __init__(self) -> None:
        self.latest: DriftSeen | None = None

    def note(self, seen: DriftSeen) -> None:
        """Take the place of what was known."""
        self.latest = seen
