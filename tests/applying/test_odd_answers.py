"""What apply says when Plex answers a write, or a question of its own, with nothing that helps."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.applying.events import RunResult
from reconciler.sandbox.plex import FaultRule, PlexOptions
from reconciler.spec.model import Removed
from tests.applying.house import QUICK, TWO, House, house, on
from tests.conftest import Run

ONE = {"news": {1000: "BBC", 1001: "CNN"}}


async def mended(home: House, result: RunResult) -> None:
    """The run failed, and the next one without the fault ends as an undisturbed one."""
    assert not result.complete
    home.plex.reset_faults()
    home.plex.set(load_delay_s=0.05)
    home.timing = QUICK
    again = await home.apply(ONE)
    assert again.complete, again.outcomes
    assert (await home.planned(ONE)).plan.empty


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("devices$", "the registration was answered with 200 and nothing that Plex would say"),
        ("/livetv/dvrs$", "the creation of the DVR was answered with 200 and nothing that Plex would say"),
    ],
)
@pytest.mark.accepts("APP-2", "DOC-2")
def test_a_write_that_somebody_else_answered(tmp_path: Path, run: Run[None], path: str, words: str) -> None:
    """200 without a body and without effect, as from a proxy: the message says so, not that Plex lost the tuner."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.add_fault(FaultRule("empty", "POST", path, effect=False))
            result = await home.apply(ONE)
            (failed,) = result.failed
            assert words in failed.text
            assert "set plex.url to Plex itself" in failed.next_step
            await mended(home, result)

    run(main)


@pytest.mark.accepts("DOC-2", "DVR-7")
def test_a_tuner_that_plex_does_not_reach(tmp_path: Path, run: Run[None]) -> None:
    """The address is right for us and leads nowhere for Plex: the commonest mistake, so it is named with what to try."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.set(probe_timeout_s=0.000001)
            result = await home.apply(ONE)
            (failed,) = result.failed
            assert f"Plex does not take the tuner at {home.hub}/news (400)" in failed.text
            assert f"curl {home.hub}/news/discover.json" in failed.next_step
            assert "serve.advertise" in failed.next_step
            home.plex.set(probe_timeout_s=5.0)
            await mended(home, result)

    run(main)


@pytest.mark.accepts("APP-5", "RLD-4")
def test_loads_that_cannot_be_learned_are_not_waited_for_long(tmp_path: Path, run: Run[None]) -> None:
    """`/activities` answers 500: it is said while it is waited for, given up after `unknown_s`, and no load is started."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.add_fault(FaultRule("500", "GET", "^/activities$", times=0))
            home.timing = replace(QUICK, slot_s=100.0, unknown_s=0.3)
            result = await home.apply(ONE)
            (failed,) = result.failed
            assert (
                "which guide loads run cannot be learned: GET /activities: Plex answered 500" in failed.text
            )
            assert failed.seconds < 10
            assert any("waits to learn which guide loads run" in step.text for step in home.progress)
            assert [w for w in home.writes() if w.startswith("POST /livetv/dvrs")] == []
            await mended(home, result)

    run(main)


@pytest.mark.accepts("ACT-8", "DOC-2")
def test_a_channel_map_that_cannot_be_read(tmp_path: Path, run: Run[None]) -> None:
    """500 for as long as is waited: the progress says why nothing comes, and no map is sent."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.add_fault(FaultRule("500", "GET", "/livetv/epg/channelmap$", times=0))
            home.timing = replace(QUICK, map_s=0.3)
            result = await home.apply(ONE)
            (failed,) = result.failed
            assert "the channel map could not be read for 0.3 s: " in failed.text
            assert "ptctl explain dvr news" == failed.next_step
            assert any(step.text.startswith("no channel map yet: ") for step in home.progress)
            assert [w for w in home.writes() if w.endswith("/channelmap")] == []
            await mended(home, result)

    run(main)


@pytest.mark.accepts("DVR-1", "DVR-2")
def test_devices_that_do_not_say_in_which_dvr_they_are(tmp_path: Path, run: Run[None]) -> None:
    """No `parentID`: the DVR that lists the tuner holds it. Made, changed, and deleted as ever; twice is nothing."""

    async def main() -> None:
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.05, no_parent_id=True)) as home:
            result = await home.apply(TWO)
            assert result.complete, result.outcomes
            assert on(home, "sport") == {"1600", "1601"}
            assert (await home.planned(TWO)).plan.actions == ()
            home.plex.set_uri(home.tuned("news").device_id, "http://127.0.0.1:5004")
            assert (await home.apply(TWO)).complete
            home.spec = {"removed": (Removed("sport"),)}
            assert (await home.apply(ONE)).complete
            assert (len(home.plex.state()["dvrs"]), len(home.plex.state()["devices"])) == (1, 1)

    run(main)


@pytest.mark.accepts("DVR-1")
def test_a_plex_without_the_grabbers_own_path(tmp_path: Path, run: Run[None]) -> None:
    """It answers 404: the documented path registers the tuner as well (plex-livetv.md 2.4, design.md 4)."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.add_fault(FaultRule("404", "POST", "^/media/grabbers/tv[.]plex", times=0))
            assert (await home.apply(ONE)).complete
            asked = [w for w in home.writes() if w.startswith("POST /media/grabbers")]
            assert asked == [
                "POST /media/grabbers/tv.plex.grabbers.hdhomerun/devices",
                "POST /media/grabbers/devices",
            ]
            assert (await home.planned(ONE)).plan.empty

    run(main)


def test_a_plex_that_has_no_list_of_rules(tmp_path: Path, run: Run[None]) -> None:
    """Rules that cannot be counted are "cannot be told" where they would be lost, and stop nothing else."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.add_fault(FaultRule("404", "GET", "^/media/subscriptions$", times=0))
            assert (await home.apply(ONE)).complete
            home.dvr = {"news": {"title": "Another"}}
            (change,) = (await home.planned(ONE)).plan.changes
            assert [("recording rules", -1)] == [(loss.what, loss.count) for loss in change.loses]

    run(main)


@pytest.mark.accepts("APP-2")
def test_a_look_that_fails_once_gives_no_dvr_up(tmp_path: Path, run: Run[None]) -> None:
    """Plex stalls while it fetches a guide and restarts in seconds: a question may be asked again, a write may not."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, unknown_s=5.0)
            planned = await home.planned(ONE)
            for path in (r"devices$", r"/livetv/dvrs$", r"/livetv/dvrs/\d+$"):
                home.plex.add_fault(FaultRule("500", "GET", path, times=2))
            result = await home.carry_out(planned)
            assert result.complete, result.outcomes
            assert (await home.planned(ONE)).plan.empty

    run(main)
