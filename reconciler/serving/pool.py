"""Connections to a provider are counted per account, across all DVRs (design.md 6).

Viewers come first, then probes, then refreshes; the last slot is never a probe's. A viewer that finds the account full
takes an upstream that nobody watches, or a probe's slot, and else waits for one to close. A stream with a reader is
never taken from it, because every Plex viewer looks the same. What a provider refuses as too many is remembered for a
while as the account's true limit. This module refuses to open and to close sockets: whoever holds a lease does.
"""

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

import trio

__all__ = ["MOST_REST_S", "Account", "Lease", "Pool", "PoolFull", "Purpose", "Ticket"]

Purpose = Literal["viewer", "probe", "refresh"]

LEARNED_FOR_S: Final = 600.0
COOLING_S: Final = 5.0
"""So long after a close a refusal may still mean the old connection: panels notice late (iptv-streams.md B4)."""
MOST_REST_S: Final = 600.0
"""An account or a host rests at most so long, whatever a provider asks for and however often (iptv-streams.md C6)."""
MOST_RESTS: Final = 16
MOST_CLOSES: Final = 32


class PoolFull(Exception):
    """No slot in time."""


@dataclass(frozen=True, slots=True)
class Account:
    """One set of credentials at one provider. `key` holds no secret; `limit` None: not known, so not limited."""

    key: str
    limit: int | None = None


@dataclass(eq=False, slots=True)
class Lease:
    """One connection to one account. Give it back with `release` in any case, once the socket is closed.

    `yield_up` is called when a viewer needs the slot: it must lead to a prompt `release`.
    """

    account: str
    purpose: Purpose
    yield_up: Callable[[], None] | None
    idle: bool = False
    """Held by an upstream that nobody watches at the moment."""
    asked: bool = False
    given_back: bool = False
    asking: bool = False
    """The provider was asked and has not answered yet: it may have let the connection in."""


@dataclass(slots=True)
class _Book:
    leases: set[Lease] = field(default_factory=set)
    learned: int | None = None
    learned_until: float = 0.0
    released_at: float = -1e9
    refused: int = 0
    rests: int = 0
    """How often in a row it was told to rest."""
    rested_until: float = 0.0
    held_off_until: float = 0.0
    late_s: float = 0.0
    """So long after a close a newcomer was let in at last: how late the panel notices."""
    late_until: float = 0.0
    closes: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_CLOSES))
    refused_since: set[str] = field(default_factory=set)
    """Channels refused since the last close; "" where the provider said that it was for the limit."""


@dataclass(eq=False, frozen=True, slots=True)
class Ticket:
    """One who wants a connection: of which accounts, and how urgently. `number` is unlike any other's."""

    purpose: Purpose
    keys: frozenset[str]
    number: int = field(default_factory=itertools.count(1).__next__)


