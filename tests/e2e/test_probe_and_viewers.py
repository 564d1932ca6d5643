"""Probes beside viewers, from the command line: `ptctl serve` runs, somebody watches, the provider counts connections."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx
import pytest
import trio

from reconciler.tls import trusted
from tests.conftest import Run
from tests.e2e.world import SPEC, USER, Result, World, world

PROBING = SPEC + "probes: {{mode: smoke, every: 1m, concurrency: 4, breaker: 60%, expire: 7d}}\n"
ADMIN = PROBING.replace(
    '  plex: {{token: "env:TEST_TOKEN"}}',
    '  plex: {{token: "env:TEST_TOKEN"}}\n  admin: {{token: "env:TEST_ADMIN"}}',
).replace('reconcile: "off"', 'reconcile: "off", access: {{admin: admin}}')
TOKEN = {"TEST_ADMIN": "admin-token-7731"}


@asynccontextmanager
async def watching(home: World, place: int = 0) -> AsyncIterator[httpx.Response]:
    """A viewer of a channel of a DVR, its first bytes read."""
    dvr = json.loads((home.state / "artifacts/current/manifest.json").read_text())["dvrs"][place]
    number = next(iter(dvr["channels"]))
    url = f"http://127.0.0.1:{dvr['port']}/auto/v{number}"
    async with (
        httpx.AsyncClient(trust_env=False, timeout=15, verify=trusted()) as client,
        client.stream("GET", url) as reply,
    ):
        assert 200 == reply.status_code
        chunks = cast("AsyncGenerator[bytes, None]", reply.aiter_raw())
        await anext(chunks)
        async with trio.open_nursery() as nursery:

            async def drain() -> None:
                async for _ in chunks:
                    pass

            nursery.start_soon(drain)
            yield reply
            nursery.cancel_scope.cancel()
        await chunks.aclose()


def streams(home: World) -> int:
    """Stream requests that the provider had so far."""
    return len(home.provider.journal.of_kind("live", "playlist", "segment"))


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("STM-1", "PVL-6", "SMK-3")
@pytest.mark.parametrize("spec", [PROBING, ADMIN], ids=["counted", "lent"])
def test_one_connection_is_the_viewers(run: Run[None], tmp_path: Path, spec: str) -> None:
    """`max_connections: 1`, a viewer active: refresh and probe end by themselves, open no stream, and say so."""

    async def main() -> None:
        async with world(tmp_path, spec=spec, channels=12, connections=1) as base:
            home = World(base.directory, base.provider, base.plex, base.hub, base.ports, TOKEN)
            assert 0 == (await home.ptctl("refresh")).code
            async with home.serving(), watching(home):
                assert 0 == (await home.ptctl("refresh")).code
                others = {v.channel for v in home.provider.journal.of_kind("live", "playlist")}
                probed = await home.ptctl("probe")
                assert 0 == probed.code, probed.text
                assert "0 channels tried" in probed.out, probed.text
                assert "no connection to spare" in probed.out
                assert others == {v.channel for v in home.provider.journal.of_kind("live", "playlist")}
                assert home.provider.peak(USER) == 1
                assert home.provider.refusals() == 0

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("STM-2", "SMK-3")
def test_a_viewer_takes_a_lent_connection(run: Run[None], tmp_path: Path) -> None:
    """Two connections: a probe has one, two viewers come, both play; the probe made way and the panel never refused."""

    async def main() -> None:
        async with world(
            tmp_path,
            spec=ADMIN.replace("hosts: [", "stream: {{format: ts}}, hosts: ["),
            channels=20,
            connections=2,
        ) as base:
            home = World(base.directory, base.provider, base.plex, base.hub, base.ports, TOKEN)
            assert 0 == (await home.ptctl("refresh")).code
            async with home.serving(), trio.open_nursery() as nursery:
                told: dict[str, Result] = {}
                ended = trio.Event()

                async def probe() -> None:
                    told["probe"] = await home.ptctl("probe")
                    ended.set()

                nursery.start_soon(probe)
                with trio.fail_after(60):
                    while not streams(home):  # noqa: ASYNC110 - the provider is polled
                        await trio.sleep(0.02)
                began = trio.current_time()
                async with watching(home, 0), watching(home, 1):
                    assert trio.current_time() - began < 10
                    with trio.fail_after(60):
                        await ended.wait()
                    assert 0 == told["probe"].code, told["probe"].text
                    assert home.provider.peak(USER) <= 2
                    assert home.provider.refusals() == 0

    run(main)
