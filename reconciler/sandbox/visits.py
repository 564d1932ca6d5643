"""The record of everything that was asked of the simulated provider, and what became of it.

Tests read it to say "refused means no request arrived" or "one connection for twenty viewers". It holds whole paths
with the credentials in them, because which credentials went where is one of the questions; it refuses to leave the
process other than through the control address.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Journal", "Visit"]

KEPT: Final = 50_000


@dataclass(slots=True, eq=False)
class Visit:
    """One request. Times are epoch seconds; `closed` is None while the answer is still being sent."""

    number: int
    opened: float
    host: int
    method: str
    target: str
    kind: str
    agent: str
    referer: str
    cookie: str
    peer: tuple[str, int]
    range: str = ""
    channel: int | None = None
    account: str = ""
    status: int = 0
    bytes_sent: int = 0
    fault: str = ""
    closed: float | None = None

    def record(self) -> dict[str, object]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Journal:
    """The last 50,000 visits, oldest first."""

    clock: Callable[[], float]
    visits: deque[Visit] = field(default_factory=lambda: deque(maxlen=KEPT))
    _number: int = 0

    def next_number(self) -> int:
        """The running number of the next visit, from 1."""
        self._number += 1
        return self._number

    def of_kind(self, *kinds: str) -> list[Visit]:
        """Visits of these kinds (`player_api`, `get`, `xmltv`, `list`, `live`, `playlist`, `segment`, `key`, `film`)."""
        return [visit for visit in self.visits if visit.kind in kinds]

    def for_channel(self, channel: int) -> list[Visit]:
        """Visits for one stream id."""
        return [visit for visit in self.visits if visit.channel == channel]

    def open(self) -> list[Visit]:
        """Visits whose answer is still being sent: streams, mostly."""
        return [visit for visit in self.visits if visit.closed is None]

    def clear(self) -> None:
        """Forget finished visits; running ones stay."""
        running = self.open()
        self.visits.clear()
        self.visits.extend(running)
