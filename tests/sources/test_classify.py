"""The one detector: every way in which a 200 is no stream, and every way in which a stream looks odd."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.sources.classify import (
    Verdict,
    behind_cloudflare,
    classify_playlist,
    classify_response,
    classify_segment,
    inconclusive,
    retry_after_s,
)

TS = b"".join(bytes([0x47, 0x01, n, 0x10]) + b"\xff" * 184 for n in range(8))
M2TS = b"".join(b"\x00\x01\x02\x03" + TS[i : i + 188] for i in range(0, len(TS), 188))
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nseg1.ts\n"
ASKED = "http://tv.example.net/live/{username}/{password}/1.ts"


def judge(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None, final: str = ASKED
) -> Verdict:
    """The verdict on one answer to ASKED."""
    return classify_response(status, headers or {}, final, body, asked_url=ASKED)


@pytest.mark.accepts("E20-2")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("ts", TS),
        ("ts", TS[100:]),
        ("ts", M2TS),
        ("ts", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(300) + TS),
        ("ts", bytes(3000) + M2TS),
        ("hls", PLAYLIST.encode()),
        ("hls", b"\xef\xbb\xbf\r\n " + PLAYLIST.encode()),
        ("fmp4", b"\x00\x00\x00\x18ftypiso5\x00\x00\x00\x00iso5dash"),
        ("fmp4", b"\x00\x00\x00\x18moof\x00\x00\x00\x00"),
        ("dash", b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>'),
    ],
)
def test_streams_are_told_by_content(kind: str, body: bytes) -> None:
    """What plays is known by its first bytes, whatever the content type says."""
    verdict = judge(body, headers={"Content-Type": "text/plain"})
    assert (kind, True) == (verdict.kind, verdict.good)


def test_packets_are_located() -> None:
    """A stream that begins inside a packet, or has time codes, tells where its packets are."""
    assert (judge(TS[100:]).spacing, judge(TS[100:]).offset) == (188, 88)
    assert (judge(M2TS).spacing, judge(M2TS).offset) == (192, 4)


@pytest.mark.accepts("E20-2")
@pytest.mark.parametrize(
    ("cause", "body"),
    [
        ("empty", b""),
        ("empty", b" \r\n"),
        ("html", b"<!DOCTYPE html><html><body>Blocked</body></html>"),
        ("html", b"Sorry <br> go away"),
        ("json", b'{"user_info":{"auth":0}}'),
        ("text", b"Blocked"),
        ("text", b"FAILED TO CONNECT " * 40),
        ("limit", b"Maximum connections reached"),
        ("no-header", b"#EXTINF:4,\nseg1.ts\n"),
        ("not-ts", bytes(range(256)) * 8),
        ("short", TS[:188]),
    ],
)
def test_a_false_200_has_a_cause(cause: str, body: bytes) -> None:
    """A 200 that is no stream is bad, and says how."""
    verdict = judge(body)
    assert ("bad", cause) == (verdict.kind, verdict.cause)
    assert verdict.detail


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        ("limit", 429),
        ("limit", 458),
        ("limit", 509),
        ("denied", 403),
        ("denied", 461),
        ("denied", 884),
        ("missing", 404),
        ("busy", 503),
        ("busy", 521),
        ("status", 302),
    ],
)
def test_statuses_are_told_apart(cause: str, status: int) -> None:
    """A status outside 200 and 206 is bad; over the limit, refused, gone and overloaded are different things."""
    assert cause == judge(b"", status).cause


ADTS = bytes((0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC)) + bytes(9)
ID3 = b"ID3\x04\0\0\0\0\0\x05abcde"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (ADTS * 9, "aac"),
        (ID3 + ADTS * 9, "aac"),
        (ID3 + b"\xff\xfb\x90\x64" + bytes(400), "mp3"),
        (ID3 + b"\x0b\x77" + bytes(range(200)), "ac3"),
        (ADTS + bytes(400), "bad"),
        (ID3 + bytes(400), "bad"),
        (b"ID3", "bad"),
        (bytes(range(1, 255)) * 4, "bad"),
        ("<p>Bitte zahlen: ä</p>".encode("utf-16"), "bad"),
    ],
)
def test_segments_of_sound_alone(data: bytes, kind: str) -> None:
    """Frames in a row, or a tag before them; a tag or two letters of noise are not enough."""
    assert kind == classify_segment(200, {}, ASKED, data).kind
    assert "bad" == judge(data).kind, "as a stream of its own it is none"


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ("max 2 connections", 2),
        ("Maximum of 3 concurrent connections", 3),
        ('{"error":"max_connections","max_connections":"1"}', 1),
        ("Connection limit: 4", 4),
        ("connection limit reached (2)", 2),
        ("You are allowed 5 streams. Too many connections.", 5),
        ("too many connections", None),
        ("Maximum connections reached, try again in 30 seconds", None),
        ("max connections: 0", None),
        ("Error 458: too many connections from 10.0.0.7", None),
    ],
)
def test_the_number_in_a_refusal(said: str, allowed: int | None) -> None:
    """What it says that there may be, with any status and with none."""
    for status in (200, 403, 458):
        verdict = judge(said.encode(), status)
        assert ("limit", allowed) == (verdict.cause, verdict.allowed)


def test_how_long_a_refusal_asks_to_wait() -> None:
    """The header's seconds; two where a 429 names none, because who asks on and on is banned."""
    after = {"Retry-After": "30"}
    assert [30, 30, 30, 2, None, None] == [
        classify_response(status, headers, "", b"").wait_s
        for status, headers in ((429, after), (458, after), (503, after), (429, {}), (458, {}), (503, {}))
    ]


