"""What a channel is fed from: one attempt that succeeded, playing until it fails.

An upstream gives whole packets to a `Sink` and raises `UpstreamEnded` with the detector's cause when it cannot go on.
Here is what all kinds share, and the plain transport stream over HTTP. This module refuses to choose the next way.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import trio

from reconciler.serving.blocks import LARGE_BYTES, SMALL_BYTES, Blocks
from reconciler.serving.body import BodyBroken
from reconciler.serving.dial import Dialler, Reply
from reconciler.serving.transport import NotTransport, Packets, Piece, Whole

__all__ = ["Sink", "TsUpstream", "Upstream", "UpstreamEnded"]

MOST_GATHERED_BYTES: Final = 112 * 1024
WAKE_EVERY_S: Final = 0.12
"""How long data may wait in the kernel so that fewer wake-ups are needed (performance.md 1: wake-ups cost, not bytes)."""


class UpstreamEnded(Exception):
    """The stream cannot go on. `cause` as in `sources.classify`, `detail` without any URL."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


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


class Upstream(Protocol):
    """A stream whose first packets are there."""

    child: bool
    """Whether a child process works for it, which must end soon after the last viewer (COR-4)."""
    heard_at: float
    """When the provider last gave something (trio's clock)."""

    async def play(self, sink: Sink) -> None:
        """Feed the sink until the stream fails: always ends with UpstreamEnded. Cancelling is safe."""

    def tick(self, now: float, rate_bps: float) -> str:
        """Called four times a second. The cause to end it with, or nothing."""

    def close(self) -> None:
        """Close its connections. Harmless twice."""


class TsUpstream:
    """A transport stream as the body of one answer."""

    child = False

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
        self._rate_mark = (trio.current_time(), 0)
        self._taken_bytes = 0
        self.heard_at = trio.current_time()

    async def play(self, sink: Sink) -> None:
        """See Upstream."""
        link, body, packets = self._reply.link, self._reply.body, self._packets
        first, self._first = self._first, []
        sink.pieces(first)
        size = SMALL_BYTES
        try:
            while True:
                await sink.room()
                if body.complete:
                    raise UpstreamEnded("eof", "the provider ended the stream")
                data = await link.receive_view(self._blocks, size)
                # Large pieces only for a lone viewer: among several they would drop whoever is one behind.
                large = len(data) >= SMALL_BYTES and not sink.shared
                size = LARGE_BYTES if large else SMALL_BYTES
                if not data:
                    body.end()
                    continue
                self.heard_at = trio.current_time()
                self._taken_bytes += len(data)
                pieces = packets.feed(body.feed(data))
                if pieces:
                    sink.pieces(pieces)
                del data, pieces  # a view kept while waiting would keep its block
        except NotTransport as error:
            raise UpstreamEnded(error.cause, error.detail) from error
        except BodyBroken as error:
            raise UpstreamEnded("not-ts", str(error)) from error
        except OSError as error:
            raise UpstreamEnded("reset", "the provider cut the connection") from error

    def tick(self, now: float, rate_bps: float) -> str:
        """Notice silence, and tell the kernel how much to gather before it wakes us."""
        del rate_bps
        quiet = now - self.heard_at
        if quiet > self._silence_s:
            return "stall"
        since, taken = self._rate_mark
        if now - since >= WAKE_EVERY_S:
            if quiet > 2 * WAKE_EVERY_S:
                wanted = 1  # take what is there: it may be all that comes for a while
            else:
                wanted = int((self._taken_bytes - taken) / (now - since) * WAKE_EVERY_S)
            self._reply.link.gather(max(1, min(MOST_GATHERED_BYTES, wanted)))
            self._rate_mark = (now, self._taken_bytes)
        return ""

    def close(self) -> None:
        """See Upstream."""
        self._reply.link.close()
        self._dialler.close()