class Pool:
    """The accounts of this process. Waiting is first come, first served within a purpose."""

    again_s: ClassVar[float] = float("inf")
    """Who waits tries again when a slot comes free here, and so often."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}
        self._waiting: list[Ticket] = []
        self._changed = trio.Event()

    def _book(self, key: str) -> _Book:
        return self._books.setdefault(key, _Book())

    def limit(self, account: Account) -> int | None:
        """What the account allows: the smaller of what it says and what its refusals taught."""
        book = self._book(account.key)
        if book.learned is not None and book.learned_until > trio.current_time():
            return book.learned if account.limit is None else min(account.limit, book.learned)
        return account.limit

    def free(self, account: Account, purpose: Purpose) -> int:
        """Free slots for a purpose. Probes and refreshes leave the last one to a viewer."""
        return self._room(account, purpose)

    def _room(self, account: Account, purpose: Purpose) -> int:
        """Free slots as far as this process uses them."""
        limit = self.limit(account)
        if limit is None:
            return 1_000_000
        return limit - len(self._book(account.key).leases) - (0 if purpose == "viewer" else 1)

    def _held(self, key: str) -> int:
        """Connections of an account in use."""
        return len(self._book(key).leases)

    def obtainable(self, accounts: Sequence[Account]) -> bool:
        """Whether a viewer would get a connection without waiting for another viewer to leave."""
        return any(
            self.free(a, "viewer") > 0
            or any(lease.idle or lease.purpose != "viewer" for lease in self._book(a.key).leases)
            for a in accounts
        )

    def _enter(self, account: Account, purpose: Purpose, yield_up: Callable[[], None] | None) -> Lease | None:
        """A lease in this process's book, or None where it is full."""
        if self._room(account, purpose) <= 0:
            return None
        lease = Lease(account.key, purpose, yield_up)
        self._book(account.key).leases.add(lease)
        return lease

    async def _take(
        self, ticket: Ticket, accounts: Sequence[Account], yield_up: Callable[[], None] | None
    ) -> Lease | None:
        """A lease on the account with the most room, or None. Cancelled, there is none."""
        best = max(accounts, key=lambda a: self.free(a, ticket.purpose), default=None)
        return None if best is None else self._enter(best, ticket.purpose, yield_up)

    def _wake(self) -> None:
        """Let all who wait look again."""
        self._changed.set()
        self._changed = trio.Event()

    def _give_up(self, ticket: Ticket) -> None:
        """Nobody asks for this ticket any more."""

    async def acquire(
        self,
        accounts: Sequence[Account],
        purpose: Purpose,
        *,
        wait_s: float,
        yield_up: Callable[[], None] | None = None,
    ) -> Lease:
        """A lease, waiting up to `wait_s` for one to close. Raises PoolFull. Cancelling leaves no trace."""
        # Before anything is taken: a lease that a cancelled caller never sees would stay for ever.
        await trio.lowlevel.checkpoint_if_cancelled()
        ticket = Ticket(purpose, frozenset(a.key for a in accounts))
        if not self._is_behind(ticket):
            lease = await self._take(ticket, accounts, yield_up)
            if lease is not None:
                return lease
        self._waiting.append(ticket)
        try:
            with trio.move_on_after(wait_s):
                while True:
                    if purpose == "viewer":
                        self._ask_to_yield(accounts)
                    with trio.move_on_after(self.again_s):
                        await self._changed.wait()
                    if not self._is_behind(ticket):
                        lease = await self._take(ticket, accounts, yield_up)
                        if lease is not None:
                            return lease
        finally:
            self._waiting.remove(ticket)
            self._give_up(ticket)
            self._wake()  # those behind, who may have wanted another account as well
        raise PoolFull(f"no free connection of {', '.join(a.key for a in accounts)}")

    def release(self, lease: Lease, *, served: bool = True, noticed: bool = False) -> None:
        """Give a slot back. Harmless twice. `served` False: the provider certainly never took the connection; `noticed`: it
        ended the connection itself, and knows.
        """
        book = self._book(lease.account)
        if lease not in book.leases:
            return
        book.leases.discard(lease)
        lease.given_back = True
        if served:
            book.released_at = trio.current_time()
            if not noticed:
                book.closes.append(book.released_at)
            book.refused_since.clear()
        self._wake()

    def set_idle(self, lease: Lease, *, idle: bool) -> None:
        """Whether anybody watches what the lease is for. Those who wait for a slot hear of it."""
        if idle and not lease.idle:
            self._wake()
        lease.idle = idle

    def count_refusal(self, key: str) -> None:
        """The provider refused a connection as one too many."""
        self._book(key).refused += 1

    def learn(self, account: Account, allowed: int | None = None) -> None:
        """The provider says that there are too many connections while ours were as many as they are now.

        `allowed` is the number in its words: others than this process may hold some, so what is less counts.
        """
        book = self._book(account.key)
        others = self._held(account.key) - 1
        known = [number for number in (others, allowed) if number and number > 0]
        if known:
            book.learned = min(known)
            book.learned_until = trio.current_time() + LEARNED_FOR_S

    def rest(self, key: str, wait_s: float) -> None:
        """Nobody asks with this account for so long, twice as long each time that it is told so again in a row."""
        book = self._book(key)
        rest_s = min(MOST_REST_S, wait_s * 2.0 ** min(book.rests, MOST_RESTS))
        book.rested_until = max(book.rested_until, trio.current_time() + rest_s)
        book.rests += 1

    def resting_s(self, key: str) -> float:
        """How long it still rests; 0 where it does not."""
        return max(0.0, self._book(key).rested_until - trio.current_time())

    def hold_off(self, key: str, wait_s: float, channel: str = "") -> None:
        """It was refused a moment ago, perhaps for a connection that was just closed: the next asks after so long.

        `channel` where the refusal may be about that alone.
        """
        book = self._book(key)
        book.held_off_until = trio.current_time() + wait_s
        book.refused_since.add(channel)

    def refused_since_close(self, key: str) -> bool:
        """Whether somebody was refused already since a connection was last closed."""
        return bool(self._book(key).refused_since)

    def held_off_s(self, account: Account) -> float:
        """How long whoever asks next, and has a lease, has to wait first; mostly 0.

        Where it is known how late the panel notices a close, so long as what was closed still fills the account there.
        """
        book, now = self._book(account.key), trio.current_time()
        until, limit = book.held_off_until, self.limit(account)
        if limit is not None and now < book.late_until:
            counted = [at for at in book.closes if at + book.late_s > now]
            over = self._held(account.key) + len(counted) - limit
            if over > 0 and counted:
                until = max(until, counted[min(over, len(counted)) - 1] + book.late_s)
        return max(0.0, until - now)

    def served(self, key: str, *, waited: bool = False) -> None:
        """The provider gave a stream, to somebody whom it had refused where `waited`: the next rest is a first one again.

        A refusal before it was about a close, unless it may have been about one channel that cannot be had.
        """
        book, now = self._book(key), trio.current_time()
        book.rests = 0
        about_close = waited or "" in book.refused_since or len(book.refused_since) > 1
        if about_close and now - book.released_at < COOLING_S:
            book.late_s, book.late_until = now - book.released_at, now + LEARNED_FOR_S
        book.refused_since.clear()

    def cooling(self, key: str) -> bool:
        """Whether a refusal may be about a connection that was closed a moment ago."""
        return trio.current_time() - self._book(key).released_at < COOLING_S

    async def run(self) -> None:
        """What the pool does besides answering: nothing, where one process counts for itself."""

    @property
    def trouble(self) -> str:
        """Why the budgets are not known at the moment; empty while they are."""
        return ""

    def use(self) -> dict[str, dict[str, int]]:
        """Leases by account and purpose, for metrics; `elsewhere` are those of other processes."""
        table = {}
        for key, book in sorted(self._books.items()):
            row = {"viewer": 0, "probe": 0, "refresh": 0, "idle": 0, "elsewhere": 0, "refused": book.refused}
            for lease in book.leases:
                row["idle" if lease.idle else lease.purpose] += 1
            table[key] = row
        return table

    def _is_behind(self, ticket: Ticket) -> bool:
        """Whether somebody who goes first waits for one of the same accounts."""
        order: dict[Purpose, int] = {"viewer": 0, "probe": 1, "refresh": 2}
        mine = self._waiting.index(ticket) if ticket in self._waiting else len(self._waiting)
        for place, other in enumerate(self._waiting):
            if other is ticket or not other.keys & ticket.keys:
                continue
            urgency = order[other.purpose] - order[ticket.purpose]
            if urgency < 0 or (urgency == 0 and place < mine):
                return True
        return False

    def _ask_to_yield(self, accounts: Sequence[Account]) -> None:
        """Ask for one slot: an upstream without viewers first, then a refresh, then a probe. Not one with a reader."""
        leases = [lease for a in accounts for lease in self._book(a.key).leases if lease.yield_up]
        if any(lease.asked for lease in leases):
            return
        order = {"viewer": 0, "refresh": 1, "probe": 2}
        leases = [lease for lease in leases if lease.purpose != "viewer" or lease.idle]
        for lease in sorted(leases, key=lambda one: order[one.purpose])[:1]:
            lease.asked = True
            assert lease.yield_up is not None
            lease.yield_up()
