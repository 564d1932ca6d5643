"""Two `ptctl serve --only` processes on one account of one connection, their budget in a real redis-server."""

import json
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests import warm
from tests.conftest import Run
from tests.e2e.world import SPEC, World, world
from tests.ports import free_port
from tests.serving.stage import ask, until, watching
from tests.serving.valkey import valkey

# Transport streams: a panel goes on counting an HLS client for ten seconds after its last request.
POOLED = SPEC.replace('reconcile: "off"', 'reconcile: "off", pool: "env:TEST_POOL"').replace(
    "credentials: panel}}", "credentials: panel, stream: {{format: ts}}}}", 1
)


@asynccontextmanager
async def second_pod(home: World, hub: int, *words: str) -> AsyncIterator[warm.Command]:
    """Another `serve` on the same state, with a hub of its own."""
    (home.directory / "ptctl.two.yaml").write_text(f"serve: {{listen: '127.0.0.1:{hub}'}}\n")
    process = await warm.start(
        ["serve", "--env", "two", *words],
        cwd=home.directory,
        env=home.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(60):
            while True:
                try:
                    if (await ask(("127.0.0.1", hub), "/readyz")).status == 200:
                        break
                except OSError:
                    await trio.sleep(0.1)
        yield process
    finally:
        process.kill()


def first_number(home: World, dvr: str) -> tuple[tuple[str, int], str]:
    """Where a DVR listens, and the number of its first channel."""
    manifest = json.loads((home.state / "artifacts/current/manifest.json").read_text())
    found = next(d for d in manifest["dvrs"] if d["name"] == dvr)
    return ("127.0.0.1", found["port"]), min(found["channels"], key=int)


@pytest.mark.program("redis-server")
@pytest.mark.accepts("STR-5", "K8S-1")
def test_two_pods_share_one_connection(run: Run[None], tmp_path: Path) -> None:
    """Never two streams at the provider; the slot goes over when its viewer leaves, and when its pod is killed."""

    async def main() -> None:
        async with valkey(tmp_path / "valkey") as server, world(tmp_path, spec=POOLED, connections=1) as bare:
            home = World(
                bare.directory, bare.provider, bare.plex, bare.hub, bare.ports, {"TEST_POOL": server.url}
            )
            made = await home.ptctl("refresh")
            assert made.code == 0, made.text
            hub = free_port()
            async with (
                home.serving("--only", "locals"),
                second_pod(home, hub, "--only", "sports") as second,
            ):
                (here, one), (there, two) = first_number(home, "locals"), first_number(home, "sports")
                await trio.sleep(3)  # a server that has just begun gives nobody anything
                async with watching(here, f"/auto/v{one}") as first:
                    assert 200 == first.status
                    await first.read(100_000)
                    async with watching(there, f"/auto/v{two}") as refused:
                        assert (503, "805 All Tuners In Use") == (
                            refused.status,
                            refused.headers["x-hdhomerun-error"],
                        )
                    await first.read(len(first.data) + 100_000)
                async with watching(there, f"/auto/v{two}") as later:
                    assert 200 == later.status, (
                        later.headers
                    )  # what the first pod holds without a viewer is given up
                    await later.read(100_000)
                    second.send_signal(signal.SIGKILL)
                    await second.wait()
                await until(lambda: home.provider.sockets() == 0)
                with trio.fail_after(20):
                    while True:
                        async with watching(here, f"/auto/v{one}") as again:
                            if again.status == 200:
                                break
                assert 1 == home.provider.peak(home.provider.panel.accounts[0].username)
                assert 0 == home.provider.refusals()

    run(main)


@pytest.mark.accepts("BUS-1", "K8S-1", "PLN-7")
def test_a_viewer_of_another_pod_counts(run: Run[None], tmp_path: Path) -> None:
    """Whoever watches on a pod that apply does not reach at `advertise` is S501 all the same, and unknown when that pod is away;
    `status --busy` says so, too.
    """

    async def main() -> None:
        async with world(tmp_path) as home:
            made = await home.ptctl("refresh")
            assert made.code == 0, made.text
            rest_too = ("--only", "locals", "--only", "rest")
            async with home.serving(*rest_too):
                async with second_pod(home, free_port(), "--only", "sports") as second:
                    applied = await home.ptctl("apply", "--yes", "-f", "json")
                    assert applied.code == 0, applied.text
                    texts = {
                        a["dvr"]: a["text"]
                        for a in json.loads(applied.out)["actions"]
                        if "create-dvr" in a["id"]
                    }
                    assert {"locals", "rest", "sports"} == texts.keys()
                    for said in texts.values():
                        assert "guide" not in said, (
                            "that the create's own load fetched it is seen on each pod"
                        )
                    home.write_spec(
                        SPEC.replace('  - {{name: sports, match: {{group: "SPORTS|*"}}}}\n', "").replace(
                            "  sports: {{}}\n", ""
                        )
                    )
                    there, two = first_number(home, "sports")
                    async with watching(there, f"/auto/v{two}") as viewer:
                        await viewer.read(100_000)
                        assert SOMEBODY == (await home.ptctl("status", "--busy")).code
                        assert ["1 stream runs on it"] == await busy_blocks(home, "sports")
                    await until_nobody(home)
                    assert [] == await busy_blocks(home, "sports")
                    second.send_signal(signal.SIGKILL)
                    await second.wait()
                (said,) = await busy_blocks(home, "sports")
                assert 'cannot be known: another process serves "sports"' in said
                assert 1 == (await home.ptctl("status", "--busy")).code

    run(main)


SOMEBODY = 2


async def busy_blocks(home: World, dvr: str) -> list[str]:
    """What S501 says of a DVR in the plan that may delete it."""
    shown = await home.ptctl("plan", "-f", "json", "--allow", f"delete:{dvr}")
    changes = json.loads(shown.out)["changes"]
    return [b["message"] for c in changes if c["dvr"] == dvr for b in c["blocks"] if b["code"] == "S501"]


async def until_nobody(home: World) -> None:
    """Wait until no process has a viewer."""
    with trio.fail_after(30):
        while (await home.ptctl("status", "--busy")).code != 0:  # noqa: ASYNC110 - what is waited for is another process
            await trio.sleep(0.1)


@pytest.mark.program("redis-server")
def test_a_pool_that_is_away_is_said(run: Run[None], tmp_path: Path) -> None:
    """`serve` starts and answers documents; the status page and `status` name the pool; a tune is 805."""

    async def main() -> None:
        async with world(tmp_path, spec=POOLED, connections=1) as bare:
            away = f"redis://127.0.0.1:{free_port()}/0"
            home = World(bare.directory, bare.provider, bare.plex, bare.hub, bare.ports, {"TEST_POOL": away})
            made = await home.ptctl("refresh")
            assert made.code == 0, made.text
            async with home.serving("--only", "locals"):
                here, one = first_number(home, "locals")
                assert 200 == (await ask(here, "/lineup.json")).status
                async with watching(here, f"/auto/v{one}") as refused:
                    assert "805 All Tuners In Use" == refused.headers["x-hdhomerun-error"]
                told = await home.ptctl("status")
                assert "the shared pool is out of reach: connection refused" in told.out
                assert "the shared pool is out of reach" in (home.directory / "serve.log").read_text()

    run(main)
