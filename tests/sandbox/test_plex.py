"""The simulated Plex answers as the real one was seen to: checklist of plex-livetv.md 11."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from lxml import etree

from reconciler.sandbox.plex import PlexOptions, run_plex
from tests.conftest import Run
from tests.sandbox.plex_bench import TOKEN, Tuner, guide, programme, start_tuner, until, world


def test_identity_needs_no_token(tmp_path: Path, run: Run[Any]) -> None:
    """`/identity` answers without a token, everything else 401 in HTML without or with a bad one."""

    async def main() -> None:
        async with world(tmp_path) as w:
            bare = {"X-Plex-Token": "", "Accept": "*/*"}
            identity = await w.client.get("/identity", headers=bare)
            assert identity.status_code == 200
            assert f'machineIdentifier="{w.plex.machine_identifier}"' in identity.text
            assert identity.headers["content-type"] == "text/xml;charset=utf-8"
            for token in ("", "wrong"):
                refused = await w.client.get("/livetv/dvrs", headers={"X-Plex-Token": token})
                assert refused.status_code == 401
                assert refused.headers["content-type"] == "text/html"
            in_query = await w.client.get(f"/livetv/dvrs?X-Plex-Token={TOKEN}", headers=bare)
            assert in_query.status_code == 200
            assert (await w.send("GET", "/livetv/epg")).status_code == 404

    run(main)


def test_unclaimed_server_asks_for_no_token(tmp_path: Path, run: Run[Any]) -> None:
    """A fresh server lists its DVRs to anybody nearby (1)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(claimed=False)) as w:
            answer = await w.client.get("/livetv/dvrs", headers={"X-Plex-Token": "", "Accept": "*/*"})
            assert answer.status_code == 200
            assert b'<MediaContainer size="0"/>' in answer.content

    run(main)


def test_shared_user_is_forbidden_what_the_admin_may(tmp_path: Path, run: Run[Any]) -> None:
    """A valid token of somebody else reads DVRs but changes nothing: 403 (1)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(shared_tokens=("friend",))) as w:
            friend = {"X-Plex-Token": "friend"}
            assert (await w.client.get("/livetv/dvrs", headers=friend)).status_code == 200
            assert (await w.client.get("/livetv/epg/channels?lineup=x", headers=friend)).status_code == 403
            assert (await w.client.post("/livetv/dvrs", headers=friend)).status_code == 403

    run(main)


def test_register_probes_the_tuner(tmp_path: Path, run: Run[Any]) -> None:
    """Registration asks the three documents of the tuner and shows what they say; the title stays empty."""

    async def main() -> None:
        async with world(tmp_path) as w:
            device = await w.register()
            asked = [t for _, t, h in w.tuner.asked if h["user-agent"].startswith("PlexMediaServer")]
            assert asked == ["/discover.json", "/lineup_status.json", "/lineup.json"]
            assert device["uuid"] == "device://tv.plex.grabbers.hdhomerun/1040ABC5"
            assert tuple(device[k] for k in ("key", "tuners", "status", "state", "canTranscode")) == (
                "1",
                "2",
                "alive",
                "enabled",
                "1",
            )
            assert (device["model"], device["make"], device["title"]) == ("ptctl news", "Silicondust", "")
            assert "parentID" not in device
            assert w.tuner.url == device["uri"]
            changed = await w.send(
                "PUT", "/media/grabbers/devices/1?title=News&enabled=0&uri=http://10.0.0.9:80"
            )
            assert changed.json()["MediaContainer"] == {"size": 0, "status": 0, "message": ""}
            (device,) = (await w.get("/media/grabbers/devices/1"))["Device"]
            assert ("News", "disabled", w.tuner.url) == (device["title"], device["state"], device["uri"])

    run(main)


def test_register_again_updates_the_address(tmp_path: Path, run: Run[Any]) -> None:
    """The same DeviceID at another address keeps key and title and gets the new address (2.5)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            moved = await start_tuner(w.nursery, Tuner(tuners=5))
            uri = f"127.0.0.1:{moved.port}/"
            answer = await w.send("POST", f"/media/grabbers/tv.plex.grabbers.hdhomerun/devices?uri={uri}")
            (device,) = answer.json()["MediaContainer"]["Device"]
            assert ("1", moved.url, "5") == (device["key"], device["uri"], device["tuners"])
            assert int(dvr["key"]) == device["parentID"]

    run(main)


