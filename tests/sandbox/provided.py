"""A running simulated provider for the tests of this folder, and the requests they make to it."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import trio

from reconciler.sandbox.faults import Faults
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account, Channel, Panel, Shape
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.sandbox.streams import find_ffmpeg
from reconciler.tls import trusted

ACCOUNT = Account("anna", "pa ss/1", max_connections=2)
LOGIN = "username=anna&password=pa%20ss%2F1"
LIVE = "/live/anna/pa%20ss%2F1"
TS = f"{LIVE}/11.ts"
HLS = f"{LIVE}/11.m3u8"
LIMIT_S = 30


def small_panel(*, accounts: Sequence[Account] = (ACCOUNT,), shape: Shape | None = None) -> Panel:
    """Three live channels, the first two with a guide id."""
    shape = shape or Shape()
    return Panel(
        accounts=tuple(accounts),
        channels=(
            Channel(11, "Eleven", "US| News", "eleven.us", number=1, shape=shape),
            Channel(12, "Twelve", "US| News", "twelve.us", number=2, shape=shape),
            Channel(13, "Thirteen", "UK| News", "", number=3, shape=shape),
        ),
    )


@asynccontextmanager
async def provider(
    cache: Path,
    panel: Panel | None = None,
    *,
    manners: Manners | None = None,
    faults: Faults | None = None,
    hosts: int = 2,
    now: float | None = None,
) -> AsyncIterator[ProviderHandle]:
    """A provider that ends with the block."""
    run = partial(
        run_provider,
        panel or small_panel(),
        hosts=hosts,
        stream_cache=cache,
        manners=manners,
        faults=faults,
        clock=time.time if now is None else lambda: now,
    )
    with trio.fail_after(LIMIT_S):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(run)
            nursery.cancel_scope.cancel()


async def fetch(url: str, **options: object) -> httpx.Response:
    """One GET over a connection of its own."""
    async with httpx.AsyncClient(timeout=10, verify=trusted()) as client:
        return await client.get(url, **options)  # type: ignore[arg-type]


async def complaints(url: str, *arguments: str, seconds: float = 6) -> str:
    """What ffmpeg says while it decodes `seconds` of a URL: nothing, when all is well."""
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-v", "warning", *arguments]
    done = await trio.run_process(
        [*command, "-i", url, "-t", str(seconds), "-f", "null", "-"], capture_stderr=True, check=False
    )
    return done.stderr.decode(errors="replace") + (f"exit {done.returncode}" if done.returncode else "")


@dataclass(slots=True)
class Raw:
    """A request on a socket of its own, answered as the bytes come: nothing between the test and the wire."""

    stream: trio.SocketStream
    head: str
    body: bytes

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.head.split(" ", 2)[1])

    def header(self, name: str) -> str:
        """A header's value, or an empty text."""
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return next((value.strip() for key, _, value in lines if key.lower() == name.lower()), "")

    async def read(self, count: int) -> bytes:
        """The body's bytes so far, at least `count` of them unless it ends before."""
        while len(self.body) < count and (piece := await self.stream.receive_some(65536)):
            self.body += piece
        return self.body

    async def read_for(self, seconds: float) -> bytes:
        """What has come after that time, or when it ends."""
        with trio.move_on_after(seconds):
            await self.read(1 << 40)
        return self.body


@asynccontextmanager
async def asked(url: str, *headers: str, method: str = "GET") -> AsyncIterator[Raw]:
    """Send one request and read its head. Ends the connection with the block."""
    parts = urlsplit(url)
    stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
    async with stream:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}", *headers, "", ""]
        await stream.send_all("\r\n".join(lines).encode())
        got = b""
        while b"\r\n\r\n" not in got:
            piece = await stream.receive_some(65536)
            if not piece:
                break
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        yield Raw(stream, head.decode("latin-1"), body)


async def stream_bytes(url: str, count: int, *headers: str) -> tuple[int, bytes]:
    """Status and at least `count` bytes of a stream (fewer when it ends before)."""
    async with asked(url, *headers) as answer:
        return answer.status, await answer.read(count)


async def until(true: Callable[[], object]) -> None:
    """Wait until a condition holds, two seconds at most."""
    with trio.fail_after(2):
        while not true():  # noqa: ASYNC110 - what is waited for is another process's or task's doing, without an event
            await trio.sleep(0.01)


async def segment_of(handle: ProviderHandle, which: int = 0, path: str = HLS) -> str:
    """The path of one segment of the playlist as it is now."""
    text = (await fetch(handle.urls[0] + path)).text
    return [line for line in text.splitlines() if line.startswith("/hls/")][which]
