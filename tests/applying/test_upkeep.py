"""What is in Plex already: drift is repaired, channels come and go, and nothing is deleted that is not ours."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from reconciler.sandbox.plex import FaultRule, PlexOptions
from reconciler.spec.model import GuideOptions, Removed
from tests.applying.house import ONE, QUICK, TWO, house, on, without
from tests.conftest import Run


@pytest.mark.accepts("ACT-8")
def test_unpaired_channels_are_named_and_not_tried_again(tmp_path: Path, run: Run[None]) -> None:
    """What the guide does not list is left off, told by name, and no reason to write again."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, map_s=0.3)
            home.guide_holes = frozenset({1002})
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert result.remarks == ("news: Plex does not pair 1002 Sky",)
            assert on(home, "news") == {"1000", "1001"}
            writes = home.writes()
            planned = await home.planned(ONE)
            assert planned.plan.empty
            assert [w.code for w in planned.plan.warnings] == ["W304"]
            assert (await home.carry_out(planned)).complete
            assert home.writes() == writes

    run(main)


@pytest.mark.accepts("ACT-6")
def test_an_empty_map_is_never_sent(tmp_path: Path, run: Run[None]) -> None:
    """Plex pairs nothing: the DVR fails with what to do, no map request is sent, the other DVR is finished."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, map_s=0.3)
            home.guide_holes = frozenset(ONE["news"])
            result = await home.apply(TWO)
            (failed,) = result.failed
            assert failed.dvr == "news"
            assert "still empty" in failed.text
            assert failed.next_step == "ptctl explain dvr news"
            assert len([w for w in home.writes() if w.endswith("channelmap")]) == 1
            assert on(home, "sport") == {"1600", "1601"}

    run(main)


@pytest.mark.accepts("PLN-5", "APP-6", "DVR-4")
def test_drift_is_repaired(tmp_path: Path, run: Run[None]) -> None:
    """Address, name, state and map changed by hand go back; the DVR and its rules stay."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            plex = home.plex.machine.state
            home.plex.add_rule(home.plex.dvr_of(home.tuned("news").device_id), "Late Show")
            news, sport = (home.plex.device(home.tuned(n).device_id) for n in ("news", "sport"))
            good, was = news.uri, home.plex.state_text()
            news.uri, news.title = "http://10.0.0.9:1", "renamed"
            sport.enabled = False
            sport.mappings = tuple(replace(m, enabled=m.device == "1600") for m in sport.mappings)
            for device in (news, sport):
                plex.save_device(device)
            count = len(home.writes())
            planned = await home.planned(TWO)
            paths = sorted((d.dvr, d.path) for d in planned.plan.drift)
            assert paths == [
                ("news", "tuner.title"),
                ("news", "tuner.uri"),
                ("sport", "channels"),
                ("sport", "tuner.state"),
            ]
            assert (await home.carry_out(planned)).complete
            assert home.plex.device(home.tuned("news").device_id).uri == good
            assert home.plex.state_text() == was
            assert "DELETE" not in " ".join(home.writes()[count:])
            assert (await home.planned(TWO)).plan.empty

    run(main)


@pytest.mark.accepts("PLN-5")
def test_a_deleted_dvr_and_a_deleted_tuner_come_back(tmp_path: Path, run: Run[None]) -> None:
    """Gone by hand: one is created again, the other registered and created again."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            state = home.plex.machine.state
            state.drop_dvr(home.plex.dvr_of(home.tuned("news").device_id))
            sport = home.plex.device(home.tuned("sport").device_id)
            state.drop_dvr(home.plex.dvr_of(sport.device_id))
            state.drop_device(sport)
            planned = await home.planned(TWO)
            assert {("news", "dvr"), ("sport", "tuner")} == {(d.dvr, d.path) for d in planned.plan.drift}
            assert (await home.carry_out(planned)).complete
            assert on(home, "sport") == {"1600", "1601"}
            assert (await home.planned(TWO)).plan.empty

    run(main)


@pytest.mark.accepts("ACT-7")
def test_channels_come_and_go(tmp_path: Path, run: Run[None]) -> None:
    """A new channel is loaded and then switched on, a gone one switched off; the other DVR is not written to."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            count = len(home.writes())
            after = {**TWO, "news": {**without(ONE["news"], 1002), 1003: "Arte"}}
            result = await home.apply(after)
            assert result.complete, result.outcomes
            assert home.writes()[count:] == [
                f"POST /livetv/dvrs/{home.tuned('news').dvr_key}/reloadGuide",
                f"PUT /media/grabbers/devices/{home.tuned('news').device_key}/channelmap",
            ]
            assert on(home, "news") == {"1000", "1001", "1003"}
            assert (await home.planned(after)).plan.empty

    run(main)


