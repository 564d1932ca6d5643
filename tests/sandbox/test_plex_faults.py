"""The simulated Plex misbehaves on request, in the ways real servers did, and only then."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from lxml import etree

from reconciler.sandbox.plex import FaultRule, PlexOptions
from reconciler.sandbox.plex_faults import FaultKind, FaultTable
from tests.conftest import Run
from tests.sandbox.plex_bench import QUICK, Tuner, World, until, world


@pytest.mark.parametrize(
    ("kind", "status", "made"),
    [
        ("500", 500, False),
        ("401", 401, False),
        ("refuse", 200, False),
        ("bad-xml", 200, True),
        ("empty", 200, True),
    ],
)
def test_fault_answers_in_place_of_the_answer(
    tmp_path: Path, run: Run[Any], kind: FaultKind, status: int, made: bool
) -> None:
    """A faulty answer has the status it should, and the effect only where the kind comes after it."""

    async def main() -> None:
        async with world(tmp_path) as w:
            w.plex.add_fault(FaultRule(kind, "POST", "/media/grabbers/devices$"))
            answer = await w.client.post("/media/grabbers/devices", params={"uri": w.tuner.url})
            assert status == answer.status_code
            assert made is bool(w.plex.state()["devices"])
            assert kind == w.plex.writes()[0].fault
            if kind == "refuse":
                assert answer.json()["MediaContainer"]["status"] == -1
            if kind == "bad-xml":
                with pytest.raises(etree.XMLSyntaxError):
                    etree.fromstring(answer.content)
            assert (await w.register())["deviceId"] == "1040ABC5"

    run(main)


def test_reset_comes_before_the_effect(tmp_path: Path, run: Run[Any]) -> None:
    """A reset connection leaves nothing behind."""

    async def main() -> None:
        async with world(tmp_path) as w:
            w.plex.add_fault(FaultRule("reset", "POST"))
            with pytest.raises(httpx.ReadError):
                await w.register()
            assert w.plex.state()["devices"] == []
            assert w.plex.writes()[0].status == 0

    run(main)


def test_timeout_comes_after_the_effect(tmp_path: Path, run: Run[Any]) -> None:
    """An answer that never comes leaves the effect behind."""

    async def main() -> None:
        async with world(tmp_path) as w:
            w.plex.add_fault(FaultRule("timeout", "POST"))
            with pytest.raises(httpx.ReadTimeout):
                await w.client.post("/media/grabbers/devices", params={"uri": w.tuner.url}, timeout=0.5)
            await until(lambda: len(w.plex.state()["devices"]) == 1)

    run(main)


def test_rules_count_occurrences() -> None:
    """A rule hits the nth fitting request, as many times as it says; 0 times means all that follow."""
    table = FaultTable()
    table.add(FaultRule("500", "PUT", "channelmap", nth=2, times=2), FaultRule("401", "", "never", times=0))
    hits = [table.strike("PUT", "/x/channelmap") is not None for _ in range(5)]
    assert hits == [False, True, True, False, False]
    assert table.strike("GET", "/x/channelmap") is None
    assert all(table.strike("GET", "/never") for _ in range(3))


def test_faults_over_http(tmp_path: Path, run: Run[Any]) -> None:
    """Options and rules can be set, seen and taken back over HTTP; mistakes are named and change nothing."""

    async def main() -> None:
        async with world(tmp_path) as w:
            wanted = {"options": {"silent_reload": True}, "rules": [{"kind": "500", "path": "^/activities$"}]}
            shown = (await w.client.post("/_sandbox/faults", json=wanted)).json()
            assert shown["options"]["silent_reload"] is True
            assert (await w.send("GET", "/activities")).status_code == 500
            assert (await w.send("GET", "/activities")).status_code == 200
            for mistake in (
                {"options": {"silent_reloads": True}},
                {"options": {"silent_reload": "yes"}},
                {"rules": [{"kind": "501"}]},
                {"rules": [{"kind": "500", "pathh": "x"}]},
                {"rules": [{"kind": "500", "path": "("}]},
            ):
                assert (await w.client.post("/_sandbox/faults", json=mistake)).status_code == 400
            assert len((await w.client.get("/_sandbox/faults")).json()["rules"]) == 1
            cleared = (await w.client.delete("/_sandbox/faults")).json()
            assert (cleared["options"]["silent_reload"], cleared["rules"]) == (False, [])
            assert len([e for e in w.plex.journal.entries if e.target.startswith("/_sandbox")]) == 0

    run(main)


def test_silent_reload_and_stale_refreshed_at(tmp_path: Path, run: Run[Any]) -> None:
    """A silent reload fetches the guide without ever showing an activity; `refreshedAt` may stay as it was (3.9)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0.1)) as w:
            dvr = await w.create()
            before = (await w.get(f"/livetv/dvrs/{dvr['key']}"))["Dvr"][0]["refreshedAt"]
            w.plex.set(silent_reload=True, stale_refreshed_at=True)
            w.plex.machine.state.dvrs[int(dvr["key"])].refreshed_at = before - 50
            fetched = w.tuner.targets().count("GET /guide.xml")
            answer = await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            assert answer.headers["x-plex-activity"]
            assert (await w.get("/activities"))["size"] == 0
            await w.plex.loads_done()
            assert fetched + 1 == w.tuner.targets().count("GET /guide.xml")
            assert before - 50 == (await w.get(f"/livetv/dvrs/{dvr['key']}"))["Dvr"][0]["refreshedAt"]

    run(main)


