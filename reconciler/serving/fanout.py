"""One channel's bytes, shared: a ring of pieces that every viewer sends from, each at its own pace.

The steady path is one task: whoever reads the upstream calls `publish`, which tries to send to each viewer at once.
Only a viewer whose socket is full gets a task's attention, and only it falls behind. Pieces are whole packets and are
never copied. A viewer that falls out of the ring while others go on is dropped; when all are behind, the reader waits,
so that a single slow viewer slows the provider as a direct connection would. This module refuses to know where bytes
come from.
"""

import socket
from collections import deque
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import trio

from reconciler.serving.packets import Psi, find_psi, first_key_frame, last_key_frame, psi_packets
from reconciler.serving.pour import Pipe
from reconciler.serving.wire import Wire

__all__ = ["Channel", "Ended", "Outlet", "Viewer"]

RING_BYTES: Final = 4 << 20
FRESH_BYTES: Final = 2 << 20
PSI_SEARCH_BYTES: Final = 2 << 20
OLD_ENOUGH_S: Final = 0.5
IDLE_READ_S: Final = 0.15
TAIL: Final = b"\r\n"
END: Final = b"0\r\n\r\n"

Ended = Literal["", "left", "slow", "stalled", "over"]
"""Why a viewer's stream ended: it left, was too slow for the ring, took nothing, or the channel is over."""

Piece = bytes | memoryview


class Viewer:
    """One client of a channel. Chunked for HTTP/1.1, so that an end looks like one (hdhomerun.md 2.8)."""

    __slots__ = (
        "chunked",
        "ended",
        "lagging",
        "moved_at",
        "position",
        "rest",
        "scope",
        "sent_bytes",
        "sock",
        "wake",
    )

    def __init__(self, wire: Wire, *, chunked: bool) -> None:
        self.sock: socket.socket = wire.sock
        self.chunked = chunked
        self.position = 0
        """Index of the next batch to send."""
        self.rest: Sequence[Piece] = ()
        """What is left of the batch before."""
        self.lagging = True
        self.ended: Ended = ""
        self.scope = trio.CancelScope()
        self.wake = trio.Event()
        self.sent_bytes = 0
        self.moved_at = trio.current_time()

    def offer(self, batch: "Batch") -> bool:
        """Send a batch without waiting. False when the client is now behind (or gone: its task will see)."""
        parts, size = (batch.chunk, batch.chunk_bytes) if self.chunked else (batch.parts, batch.size_bytes)
        try:
            sent = self.sock.sendmsg(parts)
        except OSError:
            pass  # full, or gone: the viewer's own task goes on from `position` and finds out
        else:
            self.position += 1
            self.sent_bytes += batch.size_bytes
            if sent == size:
                return True
            self.rest = _cut(parts, sent)
        return False

    def greet(self, head: bytes) -> None:
        """Send this before anything else: the answer's head goes out with the first packets."""
        self.rest = (head, *self.rest)

    def fall_behind(self) -> None:
        """From now on the viewer's own task sends."""
        self.lagging = True
        self.moved_at = trio.current_time()
        self.wake.set()

    def end(self, why: Ended) -> None:
        """End the viewer's task, wherever it waits."""
        if not self.ended:
            self.ended = why
        self.scope.cancel()


class Batch:
    """Packets that arrived together, framed once for all viewers."""

    __slots__ = ("at", "chunk", "chunk_bytes", "parts", "size_bytes")

    def __init__(self, parts: Sequence[Piece], at: float) -> None:
        self.at = at
        self.parts = parts
        self.size_bytes = sum(map(len, parts))
        head = b"%x\r\n" % self.size_bytes
        self.chunk: Sequence[Piece] = (head, *parts, TAIL)
        self.chunk_bytes = self.size_bytes + len(head) + 2

    def framed(self, *, chunked: bool) -> Sequence[Piece]:
        """As it goes over the wire."""
        return self.chunk if chunked else self.parts

    def joined(self) -> bytes:
        """The packets as one piece."""
        return b"".join(self.parts)


class Outlet(NamedTuple):
    """A channel's only viewer, as the upstream sees it that pours to it."""

    channel: "Channel"
    viewer: Viewer

    async def pour(self, pipe: Pipe, before: bytes, count: int) -> None:
        """See Channel.pour."""
        await self.channel.pour(self.viewer, pipe, before, count)


