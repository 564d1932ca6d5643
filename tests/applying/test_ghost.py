"""A DVR that Plex forgets until its next start, because its first guide load failed (plex-livetv.md 3.2)."""

from pathlib import Path

from reconciler.sandbox.plex import FaultRule, PlexOptions
from reconciler.sandbox.plex_records import Dvr
from tests.applying.house import house
from tests.conftest import Run

ONE = {"news": {1000: "BBC", 1001: "CNN"}}


def test_a_forgotten_dvr_is_explained_and_finished_after_a_restart(tmp_path: Path, run: Run[None]) -> None:
    """The run says what happened and what to do; after Plex's restart the next one finishes it, and makes no second."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0.05, ghost_on_failed_load=True, failing_load=True)
        async with house(tmp_path, options=options) as home:
            result = await home.apply(ONE)
            (failed,) = [o for o in result.outcomes if o.state == "failed"]
            assert "forgets one whose guide did not load" in failed.text
            assert "restart Plex" in failed.next_step
            (block,) = (await home.planned(ONE)).plan.blocks
            assert ("S401", True) == (block.code, "does not list; restart Plex" in block.message)
            home.plex.set(failing_load=False)
            await home.plex.restart()
            again = await home.apply(ONE)
            assert again.complete, again.outcomes
            assert 1 == len(home.plex.state()["dvrs"])
            assert (await home.planned(ONE)).plan.empty

    run(main)


def test_a_dvr_made_again_is_loaded_by_the_next_run(tmp_path: Path, run: Run[None]) -> None:
    """Deleted by hand, created again, and its guide does not load: the next run loads it, whatever was applied before."""

    async def main() -> None:
        async with house(tmp_path) as home:
            assert (await home.apply(ONE)).complete
            await home.plex.loads_done()
            record = home.tuned("news")
            home.plex.remove_dvr(home.plex.dvr_of(record.device_id))
            home.plex.set(failing_load=True)
            assert not (await home.apply(ONE)).complete
            home.plex.set(failing_load=False)
            again = await home.apply(ONE)
            assert again.complete, again.outcomes
            assert (await home.planned(ONE)).plan.empty

    run(main)


def test_a_dvr_made_again_without_an_answer_is_ours_and_is_loaded(tmp_path: Path, run: Run[None]) -> None:
    """The connection breaks after Plex made it, and its guide does not load: the next run says neither "adopt" nor that
    somebody switched channels off, and loads the guide.
    """

    async def main() -> None:
        async with house(tmp_path) as home:
            assert (await home.apply(ONE)).complete
            await home.plex.loads_done()
            home.plex.remove_dvr(home.plex.dvr_of(home.tuned("news").device_id))
            home.plex.set(failing_load=True)
            home.plex.add_fault(FaultRule("reset", "POST", "^/livetv/dvrs$", effect=True))
            assert not (await home.apply(ONE)).complete
            await home.plex.loads_done()
            home.plex.set(failing_load=False)
            planned = await home.planned(ONE)
            assert [] == [item.note for item in planned.plan.drift]
            assert "change" == planned.plan.changes[0].kind
            assert ["load-guide", "enable-channels"] == [a.kind for a in planned.plan.actions if a.dvr]
            assert (await home.carry_out(planned)).complete
            assert not home.tuned("news").adopted
            assert (await home.planned(ONE)).plan.empty

    run(main)


def test_a_dvr_made_by_hand_for_our_tuner_is_loaded_where_it_shows_nothing(
    tmp_path: Path, run: Run[None]
) -> None:
    """Deleted and made again in Plex: it is taken over, and what was switched on in the old one is no drift of the new."""

    async def main() -> None:
        async with house(tmp_path) as home:
            assert (await home.apply(ONE)).complete
            await home.plex.loads_done()
            old = home.plex.dvr_of(home.tuned("news").device_id)
            lineup = old.lineups[0]
            home.plex.remove_dvr(old)
            device = home.plex.device(home.tuned("news").device_id)
            made = home.plex.machine.state.add_dvr(Dvr("", "eng", (lineup,)))
            device.parent, device.mappings = made.key, ()
            home.plex.machine.state.save_device(device)
            planned = await home.planned(ONE)
            assert ("adopt", ()) == (planned.plan.changes[0].kind, planned.plan.drift)
            assert ["load-guide", "enable-channels"] == [a.kind for a in planned.plan.actions if a.dvr]
            assert (await home.carry_out(planned)).complete
            assert (await home.planned(ONE)).plan.empty

    run(main)