def test_stuck_load_can_be_cancelled(tmp_path: Path, run: Run[Any]) -> None:
    """A stuck load shows for ever, and ends when its reload is deleted."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            w.plex.set(stuck_load=True)
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert (await w.get("/activities"))["Activity"][0]["progress"] == 50
            await w.send("DELETE", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            assert (await w.get("/activities"))["size"] == 0
            assert [load.outcome for load in w.plex.loads] == ["done", "cancelled"]

    run(main)


def test_failed_load_keeps_the_old_guide(tmp_path: Path, run: Run[Any]) -> None:
    """An error, a broken document or something else in the guide's place leaves the indexed guide as it was."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, _ = await w.active()
            good = w.tuner.guide
            for status, body in ((500, good), (200, good[:60]), (200, "<html/>")):
                w.tuner.guide_status, w.tuner.guide = status, body
                await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
                await w.plex.loads_done()
                assert w.plex.loads[-1].outcome.startswith("failed")
                assert (await w.get(f"/{dvr['epgIdentifier']}/lineups/dvr/channels"))["size"] == 3
            w.plex.set(failing_load=True)
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            await w.plex.loads_done()
            assert w.plex.loads[-1].outcome.startswith("failed")

    run(main)


def test_emptied_lineup_collapses_the_dvr(tmp_path: Path, run: Run[Any]) -> None:
    """A tuner that publishes an empty lineup loses its map at the next reload (6.3)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            w.tuner.lineup = []
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            await w.plex.loads_done()
            (shown,) = (await w.get(f"/media/grabbers/devices/{device['key']}"))["Device"]
            assert "ChannelMapping" not in shown
            assert (await w.get(f"/{dvr['epgIdentifier']}/lineups/dvr/channels"))["size"] == 0

    run(main)


def test_delete_during_load_deadlocks_until_restart(tmp_path: Path, run: Run[Any]) -> None:
    """With the option on, a delete during a load silences the server; a restart brings it back with the DVR."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            w.plex.set(deadlock_on_delete=True, stuck_load=True)
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            for request in (("DELETE", f"/livetv/dvrs/{dvr['key']}"), ("GET", "/identity")):
                with pytest.raises(httpx.ReadTimeout):
                    await w.client.request(*request, timeout=0.3)
            w.plex.set(stuck_load=False)
            await w.plex.restart()
            assert [dvr["key"]] == [d["key"] for d in (await w.get("/livetv/dvrs"))["Dvr"]]
            assert (await w.send("DELETE", f"/livetv/dvrs/{dvr['key']}")).status_code == 200
            assert (await w.get("/livetv/dvrs"))["size"] == 0

    run(main)


def test_ghost_dvr_comes_back_with_a_restart(tmp_path: Path, run: Run[Any]) -> None:
    """A DVR whose guide never loads leaves the list while its device stays in use; a restart lists it again (3.2)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0, ghost_on_failed_load=True)) as w:
            w.tuner.guide_status = 404
            dvr = await w.create()
            assert (await w.get("/livetv/dvrs"))["size"] == 0
            assert (await w.send("GET", f"/livetv/dvrs/{dvr['key']}")).status_code == 404
            params = {"language": "eng", "device": dvr["Device"][0]["uuid"], "lineup": dvr["lineup"]}
            again = await w.client.post("/livetv/dvrs", params=params)
            assert "in use" in again.json()["MediaContainer"]["message"]
            await w.plex.restart()
            assert [dvr["key"]] == [d["key"] for d in (await w.get("/livetv/dvrs"))["Dvr"]]

    run(main)


def test_slow_map_put_is_half_done_for_the_impatient(tmp_path: Path, run: Run[Any]) -> None:
    """Who gives up on a slow channel map leaves half of it; who waits gets all (1)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            _, device = await w.active()
            w.plex.set(channelmap_delay_s=0.4)
            path = f"/media/grabbers/devices/{device['key']}/channelmap?channelsEnabled=1001,1002"
            query = "".join(f"&channelMapping[{n}]={n}&channelMappingByKey[{n}]={n}" for n in (1001, 1002))
            with pytest.raises(httpx.ReadTimeout):
                await w.client.put(path + query, timeout=0.3)
            await until(lambda: w.plex.writes()[-1].took_s > 0)
            assert _mapped(w) == ["1001"]
            await w.client.put(path + query)
            assert _mapped(w) == ["1001", "1002"]

    run(main)


def _mapped(w: World) -> list[str]:
    return [m.device for m in w.plex.device("1040ABC5").mappings]


