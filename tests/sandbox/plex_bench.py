"""A small real tuner and a world of tuner, simulated Plex and client, for the tests of the simulated Plex."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import httpx
import trio

from reconciler.sandbox import wire
from reconciler.sandbox.plex import PlexHandle, PlexOptions, run_plex
from reconciler.tls import trusted

TOKEN = "sandbox-token"
XMLTV = "lineup://tv.plex.providers.epg.xmltv/"
QUICK = PlexOptions(load_delay_s=0.0)


def guide(channels: Sequence[tuple[str, str]], programmes: str = "") -> str:
    """XMLTV with these channels (id, display-name) and programmes as given."""
    shown = "".join(
        f'<channel id="{escape(i)}"><display-name>{escape(name)}</display-name></channel>'
        for i, name in channels
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><tv>{shown}{programmes}</tv>'


def programme(channel: str, start: str, stop: str, title: str, more: str = "") -> str:
    """One programme; times as `YYYYMMDDhhmmss ±hhmm`."""
    return f'<programme channel="{channel}" start="{start}" stop="{stop}"><title>{title}</title>{more}</programme>'


@dataclass(slots=True)
class Tuner:
    """What the tuner serves, and what it was asked: (method, target, headers)."""

    device_id: str = "1040ABC5"
    name: str = "ptctl news"
    tuners: int = 2
    scan_possible: int = 0
    numbers: Sequence[str] = ("1001", "1002", "1003")
    guide: str = guide([("1001", "One"), ("1002", "Two"), ("1003", "Three")])
    guide_status: int = 200
    guide_gate: trio.Event | None = None
    stream: bytes = b"".join(b"\x47\x00\x11\x10" + bytes(184) for _ in range(50))
    stream_status: int = 200
    stream_pause_s: float = 0.01
    lineup: list[dict[str, Any]] | None = None
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    streaming: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """The tuner's base."""
        return f"http://127.0.0.1:{self.port}"

    def lineup_uri(self, title: str = "ptctl news") -> str:
        """The lineup in the encoded form of plex-livetv.md 3.3."""
        return f"{XMLTV}{quote(f'{self.url}/guide.xml', safe='')}#{quote(title)}"

    def targets(self) -> list[str]:
        """What was asked, as method and target."""
        return [f"{method} {target}" for method, target, _ in self.asked]

    async def handle(self, exchange: wire.Exchange) -> None:
        """Answer as a tuner."""
        request = exchange.request
        self.asked.append((request.method, request.target, request.headers))
        match request.path:
            case "/discover.json":
                await self._json(
                    exchange,
                    {
                        "FriendlyName": self.name,
                        "Manufacturer": "Silicondust",
                        "ModelNumber": "HDTC-2US",
                        "TunerCount": self.tuners,
                        "DeviceID": self.device_id,
                        "DeviceAuth": "",
                        "BaseURL": self.url,
                        "LineupURL": f"{self.url}/lineup.json",
                    },
                )
            case "/lineup_status.json":
                await self._json(
                    exchange,
                    {
                        "ScanInProgress": 0,
                        "ScanPossible": self.scan_possible,
                        "Source": "Cable",
                        "SourceList": ["Cable"],
                    },
                )
            case "/lineup.json":
                names = {"1001": "One", "1002": "Two", "1003": "Three"}
                await self._json(
                    exchange,
                    self.lineup
                    if self.lineup is not None
                    else [
                        {
                            "GuideNumber": n,
                            "GuideName": names.get(n, f"Channel {n}"),
                            "URL": f"{self.url}/stream/{n}",
                        }
                        for n in self.numbers
                    ],
                )
            case "/guide.xml":
                if self.guide_gate is not None:
                    await self.guide_gate.wait()
                await exchange.respond(self.guide_status, self.guide, "application/xml")
            case "/lineup.post":
                await exchange.respond(200)
            case path if path.startswith("/stream/"):
                await self._stream(exchange)
            case _:
                await exchange.respond(404)

    async def _json(self, exchange: wire.Exchange, document: object) -> None:
        await exchange.respond(200, json.dumps(document), "application/json")

    async def _stream(self, exchange: wire.Exchange) -> None:
        if self.stream_status != 200:
            await exchange.respond(self.stream_status)
            return
        self.streaming += 1
        try:
            await exchange.start(200, [("Content-Type", "video/mp2t")])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pour, exchange)
                await exchange.stream.receive_some()  # nothing, when the client has left
                nursery.cancel_scope.cancel()
        except* trio.BrokenResourceError:
            pass
        finally:
            self.streaming -= 1

    async def _pour(self, exchange: wire.Exchange) -> None:
        while True:
            await exchange.send(self.stream)
            await trio.sleep(self.stream_pause_s)