@pytest.mark.accepts("MUL-4", "RLD-5", "APP-5")
def test_delete_waits_for_loads_and_takes_only_ours(tmp_path: Path, run: Run[None]) -> None:
    """The DVR and its tuner go, after the guide load has ended; ledger and files forget them; twice is nothing."""

    async def main() -> None:
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.6, deadlock_on_delete=True)) as home:
            await home.apply(TWO)
            home.plex.machine.loads.start(home.plex.dvr_of(home.tuned("news").device_id), "butler")
            home.spec = {"removed": (Removed("sport"),)}
            gone = home.tuned("sport")
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert any(step.text == "waits until none runs: 1 guide load runs" for step in home.progress)
            last = [
                f"DELETE /livetv/dvrs/{gone.dvr_key}",
                f"DELETE /media/grabbers/devices/{gone.device_key}",
            ]
            assert home.writes()[-2:] == last
            assert {"news"} == home.ledger().dvrs.keys()
            assert len(home.plex.state()["devices"]) == 1
            planned = await home.planned(ONE)
            assert (planned.plan.empty, planned.plan.actions) == (True, ())

    run(main)


@pytest.mark.accepts("RLD-5")
def test_a_map_waits_for_what_a_killed_run_left(tmp_path: Path, run: Run[None]) -> None:
    """A load that ran before: the map of its DVR is written after it has ended; one that is stuck holds nothing off."""

    async def main() -> None:
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.6)) as home:
            await home.apply(ONE)
            device = home.plex.device(home.tuned("news").device_id)
            for stuck in (False, True):
                device.mappings = device.mappings[:1]
                home.plex.machine.state.save_device(device)
                await home.plex.machine.loads.idle()  # the run before ends with one, which the map starts
                home.plex.set(stuck_load=stuck)
                left = home.plex.machine.loads.start(home.plex.dvr_of(device.device_id), "reload")
                await trio.sleep(0.05)
                home.plex.set(stuck_load=False)
                home.timing = replace(QUICK, load_s=1.2)
                home.progress.clear()
                result = await home.apply(ONE)
                assert result.complete, result.outcomes
                waits = [p.text for p in home.progress if "before this run" in p.text]
                assert waits[0] == "waits for what was loading before this run: 1 guide load runs"
                assert (left in home.plex.machine.activities.running) is stuck
                assert on(home, "news") == {"1000", "1001", "1002"}

    run(main)


def test_a_dvr_with_another_tuner_is_not_deleted(tmp_path: Path, run: Run[None]) -> None:
    """Somebody put a tuner of his own into our DVR: deleting would take it along, so it fails and says what to do."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            foreign = home.plex.add_foreign_dvr()
            guest = home.plex.machine.state.devices_of(foreign.key)[0]
            guest.parent = home.plex.dvr_of(home.tuned("sport").device_id).key
            home.plex.machine.state.save_device(guest)
            home.spec = {"removed": (Removed("sport"),)}
            result = await home.apply(ONE)
            assert "10ABCDEF" in result.failed[0].text
            assert "DELETE" not in " ".join(home.writes())

    run(main)


@pytest.mark.accepts("APP-6", "PLN-7")
def test_replace_with_its_word(tmp_path: Path, run: Run[None]) -> None:
    """A new explicit title: blocked without the word; with it the DVR is deleted and made anew around the same tuner."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(ONE)
            home.dvr = {"news": {"title": "My News"}}
            blocked = await home.planned(ONE)
            assert [b.code for b in blocked.plan.blocks] == ["S202"]
            result = await home.apply(ONE, allow=("replace:news",))
            assert result.complete, result.outcomes
            (dvr,) = home.plex.state()["dvrs"]
            assert dvr["title"] == "My News"
            assert on(home, "news") == {"1000", "1001", "1002"}
            assert (await home.planned(ONE)).plan.empty

    run(main)


