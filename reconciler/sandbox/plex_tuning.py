"""Grabs: the streams the simulated Plex reads from tuners, for viewers (rolling) and for recordings.

A grab asks for the lineup's URL exactly as Plex's ffmpeg does (plex-livetv.md 6.2), measures what comes, and keeps the
last seconds as HLS segments for whoever tuned in. Tuner slots are counted here, as Plex counts its own (6.2). Nothing
is decoded.
"""

import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import httpx
import trio

from reconciler.sandbox.plex_faults import Behaviour
from reconciler.sandbox.plex_loads import Spawn
from reconciler.sandbox.plex_records import Device, Mapping

__all__ = ["Grab", "Grabs", "Segment", "TuneFailed"]

PACKET_BYTES: Final = 188
SYNC: Final = 0x47
SYNC_SEARCH_BYTES: Final = 1 << 16
KEPT_SEGMENTS: Final = 10
STREAM_HEADERS: Final = (
    ("User-Agent", "Lavf/60.16.100"),
    ("Accept", "*/*"),
    ("Range", "bytes=0-"),
    ("Connection", "close"),
    ("Icy-MetaData", "1"),
)


class TuneFailed(Exception):
    """No stream: no tuner free, an error answer, nothing in time, or no transport stream."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of the rolling stream: whole packets, beginning with a PAT where the stream has one in time."""

    number: int
    data: bytes
    duration_s: float


@dataclass(slots=True)
class Grab:
    """One stream being read. Times are of trio's clock; `outcome` is "running" until it ends."""

    dvr: int
    device: int
    mapping: Mapping
    url: str
    rolling: bool
    begun: float
    pinged: float
    key: str = field(default_factory=lambda: uuid.uuid4().hex[:24])
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    consumers: list[str] = field(default_factory=list)
    outcome: str = "running"
    status: int = 0
    content_type: str = ""
    received_bytes: int = 0
    first_byte_s: float | None = None
    longest_gap_s: float = 0.0
    segments: deque[Segment] = field(default_factory=lambda: deque(maxlen=KEPT_SEGMENTS))
    changed: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def change(self) -> None:
        """Wake whoever waits for news of this grab."""
        self.changed.set()
        self.changed = trio.Event()


