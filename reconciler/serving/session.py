"""One channel being watched: an upstream, the viewers it feeds, and what happens when the upstream fails.

A session begins with the first viewer and ends some seconds after the last. In between it goes from way to way, and the
viewers' connections survive that (STR-3). It holds one lease at a time, except while ways are raced. Longer than most
modules, because the task, its clock and the sink share one thing: which way plays, and since when. This module refuses
to answer requests: `relay` does.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import trio

from reconciler.serving.attempt import Attempt, AttemptFailed, Won
from reconciler.serving.fanout import Channel, Outlet
from reconciler.serving.health import Health
from reconciler.serving.packets import (
    NULL_PACKET,
    PACKET_BYTES,
    PAT_PID,
    Psi,
    find_pmt,
    has_pid,
    pid_at,
    start_of,
)
from reconciler.serving.pool import Lease
from reconciler.serving.race import AllFailed, race, refusal_code
from reconciler.serving.settings import Terms, TimeLimits
from reconciler.serving.splice import Incompatible, Splice, plays_on
from reconciler.serving.transport import Piece
from reconciler.serving.upstream import UpstreamEnded
from reconciler.serving.ways import Way
from reconciler.serving.window import Window

__all__ = ["Events", "Session", "SessionPlan"]

log = logging.getLogger(__name__)

NULLS_AFTER_S: Final = 1.0
NULL_EVERY_S: Final = 0.3
KEY_FRAME_WAIT_S: Final = 1.5
ENDED_THERE: Final = frozenset({"eof", "reset"})
"""The provider ended it, and does not count it any more."""
STEADY_S: Final = 30.0
"""A way that played for so long and merely ended is tried again first."""
MOST_SWITCHES: Final = 10
"""So many in `SWITCH_WINDOW_S` of ways that hardly played (iptv-streams.md C6)."""
SWITCH_WINDOW_S: Final = 600.0
HURRIED_S: Final = 30.0
FIRST_PAUSE_S: Final = 0.25
MOST_PAUSE_S: Final = 2.0
"""Between asking the same hosts again while none of them plays."""
PLACE_KEPT: Final = 0.5
"""Share of the time for a switch after which a stream that has nothing new is begun anew: its numbers may begin again."""
HOPELESS: Final = frozenset({"muxer", "credentials", "encrypted"})
"""What does not change by asking again."""
CHILD_LINGER_S: Final = 1.0
TUNE_GRACE_S: Final = 0.5
RING_S: Final = 6.0
SHOWN_MARKS: Final = 11
FOREIGN_BYTES: Final = 10 * PACKET_BYTES
SERVICE_PIDS: Final = frozenset(range(0x20)) | {0x1FFF}
MOST_RING_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What a session needs to know of its channel. `ways` is asked at each start and switch: routes may have changed."""

    channel: str
    dvr: str
    label: str
    ways: Callable[[], list[Way]]
    terms: Callable[[Way], Terms]
    ring_bytes: int | None = None


@dataclass(slots=True)
class Events:
    """What sessions tell the process: for metrics and pages."""

    failed: Callable[[Way, AttemptFailed], None]
    started: Callable[[float], None]
    switched: Callable[[str], None]


