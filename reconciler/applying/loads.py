"""Guide loads: how many run, whose they are as far as can be told, and when ours have ended.

Nothing in an activity names its DVR (plex-livetv.md 5), so every running load counts, however it was started. A load that we
asked for and that does not show yet counts too, for a grace time. It has ended when its activity was seen and is gone;
or when none showed in the grace time and either our own log has the guide request or `refreshedAt` moved; else it is
unconfirmed (RLD-2). This module refuses to start anything.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import trio

from reconciler.applying.timing import Timing
from reconciler.errors import PlexRefused, PlexUnreachable
from reconciler.plex.connection import Connection
from reconciler.plex.model import Unknown
from reconciler.plex.reader import read_loads
from reconciler.wording import plural

__all__ = ["Ending", "Loads", "Ticket"]

Ending = Literal["seen", "proved", "unconfirmed"]
Proof = Callable[[], Awaitable[bool]]


@dataclass(slots=True, eq=False)
class Ticket:
    """A load that one of our requests starts. `named` is what Plex said in `X-Plex-Activity`, `uuid` what was seen."""

    dvr: str
    began: float
    named: str = ""
    uuid: str = ""
    gone: bool = False


@dataclass(slots=True)
class Loads:
    """Counts loads for one run. Looks are shared: asking often costs one request per `look_s` at most."""

    connection: Connection
    at_most: int
    timing: Timing
    _tickets: list[Ticket] = field(default_factory=list)
    _running: frozenset[str] | Unknown = field(default_factory=lambda: Unknown("not looked yet"))
    _known: set[str] = field(default_factory=set)
    _earlier: frozenset[str] | None = None
    _earlier_until: float = float("-inf")
    _looked: float = float("-inf")
    _turn: trio.Lock = field(default_factory=trio.Lock)

    async def wait_for_slot(
        self,
        *,
        none_at_all: bool = False,
        no_earlier: bool = False,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Until fewer than `at_most` loads run (`none_at_all`: none). Hold no lock meanwhile, and ask `free` under it.

        `no_earlier`: and until those have ended that ran before this run's first look, at most `load_s` from then on.
        One may be what a killed run left of the very DVR, and nothing tells whose it is.
        `tell` is given what is waited for. Raises PlexUnreachable when it could not be learned for `unknown_s`,
        PlexRefused when they do not end within `slot_s`.
        """
        known = trio.current_time()
        with trio.move_on_after(self.timing.slot_s):
            while True:
                if await self.free(none_at_all=none_at_all, no_earlier=no_earlier):
                    return
                if isinstance(self._running, Unknown):
                    if trio.current_time() - known >= self.timing.unknown_s:
                        break
                    tell(f"waits to learn which guide loads run: {self._running.why}")
                else:
                    known = trio.current_time()
                    run = plural(self.count, "guide load runs", "guide loads run")
                    if none_at_all:
                        tell(f"waits until none runs: {run}")
                    elif self.count < self.at_most:
                        tell(f"waits for what was loading before this run: {run}")
                    else:
                        tell(f"waits for a place: {run}, at most {self.at_most} may")
                await trio.sleep(self.timing.look_s)
        if isinstance(self._running, Unknown):
            raise PlexUnreachable(
                f"which guide loads run cannot be learned: {self._running.why}",
                next_step="Plex's own log says why; then: ptctl apply",
            )
        raise PlexRefused(
            f"{plural(self.count, 'guide load still runs', 'guide loads still run')} after {self.timing.slot_s:g} s",
            status=0,
            reason="loads do not end",
            next_step="wait until Plex has loaded its guides (one that never ends: restart Plex), then apply again",
        )

    async def free(self, *, none_at_all: bool = False, no_earlier: bool = False) -> bool:
        """Whether one more may start now, by a fresh look; not when that cannot be learned."""
        await self._look(fresh=True)
        if isinstance(self._running, Unknown):
            return False
        # One that outlasts the longest load is stuck, or another DVR's: it must not hold this one off for ever.
        if (
            no_earlier
            and trio.current_time() < self._earlier_until
            and self._running & (self._earlier or set())
        ):
            return False
        return self.count < (1 if none_at_all else self.at_most)

    @property
    def count(self) -> int:
        """Loads that run, and those asked for that do not show yet."""
        now = trio.current_time()
        hidden = sum(not t.uuid and not t.gone and now - t.began < self.timing.grace_s for t in self._tickets)
        return (0 if isinstance(self._running, Unknown) else len(self._running)) + hidden

    async def before(self, dvr: str) -> Ticket:
        """Note that a request is about to start a load. Call `asked` when it has been answered."""
        await self._look(fresh=True)
        ticket = Ticket(dvr, trio.current_time())
        self._tickets.append(ticket)
        return ticket

    async def asked(self, ticket: Ticket, activity: str) -> None:
        """The request was answered: the grace time starts now."""
        ticket.named = activity
        ticket.began = trio.current_time()
        await self._look(fresh=True)

    def forget(self, ticket: Ticket) -> None:
        """The request failed and started nothing that we know of."""
        ticket.gone = True

    async def ended(self, ticket: Ticket, proof: Proof) -> Ending:
        """Wait for this load to end, at most `load_s`.

        `proof` asks whether something else shows that Plex took the guide. Raises PlexRefused for a load that does not
        end: others go on meanwhile.
        """
        with trio.move_on_after(self.timing.load_s):
            while True:
                await self._look()
                if ticket.gone:
                    return "seen"
                waited = trio.current_time() - ticket.began
                if not ticket.uuid and waited >= self.timing.grace_s:
                    ticket.gone = True
                    return "proved" if await proof() else "unconfirmed"
                await trio.sleep(min(self.timing.look_s, max(self.timing.grace_s - waited, 0.01)))
        ticket.gone = True
        raise PlexRefused(
            f"the guide load did not end within {self.timing.load_s:g} s",
            status=0,
            reason="load does not end",
            next_step=f"ptctl explain dvr {ticket.dvr}",
        )

    async def _look(self, *, fresh: bool = False) -> None:
        async with self._turn:
            # Time of the last look, not of the call: several tasks that wait share one answer.
            if not fresh and trio.current_time() - self._looked < self.timing.look_s / 2:
                return
            self._running = await read_loads(self.connection)
            self._looked = trio.current_time()
            if isinstance(self._running, Unknown):
                return
            if self._earlier is None:
                self._earlier = self._running
                self._earlier_until = trio.current_time() + self.timing.load_s
            self._assign(self._running)

    def _assign(self, running: frozenset[str]) -> None:
        open_tickets = [t for t in self._tickets if not t.gone]
        for ticket in open_tickets:
            if ticket.uuid and ticket.uuid not in running:
                ticket.gone = True
            elif not ticket.uuid and ticket.named in running:
                ticket.uuid = ticket.named
        claimed = {t.uuid for t in self._tickets if t.uuid}
        fresh = sorted(running - self._known - claimed)
        # What newly shows belongs to whoever has waited longest; a butler's load in between only makes us wait longer.
        for ticket in sorted((t for t in open_tickets if not t.uuid and not t.gone), key=lambda t: t.began):
            if not fresh:
                break
            ticket.uuid = fresh.pop(0)
        self._known |= running
