"""`kill -9` in the middle of `ptctl apply`, at every write that Plex sees and at every record that appears on disk.

The complete matrix (before and after each step) runs inside one process in `tests/applying`; here the process is real, its
death is real, and only the moment is as close as a watcher gets. The next `apply` ends as an undisturbed one.
"""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from reconciler.ledger import store
from tests import warm
from tests.conftest import TEST_LIMIT_S, Run
from tests.e2e.test_safety_codes import Home
from tests.e2e.world import World, world

WRITES: Final = 8  # two DVRs: register, name, create, switch on
Moment = Callable[[World], bool]


def after_writes(count: int) -> Moment:
    """When Plex has seen so many writes."""
    return lambda servers: len(servers.plex.writes()) >= count


def when_written(pattern: str, of_apply: str = "") -> Moment:
    """When a file of this shape is in the state directory (and holds these words)."""

    def seen(servers: World) -> bool:
        return any(of_apply in path.read_text("utf-8", "replace") for path in servers.state.glob(pattern))

    return seen


MOMENTS: Final[dict[str, Moment]] = {
    **{f"write {n}": after_writes(n) for n in range(1, WRITES + 1)},
    "journal": when_written("runs/*.jsonl", '"intent"'),
    "ledger": when_written("runs/*.jsonl", '"outcome": "write-ledger"'),
    "publish": when_written("runs/*.jsonl", '"outcome": "publish"'),
    "first DVR noted": when_written("ledger.json", '"applied"'),
}


@asynccontextmanager
async def fresh(tmp_path: Path) -> AsyncIterator[World]:
    """A home before its first apply, with somebody else's DVR in Plex."""
    async with world(tmp_path, spec=None, hosts=1) as servers:
        home = Home(servers)
        home.spec()
        home.playlist(news=12, sport=12)
        servers.plex.add_foreign_dvr()
        async with servers.serving():
            yield servers


async def end_of(servers: World) -> dict[str, Any]:
    """Apply once more, prove that nothing is left, and describe what there is without keys and ports."""
    done = await servers.ptctl("apply", "--yes", "--wait", "1m")
    assert done.code == 0, done.text
    writes = len(servers.plex.writes())
    again = await servers.ptctl("apply", "--yes")
    assert (again.code, len(servers.plex.writes())) == (0, writes), again.text
    await servers.plex.loads_done()
    plex = re.sub(r"127\.0\.0\.1(:|%3A|%253A)\d+", "HOST", servers.plex.state_text(keys=False))
    ledger = store.load(servers.state)
    return {
        "plex": json.loads(plex),
        "channels": {key: (record.dvr, record.number) for key, record in ledger.channels.items()},
        "dvrs": {
            name: (record.device_id, record.title, record.block) for name, record in ledger.dvrs.items()
        },
        "temporary": sorted(p.name for p in servers.state.rglob("*.tmp*")),
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """How a home ends in which nobody dies."""

    async def main() -> dict[str, Any]:
        with trio.fail_after(TEST_LIMIT_S):
            async with fresh(tmp_path_factory.mktemp("quiet")) as servers:
                return await end_of(servers)

    return trio.run(main)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.accepts("APP-1", "MUL-2")
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_run_again(
    run: Run[None], tmp_path: Path, moment: str, undisturbed: dict[str, Any]
) -> None:
    """The process dies at that moment; the next run finishes: same Plex, same numbers, nothing doubled, nothing lost."""

    async def main() -> None:
        async with fresh(tmp_path) as servers:
            process = await warm.start(
                ["apply", "--yes", "--wait", "1m"],
                cwd=servers.directory,
                env=servers.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for _ in range(30_000):
                if process.returncode is not None or MOMENTS[moment](servers):
                    break
                await trio.sleep(0.001)
            process.kill()
            await process.wait()
            assert await end_of(servers) == undisturbed

    run(main)