def test_junk_device_and_dead_address(tmp_path: Path, run: Run[Any]) -> None:
    """What answers without being a tuner becomes a junk device; what does not answer is refused with 400 (2.4)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            w.tuner.device_id = ""
            device = await w.register()
            assert device["uuid"] == "device://tv.plex.grabbers.hdhomerun/"
            assert (device["deviceId"], device["make"], device["status"]) == ("", "Unknown", "dead")
            refused = await w.send("POST", "/media/grabbers/devices?uri=http://127.0.0.1:9")
            assert refused.status_code == 400
            found = await w.send("POST", "/media/grabbers/devices/discover?uri=http://127.0.0.1:9")
            assert found.json()["MediaContainer"]["size"] == 1

    run(main)


def test_create_dvr_and_load_its_guide(tmp_path: Path, run: Run[Any]) -> None:
    """A new DVR takes two keys, loads the guide in the background, and has no active channel until its map is put."""

    async def main() -> None:
        async with world(tmp_path) as w:
            w.tuner.guide_gate = trio.Event()
            device = await w.register()
            lineup = w.tuner.lineup_uri()
            made = await w.client.post(
                "/livetv/dvrs", params={"language": "eng", "device": device["uuid"], "lineup": lineup}
            )
            (dvr,) = made.json()["MediaContainer"]["Dvr"]
            assert ("2", "tv.plex.providers.epg.xmltv:2", "ptctl news", lineup) == tuple(
                dvr[k] for k in ("key", "epgIdentifier", "lineupTitle", "lineup")
            )
            assert [{"id": lineup, "title": "ptctl news"}] == dvr["Lineup"]
            assert "ChannelMapping" not in dvr["Device"][0]
            (activity,) = (await w.get("/activities"))["Activity"]
            assert tuple(activity[k] for k in ("type", "cancellable", "userID")) == (
                "provider.epg.load",
                False,
                1,
            )
            offer = f"/livetv/epg/channelmap?device={device['uuid']}&lineup={lineup.replace('%', '%25').replace('#', '%23')}"
            assert (await w.get(offer))["size"] == 0
            w.tuner.guide_gate.set()
            await w.plex.loads_done()
            assert (await w.get("/activities"))["size"] == 0
            assert (await w.get(offer))["ChannelMapping"][0] == {
                "channelKey": "1001",
                "deviceIdentifier": "1001",
                "favorite": "0",
                "lineupIdentifier": "1001",
            }
            assert (await w.get(offer))["size"] == 3
            assert (await w.get(f"/{dvr['epgIdentifier']}/lineups/dvr/channels"))["size"] == 0
            guide_headers = next(h for _, t, h in w.tuner.asked if t == "/guide.xml")
            assert guide_headers["user-agent"].startswith("PlexMediaServer")
            again = await w.client.post(
                "/livetv/dvrs", params={"language": "eng", "device": device["uuid"], "lineup": lineup}
            )
            assert again.status_code == 200
            assert again.json()["MediaContainer"] == {
                "size": 0,
                "status": -1,
                "message": "The device is in use with an existing DVR",
            }

    run(main)


def test_map_is_a_full_replace(tmp_path: Path, run: Run[Any]) -> None:
    """What a channel map leaves out is gone; no maps clear it; of repeated channelsEnabled the last counts (2.7)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            assert [m["deviceIdentifier"] for m in device["ChannelMapping"] if m["enabled"] == "1"] == [
                "1001",
                "1002",
                "1003",
            ]
            assert (await w.get(f"/{dvr['epgIdentifier']}/lineups/dvr/channels"))["size"] == 3
            await w.put_map(device["key"], ["1002"])
            path = f"/media/grabbers/devices/{device['key']}"
            assert (await w.get(path))["Device"][0]["ChannelMapping"] == [
                {
                    "channelKey": "1002",
                    "deviceIdentifier": "1002",
                    "enabled": "1",
                    "lineupIdentifier": "1002",
                }
            ]
            maps = "".join(
                f"&channelMapping%5B{n}%5D={n}&channelMappingByKey%5B{n}%5D={n}" for n in (1001, 1003)
            )
            await w.send("PUT", f"{path}/channelmap?channelsEnabled=1001&channelsEnabled=1003{maps}")
            shown = (await w.get(path))["Device"][0]["ChannelMapping"]
            assert [(m["deviceIdentifier"], m["enabled"]) for m in shown] == [("1001", "0"), ("1003", "1")]
            await w.send("PUT", f"{path}/channelmap?channelsEnabled=1001,1003")
            assert "ChannelMapping" not in (await w.get(path))["Device"][0]
            assert {"create", "channelmap"} == {load.why for load in w.plex.loads}

    run(main)


