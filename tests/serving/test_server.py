"""`serve` as clients see it: documents, files, addresses, generations, doors."""

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import trio

from reconciler.applying.serve import serve_client
from reconciler.errors import OperatorError
from reconciler.plex.model import Unknown
from reconciler.serving.listeners import parse_address
from reconciler.serving.server import serve
from tests.conftest import Run
from tests.serving.stage import LOOPBACK, Stage, ask, parse, served, until

BUCKETS = [
    *("bcastus", "newsus", "sportsa", "sportsb", "moviesprem", "generalent", "docsfam"),
    *("ukie", "eunordics", "eusouth", "eueast", "latin", "otherworld"),
]


def thirteen(state: Path, **changes: Any) -> Stage:
    """Thirteen DVRs of two channels each."""
    lineups = {
        name: {str(1000 + 600 * n): f"main/{n}", str(1001 + 600 * n): f"main/x{n}"}
        for n, name in enumerate(BUCKETS)
    }
    return Stage(state, lineups, **changes)


@pytest.mark.accepts("TUN-1", "TUN-2")
def test_thirteen_devices(run: Run[None], tmp_path: Path) -> None:
    """One process exposes thirteen devices that differ in id, name and address, whatever Host the client sends."""

    async def main() -> None:
        stage = thirteen(tmp_path)
        stage.publish()
        async with served(stage) as serving:
            found = {name: (await ask(serving.dvrs[name], "/discover.json")).json() for name in BUCKETS}
        assert 13 == len({d["DeviceID"] for d in found.values()})
        assert 13 == len({d["FriendlyName"] for d in found.values()})
        assert 13 == len({d["BaseURL"] for d in found.values()})
        for name, device in found.items():
            assert f"http://ptctl.test/{name}" == device["BaseURL"]
            assert f"http://ptctl.test/{name}/lineup.json" == device["LineupURL"]
            assert isinstance(device["DeviceID"], str)
            assert type(device["TunerCount"]) is int

    run(main)


@pytest.mark.accepts("SCN-1", "SCN-2", "SCN-3")
def test_scan_status(run: Run[None], tmp_path: Path) -> None:
    """ScanPossible is an integer, 0 unless the spec says so; a started scan is accepted and has ended."""

    async def main() -> None:
        stage = Stage(
            tmp_path,
            {"quiet": {"1": "main/1"}, "open": {"2": "main/2"}},
            changes={"open": {"scan_possible": True}},
        )
        stage.publish()
        async with served(stage) as serving:
            for name, wanted in (("quiet", 0), ("open", 1)):
                place = serving.dvrs[name]
                for query in ("scan=start&source=Cable", "scan=abort", "favorite=%2B5"):
                    got = await ask(place, f"/lineup.post?{query}", method="POST")
                    assert (200, b"") == (got.status, got.body)
                assert 400 == (await ask(place, "/lineup.post?format=all", method="POST")).status
                assert 200 == (await ask(place, "/lineup.post?scan=start", method="HEAD")).status
                said = (await ask(place, "/lineup_status.json")).json()
                assert {
                    "ScanInProgress": 0,
                    "ScanPossible": wanted,
                    "Source": "Cable",
                    "SourceList": ["Antenna", "Cable"],
                } == said

    run(main)


@pytest.mark.accepts("TUN-3")
def test_lineup_is_the_file(run: Run[None], tmp_path: Path) -> None:
    """lineup.json is served byte for byte; XML and M3U say the same channels."""

    async def main() -> None:
        stage = Stage(tmp_path, {"news": {"1000": "main/1", "1001": "main/2"}})
        generation = stage.publish()
        async with served(stage) as serving:
            place = serving.dvrs["news"]
            on_disk = (tmp_path / "artifacts" / generation / "news" / "lineup.json").read_bytes()
            got = await ask(place, "/lineup.json?show=found")
            assert on_disk == got.body
            assert 'application/json; charset="utf-8"' == got.headers["content-type"]
            xml = ET.fromstring((await ask(place, "/lineup.xml")).body)
            assert ["1000", "1001"] == [p.findtext("GuideNumber") for p in xml]
            m3u = (await ask(place, "/lineup.m3u")).body.decode().splitlines()
            assert [row["URL"] for row in json.loads(on_disk)] == [x for x in m3u if not x.startswith("#")]
            device = ET.fromstring((await ask(place, "/device.xml")).body)
            assert "urn:schemas-upnp-org:device-1-0" in device.tag
            assert [{"Resource": "tuner0"}, {"Resource": "tuner1"}] == (
                await ask(place, "/status.json")
            ).json()

    run(main)


