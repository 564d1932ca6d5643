"""Several ways to one stream: whoever wins, and whatever is cancelled meanwhile, nothing stays taken."""

from pathlib import Path

import pytest
import trio

from reconciler.lineups.manifest import Routes
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.panel import Account, Channel, Panel
from reconciler.serving.attempt import Attempt, AttemptFailed
from reconciler.serving.blocks import Blocks
from reconciler.serving.dial import Names
from reconciler.serving.health import Health
from reconciler.serving.pool import Pool
from reconciler.serving.race import race
from reconciler.serving.settings import Terms
from reconciler.serving.ways import CredentialReader, Way, ways_of
from tests.conftest import Run
from tests.serving.stage import panel_stage, provided, until

PANEL = Panel(
    accounts=(Account("demo", "orchard-4711", max_connections=0),), channels=(Channel(1, "Channel 1"),)
)


@pytest.mark.accepts("STR-6")
@pytest.mark.parametrize("moment", ["won", "after"])
def test_a_winner_that_is_cancelled_gives_everything_back(
    run: Run[None], tmp_path: Path, clips: Path, moment: str
) -> None:
    """A viewer who leaves in the moment a raced way wins, or just after it, leaves no lease and no connection."""

    async def main() -> None:
        async with provided(clips, PANEL, hosts=3) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            handle.faults.switch_on(Fault("status", host=0, status=404, path="live"))
            pool = Pool()
            attempt = Attempt(pool, Names(), CredentialReader(stage.state), Blocks())
            ways = ways_of("main/1", Routes("g", dict(stage.sources), dict(stage.channels)), Health())
            assert len(ways) == 3
            told: list[bool] = []

            def hear(way: Way, error: AttemptFailed | None) -> None:
                told.append(error is None)
                if error is None and moment == "won":
                    viewer.cancel()

            with trio.CancelScope() as viewer:
                won = await race(
                    attempt,
                    ways,
                    lambda _: Terms(),
                    within_s=9,
                    race_s=1,
                    told=hear,
                    held=lambda _: None,
                )
                assert moment == "after", "a cancelled race returned a winner whom nobody would give back"
                won.upstream.close()
                pool.release(won.lease)
            assert [False, True] == told, "the first way fails, a raced one wins"
            assert viewer.cancelled_caught == (moment == "won")
            assert {"viewer": 0, "idle": 0} == {
                kind: sum(row[kind] for row in pool.use().values()) for kind in ("viewer", "idle")
            }
            await until(lambda: handle.sockets() == 0, 5)

    run(main)