@pytest.mark.accepts("RLD-3", "RLD-7", "CNT-1")
def test_only_the_dvr_whose_guide_moved_is_loaded(tmp_path: Path, run: Run[None]) -> None:
    """A day later with another guide: one load each, no map request; five hours later none."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(ONE)
            count = len(home.writes())
            home.guide, home.now = "second", "2026-03-01T09:12:40Z"
            assert (await home.apply(ONE)).complete
            assert home.writes()[count:] == []
            home.now = "2026-03-02T04:12:40Z"
            planned = await home.planned(ONE)
            assert planned.plan.empty
            assert (await home.carry_out(planned)).complete
            assert home.writes()[count:] == ["POST /livetv/dvrs/2/reloadGuide"]
            assert (await home.planned(ONE)).plan.actions == ()

    run(main)


def test_a_guest_in_our_dvr_is_told_before_anything_is_done(tmp_path: Path, run: Run[None]) -> None:
    """The plan says already that the delete of a shared DVR will be refused, for a replacement too."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            foreign = home.plex.add_foreign_dvr()
            guest = home.plex.machine.state.devices_of(foreign.key)[0]
            key = home.plex.dvr_of(home.tuned("sport").device_id).key
            guest.parent = key
            home.plex.machine.state.save_device(guest)
            words = f"DVR {key} also holds 10ABCDEF, which is not ours: take it out of the DVR in Plex first"
            home.dvr = {"sport": {"title": "Other"}}
            replaced = next(c for c in (await home.planned(TWO)).plan.changes if c.dvr == "sport")
            assert any(words in detail for detail in replaced.details)
            home.dvr, home.spec = {}, {"removed": (Removed("sport"),)}
            gone = next(c for c in (await home.planned(ONE)).plan.changes if c.dvr == "sport")
            assert any(words in detail for detail in gone.details)

    run(main)


@pytest.mark.accepts("PLN-7")
def test_a_serve_that_went_away_deletes_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Whether somebody watches was known when it was planned and is not any more: that is S501 as well."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            home.spec = {"removed": (Removed("sport"),)}
            planned = await home.planned(ONE)
            home.client.addresses = ("http://127.0.0.1:1",)
            result = await home.carry_out(planned)
            failed = next(o for o in result.failed if o.kind == "delete-dvr")
            assert "cannot be known any more" in failed.text
            assert "--allow busy:sport" in failed.next_step
            assert "DELETE" not in " ".join(home.writes())

    run(main)


@pytest.mark.parametrize("form", ["raw", "encoded"])
def test_a_title_with_a_mark_is_no_other_guide(tmp_path: Path, run: Run[None], form: str) -> None:
    """However Plex returns the lineup, a DVR called "News #1" is as it was made (plex-livetv.md 3.3)."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0.05, lineup_form=form)  # type: ignore[arg-type]
        async with house(tmp_path, options=options) as home:
            home.dvr = {"news": {"title": "News #1 100%25"}}
            assert (await home.apply(ONE)).complete
            planned = await home.planned(ONE)
            assert (planned.plan.empty, planned.plan.actions) == (True, ())

    run(main)


@pytest.mark.accepts("MUL-4")
def test_a_tuner_that_is_served_no_more_is_not_asked(tmp_path: Path, run: Run[None]) -> None:
    """The published generation, which no longer has the DVR, is served before Plex forgets it: nobody can watch it then."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            manifest = home.published()
            assert manifest is not None
            home.client.tuners = {dvr.name: dvr for dvr in manifest.dvrs}
            home.spec = {"removed": (Removed("sport"),)}
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert len(home.plex.state()["dvrs"]) == 1

    run(main)


@pytest.mark.parametrize("how", ["stalls", "500"])
def test_a_list_that_is_wedged_after_a_delete(tmp_path: Path, run: Run[None], how: str) -> None:
    """It was seen to say nothing for a while (plex-livetv.md 3.4): waited for, and asked again."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            home.spec = {"removed": (Removed("sport"),)}
            planned = await home.planned(ONE)
            if how == "stalls":
                home.plex.set(stall_after_delete_s=0.5)
            else:
                home.plex.add_fault(FaultRule("500", "GET", "^/livetv/dvrs$", times=2))
            result = await home.carry_out(planned)
            assert result.complete, result.outcomes
            assert len(home.plex.state()["dvrs"]) == 1

    run(main)


@pytest.mark.accepts("CNT-1", "RLD-3")
def test_a_guide_that_the_spec_makes_otherwise_is_loaded_at_once(tmp_path: Path, run: Run[None]) -> None:
    """An edit of how the guide is made is a change and is loaded; a guide that only moved on waits; an edit without effect too."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(ONE)
            home.guide = "second"
            assert (await home.planned(ONE)).plan.empty  # moved on by itself
            home.dvr = {"news": {"guide": GuideOptions(days=3)}}
            planned = await home.planned(ONE)
            (change,) = planned.plan.changes
            assert (change.causes, change.note) == (
                ("spec",),
                "its guide is made otherwise now: loaded again",
            )
            count = len(home.writes())
            assert (await home.carry_out(planned)).complete
            assert home.writes()[count:] == [f"POST /livetv/dvrs/{home.tuned('news').dvr_key}/reloadGuide"]
            assert (await home.planned(ONE)).plan.actions == ()
            home.dvr = {"news": {"guide": GuideOptions(days=4)}}
            planned = await home.planned(ONE)
            assert (planned.plan.empty, [a.kind for a in planned.plan.actions]) == (True, ["write-ledger"])
            assert (await home.carry_out(planned)).complete
            home.guide = "third"
            assert (await home.planned(ONE)).plan.empty

    run(main)


