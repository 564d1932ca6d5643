"""What is fuzzed: bytes in, an assertion where the reader breaks its word.

Each target lets pass only the errors that its reader promises. Where a reader has a quick way and a plain one, both must
agree; where it takes pieces, their size must not matter. Seeds are texts as providers and authors write them.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.catalog import guide, loose_json, playlist, xtream
from reconciler.catalog.entry import Entry
from reconciler.catalog.guide_index import CoverageQuestion
from reconciler.errors import ProviderError
from reconciler.rendering import diagnostics_json, diagnostics_text
from reconciler.serving.playlist import read_playlist
from reconciler.spec import load
from reconciler.spec.one_matcher import read_matcher
from tests.spec.specs import TODAY

__all__ = ["TARGETS", "Target"]

ROOT: Final = Path(__file__).parents[2]


class Target(NamedTuple):
    """One reader under test. `words` are pieces of its language, for the fuzzer to insert."""

    reads: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    words: tuple[str, ...]


_FOLDER: Final = tempfile.TemporaryDirectory(prefix="ptctl-fuzz-")
_SPEC: Final = Path(_FOLDER.name) / "ptctl.yaml"


def spec(data: bytes) -> None:
    """A spec or findings with places inside the file, and both renderings of them; the same twice."""
    _SPEC.write_bytes(data)
    made, found, texts = load(_SPEC, today=TODAY)
    assert (made is None) == (found.errors > 0)
    for finding in found:
        assert finding.span is not None
        assert finding.summary.isprintable()
        assert 1 <= finding.span.line <= data.count(b"\n") + data.count(b"\r") + len(data) + 2
        assert (finding.span.end_line, finding.span.end_column) >= (finding.span.line, finding.span.column)
    shown = diagnostics_text.render(found, texts, color=False)
    assert all(line.isprintable() for line in shown.split("\n"))
    diagnostics_json.render(found, texts)


def matcher(data: bytes) -> None:
    """A matcher of the command line."""
    made, found, _ = read_matcher(data.decode("utf-8", "replace"), file="--match")
    assert (made is None) == (found.errors > 0)


def m3u(data: bytes) -> None:
    """A playlist: in bulk, line by line, and in pieces gives the same entries."""
    whole = playlist.parse([data], source="s")
    assert whole == playlist.parse([data], source="s", in_bulk=False)
    assert whole == playlist.parse(_pieces(data), source="s")
    keys = [entry.key for entry in whole.entries if entry.key]
    assert len(set(keys)) == len(keys)


def panel(data: bytes) -> None:
    """Every answer of a panel: the login, categories, a list in bulk and one by one, a series."""
    xtream.login(data, now=1_800_000_000.0)
    names: dict[str, str] = {}
    try:
        names = xtream.categories(data)
        xtream.episodes(data, series=Entry(source="s", key="1", name="Series", kind="series"))
    except loose_json.NotJson:
        pass
    quick, plain, pieces = (
        _listing(chunks, names, in_bulk=in_bulk)
        for chunks, in_bulk in (([data], True), ([data], False), (_pieces(data), True))
    )
    assert quick == plain == pieces


def _listing(chunks: object, names: dict[str, str], *, in_bulk: bool) -> object:
    try:
        return xtream.streams(chunks, source="s", kind="live", categories=names, in_bulk=in_bulk)  # type: ignore[arg-type]
    except loose_json.NotJson:
        return None


def xmltv(data: bytes) -> None:
    """A guide: its index does not depend on how it arrives, and what is counted was indexed."""
    question = CoverageQuestion(1_790_000_000.0, 1_790_604_800.0, ("No Data*",))
    try:
        whole = guide.index([data])
    except ProviderError:
        return
    again = guide.index(_pieces(data))
    assert astuple(whole)[:2] == astuple(again)[:2]
    told = guide.coverage([data], {"q": question})["q"]
    assert set(told) <= set(whole.programmes)


def hls(data: bytes) -> None:
    """A playlist of a stream: numbers rise, every segment has an address and a length that is one."""
    read = read_playlist(data.decode("utf-8", "replace"), "http://edge.example.net/live/a/index.m3u8?x=1")
    numbers = [segment.sequence for segment in read.segments]
    assert numbers == sorted(set(numbers))
    for segment in read.segments:
        assert segment.url
        assert 0 <= segment.duration_s < float("inf")
    assert 0 < read.target_s < float("inf")


def _pieces(data: bytes) -> Iterator[bytes]:
    size = max(1, len(data) // 7)
    yield from (data[start : start + size] for start in range(0, len(data), size))


_M3U: Final = """#EXTM3U url-tvg="http://p.example.net/xmltv.php?username=u&password=p"
#EXTINF:-1 tvg-id="bbc1.uk" tvg-name="BBC 1" tvg-logo="http://l/1.png" group-title="UK|NEWS" tvg-chno="101",BBC 1 HD
#EXTVLCOPT:http-user-agent=VLC/3.0.20
#KODIPROP:inputstream.adaptive.manifest_type=hls
#EXTGRP:News
http://tv.example.net:8080/live/u/p/4711.ts|User-Agent=x&Referer=http://r/
http://tv2.example.net/live/u/p/4711.m3u8
#EXTINF:-1 radio="true" group-title='Radio, and "more"',A, B
rtp://@239.0.0.1:5000
"""
_STREAMS: Final = (
    '[{"num":1,"name":"BBC 1","stream_type":"live","stream_id":4711,"stream_icon":"http:\\/\\/l\\/1.png",'
    '"epg_channel_id":"bbc1.uk","category_id":"5","category_ids":[5],"is_adult":"0","tv_archive":0},'
    '{"num":"2","name":"Caf\\u00e9 \\ud83d\\ude00","stream_id":"8","epg_channel_id":null,"category_id":null}]'
)
_LOGIN: Final = (
    '{"user_info":{"auth":1,"status":"Active","exp_date":"1900000000","max_connections":"2","active_cons":0,'
    '"allowed_output_formats":["m3u8","ts"]},"server_info":{"url":"tv.example.net","port":"8080","https_port":"443",'
    '"server_protocol":"http","timezone":"UTC","timestamp_now":1800000000}}'
)
_SERIES: Final = (
    '{"episodes":{"1":[{"id":"9","episode_num":1,"title":"Pilot","container_extension":"mkv"}],"2":[]}}'
)
_XMLTV: Final = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tv SYSTEM "xmltv.dtd">
<tv><channel id="bbc1.uk"><display-name>BBC 1</display-name><icon src="http://l/1.png"/></channel>
<channel id='b&amp;c'><display-name lang="de"><![CDATA[B & C]]></display-name></channel>
<!-- <programme channel="no"> -->
<programme start="20260925000000 +0000" stop="20260925003000 +0000" channel="bbc1.uk"><title>News</title></programme>
<programme channel='b&amp;c' stop="202609250100" start="20260925 +0200"><title lang="en">No Data</title></programme>
</tv>
"""
_HLS: Final = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:2680
#EXT-X-KEY:METHOD=AES-128,URI="/key?id=1",IV=0x1f
#EXT-X-MAP:URI="init.mp4",BYTERANGE="720@0"
#EXT-X-BYTERANGE:75232@0
#EXTINF:5.005,
//cdn.example.net/a.ts
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-09-25T00:00:00Z
#EXTINF:6,
?s=2
#EXT-X-GAP
#EXTINF:6,
b.ts
#EXT-X-ENDLIST
"""
_MASTER: Final = """#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",DEFAULT=YES,URI="audio.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=1280000,CODECS="avc1.4d401f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="a"
low/index.m3u8
"""
_MATCHERS: Final = (
    b'{any: [{group: "US| Locals*"}, {name: {words: [ABC, NBC]}}], not: {radio: true}}',
    b'name: {regex: "(?i)^a(b|c)+$"}',
    b"{guide: listed, number: [1, 2], url_host: {exists: true}, quality: {in: [hd, fhd]}}",
)
_KEYS: Final = (
    "version: 1", "name:", "credentials:", "sources:", "guides:", "filters:", "buckets:", "dvrs:", "overrides:",
    "moved:", "removed:", "approvals:", "probes:", "plex:", "serve:", "notify:", "safety:", "include:", "match:",
    "{regex: ", "env:A", "envfile:~/x#A", "exec: [a]", "24h", "30%", "1000-1599", "512KiB", "<<: *a", "&a ", "*a",
    "!!str ", "? ", "- ", "|\n", ">-\n", "'", '"', "\t", "\u2028", "(?i)", "(a+)+$",
)  # fmt: skip

TARGETS: Final[dict[str, Target]] = {
    "spec": Target(
        spec,
        (
            (ROOT / "tests/spec/data/everything.yaml").read_bytes(),
            (ROOT / "examples/plex-home.yaml").read_bytes(),
            (ROOT / "tests/spec/data/mock/home.yaml").read_bytes(),
            b"version: 1\nname: x\nsources: {a: &a {kind: m3u, path: l}, b: {<<: *a}}\nbuckets: [{name: m, match: {}}]\n",
        ),
        _KEYS,
    ),
    "matcher": Target(
        matcher, _MATCHERS, ("name", "group", "{", "}", "[", "]", "regex:", "any:", "not:", "(?i)")
    ),
    "m3u": Target(
        m3u,
        (_M3U.encode(), _M3U.replace("\n", "\r\n").encode("utf-8-sig"), _M3U.encode("utf-16")),
        ("#EXTM3U", "#EXTINF:-1 ", 'tvg-id="', "group-title=", "#EXTGRP:", "http://", "|User-Agent=", ",", '"', "\r"),
    ),
    "panel": Target(
        panel,
        tuple(text.encode() for text in (_STREAMS, _LOGIN, _SERIES)),
        ('"stream_id":', '"category_id":', '"epg_channel_id":', "null", "true", "[", "{", "\\u00e9", "1e999", "NaN", '"id":'),
    ),
    "xmltv": Target(
        xmltv,
        (_XMLTV.encode(), _XMLTV.replace("UTF-8", "ISO-8859-1").encode("latin-1")),
        ("<programme ", "</programme>", "<channel ", "<![CDATA[", "]]>", "<!--", "-->", "&amp;", "<!ENTITY ", ' channel="', "+0000"),
    ),
    "hls": Target(
        hls,
        (_HLS.encode(), _MASTER.encode()),
        ("#EXTINF:", "#EXT-X-BYTERANGE:", "#EXT-X-KEY:METHOD=", "#EXT-X-GAP", "#EXT-X-STREAM-INF:", "nan", "inf", "1e999", "\u2028"),
    ),
}  # fmt: skip