@pytest.mark.accepts("M3U-1")
def test_hub_playlist(run: Run[None], tmp_path: Path) -> None:
    """`/dvr-<bucket>.m3u` gives the file's bytes as an M3U with an ETag, and 304 to whoever has it."""

    async def main() -> None:
        stage = thirteen(tmp_path, exports=("asia", "vod"))
        generation = stage.publish()
        home = tmp_path / "artifacts" / generation
        async with served(stage) as serving:
            for name in BUCKETS:
                got = await ask(serving.hub, f"/dvr-{name}.m3u")
                assert (200, "audio/x-mpegurl") == (got.status, got.headers["content-type"])
                assert (home / name / "playlist.m3u").read_bytes() == got.body
                again = await ask(
                    serving.hub, f"/dvr-{name}.m3u", headers=[("If-None-Match", got.headers["etag"])]
                )
                assert (304, b"") == (again.status, again.body)
            assert (home / "asia.m3u").read_bytes() == (await ask(serving.hub, "/dvr-asia.m3u")).body
            assert (home / "vod.m3u").read_bytes() == (await ask(serving.hub, "/vod.m3u")).body
            assert 404 == (await ask(serving.hub, "/dvr-none.m3u")).status

    run(main)


@pytest.mark.accepts("TUN-5", "TVG-2")
def test_guide_and_alias(run: Run[None], tmp_path: Path) -> None:
    """The guide is served from its file at both names and at an adopted path, and each fetch is on record."""

    async def main() -> None:
        stage = Stage(
            tmp_path,
            {"news": {"1000": "main/1"}, "quiet": {"2000": "main/1"}},
            guide=b"<tv>" + b"x" * 3_000_000 + b"</tv>",
            changes={
                "news": {"guide_path": "old/Käse Guide.xml?days=7"},
                "quiet": {"guide_path": "old/K%C3%A4se%20Guide.xml"},
            },
        )
        generation = stage.publish()
        async with served(stage) as serving:
            place = serving.dvrs["news"]
            for path in ("/guide.xml", "/xmltv/threadfin.xml", "/old/K%C3%A4se%20Guide.xml?days=7"):
                got = await ask(place, path, headers=[("User-Agent", "PlexMediaServer/1.43")])
                assert stage.guide == got.body
                assert "application/xml" == got.headers["content-type"]
            known = await ask(place, "/guide.xml", headers=[("If-None-Match", got.headers["etag"])])
            assert 304 == known.status
            log = (await ask(serving.hub, "/api/v1/guide-fetches?since=0")).json()
            rows = log["fetches"]
            assert [200, 200, 200, 304] == [row["status"] for row in rows]
            assert {"news"} == {row["dvr"] for row in rows}
            assert all(row["complete"] and row["generation"] == generation for row in rows)
            assert "PlexMediaServer/1.43" == rows[0]["user_agent"]
            assert len(stage.guide) == rows[0]["size_bytes"]
            later = await ask(serving.hub, f"/api/v1/guide-fetches?since={log['now'] + 1}")
            assert [] == later.json()["fetches"]
            own = (await ask(place, "/api/v1/guide-fetches?since=0")).json()
            assert (["news"], rows) == (own["dvrs"], own["fetches"])
            assert ["news", "quiet"] == log["dvrs"]
            other = (await ask(serving.dvrs["quiet"], "/api/v1/guide-fetches")).json()
            assert (["quiet"], []) == (other["dvrs"], other["fetches"]), "a tuner tells of itself alone"
            assert 400 == (await ask(place, "/api/v1/guide-fetches?since=x")).status
            encoded = await ask(serving.dvrs["quiet"], "/old/K%C3%A4se%20Guide.xml")
            assert (200, stage.guide) == (encoded.status, encoded.body)

    run(main)


