"""The pure parts of reading HTTP and HLS: body framing, playlists, what is new, encrypted segments."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.serving.body import Body, BodyBroken
from reconciler.serving.playlist import ByteRange, Playlist, Segment, read_playlist
from reconciler.serving.sealed import Opener
from reconciler.serving.window import Window

TAGS = [
    "#EXTINF:4,",
    "#EXTINF:2.5,name",
    "#EXT-X-BYTERANGE:100",
    "#EXT-X-BYTERANGE:50@700",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-GAP",
    '#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x01',
    "#EXT-X-KEY:METHOD=NONE",
    '#EXT-X-MAP:URI="m.ts",BYTERANGE="10@0"',
]
BASE = "http://edge.example.net:8080/live/one/index.m3u8?token=1"


def sliced(data: bytes, size: int) -> list[bytes]:
    """The data in pieces."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=8), st.integers(1, 200), st.booleans())
def test_chunked_bodies_in_any_slices(chunks: list[bytes], size: int, extended: bool) -> None:
    """What is framed comes back whole, whatever the slices, with chunk extensions and trailers too."""
    ext = b";a=b" if extended else b""
    wire = b"".join(b"%x%s\r\n%s\r\n" % (len(c), ext, c) for c in chunks)
    wire += b"0\r\nX-T: 1\r\n\r\n" if extended else b"0\r\n\r\n"
    body = Body.of(200, {"transfer-encoding": "chunked"}, http11=True)
    assert b"".join(chunks) == b"".join(bytes(body.feed(piece)) for piece in sliced(wire, size))
    assert body.complete
    assert body.reusable
    assert not body.excess


@pytest.mark.parametrize("wire", [b"xyz\r\n", b"-5\r\n", b"1_0\r\n", b"\r\n\r\nzz\r\n", b"1" * 5000])
def test_broken_chunks(wire: bytes) -> None:
    """A length that is none is an error, not an endless chunk."""
    body = Body.of(200, {"transfer-encoding": "chunked"}, http11=True)
    with pytest.raises(BodyBroken):
        body.feed(wire)


def test_other_framings() -> None:
    """A length ends the body and notes what is too much; without one the connection's end is the end."""
    body = Body.of(200, {"content-length": "5"}, http11=True)
    assert (b"abc", False) == (body.feed(b"abc"), body.complete)
    assert (b"de", True, True) == (body.feed(b"defg"), body.complete, body.excess)
    short = Body.of(200, {"content-length": "5"}, http11=True)
    short.feed(b"abc")
    assert not short.end()
    open_end = Body.of(200, {}, http11=True)
    assert b"abc" == open_end.feed(b"abc")
    assert open_end.end()
    assert not open_end.reusable
    assert Body.of(200, {"content-length": "0"}, http11=True).complete
    assert Body.of(204, {}, http11=True).complete
    assert not Body.of(200, {"content-length": "5", "connection": "close"}, http11=True).reusable


@pytest.mark.accepts("HLS-1")
@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("seg1.ts", "http://edge.example.net:8080/live/one/seg1.ts"),
        ("/hls/seg1.ts", "http://edge.example.net:8080/hls/seg1.ts"),
        ("//cdn.example.net/seg1.ts", "http://cdn.example.net/seg1.ts"),
        ("../two/seg1.ts", "http://edge.example.net:8080/live/two/seg1.ts"),
        ("https://x.example.net/s.ts?a=b", "https://x.example.net/s.ts?a=b"),
        ("?seg=1", "http://edge.example.net:8080/live/one/index.m3u8?seg=1"),
    ],
)
def test_addresses_are_resolved(line: str, url: str) -> None:
    """Every form of reference against the final address of the playlist; its token is not inherited."""
    (segment,) = read_playlist(f"#EXTM3U\n#EXTINF:2,\n{line}\n", BASE).segments
    assert url == segment.url


