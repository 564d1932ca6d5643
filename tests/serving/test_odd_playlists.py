"""Playlists that are in order and still odd: variants that are not there, other numbers, ends, sealed segments."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
import trio
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.conftest import Run
from tests.serving.origin import (
    EACH,
    Asked,
    Page,
    answer,
    chunked,
    numbers,
    origin,
    playlist,
    segment,
    stage_of,
)
from tests.serving.stage import served, until, watching
from tests.serving.test_odd_answers import in_order, plays

KEYS = (b"first key 123456", b"other key 123456")


def sealed(body: bytes, key: bytes, iv: int) -> bytes:
    """AES-128 as RFC 8216 has it."""
    padder = padding.PKCS7(128).padder()
    sealer = Cipher(algorithms.AES(key), modes.CBC(iv.to_bytes(16, "big"))).encryptor()
    return sealer.update(padder.update(body) + padder.finalize()) + sealer.finalize()


def master(*variants: tuple[str, str], media: Sequence[str] = ()) -> bytes:
    """A master playlist: attributes and address of each variant."""
    lines = [line for attributes, url in variants for line in (f"#EXT-X-STREAM-INF:{attributes}", url)]
    return answer("\n".join(["#EXTM3U", *media, *lines, ""]).encode())


@pytest.mark.accepts("HLS-3")
@pytest.mark.parametrize(
    "wrap",
    [answer, lambda body: answer(body, length=False), lambda body: chunked(body, 1000)],
    ids=["length", "until the end", "chunks"],
)
@pytest.mark.parametrize("vector", [True, False], ids=["IV", "no IV"])
def test_sealed_segments_are_whole(
    run: Run[None], tmp_path: Path, wrap: Callable[[bytes], bytes], *, vector: bool
) -> None:
    """Not a packet is lost at the end of a sealed segment, however it is framed; the key changes with each."""

    async def main() -> None:
        async with origin() as provider:
            for n in range(40):
                provider.pages[f"/{n}.ts"] = wrap(sealed(segment(n), KEYS[n % 2], 77 if vector else n))
            provider.pages |= {f"/{n}.key": answer(KEYS[n]) for n in (0, 1)}
            iv = ",IV=0X4d" if vector else ""
            provider.live("/live.m3u8", lambda n: f'#EXT-X-KEY:METHOD=AES-128,URI="{n % 2}.key"{iv}\n{n}.ts')
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=60_000), 3 * EACH)
            assert 2 == len(provider.paths("key"))

    run(main)


@pytest.mark.accepts("HLS-3")
@pytest.mark.parametrize(
    "head", ["data:text/plain;base64,", "data:application/octet-stream;charset=x;base64,", "data:,"]
)
def test_a_key_in_the_playlist_itself(run: Run[None], tmp_path: Path, head: str) -> None:
    """A `data:` address holds the key, in base64 or percent-encoded: nothing is asked for."""

    async def main() -> None:
        async with origin() as provider:
            provider.pages |= {f"/{n}.ts": answer(sealed(segment(n), KEYS[0], n)) for n in range(40)}
            key = b64encode(KEYS[0]).decode() if "base64" in head else quote(KEYS[0])
            provider.live("/live.m3u8", lambda n: f'#EXT-X-KEY:METHOD=AES-128,URI="{head}{key}"\n{n}.ts')
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=60_000), 3 * EACH)
            assert {"/live.m3u8", "/8.ts"} <= set(provider.paths()) <= {"/live.m3u8", *provider.pages}

    run(main)


@pytest.mark.accepts("HLS-3")
@pytest.mark.parametrize("key", ["data:,short", "data:;base64,&&&", "2.key"])
def test_a_key_that_is_none(
    run: Run[None], tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said that the key cannot be had; nothing goes out as if it were clear."""

    async def main() -> None:
        async with origin() as provider:
            provider.pages |= {f"/{n}.ts": answer(sealed(segment(n), KEYS[0], n)) for n in range(40)}
            provider.live("/live.m3u8", lambda n: f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"\n{n}.ts')
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 503 == viewer.status
        assert "the key of the stream cannot be had" in caplog.text

    run(main)


@pytest.mark.accepts("HLS-3")
@pytest.mark.parametrize("clear", [True, False], ids=["before the key", "after the key"])
def test_a_map_of_sealed_segments(run: Run[None], tmp_path: Path, *, clear: bool) -> None:
    """Tables that stand apart are sealed where the key stands before them, and clear where it does not."""

    async def main() -> None:
        async with origin() as provider:
            tables = segment(0)[: 2 * 188]
            for n in range(40):
                provider.pages[f"/{n}.ts"] = answer(sealed(segment(n)[2 * 188 :], KEYS[0], 77))
            provider.pages["/k"] = answer(KEYS[0])
            provider.pages["/map"] = answer(tables if clear else sealed(tables, KEYS[0], 77))
            key, head = '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x4d', '#EXT-X-MAP:URI="map"'
            order = (head, key) if clear else (key, head)
            none = "#EXT-X-KEY:METHOD=NONE\n"
            provider.live("/live.m3u8", lambda n: none + "\n".join(order) + f"\n{n}.ts")
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                data = await viewer.read(3 * EACH * 188)
                assert tables == data[: len(tables)]
                in_order(numbers(data))

    run(main)


HIGH = 'BANDWIDTH=9000000,CODECS="avc1.4d401f,mp4a.40.2"'
LOW = 'BANDWIDTH=100000,CODECS="avc1.4d401f,mp4a.40.2"'


@pytest.mark.accepts("HLS-1", "HLS-3")
@pytest.mark.parametrize(
    ("best", "what"),
    [
        (HIGH, answer(status="404 Not Found")),
        (HIGH, answer(b"<html><body>gone</body></html>")),
        (HIGH, answer(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n")),
        (HIGH, answer(playlist(7, ["a.mp4", "a.mp4", "a.mp4"]))),
        ('BANDWIDTH=9000000,CODECS="av01.0.08M.08,mp4a.40.2"', answer(b"not asked for")),
        ('BANDWIDTH=9000000,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="apart"', answer(b"not asked for")),
    ],
    ids=["missing", "a page", "no segment", "fragmented MP4", "AV1", "sound apart"],
)
def test_the_next_best_variant(run: Run[None], tmp_path: Path, best: str, what: bytes) -> None:
    """A variant that is not there, or that a transport stream cannot hold: the next one of the master plays."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/low.m3u8")
            provider.pages["/a.mp4"] = answer(b"\0\0\0\x18ftypiso5" + bytes(2000))
            provider.pages["/high.m3u8"] = what
            media = ['#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="apart",NAME="en",DEFAULT=YES,URI="sound.m3u8"']
            provider.pages["/live.m3u8"] = master((LOW, "low.m3u8"), (best, "high.m3u8"), media=media)
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=30_000))
            assert len(provider.paths("high")) == (what != answer(b"not asked for"))

    run(main)


@pytest.mark.accepts("HLS-3")
def test_sound_inside_with_other_languages_apart(run: Run[None], tmp_path: Path) -> None:
    """The default sound has no address, so it is inside: no muxer is needed for the languages that nobody wants."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/one.m3u8")
            media = [
                '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",URI="de.m3u8"',
                '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES',
                '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="fr",URI="fr.m3u8"',
            ]
            provider.pages["/live.m3u8"] = master((HIGH + ',AUDIO="a"', "one.m3u8"), media=media)
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=30_000))

    run(main)