def test_a_file_that_cannot_be_opened_is_not_absent(run: Run[None], tmp_path: Path) -> None:
    """The state directory is away for a while: 503 for guide and playlist, not the 404 of what never was; then as before."""

    async def main() -> None:
        stage = Stage(tmp_path, {"ukie": {"1": "main/1"}})
        stage.publish()
        async with served(stage) as serving:
            folder = (tmp_path / "artifacts" / "current" / "ukie").resolve()
            away = folder.rename(folder.with_name("away"))
            for path in ("/guide.xml", "/xmltv/threadfin.xml", "/playlist.m3u"):
                assert 503 == (await ask(serving.dvrs["ukie"], path)).status
            assert 503 == (await ask(serving.hub, "/dvr-ukie.m3u")).status
            assert 200 == (await ask(serving.dvrs["ukie"], "/discover.json")).status
            away.rename(folder)
            assert 200 == (await ask(serving.dvrs["ukie"], "/guide.xml")).status

    run(main)


def test_aborted_guide_is_incomplete(run: Run[None], tmp_path: Path) -> None:
    """A guide fetch that the client cut is not recorded as complete."""

    async def main() -> None:
        stage = Stage(tmp_path, guide=b"<tv>" + b"x" * 30_000_000 + b"</tv>")
        stage.publish()
        async with served(stage) as serving:
            stream = await trio.open_tcp_stream(*serving.dvrs["news"])
            await stream.send_all(b"GET /guide.xml HTTP/1.1\r\nHost: a\r\n\r\n")
            await stream.receive_some(1000)
            await stream.aclose()
            await until(lambda: serving.fetches.since(0))
            rows = serving.fetches.since(0)
            assert not rows[0]["complete"]
            assert rows[0]["size_bytes"] < len(stage.guide)

    run(main)


def test_head_everywhere(run: Run[None], tmp_path: Path) -> None:
    """HEAD answers with the headers of GET and no body, on streams without tuning."""

    async def main() -> None:
        stage = Stage(tmp_path)
        stage.publish()
        async with served(stage) as serving:
            place = serving.dvrs["news"]
            for path in ("/discover.json", "/lineup.json", "/guide.xml", "/playlist.m3u", "/device.xml", "/"):
                got, head = await ask(place, path), await ask(place, path, method="HEAD")
                assert (200, b"", got.headers) == (head.status, head.body, head.headers), path
            for path in ("/auto/v1000", "/stream/1000", "/tuner1/v1000"):
                head = await ask(place, path, method="HEAD")
                assert (200, "video/mp2t") == (head.status, head.headers["content-type"])
            assert 404 == (await ask(place, "/auto/v7", method="HEAD")).status
            assert {} == serving.relay.sessions
            for path in ("/healthz", "/readyz", "/api/v1/streams"):
                got, head = await ask(serving.hub, path), await ask(serving.hub, path, method="HEAD")
                assert (200, b"") == (head.status, head.body), path
                assert got.headers.keys() == head.headers.keys()

    run(main)


def test_several_requests_on_one_connection(run: Run[None], tmp_path: Path) -> None:
    """Requests may follow each other, be sent at once, with a line end too many, or arrive byte by byte."""

    async def main() -> None:
        stage = Stage(tmp_path)
        stage.publish()
        request = b"GET /discover.json HTTP/1.1\r\nHost: a\r\n\r\n"
        async with served(stage) as serving:
            wanted = (await ask(serving.dvrs["news"], "/discover.json")).body
            stream = await trio.open_tcp_stream(*serving.dvrs["news"])
            async with stream:
                await stream.send_all(request + b"\r\n" + request * 2)
                for at in range(len(request)):
                    await stream.send_all(request[at : at + 1])
                data = b""
                while data.count(wanted) < 4:
                    data += await stream.receive_some(65536)
            assert b"Connection: keep-alive" in data
            old = await ask(serving.dvrs["news"], "/discover.json", version="1.0")
            assert (wanted, "close") == (old.body, old.headers["connection"])

    run(main)


def test_unknown_paths_and_channels(run: Run[None], tmp_path: Path) -> None:
    """Unknown paths are 404 without a body; unknown channels 404 with 801."""

    async def main() -> None:
        stage = Stage(tmp_path)
        stage.publish()
        async with served(stage) as serving:
            place = serving.dvrs["news"]
            for path in ("/nothing", "/../../etc/passwd", "/%2e%2e/manifest.json"):
                got = await ask(place, path)
                assert (404, b"") == (got.status, got.body)
            for path in ("/auto/v9", "/stream/9", "/tuner0/v9", "/auto/ch600000000-3"):
                got = await ask(place, path)
                assert (404, "801 Unknown Channel", b"") == (
                    got.status,
                    got.headers["x-hdhomerun-error"],
                    got.body,
                )
            assert 405 == (await ask(place, "/discover.json", method="DELETE")).status

    run(main)


