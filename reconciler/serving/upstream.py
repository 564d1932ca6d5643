"""What a channel is fed from: one attempt that succeeded, playing until it fails.

An upstream gives whole packets to a `Sink` and raises `UpstreamEnded` with the detector's cause when it cannot go on.
Here is what all kinds share, and the plain transport stream over HTTP. This module refuses to choose the next way.
"""

import socket
from collections.abc import Sequence
from typing import Final, Protocol

import trio

from reconciler.serving.blocks import LARGE_BYTES, SMALL_BYTES, Blocks
from reconciler.serving.body import BodyBroken
from reconciler.serving.dial import Dialler, Reply
from reconciler.serving.fanout import Outlet
from reconciler.serving.packets import PACKET_BYTES, SYNC
from reconciler.serving.pour import POURED_BYTES, Pipe
from reconciler.serving.transport import NotTransport, Packets, Piece, Whole
from reconciler.serving.window import Window
from reconciler.sources.classify import Verdict

__all__ = ["Sink", "TsUpstream", "Upstream", "UpstreamEnded"]

MOST_GATHERED_BYTES: Final = 152 * 1024
WAKE_EVERY_S: Final = 0.16
"""How long data may wait in the kernel so that fewer wake-ups are needed (performance.md 1: wake-ups cost, not bytes).

Four ticks of a source that sends every 40 ms, which leaves a viewer's 250 ms a margin.
"""


POURED_RATE: Final = 48e6
"""Bytes a second from which on a lone viewer is poured to: what is kept for others lasts no quarter second then."""
FAST_READS: Final = 4
POURING_JUDGED_S: Final = 0.25
POURING_GATHERED_BYTES: Final = 512 * 1024
PEEKED_BYTES: Final = 16 * PACKET_BYTES


