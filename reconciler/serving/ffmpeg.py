"""Streams that need a muxer: what a reader of ours fetches goes through an ffmpeg, packets come out.

`remux` copies one video and all sound into a fresh transport stream (fragmented MP4, sound in a playlist of its own,
broken time stamps); `salvage` keeps the first video alone and forgives everything (COR-1). Addresses and user agents
stay in this process: ffmpeg gets pipes, so that no credential is in the process list (iptv-streams.md C5). Arguments
are a list, never a shell's. Nothing is transcoded. This module refuses to run unless a profile asks for it.
"""

import logging
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import trio

from reconciler.errors import OperatorError
from reconciler.serving.settings import Profile
from reconciler.serving.transport import Container, NotTransport, Packets, Piece
from reconciler.serving.upstream import Sink, Upstream, UpstreamEnded

__all__ = ["FfmpegUpstream", "find_ffmpeg", "muxer_arguments"]

log = logging.getLogger(__name__)


READ_BYTES: Final = 64 * 1024
END_S: Final = 1.0
SILENT_S: Final = 10.0
"""ffmpeg was fed for so long and gave nothing."""
SAID_BYTES: Final = 2000
# Two seconds of stream or two megabytes are enough to find the codecs; -re would starve the viewer (founding notes).
PROBE: Final = ("-analyzeduration", "2000000", "-probesize", "2000000")
FORGIVING: Final = ("-fflags", "+discardcorrupt+genpts", "-err_detect", "ignore_err")
OUTPUT: Final = (
    *(
        "-f",
        "mpegts",
        "-flush_packets",
        "1",
        "-max_interleave_delta",
        "0",
        "-muxdelay",
        "0",
        "-muxpreload",
        "0",
    ),
    *("-mpegts_flags", "+resend_headers+pat_pmt_at_frames+initial_discontinuity", "pipe:1"),
)