def test_layout_path(run: Run[None], tmp_path: Path) -> None:
    """In layout `path` all tuners live below the hub."""

    async def main() -> None:
        stage = thirteen(tmp_path, layout="path")
        stage.publish()
        async with served(stage) as serving:
            assert {} == serving.dvrs
            for name in BUCKETS:
                said = (await ask(serving.hub, f"/{name}/discover.json")).json()
                assert f"http://ptctl.test:5004/{name}" == said["BaseURL"]
            got = await ask(serving.hub, "/sportsa/auto/v1")
            assert "801 Unknown Channel" == got.headers["x-hdhomerun-error"]

    run(main)


@pytest.mark.accepts("K8S-1")
def test_only_some_dvrs(run: Run[None], tmp_path: Path) -> None:
    """`only` serves the named DVRs and no others."""

    async def main() -> None:
        stage = thirteen(tmp_path)
        stage.publish()
        async with served(stage, only=frozenset({"latin", "ukie"})) as serving:
            assert {"latin", "ukie"} == set(serving.dvrs)

    run(main)


@pytest.mark.accepts("CMP-1")
def test_without_artifacts(run: Run[None], tmp_path: Path) -> None:
    """Nothing published: alive, not ready, tuner paths 503; the first generation is taken in by itself."""

    async def main() -> None:
        stage = Stage(tmp_path, layout="path")
        async with served(stage) as serving:
            assert 200 == (await ask(serving.hub, "/healthz")).status
            got = await ask(serving.hub, "/readyz")
            assert (503, "no artifacts yet") == (got.status, got.json()["why"])
            refused = await ask(serving.hub, "/news/auto/v1000")
            assert (503, b"") == (refused.status, refused.body)
            generation = stage.publish()
            await serving.live.changed.wait()
            ready = await ask(serving.hub, "/readyz")
            assert (200, generation) == (ready.status, ready.json()["generation"])
            assert 200 == (await ask(serving.hub, "/news/discover.json")).status

    run(main)


@pytest.mark.accepts("ONE-5", "TUN-7")
def test_new_generation_opens_and_closes_doors(run: Run[None], tmp_path: Path) -> None:
    """A new generation is noticed: its new DVR listens, the removed one no longer does, the others stay."""

    async def main() -> None:
        stage = Stage(tmp_path, {"a": {"1": "main/1"}, "b": {"2": "main/2"}})
        stage.publish()
        async with served(stage) as serving:
            stays, goes = serving.dvrs["a"], serving.dvrs["b"]
            stage.lineups = {"a": {"1": "main/1"}, "c": {"3": "main/3"}}
            stage.publish()
            await serving.live.changed.wait()
            await until(lambda: set(serving.dvrs) == {"a", "c"})
            assert stays == serving.dvrs["a"]
            assert 200 == (await ask(serving.dvrs["c"], "/discover.json")).status
            assert 200 == (await ask(stays, "/discover.json")).status
            with pytest.raises(OSError, match=r".*"):
                await ask(goes, "/discover.json")

    run(main)


def test_broken_generation_is_passed_over(run: Run[None], tmp_path: Path) -> None:
    """A generation that cannot be read is not served: the old one stays, and /readyz says why."""

    async def main() -> None:
        stage = Stage(tmp_path)
        good = stage.publish()
        async with served(stage) as serving:
            stage.guide = b"<tv>other</tv>"
            bad = stage.publish()
            manifest = tmp_path / "artifacts" / bad / "manifest.json"
            manifest.write_text('{"format": "ptctl-manifest/9"}')
            await until(lambda: serving.live.problems)
            got = await ask(serving.hub, "/readyz")
            assert (503, good) == (got.status, got.json()["generation"])
            assert "ptctl-manifest/9" in got.json()["problems"][""]
            assert 200 == (await ask(serving.dvrs["news"], "/discover.json")).status

    run(main)