def test_scan_quirks(tmp_path: Path, run: Run[Any]) -> None:
    """A scan may answer 500 too early or without a source; else it is acknowledged, asks the tuner, and ends (2.6)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(early_scan_s=60.0), Tuner(scan_possible=1)) as w:
            device = await w.register()
            path = f"/media/grabbers/devices/{device['key']}/scan"
            assert (await w.send("POST", f"{path}?source=Cable")).status_code == 500
            w.plex.set(early_scan_s=0.0, scan_needs_source=True)
            assert (await w.send("POST", path)).status_code == 500
            w.tuner.numbers = ["1001", "1009"]
            answer = await w.send("POST", f"{path}?source=Cable")
            assert answer.json()["MediaContainer"] == {"size": 0, "status": 0, "message": ""}
            assert answer.headers["x-plex-activity"]
            await until(lambda: not w.plex.machine.activities.running)
            assert "POST /lineup.post?scan=start&source=Cable" in w.tuner.targets()
            channels = (await w.get(f"/media/grabbers/devices/{device['key']}/channels"))["DeviceChannel"]
            assert [c["identifier"] for c in channels] == ["1001", "1009"]

    run(main)


def test_proxy_and_other_quirks(tmp_path: Path, run: Run[Any]) -> None:
    """A proxy's limit, `dead` devices, lineups raw or encoded, single objects for arrays: each by its option."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            w.plex.set(request_line_limit_bytes=8192, request_line_status=414)
            assert (await w.send("GET", "/livetv/dvrs?x=" + "1" * 8192)).status_code == 414
            w.plex.set(always_dead=True, lineup_form="raw", single_objects=True)
            shown = await w.get("/livetv/dvrs")
            assert shown["Dvr"]["Device"]["status"] == "dead"
            raw = f"lineup://tv.plex.providers.epg.xmltv/{w.tuner.url}/guide.xml#ptctl news"
            assert raw == shown["Dvr"]["lineup"]
            w.plex.reset_faults()
            assert w.tuner.lineup_uri() == (await w.get("/livetv/dvrs"))["Dvr"][0]["lineup"]
            w.plex.set(mapless_put="400")
            path = f"/media/grabbers/devices/{device['key']}/channelmap"
            assert (await w.send("PUT", f"{path}?channelsEnabled=1001")).status_code == 400
            assert (await w.send("PUT", "/media/grabbers/devices/99/channelmap")).status_code == 404
            assert (await w.send("PUT", f"/livetv/dvrs/{dvr['key']}?lineup=x")).status_code == 404

    run(main)


def test_polling_notices_outages(tmp_path: Path, run: Run[Any]) -> None:
    """A polled device is dead while another DeviceID answers at its address, and alive again by itself (6.3)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0, poll_every_s=0.02)) as w:
            await w.register()
            for device_id, status in (("OTHER", "dead"), ("1040ABC5", "alive")):
                w.tuner.device_id = device_id
                alive = status == "alive"
                device = w.plex.device("1040ABC5")
                await until(partial(lambda d, wanted: d.alive is wanted, device, alive))
                assert status == (await w.get("/media/grabbers/devices/1"))["Device"][0]["status"]

    run(main)


def test_concurrent_loads_are_counted(tmp_path: Path, run: Run[Any]) -> None:
    """The most loads that ran side by side is known afterwards."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            assert w.plex.max_concurrent_loads == 1
            w.tuner.guide_gate = trio.Event()
            other = w.plex.add_foreign_dvr("2040ABC5", lineup=w.tuner.lineup_uri("other"), uri=w.tuner.url)
            await w.send("POST", "/butler/RefreshEpgGuides")
            assert (await w.send("POST", "/butler/RefreshEpgGuides")).status_code == 202
            assert (await w.send("POST", "/butler/RefreshEPGGuides")).status_code == 404
            w.tuner.guide_gate.set()
            await w.plex.loads_done()
            assert w.plex.max_concurrent_loads == 2
            assert {int(dvr["key"]), other.key} == {load.dvr for load in w.plex.loads if load.why == "butler"}

    run(main)


def test_options_are_reset_to_those_of_the_start(tmp_path: Path, run: Run[Any]) -> None:
    """Taking faults back restores the options given at the start, not the defaults."""

    async def main() -> None:
        async with world(tmp_path, QUICK) as w:
            w.plex.set(load_delay_s=5.0)
            w.plex.reset_faults()
            assert w.plex.options == QUICK

    run(main)


def test_slow_guide_stalls_the_dvr_list(tmp_path: Path, run: Run[Any]) -> None:
    """With the option on, the DVR list waits for a guide that is being fetched, and nothing else does (7.3)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0, fetch_stalls_api=True)) as w:
            dvr = await w.create()
            w.tuner.guide_gate = trio.Event()
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            await until(lambda: w.tuner.targets().count("GET /guide.xml") == 2)
            assert (await w.get("/media/grabbers/devices"))["size"] == 1
            with pytest.raises(httpx.ReadTimeout):
                await w.client.get("/livetv/dvrs", timeout=0.1)
            w.tuner.guide_gate.set()
            assert (await w.get("/livetv/dvrs"))["size"] == 1

    run(main)