def _poured(
    sock: socket.socket, pipe: Pipe, rest: tuple[bytes, bytes], count: int
) -> tuple[tuple[bytes, bytes], int]:
    """One step of head, pipe and tail out of a socket: what is left. BlockingIOError when it is full."""
    head, tail = rest
    if head:
        return (head[sock.send(head, socket.MSG_MORE) :], tail), count
    if count:
        return rest, count - pipe.give(sock, count)
    return (head, tail[sock.send(tail) :]), count


def _cut(parts: Sequence[Piece], sent: int) -> list[Piece]:
    rest: list[Piece] = []
    for part in parts:
        size = len(part)
        if sent >= size:
            sent -= size
        else:
            rest.append(memoryview(part)[sent:])
            sent = 0
    return rest


class Channel:
    """The ring and its viewers. All methods but `serve` and `room` are synchronous."""

    def __init__(self, *, ring_bytes: int = RING_BYTES, history_bytes: int = 0) -> None:
        self.ring_bytes = ring_bytes
        self.history_bytes = history_bytes
        """So much is kept for late viewers."""
        self._batches: deque[Batch] = deque()
        self._first = 0
        self._held_bytes = 0
        self._current: set[Viewer] = set()
        self._joining: dict[Viewer, float] = {}
        self._moved = trio.Event()
        self._lone: Viewer | None = None
        self._alone: trio.CancelScope | None = None
        """Where the reader waits for a lone viewer; cancelled when that is no longer the only one."""
        self._searched_bytes = 0
        self.viewers: set[Viewer] = set()
        self.psi: Psi | None = None
        self.over = False
        self.held_for_first = True
        """Somebody waits for the first packets: keep them."""
        self.published_bytes = 0
        self.published_at = 0.0
        self.dropped: dict[str, int] = {}

    # --- the writer's side -----------------------------------------------------------------------------------

    def publish(self, parts: Sequence[Piece], *, then_room: bool = False) -> None:
        """Give whole packets to every viewer. Never waits; costs a system call for each viewer.

        `then_room`: the caller calls `room` next, which finishes sending to a lone viewer by itself.
        """
        batch = Batch(parts, trio.current_time())
        # Not with the first batch: nobody can need it yet, and a viewer waits for it.
        if self.psi is None and self._batches and self._searched_bytes < PSI_SEARCH_BYTES:
            self._search_psi(batch)
        self._batches.append(batch)
        self._held_bytes += batch.size_bytes
        self.published_bytes += batch.size_bytes
        self.published_at = batch.at
        if self._current:
            behind = [viewer for viewer in self._current if not viewer.offer(batch)]
            if behind:
                self._current.difference_update(behind)
                if then_room and len(self.viewers) == 1:
                    self._lone = behind[0]
                    self._lone.lagging = True
                else:
                    for viewer in behind:
                        viewer.fall_behind()
        if self._joining:
            self._admit(batch)
        self._trim()

    async def room(self) -> None:
        """Wait while every viewer is behind: the fastest one sets the pace, as it would on a connection of its own.

        A lone viewer is served here: waking its task and being woken by it costs more than sending. Without a viewer
        a provider that gives all it can would be read for nobody, so reading takes its time then.
        """
        if not self.viewers and not self.held_for_first:
            await trio.sleep(IDLE_READ_S)
        lone, self._lone = self._lone, None
        if lone is not None:
            try:
                await self._finish_lone(lone)
            finally:
                if lone not in self._current:
                    lone.fall_behind()
        while self.waiting_for_viewers:
            await self._moved.wait()

    async def _finish_lone(self, lone: Viewer) -> None:
        """Send what is left of the last batch, as long as the viewer is the only one."""
        lone.moved_at = trio.current_time()
        try:
            with trio.CancelScope() as self._alone:
                while lone.rest and len(self.viewers) == 1:
                    await trio.lowlevel.wait_writable(lone.sock)
                    lone.rest = _cut(lone.rest, lone.sock.sendmsg(lone.rest))
                    lone.moved_at = trio.current_time()
        except (OSError, trio.ClosedResourceError, trio.BusyResourceError):
            return  # it has left, or its own task is at it
        finally:
            self._alone = None
        if not lone.rest and lone in self.viewers and lone.position >= self._first + len(self._batches):
            lone.lagging = False
            self._current.add(lone)

    def outlet(self) -> "Outlet | None":
        """The only viewer, where it has all that came: it may be poured to. Forgets what is kept for late viewers."""
        if len(self.viewers) != 1 or not self._current or self.held_for_first:
            return None
        self._first += len(self._batches)
        self._batches.clear()
        self._held_bytes = 0
        return Outlet(self, next(iter(self._current)))

    async def pour(self, viewer: Viewer, pipe: Pipe, before: bytes, count: int) -> None:
        """Send `before` and `count` bytes of the pipe as one batch. What does not get out is left to the viewer's task.

        `count` bytes have left the pipe in any case. Waits for the viewer as long as it is the only one.
        """
        size_bytes = len(before) + count
        viewer.sent_bytes += size_bytes
        self.published_bytes += size_bytes
        self.published_at = viewer.moved_at = trio.current_time()
        head = b"%x\r\n%b" % (size_bytes, before) if viewer.chunked else before
        rest = head, TAIL if viewer.chunked else b""
        try:
            with trio.CancelScope() as self._alone:
                while len(self.viewers) == 1 and (count or any(rest)):
                    try:
                        rest, count = _poured(viewer.sock, pipe, rest, count)
                    except BlockingIOError:
                        self._current.discard(viewer)
                        viewer.lagging = True
                        await trio.lowlevel.wait_writable(viewer.sock)
                        viewer.moved_at = trio.current_time()
        except (OSError, ValueError, trio.ClosedResourceError):
            pass  # it has left: its own task finds out
        finally:
            self._alone = None
            if count or any(rest):
                viewer.rest = [part for part in (rest[0], pipe.read(count), rest[1]) if part]
                self._current.discard(viewer)
                viewer.fall_behind()
            elif viewer in self.viewers:
                viewer.lagging = False
                self._current.add(viewer)

    def release_lone(self) -> None:
        """Nobody will call `room`: the viewer's own task goes on."""
        lone, self._lone = self._lone, None
        if lone is not None:
            lone.fall_behind()

    def widen(self, ring_bytes: int) -> None:
        """Let the ring be at least so large: seconds count for a viewer, not bytes."""
        self.ring_bytes = max(self.ring_bytes, ring_bytes)

    @property
    def waiting_for_viewers(self) -> bool:
        """Whether `room` would wait: then silence is ours, not the provider's."""
        return not self._current and len(self._joining) < len(self.viewers)

    def finish(self) -> None:
        """No more pieces: viewers get what there is and then a clean end."""
        self.over = True
        for viewer in self.viewers:
            viewer.wake.set()

    def tail(self) -> bytes:
        """The pieces that are still held, joined: for whoever must see what went out last."""
        return b"".join(batch.joined() for batch in self._batches)

    def drop_stalled(self, before: float) -> None:
        """Drop viewers that have taken nothing since `before`."""
        for viewer in self.viewers:
            if viewer.lagging and viewer.moved_at < before and viewer not in self._joining:
                self._drop(viewer, "stalled")

    def admit_waiting(self, before: float) -> None:
        """Let late viewers in that have waited for a key frame since before `before`: better a grey picture than none."""
        for viewer, since in list(self._joining.items()):
            if since < before and self._batches:
                self._start(viewer, self._first + len(self._batches), 0)

    # --- the viewers' side -----------------------------------------------------------------------------------

    def join(self, viewer: Viewer) -> None:
        """Take a viewer in: at the beginning while that is still held, else at PAT, PMT and a key frame."""
        self.viewers.add(viewer)
        if self._alone is not None:
            self._alone.cancel()
        if self._first == 0 and self._held_bytes <= FRESH_BYTES:
            viewer.position = 0
            return
        if self.psi is None or self.psi.video is None:
            self._start(viewer, self._first + len(self._batches), 0)
            return
        place = self._newest_key_frame(self.psi)
        if place is None:
            self._joining[viewer] = trio.current_time()
        else:
            self._start(viewer, *place)

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self.viewers.discard(viewer)
        self._current.discard(viewer)
        self._joining.pop(viewer, None)
        self._tell_moved()

    async def serve(self, viewer: Viewer) -> Ended:
        """Send to a viewer that has joined until it or the channel ends. Raises OSError when the client has gone.

        Call `leave` afterwards in any case. Cancelling is safe.
        """
        with viewer.scope:
            while not self.over or (viewer.lagging and viewer not in self._joining):
                if viewer.lagging and viewer not in self._joining:
                    await self._catch_up(viewer)
                else:
                    await viewer.wake.wait()
                    viewer.wake = trio.Event()
            if viewer.chunked:
                await _send_rest(viewer, [END])
            viewer.ended = "over"
        return viewer.ended

    async def end_early(self, viewer: Viewer) -> None:
        """End a viewer's stream properly where it is between two batches; else its connection's end is the end."""
        self.leave(viewer)
        if viewer.chunked and not viewer.lagging:
            await _send_rest(viewer, [END])

    async def _catch_up(self, viewer: Viewer) -> None:
        while True:
            if viewer.rest:
                rest, viewer.rest = viewer.rest, ()
                await self._push(viewer, rest)
                continue
            index = viewer.position - self._first
            if index < 0:
                self._drop(viewer, "slow")
                await trio.lowlevel.checkpoint()  # where the cancelled scope ends it
            if index >= len(self._batches):
                viewer.lagging = False
                self._current.add(viewer)
                self._tell_moved()
                return
            batch = self._batches[index]
            viewer.position += 1
            viewer.sent_bytes += batch.size_bytes
            await self._push(viewer, batch.framed(chunked=viewer.chunked))
            del batch

    async def _push(self, viewer: Viewer, parts: Sequence[Piece]) -> None:
        while parts:
            try:
                sent = viewer.sock.sendmsg(parts)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(viewer.sock)
                continue
            viewer.moved_at = trio.current_time()
            parts = _cut(parts, sent)

    def _tell_moved(self) -> None:
        if self._moved.statistics().tasks_waiting:
            self._moved.set()
            self._moved = trio.Event()

    # --- inside ----------------------------------------------------------------------------------------------

    def _trim(self) -> None:
        history = self.history_bytes
        needed = self._first + len(self._batches)
        if len(self._current) + len(self._joining) < len(self.viewers):
            needed = min(v.position for v in self.viewers if v.lagging and v not in self._joining)
        while self._batches:
            size = self._batches[0].size_bytes
            spare = self._first < needed and self._held_bytes - size >= history and not self.held_for_first
            if not spare and self._held_bytes <= self.ring_bytes:
                break
            self._batches.popleft()
            self._first += 1
            self._held_bytes -= size
        if needed < self._first:
            for viewer in self.viewers - self._current - self._joining.keys():
                if viewer.position < self._first:
                    self._drop(viewer, "slow")

    def _drop(self, viewer: Viewer, why: Ended) -> None:
        if not viewer.ended:
            self.dropped[why] = self.dropped.get(why, 0) + 1
        viewer.end(why)

    def _search_psi(self, batch: Batch) -> None:
        self._searched_bytes += batch.size_bytes
        self.psi = find_psi(self.tail() + batch.joined())

    def learn_psi(self) -> None:
        """Look for the tables in what is held, where they are not known yet: before another stream follows."""
        if self.psi is None:
            self.psi = find_psi(self.tail())

    def _newest_key_frame(self, psi: Psi) -> tuple[int, int] | None:
        """(piece, offset) of the newest key frame that is half a second old, else of the newest."""
        newest = None
        limit = trio.current_time() - OLD_ENOUGH_S
        for back in range(len(self._batches) - 1, -1, -1):
            batch = self._batches[back]
            offset = last_key_frame(batch.joined(), psi)
            if offset >= 0:
                newest = newest or (self._first + back, offset)
                if batch.at <= limit:
                    return self._first + back, offset
        return newest

    def _admit(self, batch: Batch) -> None:
        """Start waiting viewers at the key frame in the batch just published, if it has one."""
        offset = first_key_frame(batch.joined(), self.psi) if self.psi else 0
        if offset >= 0:
            for viewer in list(self._joining):
                self._start(viewer, self._first + len(self._batches) - 1, offset)

    def _start(self, viewer: Viewer, index: int, offset: int) -> None:
        """Begin at a piece and an offset in it, with PAT and PMT before it."""
        self._joining.pop(viewer, None)
        opening = psi_packets(self.psi) if self.psi else b""
        at = index - self._first
        if at < len(self._batches):
            opening += self._batches[at].joined()[offset:]
            index += 1
        if opening:
            viewer.rest = (*viewer.rest, *Batch([opening], 0.0).framed(chunked=viewer.chunked))
        viewer.position = index
        viewer.fall_behind()


async def _send_rest(viewer: Viewer, parts: Sequence[Piece]) -> None:
    """The last bytes of a stream, best effort: within a second."""
    with trio.move_on_after(1):
        while parts:
            try:
                parts = _cut(parts, viewer.sock.sendmsg(parts))
            except BlockingIOError:
                await trio.lowlevel.wait_writable(viewer.sock)
