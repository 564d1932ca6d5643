"""A lone viewer at full speed: the kernel moves its bytes, and nothing about the stream changes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Final

import pytest
import trio

from reconciler.lineups.manifest import Alternative, SourceRoute
from reconciler.serving.packets import ElementaryStream, Psi, psi_packets
from reconciler.serving.server import Serving
from reconciler.serving.upstream import TsUpstream
from tests.conftest import Run
from tests.serving.stage import Stage, served, until

PACKET: Final = 188
NUMBERED: Final = 20_000
STREAMS: Final = (ElementaryStream(0x100, 0x1B), ElementaryStream(0x101, 0x0F))
TABLES: Final = psi_packets(Psi(1, 0x1000, 0x100, STREAMS))
PAGE: Final = b"<!DOCTYPE html><html><body>This stream is not available</body></html>" * 1000


def block(pid: int = 0x100) -> bytes:
    """Numbered packets of a video, tables and key frames among them."""
    rows = []
    for number in range(NUMBERED):
        if number % 500 == 0:
            rows.append(TABLES)
        start = number % 500 == 0
        head = bytes((0x47, 0x40 * start | pid >> 8, pid & 0xFF, 0x30 if start else 0x10))
        body = (b"\x07\x50" + b"\x00" * 6 if start else b"") + number.to_bytes(4, "big")
        rows.append((head + body).ljust(PACKET, b"\x22"))
    return b"".join(rows)


def numbers(data: bytes) -> list[int]:
    """The numbers of the packets in whole packets of such a stream."""
    found = []
    for at in range(0, len(data) - PACKET + 1, PACKET):
        row = data[at : at + PACKET]
        assert row[0] == 0x47, f"no packet at {at}"
        if (row[1] & 0x1F, row[2]) != (0x01, 0x00) or row[3:6] == b"\x20\xb7\x80":
            continue  # a table, or the mark of a switch
        skip = 8 if row[3] & 0x20 else 0
        found.append(int.from_bytes(row[4 + skip : 8 + skip], "big"))
    return found


class Torrent:
    """A source that gives what is taken, until `turns` is set: then `instead`, and silence."""

    def __init__(self, instead: bytes = b"") -> None:
        self.turns = threading.Event()
        self.given = block()
        self.instead = instead
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def run(self) -> None:
        """Serve until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.stream, args=(client,), daemon=True).start()

    def stream(self, client: socket.socket) -> None:
        """Answer one request."""
        with client:
            try:
                client.recv(65536)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
                for _ in count():
                    client.sendall(self.given)
                    if self.turns.is_set():
                        client.sendall(self.instead)
                        client.recv(1)
                        return
            except OSError:
                return


@contextmanager
def torrent(instead: bytes = b"") -> Iterator[Torrent]:
    """A source of numbered packets at full speed."""
    made = Torrent(instead)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
        thread.join(5)


def stage_of(state: Path, *sources: Torrent) -> Stage:
    """One channel with a way to each source, in order."""
    ways = tuple(Alternative("list", url=source.url) for source in sources)
    return Stage(state, sources={"list": SourceRoute("list", "m3u")}, channels={"main/1": ways})