@pytest.mark.parametrize(("surplus", "status"), [(0, 200), (1, 400)])
def test_request_line_has_a_limit(tmp_path: Path, run: Run[Any], surplus: int, status: int) -> None:
    """A request line of 32,768 bytes passes, one byte more is answered 400 (7.1)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            device = await w.register()
            head = f"/media/grabbers/devices/{device['key']}/channelmap?channelsEnabled="
            around = len(f"PUT {head} HTTP/1.1")
            answer = await w.send("PUT", head + "1" * (32_768 - around + surplus))
            assert status == answer.status_code

    run(main)


def test_grid_has_the_programmes_of_active_channels(tmp_path: Path, run: Run[Any]) -> None:
    """The grid shows airings by UTC day; untitled repeats fold into one movie, numbered ones are episodes (7.4)."""
    day = "20261201"
    numbered = '<episode-num system="xmltv_ns">1.4.</episode-num><sub-title>The Dam</sub-title><new/>'
    shows = (
        programme("1001", f"{day}100000 +0100", f"{day}110000 +0100", "News")
        + programme("1001", f"{day}110000 +0100", f"{day}120000 +0100", "News")
        + programme("1001", f"{day}150000 +0000", f"{day}160000 +0000", "News")
        + programme("1001", f"{day}160000 +0000", f"{day}170000 +0000", "Rivers", numbered)
        + programme("1002", f"{day}160000 +0000", f"{day}170000 +0000", "Other")
        + programme("1003", f"{day}160000 +0000", f"{day}170000 +0000", "Not enabled")
    )
    tuner = Tuner(guide=guide([("1001", "One"), ("1002", "Two"), ("1003", "Three")], shows))

    async def main() -> None:
        async with world(tmp_path, tuner=tuner) as w:
            dvr = await w.create()
            await w.put_map(dvr["Device"][0]["key"], ["1001", "1002"])
            prefix = f"/{dvr['epgIdentifier']}"
            one, two = (await w.get(f"{prefix}/lineups/dvr/channels"))["Channel"]
            assert (one["title"], one["vcn"], one["callSign"]) == ("1001 One", "1001", "One")
            shown = (await w.get(f"{prefix}/grid?channelGridKey={one['gridKey']}&date=2026-12-01"))[
                "Metadata"
            ]
            assert [m["guid"] for m in shown] == [
                "tv.plex.xmltv://movie/News",
                "tv.plex.xmltv://episode/Rivers/1.4.",
            ]
            nine = 1_796_115_600
            assert [(nine, nine + 7200), (nine + 6 * 3600, nine + 7 * 3600)] == [
                (a["beginsAt"], a["endsAt"]) for a in shown[0]["Media"]
            ]
            assert (
                shown[1]["title"],
                shown[1]["grandparentTitle"],
                shown[1]["parentIndex"],
                shown[1]["index"],
                shown[1]["Media"][0]["premiere"],
            ) == ("The Dam", "Rivers", 2, 5, True)
            assert (await w.get(f"{prefix}/grid?channelGridKey={one['gridKey']}&date=2026-12-02"))[
                "size"
            ] == 0
            assert [m["title"] for m in (await w.get(f"{prefix}/grid?type=1"))["Metadata"]] == [
                "News",
                "Other",
            ]
            detail = (await w.get(shown[1]["key"]))["Metadata"]
            assert [m["title"] for m in detail] == ["The Dam"]
            assert {"Other"} == {
                m["title"]
                for m in (await w.get(f"{prefix}/grid?channelGridKey={two['gridKey']}"))["Metadata"]
            }

    run(main)


def test_reload_is_empty_and_names_its_activity(tmp_path: Path, run: Run[Any]) -> None:
    """`reloadGuide` answers 200 in HTML without a body; its activity is visible and new lineup channels appear."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            w.tuner.guide_gate = trio.Event()
            w.tuner.numbers = [*w.tuner.numbers, "1004"]
            w.tuner.guide = guide([(n, n) for n in w.tuner.numbers])
            answer = await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            assert (
                answer.status_code,
                answer.content,
                answer.headers["content-type"],
            ) == (200, b"", "text/html")
            (activity,) = (await w.get("/activities"))["Activity"]
            assert activity["uuid"] == answer.headers["x-plex-activity"]
            assert (await w.send("DELETE", f"/activities/{activity['uuid']}")).status_code == 400
            w.tuner.guide_gate.set()
            await w.plex.loads_done()
            assert (await w.send("DELETE", f"/activities/{activity['uuid']}")).status_code == 404
            params = {"device": device["uuid"], "lineup": dvr["lineup"]}
            offered = (await w.client.get("/livetv/epg/channelmap", params=params)).json()["MediaContainer"]
            assert [m["channelKey"] for m in offered["ChannelMapping"]] == ["1001", "1002", "1003", "1004"]

    run(main)


