"""DVRs, their devices, lineups and rules in the simulated Plex."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reconciler.sandbox.plex import CLOUD_LINEUP, PlexOptions
from reconciler.sandbox.plex_channelmap import pairing
from reconciler.sandbox.plex_guide import GuideIndex
from reconciler.sandbox.plex_records import LineupEntry, lineup_parts
from reconciler.sandbox.plex_xmltv import GuideChannel
from tests.conftest import Run
from tests.sandbox.plex_bench import Tuner, guide, programme, start_tuner, world


def test_create_refuses_as_plex_does(tmp_path: Path, run: Run[Any]) -> None:
    """Unknown devices and guides are refused with status -1 and the known messages; missing arguments with 400."""

    async def main() -> None:
        async with world(tmp_path) as w:
            device = await w.register()
            lineup = quote(w.tuner.lineup_uri(), safe="")
            for query, message in (
                (f"device=device://x/y&lineup={lineup}", "The device does not exist"),
                (f"device={device['uuid']}&lineup=http://x/guide.xml", "The EPG provider does not exist."),
            ):
                answer = await w.send("POST", f"/livetv/dvrs?language=eng&{query}")
                assert {"size": 0, "status": -1, "message": message} == answer.json()["MediaContainer"]
            assert (
                await w.send("POST", f"/livetv/dvrs?language=eng&device={device['uuid']}")
            ).status_code == 400
            several = await w.send(
                "POST", f"/livetv/dvrs?language=eng&device[]={device['uuid']}&lineup={lineup}"
            )
            assert several.json()["MediaContainer"]["Dvr"][0]["key"] == "2"

    run(main)


def test_delete_leaves_devices_and_takes_rules(tmp_path: Path, run: Run[Any]) -> None:
    """A deleted DVR leaves an orphan device and takes its recording rules with it, and only its own (3.4)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            foreign = w.plex.add_foreign_dvr()
            (guide_id,) = [
                provider["id"]
                for provider in (await w.get("/media/providers"))["MediaProvider"]
                if provider["identifier"] == dvr["epgIdentifier"]
            ]
            made = await w.client.post(
                "/media/subscriptions",
                params={
                    "type": "2",
                    "targetLibrarySectionID": "2",
                    "hints[title]": "Rivers",
                    "hints[guid]": "tv.plex.xmltv://show/Rivers",
                    "prefs[onlyNewAirings]": "1",
                    "params[mediaProviderID]": str(guide_id),
                },
            )
            (rule,) = made.json()["MediaContainer"]["MediaSubscription"]
            assert (rule["type"], rule["Directory"][0]["title"]) == (2, "Rivers")
            assert rule["Directory"][0]["mediaProviderID"] == guide_id
            w.plex.add_rule(foreign, "Lakes")
            assert (await w.get("/media/subscriptions"))["size"] == 2
            gone = await w.send("DELETE", f"/livetv/dvrs/{dvr['key']}")
            assert (gone.status_code, gone.content) == (200, b"")
            assert [
                r["Directory"][0]["title"] for r in (await w.get("/media/subscriptions"))["MediaSubscription"]
            ] == ["Lakes"]
            (orphan,) = (await w.get(f"/media/grabbers/devices/{device['key']}"))["Device"]
            assert "parentID" not in orphan
            assert (await w.send("DELETE", f"/livetv/dvrs/{dvr['key']}")).status_code == 404
            assert (await w.send("DELETE", f"/media/grabbers/devices/{device['key']}")).status_code == 200
            assert (await w.send("GET", f"/media/grabbers/devices/{device['key']}")).status_code == 404

    run(main)