def test_a_limit_is_read_from_the_text() -> None:
    """A 403 that speaks of connections is the limit, not a wrong login."""
    assert judge(b"Too many connections", 403).cause == "limit"


def test_a_challenge_is_cloudflares() -> None:
    """A Cloudflare page that wants a browser is a challenge; the same words from another server are not."""
    page = b"<title>Just a moment...</title>"
    assert judge(page, 503, {"server": "cloudflare"}).cause == "challenge"
    assert judge(page, 503, {"server": "nginx"}).cause == "busy"


def test_a_terms_page_is_elsewhere() -> None:
    """A redirect that ends on a terms-of-service page names that page's host and nothing of the address asked."""
    verdict = judge(b"<html>abuse</html>", final="https://cf.example.org/terms-of-service-abuse?u={username}")
    assert (
        verdict.cause,
        verdict.detail,
    ) == ("elsewhere", "redirected to a terms or sign-up page of cf.example.org")


def test_a_redirect_to_another_host_is_normal() -> None:
    """Load balancers redirect to other hosts; a stream from there is good."""
    assert judge(TS, final="http://edge7.example.org/live/abuse/1.ts?token=x").good


def test_probes_know_what_proves_nothing() -> None:
    """Limit, overload and time spent are inconclusive; an empty body or a missing stream is not."""
    assert [inconclusive(judge(b"", s)) for s in (429, 458, 503, 403)] == [True, True, True, True]
    assert inconclusive(Verdict("bad", "timeout"))
    assert [inconclusive(judge(b"")), inconclusive(judge(b"", 404))] == [False, False]


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        ("", PLAYLIST),
        ("", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n"),
        ("no-header", ""),
        ("no-header", "#EXTINF:4,\nseg1.ts\n"),
        ("no-segment", "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"),
        ("no-segment", "#EXTM3U\nsorry\n"),
        ("encrypted", '#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"\n#EXTINF:4,\ns.ts\n'),
    ],
)
def test_playlists_need_header_and_segment(cause: str, text: str) -> None:
    """A playlist without #EXTM3U or without a segment is a failed candidate."""
    assert cause == classify_playlist(text).cause


def test_a_segment_must_have_bytes() -> None:
    """A segment of no bytes, an HTML page or a playlist in its place is bad; TS is good."""
    assert classify_segment(200, {}, "", b"").cause == "empty-segment"
    assert classify_segment(200, {}, "", b"<html></html>").cause == "html"
    assert classify_segment(200, {}, "", PLAYLIST.encode()).cause == "not-ts"
    assert classify_segment(200, {}, "", TS).good


def test_headers_say_cloudflare_and_when_to_come_back() -> None:
    """Header names are compared without case; Retry-After counts in seconds."""
    assert behind_cloudflare({"SERVER": "cloudflare"})
    assert behind_cloudflare({"Cf-Ray": "8a"})
    assert not behind_cloudflare({"Server": "nginx"})
    assert [retry_after_s({"retry-after": "30"}), retry_after_s({"Retry-After": "soon"})] == [30.0, None]


@given(st.binary(max_size=4096), st.integers(100, 999), st.text(max_size=40))
def test_any_bytes_get_a_verdict(body: bytes, status: int, final: str) -> None:
    """Whatever a provider sends, the detector answers; only 200 and 206 can be good."""
    verdict = judge(body, status, final=final)
    assert verdict.good == (verdict.cause == "")
    assert status in (200, 206) or not verdict.good
