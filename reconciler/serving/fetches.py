"""Who fetched which guide when: the proof that Plex took a new guide.

`apply` asks for it after a reload, because Plex's own activity list can miss a load (RLD-2). Kept in memory, newest
thousand; a restart forgets, and `apply` then says "unconfirmed". This module refuses to log any other request.
"""

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from reconciler.serving.answers import Answer, json_answer

__all__ = ["FETCHES_PATH", "GuideFetch", "GuideFetches", "product"]

FETCHES_PATH: Final = "/api/v1/guide-fetches"
"""At the hub for all, below a tuner for that one: of several processes only the one that serves a DVR knows."""

KEPT: Final = 1000
AGENTS_KEPT: Final = 256
"""Products that are counted by name, over all DVRs: whoever gives another name each time is one of the others."""
OTHERS: Final = "other"


@dataclass(frozen=True, slots=True)
class GuideFetch:
    """One request for a guide. `at` is when it ended (seconds since 1970); `complete`: every byte went out, or 304."""

    at: float
    dvr: str
    path: str
    user_agent: str
    client: str
    status: int
    size_bytes: int
    complete: bool
    generation: str


def product(user_agent: str) -> str:
    """The first word of a user agent, what stands before its version: at most 32 characters."""
    return user_agent.partition("/")[0][:32]


class GuideFetches:
    """The log, oldest first."""

    def __init__(self) -> None:
        self._kept: deque[GuideFetch] = deque(maxlen=KEPT)
        self.by_agent: Counter[tuple[str, str]] = Counter()
        """How often, by DVR and the product part of the user agent."""

    def note(self, fetch: GuideFetch) -> None:
        """Remember one."""
        self._kept.append(fetch)
        agent = fetch.dvr, product(fetch.user_agent)
        known = agent in self.by_agent or len(self.by_agent) < AGENTS_KEPT
        self.by_agent[agent if known else (fetch.dvr, OTHERS)] += 1

    def answer(self, since: str, dvrs: Sequence[str], *, only: str = "") -> Answer:
        """What is asked at `/api/v1/guide-fetches?since=`: all, or those of DVR `only`. `dvrs`: whom this process serves."""
        try:
            rows = self.since(float(since))
        except ValueError:
            return json_answer({"error": "since is no number of seconds"}, 400)
        fetches = [row for row in rows if not only or row["dvr"] == only]
        return json_answer({"now": time.time(), "dvrs": list(dvrs), "fetches": fetches})

    def since(self, moment: float) -> list[dict[str, Any]]:
        """All that ended at or after `moment`, as JSON rows."""
        return [asdict(fetch) for fetch in self._kept if fetch.at >= moment]