@pytest.mark.accepts("HLS-3")
def test_a_media_playlist() -> None:
    """Sequence, ranges, keys, maps, discontinuities, gaps, parts and the end, with the oddities of real lists."""
    text = """\ufeff#EXTM3U\r
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:17
#EXT-X-MAP:URI="psi.ts"
#EXT-X-KEY:METHOD=AES-128,URI="key?a=1,2",IV=0x0A
#EXTINF:4.004,
#EXT-X-BYTERANGE:1000@0
all.ts
#EXTINF:4.0,
#EXT-X-BYTERANGE:500
all.ts
#EXT-X-PART:DURATION=1,URI="part.ts"
#EXT-X-KEY:METHOD=NONE
#EXT-X-DISCONTINUITY
#EXT-X-GAP
#EXTINF:4,
gone.ts

#EXTINF:4
last.ts
#EXT-X-ENDLIST
"""
    said = read_playlist(text, BASE)
    assert (4.0, 17, True, False) == (said.target_s, said.sequence, said.ended, said.master)
    assert [17, 18, 20] == [s.sequence for s in said.segments]
    assert [ByteRange(0, 1000), ByteRange(1000, 500), None] == [s.part for s in said.segments]
    assert said.segments[0].key is not None
    assert bytes(15) + b"\x0a" == said.segments[0].key.iv
    assert "http://edge.example.net:8080/live/one/key?a=1,2" == said.segments[0].key.url
    assert said.segments[2].key is None
    assert [False, False, True] == [s.discontinuity for s in said.segments]
    assert said.segments[0].map_url.endswith("/psi.ts")
    assert 4.004 == said.segments[0].duration_s


@settings(max_examples=25)
@given(st.lists(st.sampled_from(TAGS), max_size=60), st.lists(st.sampled_from(TAGS), max_size=60))
def test_only_the_end_of_a_long_live_list(first: list[str], last: list[str]) -> None:
    """What is passed over leaves no trace: numbers, ranges, keys, maps and breaks of the rest are as if all were read."""
    between = [*first, *["#EXTINF:4,"] * 180, *last]
    text = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n" + "".join(
        f"{tag}\n" + (f"a{n // 9}.ts\n" if tag.startswith("#EXTINF") else "") for n, tag in enumerate(between)
    )
    live, whole = read_playlist(text, BASE), read_playlist(text + "#EXT-X-ENDLIST\n", BASE)
    assert len(live.segments) <= 200
    assert live.segments == whole.segments[len(whole.segments) - len(live.segments) :]
    assert live.sequence == whole.sequence
    if len(whole.segments) > 200:
        assert len(live.segments) > 0


def test_a_master_playlist() -> None:
    """Variants with their bandwidth, sound apart, and sound alone."""
    said = read_playlist(
        """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="de",URI="de.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="in",NAME="en"
#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="in"
low.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=4000000,CODECS="avc1.4d401f,mp4a.40.2",AUDIO="a"
high.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="mp4a.40.2"
radio.m3u8
""",
        BASE,
    )
    assert said.master
    assert [800000, 4000000, 64000] == [v.bandwidth for v in said.variants]
    assert ["", "http://edge.example.net:8080/live/one/en.m3u8", ""] == [v.audio_url for v in said.variants]
    assert [True, True, False] == [v.frames for v in said.variants]


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    """Nothing a provider sends makes the reader fail."""
    read_playlist("#EXTM3U\n" + text, BASE)


def playlist(first: int, names: Sequence[str]) -> Playlist:
    """A media playlist of two-second segments."""
    segments = tuple(Segment(first + n, f"http://h/{name}.ts", 2.0) for n, name in enumerate(names))
    return Playlist(segments=segments, target_s=2.0, sequence=first)


def names(window: Window, *lists: Playlist) -> list[list[str]]:
    """What is new in each list in turn."""
    return [[s.url[9:-3] for s in window.news(one).segments] for one in lists]


@pytest.mark.accepts("HLS-2", "HLS-4")
def test_what_is_new() -> None:
    """Begin three from the end; then each number once, also when an older copy comes from another edge."""
    assert [["c", "d", "e"], [], ["f"], [], ["g", "h"]] == names(
        Window(),
        playlist(1, "abcde"),
        playlist(1, "abcde"),
        playlist(2, "bcdef"),
        playlist(1, "abcde"),
        playlist(4, "defgh"),
    )