@pytest.mark.accepts("HLS-4")
def test_edges_that_count_differently(run: Run[None], tmp_path: Path) -> None:
    """Each reload meets another edge, with the same segments under other numbers: nothing comes twice or is left out."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()

            async def page(asked: Asked) -> None:
                last = provider.at()
                first = last - 4 + 5000 * (len(provider.paths("m3u8")) % 3)
                lines = [f"{n}.ts" for n in range(last - 4, last + 1)]
                await asked.stream.send_all(answer(playlist(first, lines)))

            provider.pages["/live.m3u8"] = page
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=100_000), 7 * EACH)

    run(main)


@pytest.mark.accepts("HLS-4")
def test_a_recording_plays_from_its_beginning(run: Run[None], tmp_path: Path) -> None:
    """A list with an end is no live one: all of it, at its own pace some segments early, then again from the beginning."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            names = [f"{n}.ts" for n in range(7)]
            provider.pages["/film.m3u8"] = answer(playlist(0, names, ended=True))
            began = trio.current_time()
            found = await plays(tmp_path, provider.url + "/film.m3u8", at_least=10 * len(segment(0)))
            assert trio.current_time() - began > 2.5, "seven seconds, three of them ahead"
            assert list(range(7 * EACH)) == found[: 7 * EACH]
            assert found[7 * EACH :][:EACH] == list(range(EACH))

    run(main)