class UpstreamEnded(Exception):
    """The stream cannot go on. `cause`, `allowed` and `wait_s` as in `sources.classify`, `detail` without any URL."""

    def __init__(
        self, cause: str, detail: str, *, allowed: int | None = None, wait_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
        self.allowed = allowed
        self.wait_s = wait_s

    @classmethod
    def of(cls, verdict: Verdict, what: str = "") -> "UpstreamEnded":
        """What the detector says of an answer; `what` names that where it is not the stream itself."""
        detail = f"{what} {verdict.detail}" if what else verdict.detail
        return cls(verdict.cause, detail, allowed=verdict.allowed, wait_s=verdict.wait_s)


class Sink(Protocol):
    """Where packets go."""

    def pieces(self, pieces: Sequence[Piece]) -> None:
        """Take whole packets."""

    def discontinuity(self) -> None:
        """What follows may have other PIDs and times."""

    async def room(self) -> None:
        """Wait until more is wanted."""

    @property
    def shared(self) -> bool:
        """Whether several viewers watch, so that bursts may cost one of them the stream."""

    def outlet(self) -> Outlet | None:
        """The one viewer that may be poured to past this sink, if that is in order now."""

    def familiar(self, packets: Piece) -> bool:
        """Whether some packets belong to the stream that `outlet` has had so far."""


class Upstream(Protocol):
    """A stream whose first packets are there."""

    child: bool
    """Whether a child process works for it, which must end soon after the last viewer (COR-4)."""
    heard_at: float
    """When the provider last gave something (trio's clock)."""

    @property
    def place(self) -> Window | None:
        """What the next one of the same way is to go on after; None where a stream has no places."""

    async def play(self, sink: Sink) -> None:
        """Feed the sink until the stream fails: always ends with UpstreamEnded. Cancelling is safe."""

    def tick(self, now: float, rate_bps: float) -> str:
        """Called four times a second. The cause to end it with, or nothing."""

    def close(self) -> None:
        """Close its connections. Harmless twice."""


class TsUpstream:
    """A transport stream as the body of one answer."""

    child = False
    place = None

    def __init__(
        self,
        reply: Reply,
        dialler: Dialler,
        first: bytes,
        blocks: Blocks,
        silence_s: float,
        *,
        packets: Packets | Whole | None = None,
    ) -> None:
        self._reply = reply
        self._dialler = dialler
        self._packets = packets or Packets()
        self._first = self._packets.feed(first)
        self._blocks = blocks
        self._silence_s = silence_s
        self._pouring = False
        self.poured_bytes = 0
        """How much passed without being copied."""
        self.heard_at = trio.current_time()

    async def play(self, sink: Sink) -> None:
        """See Upstream."""
        link, body, packets = self._reply.link, self._reply.body, self._packets
        first, self._first = self._first, []
        sink.pieces(first)
        size, fast, since = SMALL_BYTES, 0, self.heard_at
        try:
            while True:
                await sink.room()
                if body.complete:
                    raise UpstreamEnded("eof", "the provider ended the stream")
                data = await link.receive_view(self._blocks, size)
                # Large pieces only for a lone viewer: among several they would drop whoever is one behind.
                large = len(data) >= SMALL_BYTES and not sink.shared
                fast = fast + 1 if len(data) == LARGE_BYTES else 0
                size = LARGE_BYTES if large else SMALL_BYTES
                if not data:
                    body.end()
                    continue
                self.heard_at = trio.current_time()
                pieces = packets.feed(body.feed(data))
                if pieces:
                    sink.pieces(pieces)
                del data, pieces  # a view kept while waiting would keep its block
                if not fast:
                    since = self.heard_at
                elif fast >= FAST_READS and self.heard_at - since < fast * LARGE_BYTES / POURED_RATE:
                    await self._pour(sink)
                    fast, since = 0, self.heard_at
        except NotTransport as error:
            raise UpstreamEnded(error.cause, error.detail) from error
        except BodyBroken as error:
            raise UpstreamEnded("not-ts", str(error)) from error
        except OSError as error:
            raise UpstreamEnded("reset", "the provider cut the connection") from error

    async def _pour(self, sink: Sink) -> None:
        """Let the kernel move the bytes, as long as one viewer takes all and what comes is what came before."""
        link, body, packets = self._reply.link, self._reply.body, self._packets
        if link.tls or packets.begun is None or body.plain_bytes is None or sink.outlet() is None:
            return
        pipe = Pipe()
        self._pouring = True
        link.gather(POURING_GATHERED_BYTES)
        since, passed = trio.current_time(), 0
        try:
            while True:
                await sink.room()
                await trio.lowlevel.wait_readable(link.sock)
                before, outlet, most = packets.begun, sink.outlet(), body.plain_bytes
                if outlet is None or most is None or not _goes_on(link.sock, len(before), sink):
                    return
                count = pipe.take(link.sock, int(min(POURED_BYTES, most)))
                body.pass_by(count)
                self.heard_at = now = trio.current_time()
                over = (len(before) + count) % PACKET_BYTES
                if len(before) + count < PACKET_BYTES:
                    packets.begun = before + pipe.read(count)
                    continue
                await outlet.pour(pipe, before, count - over)
                packets.begun = pipe.read(over)
                passed += count
                self.poured_bytes += count
                if now - since > POURING_JUDGED_S:
                    if passed < (now - since) * POURED_RATE:
                        return
                    since, passed = now, 0
        except BlockingIOError:
            return  # woken for nothing
        finally:
            self._pouring = False
            pipe.close()

    def tick(self, now: float, rate_bps: float) -> str:
        """Notice silence, and tell the kernel how much to gather before it wakes us."""
        quiet = now - self.heard_at
        if quiet > self._silence_s:
            return "stall"
        # After a pause take what is there: it may be all that comes for a while.
        wanted = 1 if quiet > 2 * WAKE_EVERY_S else int(rate_bps / 8 * WAKE_EVERY_S)
        most = POURING_GATHERED_BYTES if self._pouring else MOST_GATHERED_BYTES
        self._reply.link.gather(max(1, min(most, wanted)))
        return ""

    def close(self) -> None:
        """See Upstream."""
        self._reply.link.close()
        self._dialler.close()


def _goes_on(sock: socket.socket, begun: int, sink: Sink) -> bool:
    """Whether what has arrived begins with packets of the same stream, `begun` bytes of the first having come before."""
    data = sock.recv(PEEKED_BYTES, socket.MSG_PEEK)
    start = -begun % PACKET_BYTES
    count = (len(data) - start) // PACKET_BYTES
    end = start + count * PACKET_BYTES
    if count < 1 or data[start:end:PACKET_BYTES].count(SYNC) != count:
        return False
    return sink.familiar(memoryview(data)[start:end])
