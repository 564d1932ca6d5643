"""A published generation in a folder and a `serve` over it, for the tests of this directory."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import trio

from reconciler.lineups.manifest import (
    Alternative,
    DvrManifest,
    Manifest,
    Routes,
    SourceRoute,
    manifest_bytes,
    routes_bytes,
)
from reconciler.sandbox.panel import Channel, Panel
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.serving.server import Serving, serve
from reconciler.serving.settings import ServeSettings
from tests.ports import locked

LOOPBACK = "127.0.0.1"
DISCOVERY = 65001
ACCOUNT = {"username": "file:user", "password": "file:pass"}


@dataclass
class Stage:
    """What is published: DVR name -> {number: channel id}, and the ways to each channel."""

    state: Path
    lineups: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {"news": {"1000": "main/1"}})
    sources: Mapping[str, SourceRoute] = field(default_factory=dict)
    channels: Mapping[str, tuple[Alternative, ...]] = field(default_factory=dict)
    by_dvr: Mapping[str, Mapping[str, SourceRoute]] = field(default_factory=dict)
    layout: str = "ports"
    tuners: int = 2
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """DVR name -> fields of its manifest that differ."""
    guide: bytes = b'<?xml version="1.0"?>\n<tv></tv>\n'
    exports: Sequence[str] = ()

    def publish(self) -> str:
        """Write the generation and swap `current`. Returns its id."""
        dvrs = [self._dvr(name) for name in self.lineups]
        manifest = Manifest(
            "home",
            self.layout,
            tuple(dvrs),
            tuple(self.exports),
        )
        data = manifest_bytes(manifest)
        generation = sha256(data + repr(self.lineups).encode() + self.guide).hexdigest()[:16]
        home = self.state / "artifacts" / generation
        for dvr in dvrs:
            folder = home / dvr.slug
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "lineup.json").write_bytes(self._lineup(dvr))
            (folder / "playlist.m3u").write_text(
                f'#EXTM3U url-tvg="{dvr.base_url}/guide.xml"\n#EXTINF:-1,{dvr.name}\n{dvr.base_url}/auto/v1\n'
            )
            (folder / "guide.xml").write_bytes(self.guide)
        home.mkdir(parents=True, exist_ok=True)
        for name in self.exports:
            (home / f"{name}.m3u").write_text(f"#EXTM3U\n# {name}\n")
        (home / "manifest.json").write_bytes(data)
        self.route(generation)
        fresh = self.state / "artifacts" / "current.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(generation)
        fresh.replace(self.state / "artifacts" / "current")
        return generation

    def route(self, generation: str) -> None:
        """Write the routes."""
        private = self.state / "private"
        private.mkdir(parents=True, exist_ok=True)
        routes = Routes(generation, dict(self.sources), dict(self.channels), dict(self.by_dvr))
        (private / "routes.json").write_bytes(routes_bytes(routes))
        (self.state / "user").write_text("demo")
        (self.state / "pass").write_text("orchard-4711")

    def _dvr(self, name: str) -> DvrManifest:
        base = "http://ptctl.test:5004/" + name if self.layout == "path" else f"http://ptctl.test/{name}"
        made = DvrManifest(
            name=name,
            slug=name,
            device_id=sha256(name.encode()).hexdigest()[:8].upper(),
            friendly_name=f"ptctl {name}",
            port=None if self.layout == "path" else 0,
            base_url=base,
            tuners=self.tuners,
            scan_possible=False,
            channels=dict(self.lineups[name]),
            guide_digest=sha256(self.guide).hexdigest(),
        )
        return replace(made, **self.changes.get(name, {}))

    def _lineup(self, dvr: DvrManifest) -> bytes:
        rows = [
            {
                "GuideNumber": number,
                "GuideName": f"Channel {number}",
                "URL": f"{dvr.base_url}/auto/v{number}",
            }
            for number in dvr.channels
        ]
        return json.dumps(rows).encode()

    def settings(self, **changes: Any) -> ServeSettings:
        """Settings that fit the stage: loopback, ports of the system's choice."""
        made = ServeSettings(listen=(LOOPBACK, 0), layout="path" if self.layout == "path" else "ports")
        return replace(made, base=self.state, **changes)


def one_source(*hosts: str, **changes: Any) -> dict[str, SourceRoute]:
    """A panel named `main` with one account."""
    made = SourceRoute(
        "main", "xtream", tuple(hosts), (ACCOUNT,), format="ts", user_agent="VLC/3.0.20 LibVLC/3.0.20"
    )
    return {"main": replace(made, **changes)}