def test_segments_longer_than_their_list_says(run: Run[None], tmp_path: Path) -> None:
    """A target of one second over segments of four: it is not taken for a list that stands still."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()

            async def page(asked: Asked) -> None:
                last = provider.at(4)
                text = playlist(last - 4, [f"{n}.ts" for n in range(last - 4, last + 1)], target_s=4)
                text = text.replace(b"TARGETDURATION:4", b"TARGETDURATION:1")
                await asked.stream.send_all(answer(text))

            provider.pages["/live.m3u8"] = page
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                with trio.move_on_after(7.5):
                    await viewer.read(1 << 30)
                assert 0 == serving.relay.sessions["main/1"].switches
                in_order(numbers(viewer.data), 3 * EACH)

    run(main)


@pytest.mark.accepts("STR-3")
def test_segments_that_trickle_in(run: Run[None], tmp_path: Path) -> None:
    """A host that gives a tenth of what the stream needs, without ever falling silent, is left for the next."""

    async def main() -> None:
        async with origin() as provider:

            async def slow(asked: Asked) -> None:
                body = segment(int(asked.path.strip("/").partition(".")[0]))
                await asked.slowly(answer(body), len(body) // 100, 0.1)

            provider.segments()
            provider.pages |= {f"/{n}.ts?slow": slow for n in range(40)}
            provider.live("/slow.m3u8", "{}.ts?slow".format)
            provider.live("/spare.m3u8")
            stage = stage_of(tmp_path, provider.url + "/slow.m3u8", provider.url + "/spare.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 200 == viewer.status
                began = trio.current_time()
                await until(lambda: len(provider.paths("spare")) > 0)
                assert 1 < trio.current_time() - began < 4
                await viewer.read(len(viewer.data) + 40_000)
                assert not viewer.ended

    run(main)


async def never(_: Asked) -> None:
    """A page that does not come."""
    await trio.sleep(60)


@pytest.mark.accepts("HLS-3", "STR-3")
@pytest.mark.parametrize("page", [answer(status="404 Not Found"), never], ids=["missing", "silent"])
def test_a_map_that_is_not_there(run: Run[None], tmp_path: Path, page: Page) -> None:
    """Tables that stand apart and do not come end the way; where they are there, they come before the first packet."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.pages["/none.ts"] = page
            provider.live("/bad.m3u8", '#EXT-X-MAP:URI="none.ts"\n{}.ts'.format)
            provider.live("/good.m3u8", '#EXT-X-MAP:URI="39.ts",BYTERANGE="376@0"\n{}.ts'.format)
            stage = stage_of(tmp_path, provider.url + "/bad.m3u8", provider.url + "/good.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 200 == viewer.status
                await viewer.read(20_000)
                assert viewer.data.startswith(segment(39)[:376])
                in_order(numbers(viewer.data))

    run(main)


@pytest.mark.accepts("STR-3")
def test_a_stream_that_comes_back_of_another_make(run: Run[None], tmp_path: Path) -> None:
    """Its address dies, and what is found anew has its sound apart: the next way goes on for the same viewer."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/one.m3u8")
            provider.live("/spare.m3u8")
            provider.pages["/live.m3u8"] = master((HIGH, "one.m3u8"))
            stage = stage_of(tmp_path, provider.url + "/live.m3u8", provider.url + "/spare.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(20_000)
                media = ['#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",URI="sound.m3u8"']
                provider.pages["/live.m3u8"] = master((HIGH + ',AUDIO="a"', "one.m3u8"), media=media)
                provider.pages["/one.m3u8"] = answer(status="403 Forbidden")
                await until(lambda: len(provider.paths("spare")) > 0)
                have = len(viewer.data)
                await viewer.read(have + 20_000)
                assert not viewer.ended

    run(main)


@pytest.mark.accepts("STR-3")
def test_a_provider_that_denies_and_then_says_nothing(run: Run[None], tmp_path: Path) -> None:
    """Segments are refused and the address they came from is silent: the next way goes on for the same viewer."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/one.m3u8")
            provider.live("/spare.m3u8", "spare/{}.ts".format)
            provider.pages |= {f"/spare/{n}.ts": answer(segment(n)) for n in range(40)}
            provider.pages["/live.m3u8"] = master((HIGH, "one.m3u8"))
            stage = stage_of(tmp_path, provider.url + "/live.m3u8", provider.url + "/spare.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(20_000)
                provider.pages |= {f"/{n}.ts": answer(status="403 Forbidden") for n in range(40)}
                provider.pages["/live.m3u8"] = never
                await until(lambda: len(provider.paths("spare/")) > 0)
                have = len(viewer.data)
                await viewer.read(have + 20_000)
                assert not viewer.ended

    run(main)


def test_segments_are_told_apart() -> None:
    """What the helpers make of a stream is what went in."""
    assert list(range(3 * EACH, 5 * EACH)) == numbers(segment(3) + segment(4))
