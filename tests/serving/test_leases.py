"""Connections lent to probes over the hub's API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from reconciler.sandbox.panel import Account, Channel, Panel
from reconciler.secret import Secret
from tests.conftest import Run
from tests.serving.stage import Stage, ask, one_source, panel_stage, provided, served, until, watching

TOKEN = "correct-horse"
BEARER = ("Authorization", f"Bearer {TOKEN}")


@asynccontextmanager
async def lease(hub: tuple[str, int]) -> AsyncIterator[trio.SocketStream]:
    """A lease for a probe, its first line read; given back by leaving."""
    body = json.dumps({"source": "main", "purpose": "probe"}).encode()
    stream = await trio.open_tcp_stream(*hub)
    head = f"POST /api/v1/leases HTTP/1.1\r\nHost: a\r\n{BEARER[0]}: {BEARER[1]}\r\nContent-Length: {len(body)}\r\n\r\n"
    async with stream:
        await stream.send_all(head.encode() + body)
        said = b""
        while b"}\n" not in said:
            more = await stream.receive_some(4096)
            assert more, said
            said += more
        assert b" 200 " in said[:16]
        yield stream


@pytest.mark.accepts("SEC-2", "STM-1")
def test_who_gets_a_lease(run: Run[None], tmp_path: Path) -> None:
    """Without the token 401, with nonsense 400 or 404, and the last slot is never a probe's: 409."""

    async def main() -> None:
        stage = Stage(tmp_path, sources=one_source("http://127.0.0.1:9", connections=1))
        stage.publish()
        async with served(stage, stage.settings(admin_token=Secret(TOKEN))) as serving:
            wish = b'{"source": "main", "purpose": "probe"}'

            async def status(body: bytes, *headers: tuple[str, str]) -> int:
                got = await ask(serving.hub, "/api/v1/leases", method="POST", headers=headers, body=body)
                return got.status

            assert 401 == await status(wish)
            assert 401 == await status(wish, ("Authorization", "Bearer wrong"))
            assert 400 == await status(b"[]", BEARER)
            assert 400 == await status(b'{"source": "main", "purpose": "viewer"}', BEARER)
            assert 404 == await status(b'{"source": "other"}', BEARER)
            assert 409 == await status(wish, BEARER)
            assert 405 == (await ask(serving.hub, "/api/v1/leases")).status

    run(main)


@pytest.mark.accepts("STM-2")
def test_viewer_takes_a_probes_slot(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """A viewer that arrives during probing has the slot within a second or so; the prober is told."""

    async def main() -> None:
        panel = Panel(
            accounts=(Account(max_connections=2),), channels=tuple(Channel(n, str(n)) for n in range(1, 10))
        )
        async with provided(clips, panel) as handle:
            stage = panel_stage(tmp_path, handle, source={"connections": 2})
            stage.publish()
            async with served(stage, stage.settings(admin_token=Secret(TOKEN))) as serving:
                place = serving.dvrs["news"]
                async with lease(serving.hub) as held, watching(place, "/auto/v1000") as one:
                    await one.read(20_000)
                    began = trio.current_time()
                    async with watching(place, "/auto/v1001") as two:
                        assert 200 == two.status
                        assert trio.current_time() - began < 2
                        said = b""
                        while b"revoked" not in said:
                            said += await held.receive_some(4096)
                await until(lambda: not serving.relay.sessions)

    run(main)


def test_a_prober_that_dies_frees_its_lease(run: Run[None], tmp_path: Path) -> None:
    """The lease ends with the connection."""

    async def main() -> None:
        stage = Stage(tmp_path, sources=one_source("http://127.0.0.1:9", connections=2))
        stage.publish()
        async with served(stage, stage.settings(admin_token=Secret(TOKEN))) as serving:

            def held() -> int:
                return sum(row["probe"] for row in serving.relay.pool.use().values())

            async with lease(serving.hub):
                assert 1 == held()
            await until(lambda: held() == 0)

    run(main)