@pytest.mark.accepts("HLS-4")
def test_names_that_repeat() -> None:
    """Names come round while numbers go on: the numbers are believed."""
    assert [["a", "b", "c"], ["a"], ["b"]] == names(
        Window(), playlist(7, "abc"), playlist(8, "bca"), playlist(9, "cab")
    )


@pytest.mark.accepts("HLS-4")
def test_a_number_that_stands_still() -> None:
    """The number stays 0 while names go on: what follows the last known name is new."""
    assert [["a", "b", "c"], ["d"], [], ["e", "f"]] == names(
        Window(), playlist(0, "abc"), playlist(0, "bcd"), playlist(0, "bcd"), playlist(0, "def")
    )


@pytest.mark.accepts("HLS-4")
def test_a_restart_and_a_gap() -> None:
    """After a restart at 0, and after falling far behind, it goes on at the live edge and says so."""
    window = Window()
    window.news(playlist(900, "abc"))
    restart = window.news(playlist(0, "vwxyz"))
    assert (True, ["x", "y", "z"]) == (restart.jump, [s.url[9:-3] for s in restart.segments])
    far = window.news(playlist(50, "klmno"))
    assert (True, ["m", "n", "o"]) == (far.jump, [s.url[9:-3] for s in far.segments])
    assert not window.news(playlist(51, "lmnop")).jump


@pytest.mark.accepts("HLS-4")
def test_names_come_round_under_a_number_that_stands_still() -> None:
    """Three names in turn and no number: how the list has moved on tells what is new."""
    assert [["a", "b", "c"], ["a"], [], ["b"], ["c"]] == names(
        Window(),
        playlist(0, "abc"),
        playlist(0, "bca"),
        playlist(0, "bca"),
        playlist(0, "cab"),
        playlist(0, "abc"),
    )


@pytest.mark.accepts("HLS-4")
def test_a_restart_with_the_same_names() -> None:
    """A panel counts from 0 again, in names too, half a minute later: it is a restart, not an old list."""
    window = Window()
    for at in range(26):
        window.news(playlist(at, [f"n{at + k}" for k in range(5)]))
    restart = window.news(playlist(0, [f"n{k}" for k in range(3)]))
    assert (True, ["n0", "n1", "n2"]) == (restart.jump, [s.url[9:-3] for s in restart.segments])


@pytest.mark.accepts("HLS-4")
def test_another_edge_with_other_numbers() -> None:
    """The numbers leap ahead and back while names go on: only what was not played before is played."""
    assert [["a", "b", "c"], ["d"], [], ["e"], ["f"]] == names(
        Window(),
        playlist(3, "abc"),
        playlist(900, "bcd"),
        playlist(4, "bcd"),
        playlist(901, "cde"),
        playlist(6, "def"),
    )


@pytest.mark.accepts("HLS-2")
def test_a_recording_is_taken_from_its_beginning() -> None:
    """What has an end when it is first seen is new as a whole; a live list that ends is not begun again."""
    ended = replace(playlist(0, "abcdef"), ended=True)
    assert [["a", "b", "c", "d", "e", "f"], []] == names(Window(), ended, ended)
    assert [["a", "b", "c"], ["d", "e", "f"]] == names(Window(), playlist(0, "abc"), ended)


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 6))
def test_no_number_twice(steps: list[int], size: int) -> None:
    """However a playlist moves on, no segment is given out twice and none out of order."""
    window, at, given_out = Window(), 10, []
    for step in steps:
        at += step
        given_out += [
            s.sequence for s in window.news(playlist(at, [f"n{at + k}" for k in range(size)])).segments
        ]
    assert sorted(set(given_out)) == given_out


@pytest.mark.accepts("HLS-3")
@given(st.binary(min_size=0, max_size=500), st.integers(1, 64))
def test_sealed_segments_open_in_any_slices(clear: bytes, size: int) -> None:
    """AES-128 with PKCS7 comes out as it went in, whatever the slices."""
    key, iv = b"k" * 16, b"i" * 16
    padder = padding.PKCS7(128).padder()
    sealer = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    wire = sealer.update(padder.update(clear) + padder.finalize()) + sealer.finalize()
    opener = Opener(key, iv)
    assert clear == b"".join(opener.feed(piece) for piece in sliced(wire, size)) + opener.finish()