def test_port_taken(run: Run[None], tmp_path: Path) -> None:
    """A taken port at the start is its DVR's problem, until it is free; the hub's is an error that names it."""

    async def main() -> None:
        with socket.create_server((LOOPBACK, 0)) as taken:
            port = taken.getsockname()[1]
            stage = Stage(tmp_path, changes={"news": {"port": port}})
            generation = stage.publish()
            hub = replace(stage.settings(), listen=(LOOPBACK, port))
            with pytest.raises(OperatorError, match=f"port {port} .* the hub"):
                await serve(stage.state, hub)
            async with served(stage) as serving, serve_client(["http://%s:%d" % serving.hub]) as apply:
                assert f"port {port} on 127.0.0.1 is not free for dvr 'news'" in serving.live.problems["news"]
                assert "news" not in serving.dvrs
                assert [] == serving.offered(), "whoever has the port is not announced"
                assert await apply.ready(generation) is None, "the others may be applied"
                taken.close()
                await until(lambda: "news" in serving.dvrs)
                assert not serving.live.problems
                assert ["news"] == [tuner.dvr.name for tuner in serving.offered()]
                serving.live.problems[""] = "routes.json is broken"
                assert await apply.ready(generation) == Unknown("serve is not ready: routes.json is broken")

    run(main)


@pytest.mark.accepts("SEC-2")
def test_hostile_heads(run: Run[None], tmp_path: Path) -> None:
    """Oversized heads, garbage and header injection are answered with an error or cut, and nothing breaks."""

    async def main() -> None:
        stage = Stage(tmp_path)
        stage.publish()
        async with served(stage) as serving:
            place = serving.dvrs["news"]

            async def send(data: bytes) -> bytes:
                stream = await trio.open_tcp_stream(*place)
                got = b""
                async with stream:
                    try:
                        await stream.send_all(data)
                        with trio.fail_after(5):
                            async for piece in stream:
                                got += piece
                    except trio.BrokenResourceError:
                        pass
                return got

            assert b" 431 " in (await send(b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"))[:20]
            assert b" 400 " in (await send(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"))[:20]
            assert b" 400 " in (await send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"))[:20]
            split = await send(
                b"GET /auto/v%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            assert 404 == parse(split).status
            assert b"Evil" not in split
            body = (
                b"POST /lineup.post?scan=start HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
                + b"x" * 200_000
            )
            assert b" 413 " in (await send(body))[:20]
            announced = b"POST /lineup.post HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
            assert b" 413 " in (await send(announced))[:20], "said before any of the body has come"
            assert 200 == (await ask(place, "/discover.json")).status

    run(main)


@pytest.mark.accepts("SEC-2")
def test_only_allowed_networks(run: Run[None], tmp_path: Path) -> None:
    """A client outside the allowed networks gets 403 everywhere and is counted."""

    async def main() -> None:
        stage = Stage(tmp_path)
        stage.publish()
        async with served(stage, stage.settings(allow=("192.0.2.0/24",))) as serving:
            for place in (serving.hub, serving.dvrs["news"]):
                got = await ask(place, "/lineup.json")
                assert (403, b"") == (got.status, got.body)

    run(main)


@pytest.mark.accepts("STR-6")
def test_reset_page_is_no_fault_of_ours(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Clients that reset their connection in the middle of a page leave nothing in the log."""

    async def main() -> None:
        stage = thirteen(tmp_path)
        stage.publish()
        async with served(stage) as serving:
            await ask(serving.hub, "/readyz")  # Hypercorn is loaded
            for n in range(40):
                stream = await trio.open_tcp_stream(*serving.hub)
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                await stream.send_all(b"GET /api/v1/status HTTP/1.1\r\nHost: a\r\n\r\n")
                await trio.sleep(0.0005 * (n % 10))
                await stream.aclose()
            assert 200 == (await ask(serving.hub, "/readyz")).status
            await trio.sleep(0.2)

    run(main)
    assert [] == [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]


@pytest.mark.parametrize("text", ["old:²", "²", "old:", "old:99999", "old:" + "9" * 5000])
def test_what_is_no_address_to_listen_on(text: str) -> None:
    """It is refused by name; numbers of other scripts are none here."""
    with pytest.raises(OperatorError, match="no address to listen on"):
        parse_address(text, "0.0.0.0")
