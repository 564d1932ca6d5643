"""A provider made of answers: each path has the bytes that go out, for manners that the sandbox does not have.

Streams are numbered packets, so that a test can say what of them arrived, and whether in order.
"""

import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

from reconciler.lineups.manifest import Alternative, SourceRoute
from reconciler.serving.packets import ElementaryStream, Psi, psi_packets
from tests.serving.stage import Stage

__all__ = [
    "Asked",
    "Origin",
    "Page",
    "answer",
    "chunked",
    "numbers",
    "origin",
    "playlist",
    "segment",
    "stage_of",
]

PACKET = 188
VIDEO = 0x100
LAYOUT = Psi(1, 0x1000, VIDEO, (ElementaryStream(VIDEO, 0x1B), ElementaryStream(0x101, 0x0F)))
EACH = 64
"""Video packets of a segment: a multiple of sixteen, so that counters begin alike in each."""

Page = bytes | Callable[["Asked"], Awaitable[None]]


def answer(
    body: bytes = b"", status: str = "200 OK", *headers: tuple[str, str], length: bool = True
) -> bytes:
    """An answer whose connection ends with it; `length` False leaves that as the only end."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int) -> bytes:
    """An answer in chunks of a size, with an extension and a trailer."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return head + b"".join(b"%x;x=1\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\nX-End: 1\r\n\r\n"


def segment(number: int) -> bytes:
    """Tables, then numbered video packets of which the first is a key frame."""
    count = number - 1 & 15
    rows = [psi_packets(LAYOUT, {0: count, LAYOUT.pmt_pid: count})]
    for at in range(EACH):
        serial = (number * EACH + at).to_bytes(6, "big")
        head = bytes((0x47, (0 if at else 0x40) | VIDEO >> 8, VIDEO & 0xFF))
        key = bytes((7, 0x50)) + bytes(6) if at == 0 else bytes((7, 0)) + b"\xff" * 6
        body = b"\x00\x00\x01\xe0\x00\x00\x80\x00\x00" if at == 0 else b"\x11" * 9
        rows.append((head + bytes((0x30 | at & 15,)) + key + body + serial).ljust(PACKET, b"\x11"))
    return b"".join(rows)


def numbers(data: bytes) -> list[int]:
    """The numbers of the video packets in a stream."""
    rows = [data[at : at + PACKET] for at in range(0, len(data) // PACKET * PACKET, PACKET)]
    assert all(row[0] == 0x47 for row in rows)
    video = [row for row in rows if ((row[1] & 0x1F) << 8 | row[2]) == VIDEO and row[3] & 0x10]
    return [int.from_bytes(row[21:27], "big") for row in video]


def playlist(first: int, lines: Sequence[str], *, target_s: float = 1, ended: bool = False) -> bytes:
    """A media playlist of segments that last `target_s`; `lines` may hold tags of their own before an address."""
    out = ["#EXTM3U", f"#EXT-X-TARGETDURATION:{target_s:g}", f"#EXT-X-MEDIA-SEQUENCE:{first}"]
    for line in lines:
        *tags, name = line.split("\n")
        out += [*tags, f"#EXTINF:{target_s:g},", name]
    return "\n".join([*out, *(["#EXT-X-ENDLIST"] if ended else []), ""]).encode()


@dataclass
class Asked:
    """One request: its path, its head, and where the answer goes."""

    path: str
    head: str
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]

    async def slowly(self, data: bytes, size: int, pause_s: float = 0.0) -> None:
        """Send in slices, each on its own."""
        for at in range(0, len(data), size):
            await self.stream.send_all(data[at : at + size])
            await trio.sleep(pause_s)


@dataclass
class Origin:
    """`pages` by path, with the query; `asked` is what was asked for, in order."""

    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    begun: float = field(default_factory=trio.current_time)

    @property
    def url(self) -> str:
        """Its base, without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def paths(self, like: str = "") -> list[str]:
        """The paths asked for that match."""
        return [one.path for one in self.asked if re.search(like, one.path)]

    def at(self, length_s: float = 1.0) -> int:
        """The number of the newest segment that is whole, by the clock; 10 at the beginning."""
        return 10 + int((trio.current_time() - self.begun) / length_s)

    def segments(self, count: int = 40, wrap: Callable[[bytes], bytes] = answer) -> None:
        """Segments under `/<number>.ts`."""
        self.pages |= {f"/{n}.ts": wrap(segment(n)) for n in range(count)}

    def live(self, path: str, line: Callable[[int], str] = "{}.ts".format, *, length_s: float = 1.0) -> None:
        """A playlist of five segments that moves on with the clock."""

        async def page(asked: Asked) -> None:
            last = self.at(length_s)
            lines = [line(n) for n in range(last - 4, last + 1)]
            await asked.stream.send_all(answer(playlist(last - 4, lines, target_s=length_s)))

        self.pages[path] = page

    async def _serve(self, stream: trio.SocketStream | trio.SSLStream[trio.SocketStream]) -> None:
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                more = await stream.receive_some(4096)
                if not more:
                    return
                data += more
            head = data.decode("latin-1")
            asked = Asked(head.split(" ", 2)[1], head, stream)
            self.asked.append(asked)
            page = self.pages.get(asked.path, answer(status="404 Not Found"))
            if isinstance(page, bytes):
                await stream.send_all(page)
            else:
                await page(asked)
            if isinstance(stream, trio.SocketStream):
                await stream.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await stream.aclose()


@asynccontextmanager
async def origin(tls: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    """A running one, with TLS where there is a context for it; ended at the end of the block."""
    made = Origin(scheme="https" if tls else "http")
    async with trio.open_nursery() as nursery:
        plain = partial(trio.serve_tcp, made._serve, 0, host="127.0.0.1")
        start = (
            plain if tls is None else partial(trio.serve_ssl_over_tcp, made._serve, 0, tls, host="127.0.0.1")
        )
        listeners = await nursery.start(start)
        socket = listeners[0] if tls is None else listeners[0].transport_listener
        made.port = socket.socket.getsockname()[1]
        yield made
        nursery.cancel_scope.cancel()


def stage_of(state: Path, *urls: str, profile: str = "") -> Stage:
    """One channel with a way to each address, in order."""
    ways = tuple(Alternative("list", url=url) for url in urls)
    source = SourceRoute("list", "m3u", profile=profile)
    return Stage(state, sources={"list": source}, channels={"main/1": ways})