@dataclass(slots=True)
class World:
    """A running tuner and Plex, and a client with the token that reads JSON."""

    plex: PlexHandle
    tuner: Tuner
    client: httpx.AsyncClient
    nursery: trio.Nursery

    async def get(self, target: str) -> dict[str, Any]:
        """The MediaContainer of a GET that must succeed."""
        answer = await self.client.get(target)
        assert answer.status_code == 200, (target, answer.text)
        container: dict[str, Any] = answer.json()["MediaContainer"]
        return container

    async def send(self, method: str, target: str) -> httpx.Response:
        """Any request."""
        return await self.client.request(method, target)

    async def register(self) -> dict[str, Any]:
        """Register the tuner; its device."""
        answer = await self.client.post("/media/grabbers/devices", params={"uri": self.tuner.url})
        assert answer.status_code == 200, answer.text
        device: dict[str, Any] = answer.json()["MediaContainer"]["Device"][0]
        return device

    async def create(self, *, title: str = "ptctl news") -> dict[str, Any]:
        """Register, create, and wait for the load."""
        device = await self.register()
        answer = await self.client.post(
            "/livetv/dvrs",
            params={"language": "eng", "device": device["uuid"], "lineup": self.tuner.lineup_uri(title)},
        )
        dvr: dict[str, Any] = answer.json()["MediaContainer"]["Dvr"][0]
        await self.plex.loads_done()
        return dvr

    async def put_map(self, device: str, numbers: Sequence[str]) -> httpx.Response:
        """The whole map with literal brackets, all three identifiers equal; waits for the load it starts."""
        query = f"channelsEnabled={','.join(numbers)}" + "".join(
            f"&channelMapping[{n}]={n}&channelMappingByKey[{n}]={n}" for n in numbers
        )
        answer = await self.client.put(f"/media/grabbers/devices/{device}/channelmap?{query}")
        await self.plex.loads_done()
        return answer

    async def active(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """A DVR with all channels on: the DVR and its device as they are then."""
        dvr = await self.create()
        await self.put_map(dvr["Device"][0]["key"], [str(n) for n in self.tuner.numbers])
        shown = (await self.get(f"/livetv/dvrs/{dvr['key']}"))["Dvr"][0]
        return shown, shown["Device"][0]


async def until(true: Callable[[], Awaitable[bool] | bool], *, limit_s: float = 10.0) -> None:
    """Look again and again until it holds; trio.TooSlowError after the limit."""
    with trio.fail_after(limit_s):
        while True:
            seen = true()
            if seen if isinstance(seen, bool) else await seen:
                return
            await trio.sleep(0.01)


async def start_tuner(nursery: trio.Nursery, tuner: Tuner) -> Tuner:
    """Serve a tuner on a free port."""
    tuner.port = await nursery.start(partial(wire.serve, tuner.handle))
    return tuner


@asynccontextmanager
async def world(
    directory: Path, options: PlexOptions = QUICK, tuner: Tuner | None = None
) -> AsyncGenerator[World, None]:
    """Everything running, gone at the end."""
    async with trio.open_nursery() as nursery:
        served = await start_tuner(nursery, tuner or Tuner())
        plex: PlexHandle = await nursery.start(
            partial(run_plex, directory / "Plex Media Server", token=TOKEN, options=options)
        )
        headers = {"X-Plex-Token": TOKEN, "Accept": "application/json", "X-Plex-Client-Identifier": "bench"}
        async with httpx.AsyncClient(
            base_url=plex.url, headers=headers, trust_env=False, timeout=20, verify=trusted()
        ) as client:
            yield World(plex, served, client, nursery)
        nursery.cancel_scope.cancel()