@pytest.mark.accepts("PLN-7")
def test_a_blocked_replacement_leaves_the_rest_in_peace(tmp_path: Path, run: Run[None]) -> None:
    """A new title is blocked (S202): what Plex cannot pair is no reason to send the map, and the tuner keeps its name."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, map_s=0.3)
            home.guide_holes = frozenset({1002})
            assert (await home.apply(ONE)).complete
            home.dvr = {"news": {"title": "My News"}}
            planned = await home.planned(ONE)
            assert [b.code for b in planned.plan.blocks] == ["S202"]
            assert [a.kind for a in planned.plan.actions if a.dvr] == []
            more = await home.planned({"news": {**ONE["news"], 1003: "Arte"}})
            kinds = [a.kind for a in more.plan.actions if a.dvr]
            assert kinds == ["load-guide", "enable-channels"]
            lifted = await home.planned(ONE, allow=("replace:news",))
            kinds = [a.kind for a in lifted.plan.actions if a.dvr]
            assert kinds == ["delete-dvr", "set-device", "create-dvr", "enable-channels"]

    run(main)


def test_an_empty_dvr_that_a_repair_leaves_is_told(tmp_path: Path, run: Run[None]) -> None:
    """Registering a known tuner again left such rows on one server (plex-livetv.md 2.5, 10.1): named, and left alone."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0.05, reregister_makes_empty_dvr=True)
        async with house(tmp_path, options=options) as home:
            await home.apply(ONE)
            home.plex.set_uri(home.tuned("news").device_id, "http://127.0.0.1:5004")
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            (empty,) = [d for d in home.plex.machine.state.dvrs.values() if not d.title]
            assert result.remarks == (
                f"news: Plex made an empty DVR {empty.key} beside it; delete that one in Plex",
            )
            again = await home.planned(ONE)
            assert (again.plan.empty, [f.key for f in again.plan.foreign]) == (True, [str(empty.key)])
            # One that was there before is nobody's to delete, also where the look before fails.
            home.plex.set(reregister_makes_empty_dvr=False)
            home.plex.set_uri(home.tuned("news").device_id, "http://127.0.0.1:5004")
            planned = await home.planned(ONE)
            home.plex.add_fault(FaultRule("500", "GET", "^/livetv/dvrs$"))
            result = await home.carry_out(planned)
            assert (True, ()) == (result.complete, result.remarks), result.outcomes

    run(main)


def test_what_plex_does_not_take_stops_nothing_else(tmp_path: Path, run: Run[None]) -> None:
    """A name that Plex ignores is told once and not sent again; a kept tuner count is told and is still to be done."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0.05, ignore_titles=True, reregister_keeps_tuners=True)
        async with house(tmp_path, options=options) as home:
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            title = home.ledger().dvrs["news"].title
            assert result.remarks == (
                f'news: Plex does not take the name "{title}" for the tuner, which stays without a name in its settings',
            )
            assert (await home.planned(ONE)).plan.empty
            home.dvr = {"news": {"tuners": 4}}
            more = {"news": {**ONE["news"], 1003: "Arte"}}
            result = await home.apply(more)
            assert {"1000", "1001", "1002", "1003"} == on(home, "news")
            (remark,) = result.remarks
            assert remark.startswith('news: Plex keeps 2 tuners, the spec says 4: set "tuners: 2" for it')
            (left,) = (await home.planned(more)).plan.changes
            assert "2 -> 4 tuners" == left.note

    run(main)
