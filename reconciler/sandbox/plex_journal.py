"""Every request the simulated Plex received, in order: what a test asks when it says "no write went out"."""

import time
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Journal", "JournalEntry"]

READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class JournalEntry:
    """One request. `target` is what stood on the wire; `status` 0 means no answer (yet, or ever); times are epoch."""

    n: int
    time: float
    method: str
    target: str
    user_agent: str = ""
    status: int = 0
    took_s: float = 0.0
    fault: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it could have changed something."""
        return self.method not in READING

    @property
    def path(self) -> str:
        """The target without its query, not decoded."""
        return self.target.partition("?")[0]

    def document(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {
            "n": self.n,
            "time": round(self.time, 3),
            "method": self.method,
            "target": self.target,
            "status": self.status,
            "is_write": self.is_write,
            "took_s": round(self.took_s, 4),
            "fault": self.fault,
        }


@dataclass(slots=True)
class Journal:
    """The entries since the start; they survive restarts of the simulated server."""

    entries: list[JournalEntry] = field(default_factory=list)

    def begin(self, method: str, target: str, user_agent: str) -> JournalEntry:
        """A request has arrived."""
        entry = JournalEntry(len(self.entries) + 1, time.time(), method, target, user_agent)
        self.entries.append(entry)
        return entry

    def writes(self) -> list[JournalEntry]:
        """The requests that could have changed something."""
        return [entry for entry in self.entries if entry.is_write]