class Taker:
    """A client on a thread of its own that takes what it gets, until it has enough, or stands still."""

    def __init__(self, place: tuple[str, int], *, most_bytes: int, version: str = "1.1") -> None:
        self.taken = bytearray(most_bytes)
        self.count = 0
        self.enough = threading.Event()
        self._sock = socket.create_connection(place)
        self._sock.sendall(f"GET /auto/v1000 HTTP/{version}\r\nHost: any\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        view = memoryview(self.taken)
        while self.count < len(view) and not self.enough.is_set():
            got = self._sock.recv_into(view[self.count :])
            if not got:
                return
            self.count += got

    def close(self) -> None:
        """Leave."""
        self.enough.set()
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._sock.close()

    def stream(self) -> bytes:
        """What was taken, without head and framing, down to the last whole packet."""
        head, _, body = bytes(self.taken[: self.count]).partition(b"\r\n\r\n")
        assert head.split()[1] == b"200"
        if b"chunked" in head:
            parts, at = [], 0
            while (end := body.find(b"\r\n", at)) >= 0:
                size = int(body[at:end], 16)
                parts.append(body[end + 2 : end + 2 + size])
                at = end + 2 + size
                assert body[at : at + 2] in {b"\r\n", b"\r", b""}
                at += 2
            body = b"".join(parts)
        return body[: len(body) // PACKET * PACKET]


def follow_on(found: list[int]) -> bool:
    """Whether no number is missing and none comes twice."""
    return all(after == (before + 1) % NUMBERED for before, after in pairwise(found))


async def poured(serving: Serving, least_bytes: int) -> None:
    """Wait until so much of the channel was poured."""
    await until(lambda: "main/1" in serving.relay.sessions)
    session = serving.relay.sessions["main/1"]

    def enough() -> bool:
        upstream = session.won.upstream if session.won is not None else None
        return isinstance(upstream, TsUpstream) and upstream.poured_bytes >= least_bytes

    await until(enough, 30)


@pytest.mark.accepts("STR-1", "STR-2")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_poured_stream_is_whole(run: Run[None], tmp_path: Path, version: str) -> None:
    """Every packet once and in order before, while and after it is poured; a second viewer begins at a key frame."""

    async def main() -> None:
        with torrent() as source:
            stage = stage_of(tmp_path, source)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                first = Taker(place, most_bytes=400_000_000, version=version)
                await poured(serving, 30_000_000)
                late = Taker(place, most_bytes=10_000_000, version=version)
                await until(lambda: late.count == 10_000_000)
                had = first.count
                await until(lambda: first.count > had + 10_000_000 or first.count == len(first.taken))
                late.close()
                first.close()
                found = numbers(first.stream())
                assert len(found) > 200_000
                assert follow_on(found)
                stream = late.stream()
                found = numbers(stream)
                assert stream.startswith(TABLES)
                assert 0 == found[0] % 500
                assert follow_on(found)

    run(main)


def test_late_viewer_does_not_wait_for_one_that_stands_still(run: Run[None], tmp_path: Path) -> None:
    """A lone viewer pauses while it is poured to; another one that comes then is served at once."""

    async def main() -> None:
        with torrent() as source:
            stage = stage_of(tmp_path, source)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                with closing(Taker(place, most_bytes=50_000_000)) as first:
                    await until(lambda: first.count == 50_000_000)
                    channel = serving.relay.sessions["main/1"].channel
                    await until(lambda: channel.waiting_for_viewers)
                    # it would wait for ever; forty megabytes take a second, or ten on a busy machine
                    with closing(Taker(place, most_bytes=40_000_000)) as late:
                        await until(lambda: late.count == 40_000_000, 30)
                    assert follow_on(numbers(late.stream()))

    run(main)


@pytest.mark.accepts("STR-3")
def test_poured_stream_that_turns_into_a_page(run: Run[None], tmp_path: Path) -> None:
    """The page is noticed by the next look, and the next way goes on for the same viewer."""

    async def main() -> None:
        with torrent(PAGE) as source, torrent() as spare:
            stage = stage_of(tmp_path, source, spare)
            stage.publish()
            async with served(stage) as serving:
                viewer = Taker(serving.dvrs["news"], most_bytes=1_000_000_000)
                await poured(serving, 20_000_000)
                source.turns.set()
                began = trio.current_time()
                session = serving.relay.sessions["main/1"]
                await until(lambda: session.switches == 1)
                assert trio.current_time() - began < 3
                had = viewer.count
                await until(lambda: viewer.count > had + 30_000_000)
                viewer.close()
                end = bytes(viewer.taken[viewer.count - 10_000_000 : viewer.count])
                assert end.count(TABLES) > 3
                assert PAGE[:70] not in end

    run(main)
