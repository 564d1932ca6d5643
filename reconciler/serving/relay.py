"""Streams to viewers: who may watch, which session feeds them, and when it is over.

A viewer takes a seat (a tuner of the DVR), then joins the channel's session or begins one. No status is sent before the
first packet is there, so that every refusal is one (design.md 6). The client's departure is watched from the first
moment to the last. This module refuses to look at packets.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import trio

from reconciler.serving.answers import Answer, answer_head, refusal
from reconciler.serving.attempt import Attempt, AttemptFailed
from reconciler.serving.fanout import RING_BYTES, Channel, Ended, Viewer
from reconciler.serving.films import Films
from reconciler.serving.generations import Generation, Live, Tuner
from reconciler.serving.hdhr import Busy
from reconciler.serving.heads import Request
from reconciler.serving.health import Health
from reconciler.serving.measures import Measures
from reconciler.serving.pool import Pool
from reconciler.serving.seats import Seat, Seats
from reconciler.serving.session import Events, Session, SessionPlan
from reconciler.serving.settings import Profile, Terms, TimeLimits
from reconciler.serving.ways import Way, ways_of
from reconciler.serving.wire import Wire

__all__ = ["Relay"]

log = logging.getLogger(__name__)

TICK_S: Final = 0.25
HISTORY_BYTES: Final = 12 << 20
"""For late viewers, all channels together: few channels keep seconds each, many keep nothing (performance.md R2)."""
LEAST_HISTORY_BYTES: Final = 1 << 20
"""Less would hardly ever hold a key frame."""
LEAST_HISTORY_S: Final = 0.25
LOOK_S: Final = 0.25
MOST_LOOKS: Final = 40
"""So many looks a second at the tables of all streams: at two hundred streams four each cost a tenth of a core."""
STRAY_LIMIT_BYTES: Final = 64 * 1024
PROFILES: Final[Mapping[str, Profile]] = {"remux": "remux", "salvage": "salvage"}


class Relay:
    """All sessions of the process."""

    def __init__(
        self, live: Live, attempt: Attempt, health: Health, limits: TimeLimits, measures: Measures
    ) -> None:
        self._live = live
        self._attempt = attempt
        self._health = health
        self._limits = limits
        self._measures = measures
        self.seats = Seats()
        self.sessions: dict[str, Session] = {}
        self._nursery: trio.Nursery | None = None
        self._busy = trio.Event()
        self._left = trio.Event()

    @property
    def pool(self) -> Pool:
        """The accounts' connections."""
        return self._attempt.pool

    async def run(self) -> None:
        """Own the sessions until cancelled; they end with it."""
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._tick)

    async def _run_session(self, session: Session) -> None:
        try:
            await session.run()
        except Exception:  # a task's border: a fault in one channel must not end the others
            log.exception("%s ended by a fault of ours", session.plan.label)
            session.failure = session.failure or 806
        finally:
            if self.sessions.get(session.plan.channel) is session:
                del self.sessions[session.plan.channel]
            self._left.set()
            self._left = trio.Event()

    async def idle(self) -> None:
        """Wait until no session is left."""
        while self.sessions:
            await self._left.wait()

    async def _tick(self) -> None:
        """The one clock of all sessions: timers for each read would cost more than the reading."""
        while True:
            if not self.sessions:
                await self._busy.wait()
            self._busy = trio.Event()
            now = trio.current_time()
            history = self._history()
            for session in list(self.sessions.values()):
                # At a rate that fills it in a moment, history is of no use and only spoils the caches.
                useful = history > session.rate_bps / 8 * LEAST_HISTORY_S
                session.look_s = max(LOOK_S, len(self.sessions) / MOST_LOOKS)
                session.channel.history_bytes = min(history, session.channel.ring_bytes) if useful else 0
                try:
                    session.tick(now, self._limits.linger_s)
                except Exception:  # one channel's fault must not stop the clock of all
                    log.exception("%s ends by a fault of ours", session.plan.label)
                    session.end()
                    continue
                session.channel.drop_stalled(now - self._limits.stall_s)
                session.channel.admit_waiting(now - self._limits.join_s)
            self._attempt.blocks.thin()
            await trio.sleep(TICK_S)

    async def film(self, wire: Wire, request: Request, generation: Generation, channel: str) -> Answer | None:
        """Pass a film or an episode through; None once it is sent. Raises OSError when the client leaves."""
        if self._live.draining:
            return refusal(803)
        ways = ways_of(channel, generation.routes, self._health)
        return await Films(self._attempt, self._limits).send(wire, request, ways)

    # --- one viewer ------------------------------------------------------------------------------------------

    async def watch(
        self, wire: Wire, request: Request, tuner: Tuner, number: str, wish: int | None
    ) -> Answer | None:
        """Serve a stream to its end and return None, or return why not. Raises OSError when the client leaves early."""
        dvr = tuner.dvr
        if self._live.draining:
            return refusal(803)
        seat = self.seats.take(dvr, number, wire.peer, wish)
        if isinstance(seat, int):
            self._measures.refused(seat)
            return refusal(seat)
        try:
            return await self._watch(wire, request, tuner, number, seat)
        finally:
            self.seats.leave(seat, wire.peer)

    async def _watch(
        self, wire: Wire, request: Request, tuner: Tuner, number: str, seat: Seat
    ) -> Answer | None:
        session = self._session(tuner, number)
        answer: Answer | None = None
        async with trio.open_nursery() as nursery:

            async def departure() -> None:
                await _client_left(wire)
                nursery.cancel_scope.cancel()

            nursery.start_soon(departure)
            viewer: Viewer | None = None
            session.waiting += 1
            session.viewers_changed()
            try:
                await session.ready.wait()
                if not session.failure and not session.ended:
                    viewer = Viewer(wire, chunked=request.http11)
                    session.channel.join(viewer)
            finally:
                session.waiting -= 1
                session.viewers_changed()
            if viewer is None:
                code = session.failure or 807
                self._measures.refused(code)
                answer = refusal(code)
            else:
                viewer.greet(self.stream_head(http11=request.http11, resource=f"tuner{seat.tuner}"))
                await self._stream(viewer, request, session)
            nursery.cancel_scope.cancel()
        return answer

    async def _stream(self, viewer: Viewer, request: Request, session: Session) -> None:
        """Serve a viewer that has joined."""
        channel = session.channel
        ended: Ended = "left"
        try:
            with trio.move_on_after(_duration(request)) as limit:
                ended = await channel.serve(viewer)
            if limit.cancelled_caught:
                ended = "over"
                await channel.end_early(viewer)
        except OSError:
            pass  # it has left: the other task sees it as well, a moment later
        finally:
            channel.leave(viewer)
            session.viewers_changed()
            self._measures.left(ended, viewer.sent_bytes)

    def stream_head(self, *, http11: bool, resource: str) -> bytes:
        """The head of every stream. Never a length, never ranges: players that see one begin to loop (hdhomerun.md 2.8)."""
        headers = [("Content-Type", "video/mp2t"), ("Cache-Control", "no-cache"), ("Accept-Ranges", "none")]
        if resource:
            headers.append(("X-HDHomeRun-Resource", resource))
        if http11:
            headers.append(("Transfer-Encoding", "chunked"))
        return answer_head(200, headers, close=True)

    # --- sessions --------------------------------------------------------------------------------------------

    def _session(self, tuner: Tuner, number: str) -> Session:
        channel_id = tuner.dvr.channels[number]
        session = self.sessions.get(channel_id)
        if session is not None and not session.over:
            return session
        generation = self._live.generation
        assert generation is not None
        ways = partial(self._ways, channel_id, tuner.dvr.name, generation)
        first = next(iter(ways()), None)
        buffer_bytes = tuner.dvr.buffer_bytes or (first.source.buffer_bytes if first else None)
        plan = SessionPlan(
            channel=channel_id,
            dvr=tuner.dvr.name,
            label=f"{tuner.dvr.name} {number}",
            ways=ways,
            terms=partial(self._terms, tuner),
            ring_bytes=buffer_bytes,
        )
        channel = Channel(ring_bytes=buffer_bytes or RING_BYTES, history_bytes=self._history())
        events = Events(self._failed, self._measures.tuned, self._measures.switched)
        session = self.sessions[channel_id] = Session(plan, self._attempt, self._health, channel, events)
        assert self._nursery is not None, "the relay is not running"
        self._nursery.start_soon(self._run_session, session)
        self._busy.set()
        return session

    def _ways(self, channel_id: str, dvr: str, at_start: Generation) -> list[Way]:
        """By the routes of today; by those of the start where today's no longer have the channel (STR-7).

        Ways whose accounts are full come last.
        """
        generation = self._live.generation or at_start
        ways = ways_of(channel_id, generation.routes, self._health, dvr)
        ways = ways or ways_of(channel_id, at_start.routes, self._health, dvr)
        return sorted(ways, key=lambda way: not self.pool.obtainable(way.accounts))

    def _terms(self, tuner: Tuner, way: Way) -> Terms:
        """The DVR's word, else the source's, else the default."""
        connect_s = way.source.connect_s or self._limits.connect_s
        first_byte_s = tuner.dvr.first_byte_s or way.source.first_byte_s or self._limits.first_byte_s
        limits = replace(self._limits, connect_s=connect_s, first_byte_s=first_byte_s)
        return Terms(limits, PROFILES.get(tuner.dvr.profile or way.source.profile, "copy"))

    def _history(self) -> int:
        share = HISTORY_BYTES // max(1, len(self.sessions))
        return share if share >= LEAST_HISTORY_BYTES else 0

    def _failed(self, way: Way, error: AttemptFailed) -> None:
        self._measures.attempt_failed(way.source.name, error.cause)

    def busy(self, tuner: Tuner) -> Sequence[Busy]:
        """The tuners of a DVR in use, for status.json."""
        rows = []
        for seat in self.seats.of(tuner.dvr.name):
            session = self.sessions.get(seat.channel)
            rate = int(session.shown_bps) if session is not None else 0
            name = tuner.names.get(seat.number, "")
            rows.append(Busy(seat.tuner, seat.number, name, rate, seat.clients[0] if seat.clients else ""))
        return rows


def _duration(request: Request) -> float:
    """`?duration=<seconds>` ends a stream after that time (hdhomerun.md 2.8); `transcode` is accepted and ignored."""
    text = request.arg("duration")
    return (
        float(text) if text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0 else float("inf")
    )


async def _client_left(wire: Wire) -> None:
    """Returns when the client has closed, reset, or keeps talking after its request."""
    stray = 0
    while stray < STRAY_LIMIT_BYTES:
        try:
            data = await wire.receive(4096)
        except OSError:
            return
        if not data:
            return
        stray += len(data)
