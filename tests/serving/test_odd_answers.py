"""Answers in shapes that providers give and the sandbox does not: packed, sliced, without a length, behind a login."""

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from reconciler.sandbox.answers import zipped
from reconciler.sandbox.packets import spaced
from reconciler.serving.packets import NULL_PACKET
from tests.conftest import Run
from tests.serving.origin import Asked, answer, chunked, numbers, origin, segment, stage_of
from tests.serving.stage import served, watching

Wrap = Callable[[bytes], bytes]


async def plays(state: Path, *urls: str, at_least: int = 200_000, within_s: float = 10.0) -> list[int]:
    """The numbers of the packets that a viewer gets of one channel with these ways."""
    stage = stage_of(state, *urls)
    stage.publish()
    async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
        assert 200 == viewer.status, viewer.headers
        return numbers(await viewer.read(at_least, within_s))


def in_order(found: list[int], least: int = 2) -> None:
    """Every packet once, in order, none missing."""
    assert len(found) > least
    assert list(range(found[0], found[0] + len(found))) == found


@pytest.mark.accepts("TUN-4")
@pytest.mark.parametrize("first", [1, 100, 188, 400])
def test_a_stream_that_begins_with_little(run: Run[None], tmp_path: Path, first: int) -> None:
    """A few bytes at once and the rest a second later: not judged by the few, played when the rest is there."""

    async def main() -> None:
        async with origin() as provider:

            async def page(asked: Asked) -> None:
                data = b"".join(segment(n) for n in range(30))
                await asked.stream.send_all(answer(length=False) + data[:first])
                await trio.sleep(1)
                await asked.stream.send_all(data[first:])
                await trio.sleep_forever()

            provider.pages["/one.ts"] = page
            in_order(await plays(tmp_path, provider.url + "/one.ts"))
            assert 1 == len(provider.asked)

    run(main)


def test_a_playlist_that_begins_with_little(run: Run[None], tmp_path: Path) -> None:
    """The same for a playlist of which five letters come first."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()

            async def page(asked: Asked) -> None:
                last = provider.at()
                lines = "".join(f"#EXTINF:1,\n{n}.ts\n" for n in range(last - 4, last + 1))
                text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{last - 4}\n{lines}"
                whole = answer(text.encode())
                cut = whole.index(b"#EXTM3U") + 5
                await asked.stream.send_all(whole[:cut])
                await trio.sleep(0.6)
                await asked.stream.send_all(whole[cut:])

            provider.pages["/live.m3u8"] = page
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=20_000))

    run(main)


@pytest.mark.accepts("HLS-1")
def test_answers_one_byte_at_a_time(run: Run[None], tmp_path: Path) -> None:
    """Head, playlist and segment in slices of a byte, the head with 60 kB of cookies and the segment in chunks of seven."""

    async def main() -> None:
        async with origin() as provider:
            provider.live("/all.m3u8")
            whole = provider.pages["/all.m3u8"]
            assert not isinstance(whole, bytes)

            async def page(asked: Asked) -> None:
                last = provider.at()
                lines = "".join(f"#EXTINF:1,\n{n}.ts\n" for n in range(last - 4, last + 1))
                text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{last - 4}\n{lines}"
                await asked.slowly(answer(text.encode()), 1)

            async def clip(asked: Asked) -> None:
                number = int(asked.path.strip("/").removesuffix(".ts"))
                cookies = b"".join(b"Set-Cookie: c%d=%b\r\n" % (n, b"x" * 1000) for n in range(58))
                whole = chunked(segment(number), 7).replace(b"\r\n", b"\r\n" + cookies, 1)
                await asked.stream.send_all(whole[:-4000])
                await asked.slowly(whole[-4000:], 1)

            provider.pages |= {f"/{n}.ts": clip for n in range(40)} | {"/live.m3u8": page}
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=50_000))

    run(main)


@pytest.mark.accepts("HLS-1")
@pytest.mark.parametrize(
    "wrap",
    [
        lambda body: answer(zipped(body), "200 OK", ("Content-Encoding", "gzip")),
        lambda body: answer(zipped(body), "200 OK", ("Content-Encoding", "x-gzip"), length=False),
        lambda body: answer(body, "200 OK", ("Content-Encoding", "gzip")),
        lambda body: answer(zlib.compress(body), "200 OK", ("Content-Encoding", "deflate")),
        lambda body: answer(b"\xef\xbb\xbf" + body.replace(b"\n", b"\r\n")),
        lambda body: chunked(body, 7),
    ],
    ids=["gzip", "x-gzip without a length", "said gzip, is plain", "deflate", "BOM and CRLF", "chunks"],
)
def test_playlists_in_any_packing(run: Run[None], tmp_path: Path, wrap: Wrap) -> None:
    """A playlist plays though it is packed unasked, as object stores do, or has a byte order mark."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/plain.m3u8")

            async def page(asked: Asked) -> None:
                last = provider.at()
                lines = "".join(f"#EXTINF:1,\n{n}.ts\n" for n in range(last - 4, last + 1))
                head = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{last - 4}\n"
                await asked.stream.send_all(wrap((head + lines).encode()))

            provider.pages["/live.m3u8"] = page
            in_order(await plays(tmp_path, provider.url + "/live.m3u8", at_least=60_000))

    run(main)


