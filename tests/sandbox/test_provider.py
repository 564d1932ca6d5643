"""The pages and streams of the simulated provider, asked over real sockets."""

from pathlib import Path

import pytest
import trio

from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Panel
from tests.sandbox.provided import LIVE, LOGIN, asked, complaints, fetch, provider, stream_bytes

NOW = 1_790_000_000.0


def test_login_tells_who_and_where(clips: Path) -> None:
    """The right credentials get auth 1 and the host's own address, wrong ones auth 0 with status 200."""

    async def main() -> None:
        async with provider(clips) as handle:
            said = (await fetch(f"{handle.urls[1]}/player_api.php?{LOGIN}")).json()
            refused = await fetch(f"{handle.urls[0]}/player_api.php?username=anna&password=no")
            assert said["user_info"]["auth"] == 1
            assert handle.urls[1] == f"http://127.0.0.1:{said['server_info']['port']}"
            assert (refused.status_code, refused.json()) == (200, {"user_info": {"auth": 0}})

    trio.run(main)


def test_list_and_api_agree(clips: Path) -> None:
    """get.php and player_api name the same stream ids; the plain list has no credentials in it."""

    async def main() -> None:
        async with provider(clips) as handle:
            base = handle.urls[0]
            streams = (await fetch(f"{base}/player_api.php?{LOGIN}&action=get_live_streams")).json()
            lines = (await fetch(f"{base}/get.php?{LOGIN}&type=m3u_plus&output=hls")).text.splitlines()
            plain = (await fetch(f"{base}/list.m3u")).text
            assert [one["stream_id"] for one in streams] == [11, 12, 13]
            assert [f"{base}{LIVE}/{n}.m3u8" for n in (11, 12, 13)] == [x for x in lines if x[0] != "#"]
            assert "anna" not in plain
            assert f"{base}/play/11.ts" in plain

    trio.run(main)


def test_ts_and_hls_play_without_complaint(clips: Path) -> None:
    """A decoder takes both forms of a live channel across the seam of the clip and finds nothing to say."""

    async def main() -> None:
        async with provider(clips, manners=Manners(pace=False)) as handle:
            url = f"{handle.urls[0]}{LIVE}/11"
            assert await complaints(f"{url}.ts", seconds=25) == ""
            assert await complaints(f"{url}.m3u8", seconds=5) == ""

    trio.run(main)


def test_stream_begins_with_tables_and_a_key_frame(clips: Path) -> None:
    """The first packet is the PAT, on every host and on the short form of the URL."""

    async def main() -> None:
        async with provider(clips) as handle:
            for url in (f"{handle.urls[1]}{LIVE}/11.ts", f"{handle.urls[0]}/anna/pa%20ss%2F1/11"):
                status, data = await stream_bytes(url, 188 * 3)
                assert (status, data[:3]) == (200, b"\x47\x40\x00")

    trio.run(main)


def test_demo_guide_covers_now(clips: Path) -> None:
    """The demo's guide has a programme on air for a channel, and is not sent again to a client that has it."""

    async def main() -> None:
        async with provider(clips, Panel.demo(NOW), now=NOW) as handle:
            url = f"{handle.urls[0]}/guide.xml"
            first = await fetch(url)
            again = await fetch(url, headers={"If-None-Match": first.headers["etag"]})
            assert again.status_code == 304
            assert b"{base}" not in first.content
            login = "username=demo&password=orchard-4711"
            short = await fetch(
                f"{handle.urls[0]}/player_api.php?{login}&action=get_short_epg&stream_id=10001"
            )
            on_air = short.json()["epg_listings"][0]
            assert int(on_air["start_timestamp"]) <= NOW < int(on_air["stop_timestamp"])

    trio.run(main)


def test_without_ffmpeg_streams_say_why(tmp_path: Path) -> None:
    """No clip can be made: TS and HLS answer 500 with the reason, and the panel goes on."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            handle._site.origin.library.ffmpeg = "/nowhere/ffmpeg"
            base = handle.urls[0]
            failed = await fetch(f"{base}{LIVE}/11.ts")
            assert failed.status_code == 500
            assert failed.text == "ffmpeg could not make a clip: FileNotFoundError"
            text = (await fetch(f"{base}{LIVE}/11.m3u8")).text
            uri = next(line for line in text.splitlines() if line.startswith("/hls/"))
            assert (await fetch(base + uri)).status_code == 500
            assert (await fetch(f"{base}/player_api.php?{LOGIN}")).status_code == 200
            assert handle.connections()[0].kind == "hls"

    trio.run(main)


def test_heads_tune_nothing(clips: Path) -> None:
    """HEAD of a stream and of a page gets headers alone and takes no seat."""

    async def main() -> None:
        async with provider(clips) as handle:
            for path in (f"{LIVE}/11.ts", f"/get.php?{LOGIN}"):
                async with asked(handle.urls[0] + path, "Connection: close", method="HEAD") as answer:
                    assert (answer.status, await answer.read_for(0.2)) == (200, b"")
            assert handle.peak("anna") == 0

    trio.run(main)


@pytest.mark.parametrize("size", [1, 10, 4096])
def test_requests_may_come_in_slices(clips: Path, size: int) -> None:
    """A request is the same however its bytes arrive, and one that breaks off costs nothing."""

    async def main() -> None:
        async with provider(clips) as handle:
            port = int(handle.urls[0].rpartition(":")[2])
            request = f"GET /player_api.php?{LOGIN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                for at in range(0, len(request), size):
                    await stream.send_all(request[at : at + size])
                said = b""
                while piece := await stream.receive_some(65536):
                    said += piece
            assert said.startswith(b"HTTP/1.1 200")
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(request[:size])
            assert (await fetch(handle.urls[0] + "/list.m3u")).status_code == 200

    trio.run(main)