class Grabs:
    """The grabs of one run of the server."""

    def __init__(self, *, client: httpx.AsyncClient, behaviour: Behaviour, spawn: Spawn) -> None:
        self.running: list[Grab] = []
        self.history: list[Grab] = []
        self._client = client
        self._behaviour = behaviour
        self._spawn = spawn

    async def tune(
        self, dvr: int, candidates: Sequence[tuple[Device, Mapping]], *, consumer: str, rolling: bool
    ) -> Grab:
        """Read a channel from the first device with a free tuner, or join who reads it already.

        Returns when the first bytes have come. Raises TuneFailed, at the latest after the tune time-out.
        """
        options = self._behaviour.options
        if options.hidden_grabs:
            # No request reaches the tuner, no session shows; a restart cures it (6.1)
            await trio.sleep(options.hidden_grab_wait_s)
            raise TuneFailed("Waiting for media grab to start.")
        grab = self._joined(dvr, candidates, rolling=rolling) or self._begun(dvr, candidates, rolling=rolling)
        grab.consumers.append(consumer)
        grab.pinged = trio.current_time()
        with trio.move_on_after(options.tune_timeout_s):
            while grab.first_byte_s is None and grab.outcome == "running":
                await grab.changed.wait()
        if grab.first_byte_s is None:
            reason = grab.outcome if grab.outcome != "running" else "no stream in time"
            self.stop(grab, reason)
            raise TuneFailed(reason)
        return grab

    def stop(self, grab: Grab, outcome: str = "stopped") -> None:
        """End a grab and free its tuner; twice is harmless."""
        if grab.outcome == "running":
            grab.outcome = outcome
        grab.scope.cancel()
        if grab in self.running:
            self.running.remove(grab)
        grab.change()

    def stop_device(self, device: int) -> None:
        """End what runs on a device that goes away."""
        for grab in [g for g in self.running if g.device == device]:
            self.stop(grab, "its device is gone")

    def ping(self, client: str) -> None:
        """A client still watches: its rolling grabs go on (6.1)."""
        for grab in self.running:
            if client in grab.consumers:
                grab.pinged = trio.current_time()

    def _joined(
        self, dvr: int, candidates: Sequence[tuple[Device, Mapping]], *, rolling: bool
    ) -> Grab | None:
        wanted = {(device.key, mapping.device) for device, mapping in candidates}
        for grab in self.running:
            if grab.dvr == dvr and (grab.device, grab.mapping.device) in wanted:
                grab.rolling = grab.rolling and rolling
                return grab
        return None

    def _begun(self, dvr: int, candidates: Sequence[tuple[Device, Mapping]], *, rolling: bool) -> Grab:
        for device, mapping in candidates:
            busy = sum(grab.device == device.key for grab in self.running)
            url = next((e.url for e in device.lineup if e.number == mapping.device), "")
            if url and busy < device.tuners:
                if query := self._behaviour.options.tune_query:
                    url += ("&" if "?" in url else "?") + query
                now = trio.current_time()
                grab = Grab(dvr, device.key, mapping, url, rolling=rolling, begun=now, pinged=now)
                self.running.append(grab)
                self.history.append(grab)
                self._spawn(partial(self._run, grab))
                return grab
        raise TuneFailed("no tuner is free")

    async def _run(self, grab: Grab) -> None:
        outcome = "the stream ended"
        try:
            with grab.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._expire, grab)
                    await self._read(grab)
                    nursery.cancel_scope.cancel()
        except* (TuneFailed, httpx.HTTPError, httpx.InvalidURL) as problems:
            outcome = "; ".join(str(p) or type(p).__name__ for p in problems.exceptions)
        finally:
            self.stop(grab, outcome)

    async def _expire(self, grab: Grab) -> None:
        while True:
            left = grab.pinged + self._behaviour.options.rolling_grab_s - trio.current_time()
            if left <= 0 and grab.rolling:
                self.stop(grab, "nobody watches")
            await trio.sleep(max(left, 1.0))

    async def _read(self, grab: Grab) -> None:
        options = self._behaviour.options
        request = self._client.build_request("GET", grab.url, timeout=options.tune_timeout_s)
        request.headers = httpx.Headers([("Host", request.headers["Host"]), *STREAM_HEADERS])
        answer = await self._client.send(request, stream=True)
        try:
            grab.status, grab.content_type = answer.status_code, answer.headers.get("content-type", "")
            if answer.status_code not in {200, 206}:
                raise TuneFailed(f"the tuner answered {answer.status_code}")
            await self._keep(grab, answer)
        finally:
            with trio.move_on_after(1) as scope:
                scope.shield = True
                await answer.aclose()

    async def _keep(self, grab: Grab, answer: httpx.Response) -> None:
        pending, cut = b"", trio.current_time()
        last = grab.begun
        number = 0
        async for chunk in answer.aiter_raw():
            now = trio.current_time()
            grab.received_bytes += len(chunk)
            pending += chunk
            if grab.first_byte_s is None:
                if (start := _sync(pending)) is None:
                    if len(pending) > SYNC_SEARCH_BYTES:
                        # Not raised: httpx's nested generators unwind cleanly only when cancelled inside.
                        self.stop(grab, "what the tuner sends is no transport stream")
                    continue
                pending = pending[start:]
                grab.first_byte_s = now - grab.begun
                grab.change()
            else:
                grab.longest_gap_s = max(grab.longest_gap_s, now - last)
            last = now
            if now - cut >= self._behaviour.options.segment_s and len(pending) >= PACKET_BYTES:
                at = _cut(pending)
                grab.segments.append(Segment(number, pending[:at], now - cut))
                pending, cut, number = pending[at:], now, number + 1
                grab.change()


def _sync(data: bytes) -> int | None:
    for offset in range(min(PACKET_BYTES, len(data))):
        if len(data) > offset + 2 * PACKET_BYTES and all(
            data[offset + i * PACKET_BYTES] == SYNC for i in range(3)
        ):
            return offset
    return None


def _cut(data: bytes) -> int:
    """Where to end a segment: before the last PAT after the first packet, else at the last whole packet."""
    whole = len(data) // PACKET_BYTES * PACKET_BYTES
    for at in range(whole - PACKET_BYTES, 0, -PACKET_BYTES):
        if data[at] == SYNC and data[at + 1] & 0x1F == 0 and data[at + 2] == 0:
            return at
    return whole