def test_last_device_takes_the_dvr_along(tmp_path: Path, run: Run[Any]) -> None:
    """Devices join and leave; the last to leave takes the DVR with it (3.5)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            second = await start_tuner(w.nursery, Tuner(device_id="2040ABC5"))
            other = (await w.send("POST", f"/media/grabbers/devices?uri={second.url}")).json()
            key = other["MediaContainer"]["Device"][0]["key"]
            both = await w.send("PUT", f"/livetv/dvrs/{dvr['key']}/devices/{key}")
            assert len(both.json()["MediaContainer"]["Dvr"][0]["Device"]) == 2
            one = await w.send("DELETE", f"/livetv/dvrs/{dvr['key']}/devices/{device['key']}")
            assert [key] == [d["key"] for d in one.json()["MediaContainer"]["Dvr"][0]["Device"]]
            none = await w.send("DELETE", f"/livetv/dvrs/{dvr['key']}/devices/{key}")
            assert none.json()["MediaContainer"]["size"] == 0
            assert (await w.get("/livetv/dvrs"))["size"] == 0
            assert (await w.get("/media/grabbers/devices"))["size"] == 2

    run(main)


def test_lineups_of_one_provider_only(tmp_path: Path, run: Run[Any]) -> None:
    """A second XMLTV lineup joins its channels to the guide; a cloud lineup is refused (3.5, 3.6)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, _ = await w.active()
            file = tmp_path / "second guide.xml"
            file.write_text('<tv><channel id="1001b"><display-name>1001</display-name></channel></tv>')
            path = f"/livetv/dvrs/{dvr['key']}/lineups"
            second = f"lineup://tv.plex.providers.epg.xmltv{file}#Second"
            added = await w.client.put(path, params={"lineup": second})
            assert [dvr["lineup"], second] == [
                entry["id"] for entry in added.json()["MediaContainer"]["Dvr"][0]["Lineup"]
            ]
            await w.send("POST", f"/livetv/dvrs/{dvr['key']}/reloadGuide")
            await w.plex.loads_done()
            assert "1001b" in w.plex.machine.loads.indexes[int(dvr["key"])].channels
            mixed = await w.client.put(path, params={"lineup": CLOUD_LINEUP})
            assert mixed.json()["MediaContainer"]["message"] == "Lineup is from a different provider"
            await w.client.delete(path, params={"lineup": second})
            assert [dvr["lineup"]] == [
                entry["id"] for entry in (await w.get(f"/livetv/dvrs/{dvr['key']}"))["Dvr"][0]["Lineup"]
            ]

    run(main)


def test_prefs_left_out_fall_back(tmp_path: Path, run: Run[Any]) -> None:
    """A prefs PUT resets the settings it leaves out, unless the option says otherwise (3.8)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            path = f"/livetv/dvrs/{dvr['key']}"

            async def changed() -> dict[str, str]:
                settings = (await w.get(path))["Dvr"][0]["Setting"]
                return {s["id"]: s["value"] for s in settings if s["value"] != s["default"]}

            assert await changed() == {}
            await w.send("PUT", f"{path}/prefs?startOffsetMinutes=2")
            await w.send("PUT", f"{path}/prefs?endOffsetMinutes=5&unknown=1")
            assert await changed() == {"endOffsetMinutes": "5"}
            w.plex.set(prefs_put="overlay")
            await w.send("PUT", f"{path}/prefs?startOffsetMinutes=2")
            assert await changed() == {"endOffsetMinutes": "5", "startOffsetMinutes": "2"}

    run(main)


def test_foreign_objects_and_drift(tmp_path: Path, run: Run[Any]) -> None:
    """Somebody else's DVR looks like a real HDHomeRun with a cloud guide; drift shows in the answers."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr, device = await w.active()
            foreign = w.plex.add_foreign_dvr()
            before = w.plex.state_text()
            shown = (await w.get(f"/livetv/dvrs/{foreign.key}"))["Dvr"][0]
            assert shown["epgIdentifier"] == "tv.plex.providers.epg.cloud:5"
            assert (await w.get(f"/{shown['epgIdentifier']}/lineups/dvr/channels"))["size"] == 3
            assert [dvr["epgIdentifier"], shown["epgIdentifier"]] == [
                p["identifier"] for p in (await w.get("/media/providers"))["MediaProvider"]
            ]
            assert before == w.plex.state_text()
            w.plex.set_uri("1040abc5", "http://127.0.0.1:5004")
            w.plex.set_channel("1040ABC5", "1002", enabled=False)
            w.plex.set_enabled("1040ABC5", enabled=False)
            w.plex.set_title("1040ABC5", "Renamed")
            w.plex.set_alive("1040ABC5", alive=False)
            (drifted,) = (await w.get(f"/media/grabbers/devices/{device['key']}"))["Device"]
            assert tuple(drifted[k] for k in ("uri", "state", "title", "status")) == (
                "http://127.0.0.1:5004",
                "disabled",
                "Renamed",
                "dead",
            )
            assert [m["enabled"] for m in drifted["ChannelMapping"]] == ["1", "0", "1"]
            assert before != w.plex.state_text()
            w.plex.detach("1040ABC5")
            assert "Device" not in (await w.get(f"/livetv/dvrs/{dvr['key']}"))["Dvr"][0]

    run(main)


