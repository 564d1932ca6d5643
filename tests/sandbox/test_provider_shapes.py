"""Every form in which a channel of the simulated provider can come is one that ffmpeg plays."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Shape
from tests.sandbox.provided import LIVE, asked, complaints, fetch, provider, small_panel

SHAPES = {
    "root": Shape(),
    "absolute": Shape(uris="absolute"),
    "protocol": Shape(uris="protocol"),
    "relative": Shape(uris="relative", master=1),
    "fragmented": Shape(segments="fmp4"),
    "fragmented byte ranges": Shape(segments="fmp4", byteranges=True),
    "sound apart": Shape(separate_audio=True),
    "fragmented, sound apart": Shape(separate_audio=True, segments="fmp4"),
    "encrypted": Shape(encrypted=True),
    "encrypted byte ranges": Shape(encrypted=True, byteranges=True),
    "byte ranges": Shape(byteranges=True),
    "other PIDs": Shape(variant="other-pids"),
    "other codecs": Shape(variant="mpeg2"),
    "cookie": Shape(cookie=True),
}


@pytest.mark.parametrize("name", SHAPES)
def test_hls_shape_plays(clips: Path, name: str) -> None:
    """Ffmpeg plays four seconds of the HLS form and finds nothing to say."""

    async def main() -> None:
        async with provider(clips, small_panel(shape=SHAPES[name])) as handle:
            said = await complaints(f"{handle.urls[0]}{LIVE}/11.m3u8", seconds=3.9)
            if (
                said
            ):  # once more: a machine that stands still for seconds lets segments expire under ffmpeg's hands
                said = await complaints(f"{handle.urls[0]}{LIVE}/11.m3u8", seconds=3.9)
            assert said == ""

    trio.run(main)


def test_nested_masters_end_in_a_media_playlist(clips: Path) -> None:
    """Three master playlists lead, best variant by best variant, to one with segments."""

    async def main() -> None:
        async with provider(clips, small_panel(shape=Shape(master=3))) as handle:
            url = f"{handle.urls[0]}{LIVE}/11.m3u8"
            for _ in range(3):
                text = (await fetch(url)).text
                assert "#EXT-X-STREAM-INF" in text
                url = handle.urls[0] + text.splitlines()[-1]
            assert "#EXTINF:2.000," in (await fetch(url)).text

    trio.run(main)


def test_advertisements_change_pids_behind_a_discontinuity(clips: Path) -> None:
    """An advertisement block is announced by a discontinuity and has other PIDs than the programme."""

    async def main() -> None:
        panel = small_panel(shape=Shape(ads_every=2))
        async with provider(clips, panel) as handle:
            base = handle.urls[0]
            text = (await fetch(f"{base}{LIVE}/11.m3u8")).text
            blocks = text.split("#EXT-X-DISCONTINUITY\n")
            assert len(blocks) in (3, 4)
            pids = []
            for block in blocks:
                uri = next(line for line in block.splitlines() if line.startswith("/hls/"))
                data = (await fetch(base + uri)).content
                pids.append({(data[n + 1] & 31) << 8 | data[n + 2] for n in range(0, len(data), 188)})
            assert {0x100, 0x101} <= pids[0] ^ pids[1] | pids[1] ^ pids[2]
            assert pids[0] == pids[2]

    trio.run(main)


def test_segments_leave_and_a_cookie_is_asked_for(clips: Path) -> None:
    """A segment that left the window and one that is not there yet are 404; without its cookie one is 403."""

    async def main() -> None:
        panel = small_panel(shape=Shape(cookie=True))
        async with provider(clips, panel) as handle:
            base = handle.urls[0]
            async with asked(f"{base}{LIVE}/11.m3u8") as answer:
                length = int(answer.header("Content-Length"))
                text = (await answer.read(length)).decode()
                cookie = answer.header("Set-Cookie").partition(";")[0]
            uri = next(line for line in text.splitlines() if line.startswith("/hls/"))
            stem, _, number = uri.removesuffix(".ts").rpartition("/")
            assert (await fetch(base + uri)).status_code == 403
            jar = {"Cookie": cookie}
            assert (await fetch(base + uri, headers=jar)).status_code == 200
            assert (await fetch(f"{base}{stem}/{int(number) - 5}.ts", headers=jar)).status_code == 404
            assert (await fetch(f"{base}{stem}/{int(number) + 50}.ts", headers=jar)).status_code == 404

    trio.run(main)


def test_redirect_has_a_token_that_dies(clips: Path) -> None:
    """A live URL leads to another host with a token; later the token is refused and the original gives a new one."""

    async def main() -> None:
        manners = Manners(redirect=True, token_life=0.6)
        async with provider(clips, manners=manners) as handle:
            first = await fetch(f"{handle.urls[0]}{LIVE}/11.m3u8")
            target = first.headers["location"]
            assert first.status_code == 302
            assert target.startswith(f"{handle.urls[1]}/edge/11.m3u8?token=")
            assert (await fetch(target)).text.startswith("#EXTM3U")
            await trio.sleep(0.7)
            assert (await fetch(target)).status_code == 403
            again = (await fetch(f"{handle.urls[0]}{LIVE}/11.m3u8")).headers["location"]
            assert again != target
            assert (await fetch(again)).status_code == 200

    trio.run(main)


def test_two_hosts_send_the_same_packets(clips: Path) -> None:
    """Hosts of one panel show the same moment with the same time stamps."""

    async def main() -> None:
        async with provider(clips) as handle:
            text = (await fetch(f"{handle.urls[0]}{LIVE}/12.m3u8")).text
            uri = [line for line in text.splitlines() if line[0] != "#"][2]
            bodies = [(await fetch(base + uri)).content for base in handle.urls]
            assert len(bodies[0]) > 10_000
            assert bodies[0] == bodies[1]

    trio.run(main)


def test_films_have_a_length_and_ranges(clips: Path) -> None:
    """A film is a file: its length is known, a range of it is 206, and ffmpeg plays it."""
    from reconciler.sandbox.panel import Channel

    async def main() -> None:
        panel = small_panel()
        films = (
            Channel(90, "Film", kind="movie", container="mp4"),
            Channel(91, "More", kind="series", container="mkv"),
        )
        async with provider(clips, replace(panel, channels=(*panel.channels, *films))) as handle:
            url = f"{handle.urls[0]}/movie/anna/pa%20ss%2F1/90.mp4"
            whole = await fetch(url)
            part = await fetch(url, headers={"Range": "bytes=100-199"})
            assert (part.status_code, part.content) == (206, whole.content[100:200])
            assert await complaints(url) == ""
            assert await complaints(f"{handle.urls[0]}/series/anna/pa%20ss%2F1/91.mkv") == ""

    trio.run(main)