def test_a_bomb_is_no_playlist(run: Run[None], tmp_path: Path) -> None:
    """A small answer that unpacks to hundreds of megabytes is left after a few, and the next way plays."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/live.m3u8")
            bomb = zipped(b"#EXTM3U\n" + b"\n" * (400 << 20))
            provider.pages["/bomb.m3u8"] = answer(bomb, "200 OK", ("Content-Encoding", "gzip"))
            in_order(
                await plays(
                    tmp_path, provider.url + "/bomb.m3u8", provider.url + "/live.m3u8", at_least=20_000
                )
            )

    run(main)


@pytest.mark.accepts("HLS-1", "HLS-2")
def test_redirects_to_letters_beyond_ascii(run: Run[None], tmp_path: Path) -> None:
    """A redirect written in raw UTF-8 is asked for with the bytes it has."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/%C3%A9t%C3%A9/live.m3u8", "/{}.ts".format)
            provider.pages["/old.m3u8"] = answer(
                b"", "302 Found", ("Location", "/été/live.m3u8".encode().decode("latin-1"))
            )
            in_order(await plays(tmp_path, provider.url + "/old.m3u8", at_least=20_000))

    run(main)


@pytest.mark.accepts("HLS-6")
def test_a_login_in_the_address(run: Run[None], tmp_path: Path) -> None:
    """User info of an address is sent as players send it, with the playlist and what it names, and not to other hosts."""

    async def main() -> None:
        async with origin() as provider, origin() as other:
            provider.segments()
            other.segments()
            provider.live("/live.m3u8", lambda n: f"{other.url}/{n}.ts" if n % 2 else f"{n}.ts")
            url = provider.url.replace("//", "//nina:p%40ss@") + "/live.m3u8"
            await plays(tmp_path, url, at_least=30_000)
            assert len(provider.paths("ts")) > 0
            assert len(other.asked) > 0
            assert all("\r\nAuthorization: Basic bmluYTpwQHNz\r\n" in one.head for one in provider.asked)
            assert not any("uthorization" in one.head for one in other.asked)
            assert not any("nina" in one.head for one in (*provider.asked, *other.asked))

    run(main)


@pytest.mark.accepts("HLS-6")
@pytest.mark.parametrize("over", ["Max-Age=0", "expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/"])
def test_a_cookie_that_is_taken_back(run: Run[None], tmp_path: Path, over: str) -> None:
    """What a redirect sets goes with playlist and segments, until the server takes it back."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/plain.m3u8")
            back = ("Set-Cookie", f"old=deleted; {over}")
            provider.pages |= {
                "/live.m3u8": answer(
                    b"",
                    "302 Found",
                    ("Location", "/next.m3u8"),
                    ("Set-Cookie", "old=1"),
                    ("Set-Cookie", "kept=2; Max-Age=600"),
                ),
                "/next.m3u8": answer(b"", "302 Found", ("Location", "/plain.m3u8"), back),
            }
            await plays(tmp_path, provider.url + "/live.m3u8", at_least=20_000)
            sent = {one.path: "old=1" in one.head for one in provider.asked[1:]}
            assert sent["/next.m3u8"]
            assert not sent["/plain.m3u8"]
            assert all("kept=2" in one.head for one in provider.asked[1:])
            assert not any("deleted" in one.head for one in provider.asked)

    run(main)


@pytest.mark.parametrize("profile", ["copy", "remux"])
def test_dash_is_said_to_be_dash(
    run: Run[None], tmp_path: Path, caplog: pytest.LogCaptureFixture, profile: str
) -> None:
    """A DASH manifest is refused in so many words: no profile helps."""

    async def main() -> None:
        async with origin() as provider:
            provider.pages["/live.mpd"] = answer(b'<?xml version="1.0"?>\n<MPD type="dynamic"></MPD>')
            stage = stage_of(tmp_path, provider.url + "/live.mpd", profile=profile)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert (503, "807 No Video Data") == (viewer.status, viewer.headers["x-hdhomerun-error"])
        assert "a DASH manifest, which cannot be relayed" in caplog.text
        assert "remux" not in caplog.text

    run(main)


@pytest.mark.accepts("TUN-4", "STR-1")
@pytest.mark.parametrize(
    "given",
    [
        lambda data: answer(spaced(data, 192), length=False),
        lambda data: answer(spaced(data, 204), "206 Partial Content"),
        lambda data: answer(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(250) + data, "200 OK"),
        lambda data: answer(data[100:], "200 OK", ("Content-Type", "text/html")),
        lambda data: chunked(data, 999).replace(
            b"HTTP/1.1 200 OK", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK"
        ),
        lambda data: answer(data).replace(b"HTTP/1.1", b"HTTP/1.0"),
        lambda data: answer(data, length=False).replace(b"HTTP/1.1 200", b"ICY 200"),
        lambda data: answer(data, "200 OK", ("Server", "a\r\n<br />\r\nX Y: z\r\n folded")).replace(
            b"Content-Length: ", b"Content-Length : "
        ),
        lambda data: answer(data, "200", ("Content-Length", str(len(data)))).replace(b"\r\n", b"\n", 4),
        lambda data: answer(
            b"".join(data[at : at + 188] + NULL_PACKET * 3 for at in range(0, len(data), 188))
        ),
    ],
    ids=[
        "M2TS",
        "parity and 206",
        "behind a picture's head",
        "from inside a packet",
        "100 and chunks",
        "HTTP/1.0 with a length",
        "ICY",
        "lines that are no header",
        "line feeds and two lengths",
        "nulls",
    ],
)
@pytest.mark.parametrize("form", ["stream", "segments"])
def test_packets_in_any_form(run: Run[None], tmp_path: Path, given: Wrap, form: str) -> None:
    """Every form of packets and of answers comes out as plain packets, as a stream and in segments."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments(wrap=given)
            provider.live("/live.m3u8")
            whole = given(b"".join(segment(n) for n in range(30)))

            async def page(asked: Asked) -> None:
                await asked.stream.send_all(whole[:-40_000])
                await trio.sleep_forever()

            provider.pages["/one.ts"] = page
            path = "/one.ts" if form == "stream" else "/live.m3u8"
            in_order(await plays(tmp_path, provider.url + path, at_least=60_000))

    run(main)