def test_journal_keeps_every_request(tmp_path: Path, run: Run[Any]) -> None:
    """The journal has all requests in order with raw targets, and the writes apart."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.send("GET", "/livetv/dvrs")
            await w.send("PUT", "/media/grabbers/devices/7?title=a%20b")
            journal = (await w.client.get("/_sandbox/journal")).json()["journal"]
            assert [
                tuple(e[k] for k in ("n", "method", "target", "status", "is_write")) for e in journal
            ] == [
                (1, "GET", "/livetv/dvrs", 200, False),
                (2, "PUT", "/media/grabbers/devices/7?title=a%20b", 404, True),
            ]
            assert [entry.n for entry in w.plex.writes()] == [2]

    run(main)


def test_xml_is_the_default(tmp_path: Path, run: Run[Any]) -> None:
    """Without an Accept header a DVR is XML: `Dvr` with a `lineup` attribute beside `Lineup` children, flags as 0/1."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, _ = await w.active()
            answer = await w.client.get("/livetv/dvrs", headers={"Accept": "*/*"})
            assert answer.headers["content-type"] == "text/xml;charset=utf-8"
            (shown,) = etree.fromstring(answer.content)
            assert (shown.tag, shown.get("lineup")) == ("Dvr", dvr["lineup"])
            assert [child.tag for child in shown][:2] == ["Device", "Lineup"]
            (device,) = shown.findall("Device")
            assert [m.get("enabled") for m in device.findall("ChannelMapping")] == ["1", "1", "1"]
            assert device.get("parentID") == shown.get("key")
            assert {s.get("hidden") for s in shown.findall("Setting")} == {"0"}
            grid = await w.client.get(f"/{dvr['epgIdentifier']}/sections", headers={"Accept": "*/*"})
            assert [d.get("title") for d in etree.fromstring(grid.content)] == ["Movies", "Shows"]

    run(main)


def test_discovery_of_what_is_on(tmp_path: Path, run: Run[Any]) -> None:
    """The hub of a guide shows what is on now."""
    now = datetime.now(UTC)
    times = [f"{now + timedelta(hours=h):%Y%m%d%H%M%S} +0000" for h in (-1, 1, 2)]
    shows = programme("1001", times[0], times[1], "Now") + programme("1001", times[1], times[2], "Later")

    async def main() -> None:
        async with world(tmp_path, tuner=Tuner(guide=guide([("1001", "One")], shows))) as w:
            dvr, _ = await w.active()
            (hub,) = (await w.get(f"/{dvr['epgIdentifier']}/hubs/discover"))["Hub"]
            assert [(m["title"], m["onAir"]) for m in hub["Metadata"]] == [("Now", True)]
            tuned = await w.send("POST", f"/livetv/dvrs/{dvr['key']}/channels/1001/tune")
            assert '"title":"Now"' in tuned.text

    run(main)


def test_restart_over_http(tmp_path: Path, run: Run[Any]) -> None:
    """Somebody without the handle can restart the server and read its state and journal."""

    async def main() -> None:
        async with world(tmp_path) as w:
            await w.register()
            before = (await w.client.get("/_sandbox/state")).json()
            machine = w.plex.machine
            await w.client.post("/_sandbox/restart")
            await until(lambda: w.plex.is_running and w.plex.machine is not machine)
            assert (await w.client.get("/_sandbox/state")).json() == before
            assert (await w.client.get("/_sandbox/other")).status_code == 404
            assert len((await w.client.get("/_sandbox/journal?since=0")).json()["journal"]) == 1

    run(main)


def test_taken_port_is_an_os_error(tmp_path: Path, run: Run[Any]) -> None:
    """A port that is taken is reported as what it is."""

    async def main() -> None:
        async with world(tmp_path) as w:
            with pytest.raises(OSError, match="in use"):
                await w.nursery.start(partial(run_plex, tmp_path / "other", token=TOKEN, port=w.plex.port))

    run(main)