@asynccontextmanager
async def served(stage: Stage, settings: ServeSettings | None = None, **more: Any) -> AsyncIterator[Serving]:
    """`serve` over a stage, ended at the end of the block."""
    async with trio.open_nursery() as nursery:
        start = partial(serve, stage.state, settings or stage.settings(), **more)
        serving: Serving = await nursery.start(start)
        yield serving
        nursery.cancel_scope.cancel()


@dataclass(frozen=True)
class Got:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def ask(
    place: tuple[str, int],
    path: str,
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    version: str = "1.1",
) -> Got:
    """One request on a connection of its own, read to the end of the connection."""
    lines = [f"{method} {path} HTTP/{version}", "Host: somewhere.else", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    stream = await trio.open_tcp_stream(*place)
    async with stream:
        await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)
        data = b""
        async for piece in stream:
            data += piece
    return parse(data)


async def until(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until `true()` is; fail when it is not in time."""
    with trio.fail_after(within_s):
        while not true():  # noqa: ASYNC110 - what is waited for lies beyond a socket
            await trio.sleep(0.01)


@asynccontextmanager
async def discovery() -> AsyncIterator[None]:
    """Port 65001 for the length of the block: there is one for all tests, and clients cannot be told another."""
    with locked(DISCOVERY) as ours:
        with trio.fail_after(60):
            while True:
                if ours():
                    break
                await trio.sleep(0.1)
        yield


def parse(data: bytes) -> Got:
    """An answer from its bytes; chunked bodies are joined."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = dechunk(body)
    return Got(int(first.split()[1]), headers, body)


def dechunk(data: bytes) -> bytes:
    """The payload of what came of a chunked body."""
    out = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        count = int(size or b"0", 16)
        if count == 0:
            break
        out += rest[:count]
        data = rest[count + 2 :]
    return out


class Watcher:
    """A client that watches a stream: `data` is what it got so far, without the framing."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._raw = b""
        self._framed = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.data = b""
        self.ended = False

    async def head(self) -> None:
        """Read up to the end of the head."""
        while b"\r\n\r\n" not in self._raw:
            more = await self._stream.receive_some(65536)
            assert more, "the server ended before an answer"
            self._raw += more
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}

    async def read(self, at_least: int, within_s: float = 15.0) -> bytes:
        """`data` once it holds so many bytes, or all when the stream has ended before."""
        with trio.fail_after(within_s):
            while len(self.data) < at_least and not self.ended:
                self._unchunk()
                if len(self.data) >= at_least or self.ended:
                    break
                more = await self._stream.receive_some(1 << 18)
                if not more:
                    self.ended = True
                self._raw += more
        return self.data

    def _unchunk(self) -> None:
        while not self.ended:
            size, line_end, rest = self._raw.partition(b"\r\n")
            if not line_end:
                return
            count = int(size, 16)
            if len(rest) < count + 2:
                return
            self.ended = count == 0
            self.data += rest[:count]
            self._raw = rest[count + 2 :]

    async def aclose(self) -> None:
        """Leave."""
        await self._stream.aclose()


@asynccontextmanager
async def watching(place: tuple[str, int], path: str) -> AsyncIterator[Watcher]:
    """A client of a stream, its head read; it leaves at the end of the block."""
    stream = await trio.open_tcp_stream(*place)
    watcher = Watcher(stream)
    try:
        await stream.send_all(
            f"GET {path} HTTP/1.1\r\nHost: any\r\nUser-Agent: Lavf/60.16.100\r\nRange: bytes=0-\r\n\r\n".encode()
        )
        await watcher.head()
        yield watcher
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
            await stream.aclose()


@asynccontextmanager
async def provided(clips: Path, panel: Panel | None = None, **more: Any) -> AsyncIterator[ProviderHandle]:
    """A simulated provider with channels 1 to 9."""
    made = panel or Panel(channels=tuple(Channel(n, f"Channel {n}") for n in range(1, 10)))
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(run_provider, made, stream_cache=clips, **more))
        nursery.cancel_scope.cancel()


def panel_stage(state: Path, handle: ProviderHandle, **changes: Any) -> Stage:
    """A stage whose DVR `news` has channels 1000 to 1008: streams 1 to 9 of the provider, on all its hosts."""
    source = changes.pop("source", {})
    return Stage(
        state,
        {"news": {str(999 + n): f"main/{n}" for n in range(1, 10)}},
        sources=one_source(*handle.urls, **source),
        channels={f"main/{n}": (Alternative("main", str(n)),) for n in range(1, 10)},
        **changes,
    )