def test_states_compare_without_keys(tmp_path: Path, run: Run[Any]) -> None:
    """Two servers that came to the same objects in another order are equal once keys are left out."""

    async def main() -> list[str]:
        texts = []
        for order in (("A0000001", "A0000002"), ("A0000002", "A0000001")):
            async with world(tmp_path / order[0]) as w:
                for device_id in order:
                    w.plex.add_foreign_dvr(device_id, lineup=f"{CLOUD_LINEUP}{device_id}")
                texts.append(w.plex.state_text(keys=False))
        return texts

    one, two = run(main)
    assert one == two


def test_put_dvr_exists_by_option(tmp_path: Path, run: Run[Any]) -> None:
    """Where `PUT /livetv/dvrs/{key}` exists it changes the guide and keeps the devices named, no others (3.7)."""

    async def main() -> None:
        async with world(tmp_path, PlexOptions(load_delay_s=0, put_dvr=True)) as w:
            dvr, device = await w.active()
            other = w.tuner.lineup_uri("other title")
            changed = await w.client.put(
                f"/livetv/dvrs/{dvr['key']}", params={"lineup": other, "device": device["uuid"]}
            )
            (shown,) = changed.json()["MediaContainer"]["Dvr"]
            assert (other, 1) == (shown["lineup"], len(shown["Device"]))
            without = await w.client.put(f"/livetv/dvrs/{dvr['key']}", params={"lineup": other})
            assert "Device" not in without.json()["MediaContainer"]["Dvr"][0]

    run(main)


def test_lineup_uris_are_decoded_until_stable() -> None:
    """Raw, encoded and twice encoded locations are one; a path of this host gets its slash back (3.3)."""
    raw = "http://10.0.0.5:5004/guide.xml"
    for inner in (raw, quote(raw, safe=""), quote(quote(raw, safe=""), safe="")):
        uri = f"lineup://tv.plex.providers.epg.xmltv/{inner}#ptctl%20news"
        assert ("tv.plex.providers.epg.xmltv", raw, "ptctl news") == lineup_parts(uri)
    assert lineup_parts("lineup://tv.plex.providers.epg.xmltv/media/x.xml#T")[1] == "/media/x.xml"


def test_pairing_by_number() -> None:
    """Ids first, then names that are or begin with the number; duplicates, DRM and name-only matches are skipped."""
    lineup = [LineupEntry(n, f"Name {n}", "") for n in ("1", "2", "3", "4", "5", "5", "6")]
    lineup.append(LineupEntry("7", "Seven", "", drm=True))
    channels = [
        GuideChannel("1", ("One",)),
        GuideChannel("C2.1", ("Two", "2")),
        GuideChannel("c3", ("3 Three",)),
        GuideChannel("named", ("Name 4",)),
        GuideChannel("5", ()),
        GuideChannel("6", ()),
        GuideChannel("7", ()),
    ]
    index = GuideIndex({c.id: c for c in channels}, frozenset({"6"}))
    assert [(m.device, m.lineup, m.key) for m in pairing(lineup, index)] == [
        ("1", "1", "1"),
        ("2", "2", "C2.1"),
        ("3", "3", "c3"),
    ]


