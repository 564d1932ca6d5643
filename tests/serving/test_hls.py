"""HLS upstreams in all the shapes that the simulated provider has, as viewers of the relay get them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Channel, Panel, Shape
from reconciler.sandbox.provider import ProviderHandle
from reconciler.serving.packets import find_psi
from reconciler.serving.server import Serving
from tests.conftest import Run
from tests.serving.stage import panel_stage, provided, served, watching

PACKET = 188
HLS = {"format": "hls"}


def packets(data: bytes) -> list[bytes]:
    """The packets of a stream, each checked."""
    rows = [data[at : at + PACKET] for at in range(0, len(data) // PACKET * PACKET, PACKET)]
    assert rows
    assert all(row[0] == 0x47 for row in rows)
    return rows


@asynccontextmanager
async def playing(
    tmp_path: Path, clips: Path, shape: Shape, **more: Any
) -> AsyncIterator[tuple[ProviderHandle, Serving]]:
    """A provider whose channels have this shape, and `serve` over it with HLS."""
    panel = Panel(channels=tuple(Channel(n, f"Channel {n}", shape=shape) for n in range(1, 4)))
    async with provided(clips, panel, **more) as handle:
        stage = panel_stage(tmp_path, handle, source=HLS)
        stage.publish()
        async with served(stage) as serving:
            yield handle, serving


@pytest.mark.accepts("HLS-1", "HLS-3", "HLS-6")
@pytest.mark.parametrize(
    "shape",
    [
        Shape(uris="root"),
        Shape(uris="absolute"),
        Shape(uris="protocol"),
        Shape(uris="relative"),
        Shape(master=1),
        Shape(master=2, uris="relative"),
        Shape(encrypted=True),
        Shape(byteranges=True),
        Shape(encrypted=True, byteranges=True, master=1),
        Shape(cookie=True),
    ],
    ids=repr,
)
def test_shapes_play(run: Run[None], tmp_path: Path, clips: Path, shape: Shape) -> None:
    """Every way to write a playlist plays as clean packets, with the source's user agent on every request."""

    async def main() -> None:
        async with playing(tmp_path, clips, shape, manners=Manners(redirect=True)) as (handle, serving):
            async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 200 == viewer.status
                data = await viewer.read(500_000)
                rows = packets(data)
                assert find_psi(data[: 100 * PACKET]) is not None
                assert all(row[1] & 0x80 == 0 for row in rows), (
                    "an error bit: decryption or cutting went wrong"
                )
                _counters_continue(rows)
            agents = {visit.agent for visit in handle.journal.visits}
            assert {"VLC/3.0.20 LibVLC/3.0.20"} == agents

    run(main)


@pytest.mark.accepts("TUN-4", "HLS-1")
@pytest.mark.parametrize(
    ("form", "kind", "sign"),
    [
        ("ts", "icy", b"ICY 200 OK\r\n"),
        ("ts", "chunked", b"Transfer-Encoding: chunked\r\n"),
        ("ts", "m2ts", b"\r\n\r\n\x01\x02\x03\x04G"),
        ("ts", "parity", b"U" * 16 + b"G"),
        ("m3u8", "packed", b"Content-Encoding: gzip\r\n"),
        ("m3u8", "parity", b""),
        ("m3u8", "m2ts", b""),
    ],
)
def test_odd_manners_play(
    run: Run[None], tmp_path: Path, clips: Path, form: str, kind: FaultKind, sign: bytes
) -> None:
    """What the sandbox does on request is done, and comes out as packets whose counters go on."""

    async def main() -> None:
        async with provided(clips) as handle:
            handle.faults.switch_on(Fault(kind))
            place = handle.urls[0].removeprefix("http://").split(":")
            stream = await trio.open_tcp_stream(place[0], int(place[1]))
            async with stream:
                path = f"/live/demo/orchard-4711/1.{form}"
                await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
                raw = b""
                while len(raw) < 20_000 and (more := await stream.receive_some(65_536)):
                    raw += more
            assert sign in raw
            stage = panel_stage(tmp_path, handle, source={"format": "hls" if form == "m3u8" else "ts"})
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 200 == viewer.status
                _counters_continue(packets(await viewer.read(400_000)))
                assert 0 == serving.relay.sessions["main/1"].switches

    run(main)


def _counters_continue(rows: Sequence[bytes]) -> None:
    """Continuity counters of each PID go up by one per payload: no packet twice, none lost."""
    last: dict[int, int] = {}
    for row in rows:
        pid = (row[1] & 0x1F) << 8 | row[2]
        if pid == 0x1FFF or not row[3] & 0x10:
            continue
        counter = row[3] & 0x0F
        if pid in last:
            assert (last[pid] + 1) & 0x0F == counter, f"PID {pid:#x}"
        last[pid] = counter