@lru_cache(maxsize=1)
def find_ffmpeg() -> str:
    """The ffmpeg of PATH, else that of the extra `ptctl[ffmpeg]`. Raises OperatorError where there is none (COR-3)."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise OperatorError(
            "a stream profile needs ffmpeg, and there is none",
            next_step="install ffmpeg, or pip install 'ptctl[ffmpeg]', or set the profile to copy",
        ) from error


def muxer_arguments(
    profile: Profile, inputs: Sequence[tuple[Container, int]], sound_after_s: float = 0.0
) -> list[str]:
    """Ffmpeg's arguments for inputs on these descriptors: pictures first, then sound where it is apart. Pure.

    Each input begins at nought for ffmpeg; `sound_after_s` is by how much the second begins later in truth.
    """
    arguments = ["-hide_banner", "-nostdin", "-loglevel", "error"]
    for place, (container, descriptor) in enumerate(inputs):
        arguments += ["-itsoffset", f"{sound_after_s:.6f}"] if place and sound_after_s else []
        arguments += [*FORGIVING, *PROBE, "-f", container, "-i", f"pipe:{descriptor}"]
    if profile == "salvage":
        arguments += ["-map", "0:v:0", "-c:v", "copy", "-an", "-sn", "-dn"]
    else:
        sound = "0:a?" if len(inputs) == 1 else "1:a?"
        arguments += ["-map", "0:v:0?", "-map", sound, "-c", "copy"]
    return [*arguments, *OUTPUT]


class FfmpegUpstream:
    """One or two readers, and an ffmpeg between them and the sink."""

    child = True
    place = None

    def __init__(
        self,
        readers: Sequence[Upstream],
        profile: Profile,
        containers: Sequence[Container],
        *,
        sound_after_s: float = 0.0,
    ) -> None:
        self._readers = readers
        self._profile = profile
        self._containers = containers
        self._sound_after_s = sound_after_s
        self._program = find_ffmpeg()
        self._fed_at: float | None = None
        self._gave_at = 0.0
        self._said = b""
        self.heard_at = trio.current_time()

    async def play(self, sink: Sink) -> None:
        """See Upstream. The child ends with this: at once when cancelled."""
        pipes = [os.pipe() for _ in self._readers[1:]]
        places = [0, *(read for read, _ in pipes)]
        inputs = list(zip(self._containers, places, strict=True))
        try:
            process = await trio.lowlevel.open_process(
                [self._program, *muxer_arguments(self._profile, inputs, self._sound_after_s)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=places[1:],
            )
        except BaseException as error:
            for _, write in pipes:
                os.close(write)
            if not isinstance(error, OSError):
                raise
            why = (error.strerror or type(error).__name__).lower()
            raise UpstreamEnded("muxer", f"ffmpeg cannot be started: {why}") from error
        finally:
            for read, _ in pipes:
                os.close(read)
        assert process.stdin is not None
        feeds: list[trio.abc.SendStream] = [process.stdin]
        feeds += [trio.lowlevel.FdStream(write) for _, write in pipes]
        cause: UpstreamEnded | None = None
        try:
            async with trio.open_nursery() as nursery:

                async def feed(reader: Upstream, stream: trio.abc.SendStream) -> None:
                    nonlocal cause
                    try:
                        await reader.play(_Feed(self, stream))
                    except UpstreamEnded as error:
                        cause = cause or error
                        nursery.cancel_scope.cancel()

                nursery.start_soon(self._listen, process)
                for reader, stream in zip(self._readers, feeds, strict=True):
                    nursery.start_soon(feed, reader, stream)
                cause = await self._take(process, sink) or cause
                nursery.cancel_scope.cancel()
        finally:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + END_S):
                await process.wait()
                for stream in feeds:
                    await stream.aclose()
        raise cause or UpstreamEnded("muxer", "ffmpeg ended")

    async def _take(self, process: trio.Process, sink: Sink) -> UpstreamEnded | None:
        """Packets from ffmpeg to the sink until it ends."""
        packets = Packets()
        assert process.stdout is not None
        while True:
            await sink.room()
            data = await process.stdout.receive_some(READ_BYTES)
            if not data:
                said = self._said.decode("utf-8", "replace").strip().splitlines()[-1:]
                return UpstreamEnded("muxer", f"ffmpeg ended: {said[0][:200]}" if said else "ffmpeg ended")
            self._gave_at = trio.current_time()
            try:
                pieces = packets.feed(bytes(data))
            except NotTransport as error:
                return UpstreamEnded(error.cause, error.detail)
            if pieces:
                sink.pieces(pieces)

    async def _listen(self, process: trio.Process) -> None:
        """Keep the last words of ffmpeg, so that its pipe never fills."""
        assert process.stderr is not None
        while data := await process.stderr.receive_some(4096):
            self._said = (self._said + bytes(data))[-SAID_BYTES:]

    def fed(self) -> None:
        """A reader gave bytes to ffmpeg."""
        self.heard_at = trio.current_time()
        self._fed_at = self._fed_at or self.heard_at

    def tick(self, now: float, rate_bps: float) -> str:
        """See Upstream: the readers' own rules, and an ffmpeg that takes and never gives."""
        for reader in self._readers:
            if cause := reader.tick(now, rate_bps):
                return cause
        if self._fed_at is not None and now - max(self._gave_at, self._fed_at) > SILENT_S:
            return "muxer"
        return ""

    def close(self) -> None:
        """See Upstream."""
        for reader in self._readers:
            reader.close()


class _Feed:
    """ffmpeg's input as a reader sees it: pieces are kept until `room` has written them."""

    shared = False

    def __init__(self, upstream: FfmpegUpstream, stream: trio.abc.SendStream) -> None:
        self._upstream = upstream
        self._stream = stream
        self._waiting: deque[Piece] = deque()

    def pieces(self, pieces: Sequence[Piece]) -> None:
        """See Sink."""
        self._waiting.extend(bytes(piece) for piece in pieces)
        self._upstream.fed()

    def discontinuity(self) -> None:
        """See Sink: ffmpeg sees it by itself."""

    def outlet(self) -> None:
        """See Sink: a muxer is no viewer."""

    def familiar(self, packets: Piece) -> bool:
        """See Sink."""
        del packets
        return True

    async def room(self) -> None:
        """Write what waits. Raises UpstreamEnded when ffmpeg takes nothing any more."""
        try:
            while self._waiting:
                await self._stream.send_all(self._waiting.popleft())
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise UpstreamEnded("muxer", "ffmpeg takes nothing any more") from error
