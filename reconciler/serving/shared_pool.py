"""The pool where several `serve` processes share accounts: each account's budget is kept in Redis or Valkey.

What holds in one process holds across all: viewers before probes before refreshes, the last slot never a probe's, an
upstream that nobody watches given up for whoever wants to watch, 805 after the same wait. Within a process `Pool` goes
on deciding; on top, each connection is a lease in the shared books, renewed every second.

When the books are out of reach, streams go on and nothing new is started on an account with a limit (docs/decisions/0003):
an account that is used twice may be locked, a tune that is refused is tried again. This module refuses to cut a stream
because a lease ran out.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final

import trio

from reconciler.serving.budgets import BEAT_S, Answer, Away, Budgets
from reconciler.serving.pool import LEARNED_FOR_S, Account, Lease, Pool, Purpose, Ticket

__all__ = ["SharedPool"]

log = logging.getLogger(__name__)

WATCHED_BEAT_S: Final = 0.25
"""While something is held that a viewer elsewhere may want: he gets it within a second (STM-2)."""
CALLS: Final = 4
MOST_OWED: Final = 256
FAREWELL_S: Final = 2.0


@dataclass(slots=True)
class _Elsewhere:
    """What other processes hold of one account, as of our last look."""

    held: int = 0
    yielding: int = 0


@dataclass(slots=True)
class _Owed:
    """What is to be told of one account at the next beat."""

    back: list[tuple[str, bool]] = field(default_factory=list)
    learned: int | None = None


class SharedPool(Pool):
    """See the module. `run` has to run: it renews the leases and hears who waits."""

    again_s: ClassVar[float] = 0.2

    def __init__(self, budgets: Budgets) -> None:
        super().__init__()
        self._budgets = budgets
        self._owner = uuid.uuid4().hex[:12]
        self._names: dict[Lease, str] = {}
        self._elsewhere: dict[str, _Elsewhere] = {}
        self._owed: dict[str, _Owed] = {}
        self._soon = trio.Event()
        self._turn = trio.Lock()
        self._calls = trio.CapacityLimiter(CALLS)
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why the shared books cannot be read; empty while they can."""
        return self._trouble

    async def run(self) -> None:
        """Beat until cancelled, then give everything back, waiting at most two seconds for that."""
        try:
            while True:
                # Without an account it is asked all the same: said in time that it is away, and settled before a tune.
                for key in [*self._books] or [""]:
                    await self._beat(key)
                with trio.move_on_after(WATCHED_BEAT_S if self._may_yield() else BEAT_S):
                    await self._soon.wait()
                self._soon = trio.Event()
        finally:
            for lease in [*self._names]:
                self.release(lease)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + FAREWELL_S):
                for key in [] if self._trouble else [*self._owed]:
                    await self._beat(key)
            self._budgets.close()

    # --- what the process asks ---------------------------------------------------------------------------------

    def free(self, account: Account, purpose: Purpose) -> int:
        """As `Pool`'s, less what others hold as far as is known."""
        return super().free(account, purpose) - self._seen(account.key).held

    def obtainable(self, accounts: Sequence[Account]) -> bool:
        """As `Pool`'s, with what is idle elsewhere."""
        return super().obtainable(accounts) or any(self._seen(a.key).yielding for a in accounts)

    def release(self, lease: Lease, *, served: bool = True, noticed: bool = False) -> None:
        """As `Pool`'s; the others learn of it in a moment."""
        super().release(lease, served=served, noticed=noticed)
        name = self._names.pop(lease, None)
        if name is not None:
            self._give_back(lease.account, name, served=served)

    def set_idle(self, lease: Lease, *, idle: bool) -> None:
        """As `Pool`'s; a change is told at once."""
        changed = lease.idle != idle
        super().set_idle(lease, idle=idle)
        if changed:
            self._soon.set()

    def learn(self, account: Account, allowed: int | None = None) -> None:
        """As `Pool`'s, counting what others hold; the others are told. How long to rest each process hears by itself."""
        super().learn(account, allowed)
        book = self._book(account.key)
        if book.learned is not None and book.learned_until > trio.current_time():
            self._owe(account.key).learned = book.learned
            self._soon.set()

    def use(self) -> dict[str, dict[str, int]]:
        """As `Pool`'s, with what others hold."""
        table = super().use()
        for key, row in table.items():
            row["elsewhere"] = self._seen(key).held
        return table

    def _held(self, key: str) -> int:
        return super()._held(key) + self._seen(key).held

    def _seen(self, key: str) -> _Elsewhere:
        return self._elsewhere.setdefault(key, _Elsewhere())

    # --- the shared books --------------------------------------------------------------------------------------

    async def _take(
        self, ticket: Ticket, accounts: Sequence[Account], yield_up: Callable[[], None] | None
    ) -> Lease | None:
        """One asking at each account, the one with most room first."""
        name = f"{self._owner}:{ticket.number}"
        for account in sorted(accounts, key=lambda a: -self.free(a, ticket.purpose)):
            lease = self._enter(account, ticket.purpose, yield_up)
            if lease is None:
                continue
            try:
                got = await self._granted(account, name, ticket.purpose)
            except BaseException:
                super().release(lease, served=False)
                self._give_back(account.key, name, served=False)
                raise
            if got:
                self._names[lease] = name
                return lease
            super().release(lease, served=False)
        return None

    async def _granted(self, account: Account, name: str, purpose: Purpose) -> bool:
        """Whether the shared books give a lease of this name. Out of reach, only what has no limit is given."""
        key, limit = account.key, self.limit(account)
        if key in self._owed and not self._trouble:
            await self._beat(key)  # what was given back a moment ago may be what is asked for now
        answer = await self._call(partial(self._budgets.take, key, name, purpose, limit))
        if answer is None:
            return limit is None
        ours = sum(lease.account == key for lease in self._names)
        self._note(key, answer, ours=ours + answer.got)
        return answer.got

    def _give_up(self, ticket: Ticket) -> None:
        name = f"{self._owner}:{ticket.number}"
        granted = {lease.account for lease, held in self._names.items() if held == name}
        for key in ticket.keys - granted:
            self._give_back(key, name, served=False)

    def _give_back(self, key: str, name: str, *, served: bool) -> None:
        owed = self._owe(key)
        owed.back = [*owed.back[1 - MOST_OWED :], (name, served)]
        self._soon.set()

    def _owe(self, key: str) -> _Owed:
        return self._owed.setdefault(key, _Owed())

    async def _beat(self, key: str) -> None:
        """Tell one account's book what we hold and owe, and hear what is wanted of us."""
        async with self._turn:
            owed = self._owed.pop(key, _Owed())
            held = {name: _kind(lease) for lease, name in self._names.items() if lease.account == key}
            learned = None if owed.learned is None else (owed.learned, LEARNED_FOR_S)
            answer = None
            try:
                answer = await self._call(partial(self._budgets.beat, key, held, owed.back, learned))
            finally:  # out of reach, or a caller cancelled in between: told later, or it runs out by itself
                if answer is None:
                    late = self._owe(key)
                    late.back = [*owed.back, *late.back][-MOST_OWED:]
                    late.learned = owed.learned if late.learned is None else late.learned
            if answer is None:
                return
        self._note(key, answer, ours=len(held))
        wanted = next((lease for lease, name in self._names.items() if name == answer.asked), None)
        if wanted is not None and wanted.yield_up is not None and not wanted.asked:
            wanted.asked = True
            wanted.yield_up()

    async def _call(self, step: Callable[[], Answer]) -> Answer | None:
        """A step in a worker thread, at most some seconds; None where the books are out of reach, which is logged once."""
        try:
            answer = await trio.to_thread.run_sync(step, limiter=self._calls)
        except Away as error:
            if not self._trouble:
                log.warning(
                    "the shared pool is out of reach: %s; running streams go on, new ones get 805 until it is back",
                    error,
                )
            self._trouble = str(error)
            return None
        if self._trouble:
            log.info("the shared pool is back")
        self._trouble = ""
        return answer

    def _note(self, key: str, answer: Answer, *, ours: int) -> None:
        seen, book, now = self._seen(key), self._book(key), trio.current_time()
        mine = sum(lease.idle or lease.purpose != "viewer" for lease in book.leases)
        seen.held = max(0, answer.held - ours)
        seen.yielding = max(0, answer.yielding - mine)
        book.released_at = max(book.released_at, now - answer.closed_s)
        if answer.learned is not None:
            book.learned, book.learned_until = answer.learned, now + answer.learned_s

    def _may_yield(self) -> bool:
        return any(lease.idle or lease.purpose != "viewer" for lease in self._names)


def _kind(lease: Lease) -> str:
    return "idle" if lease.idle else lease.purpose