class Session:
    """See the module. `run` is the task; everything else is synchronous and called from the same thread."""

    def __init__(
        self, plan: SessionPlan, attempt: Attempt, health: Health, channel: Channel, events: Events
    ) -> None:
        self.plan = plan
        self.channel = channel
        self.ready = trio.Event()
        self.failure = 0
        """The HDHomeRun error code where `ready` is set and there is no stream."""
        self.waiting = 0
        """Viewers that wait for `ready`."""
        self.ended = False
        self.created_at = trio.current_time()
        self.began_at = trio.current_time()
        """When the present way began to play."""
        self.switches = 0
        self.rate_bps = 0.0
        self.won: Won | None = None
        self._asking: list[Lease] = []
        """The connections of attempts under way, given back meanwhile or not."""
        self._attempt = attempt
        self._health = health
        self._events = events
        self._scope = trio.CancelScope()
        self._play_scope: trio.CancelScope | None = None
        self._play_cause = ""
        self._idle_since: float | None = trio.current_time()
        self._splice: Splice | None = None
        self._splice_until = 0.0
        self._switching = False
        self._null_at = 0.0
        self._recent: deque[float] = deque()
        """When ways failed that had hardly played."""
        self._place: tuple[tuple[str, ...], Window] | None = None
        """Where the way that has just failed goes on, should it be the next one as well."""
        self._rate_mark = (trio.current_time(), 0)
        self._marks = deque([self._rate_mark], maxlen=SHOWN_MARKS)
        self._tune_s = TimeLimits().tune_s
        self.look_s = 0.0
        """Between two looks at the tables: the relay's to say, because all its channels share one core."""
        self._looked_at = 0.0
        self._table = b""
        """The packet of the PMT that was looked at last, without its head."""
        self._pids_of: Psi | None = None
        self._pids: frozenset[int] = frozenset()

    # --- the task --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """From the first attempt to the end. Frees everything it holds; cancelling is safe."""
        try:
            with self._scope:
                await self._tune()
        finally:
            self.ended = True
            self._let_go()
            self.channel.finish()
            self.ready.set()

    async def _tune(self) -> None:
        began = trio.current_time()
        try:
            won = await self._race(self.plan.ways(), None)
        except AllFailed as error:
            self.failure = refusal_code(error.failures)
            detail = "; ".join(dict.fromkeys(f.detail for f in error.failures)) or "no way to it"
            log.warning("%s cannot be tuned (%d): %s", self.plan.label, self.failure, detail)
            return
        self.won = won
        while True:
            cause = await self._play(won, began)
            if not self.channel.viewers and not self.waiting:
                return
            log.warning(
                "%s: %s of %s: %s", self.plan.label, won.way.host, won.way.source.name, cause or "ended"
            )
            next_won = await self._switch(won, cause)
            if next_won is None:
                return
            won = next_won

    async def _race(self, ways: Sequence[Way], within_s: float | None) -> Won:
        limits = (self.plan.terms(ways[0]) if ways else Terms()).limits
        self._tune_s = limits.tune_s
        try:
            return await race(
                self._attempt,
                ways,
                partial(self._terms, alone=len(ways) < 2),
                within_s=limits.tune_s if within_s is None else within_s,
                race_s=limits.race_s,
                told=self._told,
                held=self._held,
            )
        finally:
            self._asking.clear()

    def _terms(self, way: Way, *, alone: bool) -> Terms:
        terms = replace(self.plan.terms(way), alone=alone)
        if self._place is None or self._place[0] != way.stream_key:
            return terms
        return replace(terms, after=self._place[1].without(()))

    async def _play(self, won: Won, began: float) -> str:
        """Feed the viewers from one upstream until it fails. Returns the cause."""
        self.won = won
        self._play_cause = ""
        self._attempt.pool.set_idle(won.lease, idle=self._idle_since is not None)
        with trio.CancelScope() as self._play_scope:
            try:
                await won.upstream.play(_Sink(self, began))
            except UpstreamEnded as error:
                self._play_cause = error.cause
                if error.wait_s is not None:
                    self._rest(won.way, won.lease.account, error.cause, error.wait_s)
        self._play_scope = None
        place = won.upstream.place
        self._place = None if place is None else (won.way.stream_key, place)
        self.channel.release_lone()
        self._let_go()
        return self._play_cause

    async def _switch(self, old: Won, cause: str) -> Won | None:
        """The next upstream, or None when there is none in time."""
        now = trio.current_time()
        while self._recent and now - self._recent[0] > SWITCH_WINDOW_S:
            self._recent.popleft()
        if len(self._recent) >= MOST_SWITCHES:
            log.warning("%s: more than %d switches in ten minutes", self.plan.label, MOST_SWITCHES)
            return None
        limits = self.plan.terms(old.way).limits
        hurried = sum(now - at < HURRIED_S for at in self._recent)
        if now - self.began_at < limits.served_s:
            self._recent.append(now)
        steady = now - self.began_at > STEADY_S and cause in ENDED_THERE
        if not steady:
            self._health.failed(old.way.stream_key, cause)
        self._switching = True
        try:
            if hurried:
                await trio.sleep(min(MOST_PAUSE_S, FIRST_PAUSE_S * 2 ** (hurried - 1)))
            won = await self._next(old, limits.switch_s, steady=steady)
        finally:
            self._switching = False
        if won is None:
            return None
        self.began_at = trio.current_time()
        self.switches += 1
        self._events.switched(cause)
        self._begin_splice()
        return won

    async def _next(self, old: Won, within_s: float, *, steady: bool) -> Won | None:
        """A way that plays, asked for in rounds: a host that restarts is back in a second or two, often the only one."""
        began, pause_s = trio.current_time(), FIRST_PAUSE_S
        while True:
            left_s = began + within_s - trio.current_time()
            ways = self.plan.ways()
            ways.sort(key=lambda way: (way.stream_key == old.way.stream_key) is not steady)
            rest_s = min((self._health.resting_s(way.host_key) for way in ways), default=0.0)
            if rest_s >= left_s:
                log.warning("%s ends: asked to come back in %.0f s", self.plan.label, rest_s)
                return None
            await trio.sleep(rest_s)
            asked = [way for way in ways if not self._health.resting_s(way.host_key)]
            try:
                return await self._race(asked, left_s - rest_s)
            except AllFailed as error:
                left_s = began + within_s - trio.current_time()
                if left_s < pause_s or all(failure.cause in HOPELESS for failure in error.failures):
                    detail = "; ".join(dict.fromkeys(f.detail for f in error.failures))
                    log.warning("%s ends: %s", self.plan.label, detail or "no way to it")
                    return None
                if left_s < within_s * PLACE_KEPT:
                    self._place = None
            await trio.sleep(pause_s)
            pause_s = min(MOST_PAUSE_S, 2 * pause_s)

    def _rest(self, way: Way, account: str, cause: str, wait_s: float) -> None:
        """A provider said when to come back: the account rests, or the host where it is not the account's limit."""
        if cause == "limit" and way.is_of_an_account:
            self._attempt.pool.rest(account, wait_s)
        else:
            self._health.rest(way.host_key, wait_s)

    def _begin_splice(self) -> None:
        self.channel.learn_psi()
        self._splice = Splice(self.channel.psi, self.channel.tail())
        self._splice_until = trio.current_time() + KEY_FRAME_WAIT_S

    def _let_go(self) -> None:
        won, self.won = self.won, None
        if won is not None:
            won.upstream.close()
            self._attempt.pool.release(won.lease, noticed=self._play_cause in ENDED_THERE)

    def _told(self, way: Way, error: AttemptFailed | None) -> None:
        """Health belongs to the attempt: the host's where it did not answer, the stream's where it did."""
        if error is None:
            self._health.worked(way.host_key)
            self._health.worked(way.stream_key)
            return
        self._events.failed(way, error)
        if error.wait_s is not None and not (error.cause == "limit" and way.is_of_an_account):
            self._health.rest(way.host_key, error.wait_s)
        if error.cause in {"pool", "limit", "credentials", "muxer"}:
            return  # says nothing about host or stream
        if way.pinned:
            log.warning(
                "the pinned host %s of %s is passed over: %s", way.host, way.source.name, error.detail
            )
        if not error.connected or error.cause in {"busy", "challenge", "denied"}:
            self._health.failed(way.host_key, error.cause)
        else:
            self._health.failed(way.stream_key, error.cause)

    # --- what the relay and the pool call ----------------------------------------------------------------------

    def viewers_changed(self) -> None:
        """After a viewer came or went."""
        idle = not self.channel.viewers and not self.waiting
        self.channel.held_for_first = self.waiting > 0
        self._idle_since = (self._idle_since or trio.current_time()) if idle else None
        leases = [self.won.lease] if self.won is not None else [a for a in self._asking if not a.given_back]
        for lease in leases:
            self._attempt.pool.set_idle(lease, idle=idle)
        if idle and not leases:
            self._scope.cancel()  # it only waits for a connection, before others who are still there

    def _held(self, lease: Lease) -> None:
        """An attempt of ours has a connection."""
        lease.yield_up = partial(self._yield_up, lease)
        self._asking.append(lease)
        self._attempt.pool.set_idle(lease, idle=self._idle_since is not None)

    def _yield_up(self, lease: Lease) -> None:
        """A viewer of another channel needs the slot: only given while nobody watches."""
        if self._idle_since is not None:
            self._scope.cancel()
        else:
            lease.asked = False

    @property
    def over(self) -> bool:
        """Whether it has ended, or is about to: nobody is to join it."""
        return self.ended or self._scope.cancel_called

    def end(self) -> None:
        """End it now, whoever watches."""
        self._scope.cancel()

    def tick(self, now: float, linger_s: float) -> None:
        """Four times a second: silence, lingering, null packets, rates."""
        if self.won is not None and self.won.upstream.child:
            linger_s = min(linger_s, CHILD_LINGER_S)
        if self._idle_since is not None and now - self._idle_since > linger_s:
            self._scope.cancel()
            return
        if not self.ready.is_set() and now - self.created_at > self._tune_s + TUNE_GRACE_S:
            # Ways were found and nothing comes out of them: a muxer that finds no stream in what it is fed.
            self.failure = 807
            self._scope.cancel()
            return
        since, taken = self._rate_mark
        if now - since >= 1.0:
            self.rate_bps = (self.channel.published_bytes - taken) * 8 / (now - since)
            self._rate_mark = (now, self.channel.published_bytes)
            self._marks.append(self._rate_mark)
            if self.plan.ring_bytes is None:
                self.channel.widen(min(MOST_RING_BYTES, int(self.rate_bps / 8 * RING_S)))
        won, scope = self.won, self._play_scope
        if won is not None and scope is not None:
            if self.channel.waiting_for_viewers:
                won.upstream.heard_at = now
            cause = won.upstream.tick(now, self.rate_bps)
            if cause:
                self._play_cause = cause
                scope.cancel()
        if self._splice is not None and not self._splice.ready and now > self._splice_until:
            try:
                self._publish(self._splice.give_up_waiting())
            except Incompatible:
                self._splice_until = float("inf")  # `play` is ended once; the next way begins another splice
                self._play_cause = "codec-change"
                if scope is not None:
                    scope.cancel()
        quiet = now - max(self.channel.published_at, self._null_at)
        if (
            self.channel.viewers
            and self.channel.published_bytes
            and self._is_stuck(now)
            and quiet > NULL_EVERY_S
        ):
            # Players drop a stream that says nothing for three to five seconds (Dispatcharr #1038).
            self._null_at = now
            self.channel.publish([NULL_PACKET])

    @property
    def shown_bps(self) -> float:
        """The mean rate of the last ten seconds, for people: segments come in bursts, with whole seconds of nothing."""
        (since, had), (now, have) = self._marks[0], self._marks[-1]
        return (have - had) * 8 / (now - since) if now > since else 0.0

    def _is_stuck(self, now: float) -> bool:
        if self.channel.waiting_for_viewers:
            return False
        if self._switching or (self._splice is not None and not self._splice.ready):
            return True
        heard = self.won.upstream.heard_at if self.won is not None else now
        return now - heard > NULLS_AFTER_S and now - self.channel.published_at > NULL_EVERY_S

    # --- the sink's side ---------------------------------------------------------------------------------------

    def take(self, pieces: Sequence[Piece], began: float) -> None:
        """Packets from the upstream."""
        try:
            out = self._splice.feed(pieces) if self._splice is not None else pieces
            if out and (self.is_foreign(out) or self._tables_change(out)):
                # The provider changed PIDs or codecs under us: a player would wait for the old ones for ever, or choke.
                self._begin_splice()
                out = self._splice.feed(pieces) if self._splice is not None else pieces
        except Incompatible as error:
            raise UpstreamEnded("codec-change", str(error)) from error
        if out:
            self.channel.publish(out, then_room=True)
        if not self.ready.is_set():
            self._events.started(trio.current_time() - began)
            self.ready.set()

    def is_foreign(self, pieces: Sequence[Piece]) -> bool:
        """Whether a good deal of packets has nothing of the main stream in it. A look at two packets, nearly always."""
        psi = self.channel.psi
        if psi is None or psi.main is None:
            return False
        last = pieces[-1]
        known = self._known_pids(psi)
        if pid_at(last, 0) in known and pid_at(last, len(last) - PACKET_BYTES) in known:
            return False
        data = b"".join(pieces)
        return len(data) >= FOREIGN_BYTES and not has_pid(data, psi.main.pid)

    def _tables_change(self, pieces: Sequence[Piece]) -> bool:
        """Whether a PMT says that a player's picture or sound is elsewhere now, or is another codec's.

        Looked at every `look_s` and where pieces begin with tables, as segments do: a tenth of a millisecond for the
        160 kB of a steady stream, most of it to bring them into the cache.
        """
        psi, now = self.channel.psi, trio.current_time()
        if psi is None or (
            now - self._looked_at < self.look_s and pid_at(pieces[0], 0) not in {PAT_PID, psi.pmt_pid}
        ):
            return False
        self._looked_at = now
        data = b"".join(pieces)
        at = start_of(data, psi.pmt_pid)
        table = data[at + 4 : at + PACKET_BYTES]
        if at < 0 or table == self._table:
            return False
        self._table = table
        new = find_pmt(data, psi)
        if new is None or new.streams == psi.streams:
            return False
        if plays_on(psi, new):
            self.channel.psi = new  # what late viewers are told
            return False
        return True

    def _known_pids(self, psi: Psi) -> frozenset[int]:
        if self._pids_of is not psi:
            self._pids_of = psi
            self._pids = SERVICE_PIDS | {psi.pmt_pid, *(s.pid for s in psi.streams)}
        return self._pids

    def outlet(self) -> Outlet | None:
        """The viewer that may be poured to, past `take`: nothing is to be changed and nothing to be kept."""
        if self._splice is not None and not self._splice.transparent:
            return None
        return self.channel.outlet()

    def _publish(self, pieces: Sequence[Piece]) -> None:
        if pieces:
            self.channel.publish(pieces)

    def discontinuity(self) -> None:
        """The upstream says that what follows may be another programme."""
        self.channel.learn_psi()
        if self.channel.psi is not None:
            self._begin_splice()


class _Sink:
    """The session as its upstream sees it."""

    __slots__ = ("_began", "_session")

    def __init__(self, session: Session, began: float) -> None:
        self._session = session
        self._began = began

    def pieces(self, pieces: Sequence[Piece]) -> None:
        """See Sink."""
        self._session.take(pieces, self._began)

    def discontinuity(self) -> None:
        """See Sink."""
        self._session.discontinuity()

    async def room(self) -> None:
        """See Sink."""
        await self._session.channel.room()

    @property
    def shared(self) -> bool:
        """See Sink."""
        return len(self._session.channel.viewers) > 1

    def outlet(self) -> Outlet | None:
        """See Sink."""
        return self._session.outlet()

    def familiar(self, packets: Piece) -> bool:
        """See Sink."""
        return not self._session.is_foreign([packets])
