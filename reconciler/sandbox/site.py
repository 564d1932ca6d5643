"""The state that all hosts of a simulated panel share: content, habits, failures, and what clients have done so far.

Hosts are names of one panel (iptv-streams.md B4, "host failover"), so a limit, a token or a rate holds over all of
them. This module refuses to answer anything.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from reconciler.sandbox.answers import Answer
from reconciler.sandbox.documents import Address
from reconciler.sandbox.faults import Fault, Faults
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.misbehaviour import answer
from reconciler.sandbox.origin import Origin
from reconciler.sandbox.panel import Account, Panel
from reconciler.sandbox.seats import Seat, Seats
from reconciler.sandbox.sessions import Sessions
from reconciler.sandbox.visits import Journal, Visit
from reconciler.sandbox.wire import Exchange

__all__ = ["Maker", "Site"]

Maker = Callable[[], Awaitable[Answer]]


@dataclass(slots=True)
class Site:
    """One panel. `panel`, `manners` and `faults` may change at any time; `addresses` are the hosts that listen."""

    panel: Panel
    manners: Manners
    faults: Faults
    journal: Journal
    seats: Seats
    origin: Origin
    clock: Callable[[], float]
    addresses: tuple[Address, ...] = ()
    sessions: Sessions = field(default_factory=Sessions)
    _pages: dict[tuple[object, ...], bytes] = field(default_factory=dict)
    _calls: deque[float] = field(default_factory=deque)

    def replace(self, panel: Panel) -> None:
        """Exchange the content."""
        self.panel = panel
        self._pages.clear()

    def seated(self) -> list[Seat]:
        """Every connection that counts now."""
        manners = self.manners
        return [
            seat
            for account in self.panel.accounts
            for seat in self.seats.held(account.username, notice=manners.notice, hold=manners.hls_hold)
        ]

    def active(self, account: Account) -> int:
        """How many connections of an account count now."""
        manners = self.manners
        return len(self.seats.held(account.username, notice=manners.notice, hold=manners.hls_hold))

    def barred(self, account: Account) -> bool:
        """Whether an account has expired or is not active."""
        ended = account.expires is not None and account.expires < self.clock()
        return ended or account.status not in ("Active", "Trial")

    def claim(self, visit: Visit) -> tuple[Fault, ...]:
        """The faults that hit this visit, counted once."""
        faults = self.faults.claim(visit.host, visit.kind, visit.channel, visit.agent)
        visit.fault = ",".join(f.kind for f in faults)
        return faults

    async def respond(
        self, visit: Visit, exchange: Exchange, make: Maker, claimed: tuple[Fault, ...]
    ) -> None:
        """Send what `make` gives, or what the faults make of it."""
        await answer(exchange, make, claimed, self.addresses[visit.host].base)

    async def refuse(self, visit: Visit, exchange: Exchange, status: int) -> None:
        """A status and nothing else, unless a fault has other plans."""

        async def make() -> Answer:
            return Answer(status)

        await self.respond(visit, exchange, make, self.claim(visit))

    def too_many_calls(self) -> int:
        """Seconds to wait where the API is asked more often than it likes, else 0. Counts the call otherwise."""
        if self.manners.api_rate is None:
            return 0
        count, seconds = self.manners.api_rate
        now = trio.current_time()
        while self._calls and self._calls[0] <= now - seconds:
            self._calls.popleft()
        if len(self._calls) >= count:
            return max(1, int(self._calls[0] + seconds - now) + 1)
        self._calls.append(now)
        return 0

    async def made(self, key: tuple[object, ...], make: Callable[[], bytes]) -> bytes:
        """A page from the cache, or made in a thread: lists of tens of thousands take their time."""
        if key not in self._pages:
            panel = self.panel
            body = await trio.to_thread.run_sync(make)
            if panel is not self.panel:
                return body
            self._pages[key] = body
        return self._pages[key]