def test_epg_channels_and_lineupchannels(tmp_path: Path, run: Run[Any]) -> None:
    """Both list all channels of the guide, with their numbers where they pair; unknown lineups are 404 (4.1)."""

    async def main() -> None:
        async with world(tmp_path) as w:
            dvr = await w.create()
            for path, element in (("channels", ""), ("lineupchannels", "Lineup")):
                answer = await w.client.get(f"/livetv/epg/{path}", params={"lineup": dvr["lineup"]})
                found = answer.json()["MediaContainer"]
                found = found[element][0] if element else found
                assert [c["channelVcn"] for c in found["Channel"]] == ["1001", "1002", "1003"]
                missing = await w.client.get(f"/livetv/epg/{path}", params={"lineup": "lineup://x/y"})
                assert missing.status_code == 404
            assert [
                t["name"]
                for t in (await w.send("GET", "/butler")).json()["ButlerTasks"]["ButlerTask"]
                if "Epg" in t["name"]
            ] == ["RefreshEpgGuides"]
            grabbers = (await w.get("/media/grabbers?protocol=livetv"))["MediaGrabber"]
            assert [g["title"] for g in grabbers] == ["HDHomerun", "Remote"]
            sections = await w.get(f"/{dvr['epgIdentifier']}/sections/2/all?type=1")
            assert sections["size"] == 0

    run(main)


def test_rules_show_what_they_will_record(tmp_path: Path, run: Run[Any]) -> None:
    """With `includeGrabs` a rule lists the airings to come with the guide's keys; rules can be read and deleted."""
    begin = datetime.now(UTC) + timedelta(hours=1)
    times = [f"{begin + timedelta(hours=h):%Y%m%d%H%M%S} +0000" for h in (0, 1, 2, 3)]
    numbered = '<episode-num system="onscreen">S02E05</episode-num>'
    shows = (
        programme("1001", times[0], times[1], "Rivers", numbered)
        + programme("1001", times[1], times[2], "A Film")
        + programme("1001", times[2], times[3], "Other")
    )

    async def main() -> None:
        async with world(tmp_path, tuner=Tuner(guide=guide([("1001", "One")], shows))) as w:
            dvr, _ = await w.active()
            held = w.plex.dvr_of("1040ABC5")
            series = w.plex.add_rule(held, "Rivers")
            w.plex.add_rule(held, "A Film", kind=1, guid="tv.plex.xmltv://movie/A%20Film")
            found = (await w.get("/media/subscriptions?includeGrabs=1"))["MediaSubscription"]
            grabs = [grab for rule in found for grab in rule["MediaGrabOperation"]]
            assert [grab["title"] for grab in grabs] == ["Rivers", "A Film"]
            assert grabs[1]["Metadata"][0]["key"] == (
                f"/{dvr['epgIdentifier']}/metadata/tv%2Eplex%2Exmltv%3A%2F%2Fmovie%2FA%2520Film"
            )
            assert (await w.get(grabs[1]["Metadata"][0]["key"]))["Metadata"][0]["title"] == "A Film"
            assert (await w.get("/media/subscriptions/scheduled"))["size"] == 2
            assert "MediaGrabOperation" not in (await w.get("/media/subscriptions/1"))["MediaSubscription"][0]
            assert (await w.send("DELETE", f"/media/subscriptions/{series.id}")).status_code == 200
            assert (await w.send("DELETE", f"/media/subscriptions/{series.id}")).status_code == 404
            for query in (
                "type=1",
                "type=1&params[mediaProviderID]=99",
                f"params[mediaProviderID]={held.provider_key}",
            ):
                assert (await w.send("POST", f"/media/subscriptions?{query}")).status_code == 400

    run(main)
