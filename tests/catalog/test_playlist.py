"""M3U lists as they really are: each oddity of a survey of 305,128 entries by its rule."""

import itertools
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.catalog.address import Concealer, fill, panel_path
from reconciler.catalog.entry import Entry
from reconciler.catalog.playlist import LINE_LIMIT_CHARS, Playlist, parse
from reconciler.secret import Secret

U, P = "bob", "pa/ss word#1"
ACCOUNT = Concealer([(Secret(U), Secret(P))])


def read(text: str | bytes, **options: Any) -> Playlist:
    """One list, in one piece."""
    data = text.encode() if isinstance(text, str) else text
    return parse([data], source="m", **options)


def only(text: str | bytes, **options: Any) -> Entry:
    """The single entry of a list."""
    (entry,) = read(text, **options).entries
    return entry


def extinf(line: str) -> Entry:
    """The entry that an #EXTINF line makes, with an address of its own."""
    return only(f"#EXTM3U\n{line}\nhttp://h/a.ts\n")


def test_a_plain_entry() -> None:
    """All attributes that an entry knows arrive in their fields."""
    entry = only(
        '#EXTM3U\n#EXTINF:-1 tvg-id="bbc1.uk" tvg-name="BBC ONE" tvg-logo="http://l/1.png" group-title="UK" '
        'tvg-chno="101" tvg-country="GB" tvg-language="en" radio="true" tvg-shift="1.5",BBC One\nhttp://h/a.m3u8\n'
    )
    expected = Entry(
        "m", "", "BBC One", "live", "bbc1.uk", "UK", "http://l/1.png", 101, "http://h/a.m3u8", (), "", (), "GB", "en",
        radio=True, guide_name="BBC ONE", shift_h=1.5,
    )  # fmt: skip
    assert expected == entry


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Eins", '#EXTINF:-1 tvg-id="x",Eins'),
        ("a, b", '#EXTINF:-1 group-title="x, y",a, b'),
        ("Some, name", "#EXTINF:-1,Some, name"),
        ('5" Screen', '#EXTINF:-1 tvg-id="x",5" Screen'),
        ("Eins", '#EXTINF:-1, tvg-id="x" group-title="G",Eins'),
        ("Eins", '#EXTINF:0 tvg-id="x", tvg-name="y",Eins'),
        ("Eins", '#EXTINF:-1 tvg-id="x tvg-name="Foo" group-title="G",Eins'),
        ("Eins", '#EXTINF:-1 tvg-id="x" group-title="G,Eins'),
        ("Eins", '#EXTINF:-1 tvg-name="The "Best" One" group-title="G",Eins'),
        ("Foo", '#EXTINF:-1 tvg-name="Foo"'),
        ("x", '#EXTINF:-1 tvg-id="x",'),
        ("Eins", "#EXTINF:-1 tvg-id=x group-title=G,Eins"),
        ("Eins", "#EXTINF:-1 tvg-name='Int'l News' group-title='G',Eins"),
        ("84. VOX", "#EXTINF:-1,84. VOX"),
        ("Tom & Jerry", '#EXTINF:-1 tvg-id="x",Tom &amp; Jerry'),
        ("x" * 300, f"#EXTINF:-1,{'x' * 300}"),
        ("Eins", '#extinf:-1 TVG-ID="x",Eins'),
        ("Eins", '  #EXTINF: -1  tvg-id="x"  ,  Eins  '),
        ("=Eins=", "#EXTINF:-1,=Eins="),
        ("Eins", '#EXTINF:-1 tvg-id = "x" group-title = "G, H",Eins'),
        ("Eins", "#EXTINF:-1 tvg-id = 'x' ,Eins"),
        ('A = "b"', '#EXTINF:-1 tvg-id="x",A = "b"'),
        ("a = b", "#EXTINF:-1 tvg-id=x,a = b"),
        ("Zwei Drei", "#EXTINF:-1,Zwei\u0085Drei"),
        ("Zwei Drei", "#EXTINF:-1 tvg-id=x,\u009bZwei\u2028Drei"),
    ],
)
def test_names(name: str, line: str) -> None:
    """The name is what follows the first comma outside quotes behind the attributes."""
    assert name == extinf(line).name


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("group", "G, H", '#EXTINF:-1 tvg-id="x" group-title="G, H",a, b'),
        ("group", "G", "#EXTINF:-1 tvg-id=x group-title=G,Eins"),
        ("group", "G, H", '#EXTINF:-1 tvg-id = "x" group-title = "G, H",Eins'),
        ("guide_id", "x", '#EXTINF:-1 tvg-id = "x" group-title = "G, H",Eins'),
        ("guide_id", "x", "#EXTINF:-1 tvg-id= 'x',Eins"),
        ("group", "G", '#EXTINF:-1 tvg-id ="x tvg-name = "Foo" group-title\t=\t"G",Eins'),
        ("group", "G", '#EXTINF:-1 tvg-id="x tvg-name="Foo" group-title="G",Eins'),
        ("guide_id", "x", '#EXTINF:-1 tvg-id="x tvg-name="Foo" group-title="G",Eins'),
        ("group", "G", '#EXTINF:-1 tvg-id="x" group-title="G,Eins'),
        ("guide_name", 'The "Best" One', '#EXTINF:-1 tvg-name="The "Best" One" group-title="G",Eins'),
        ("guide_name", "Int'l News", "#EXTINF:-1 tvg-name='Int'l News' group-title='G',Eins"),
        ("guide_name", "Int'l", '#EXTINF:-1 tvg-name="Int\'l",Eins'),
        ("guide_id", "x", '#EXTINF:-1 tvg-ID="x",Eins'),
        ("guide_id", "x", '#EXTINF:-1 ttvg-id="x",Eins'),
        ("guide_id", "", '#EXTINF:-1 tvg-id="",Eins'),
        ("guide_id", "", '#EXTINF:-1 tvg-id="N/A",Eins'),
        ("guide_id", "", '#EXTINF:-1 tvg-id="(no tvg-id)(m3u4u)",Eins'),
        ("logo", "http://l/?a=1&b=2", '#EXTINF:-1 tvg-logo="http://l/?a=1&amp;b=2",Eins'),
        ("logo", "http://l/?a=1&copy=2", '#EXTINF:-1 tvg-logo="http://l/?a=1&copy=2",Eins'),
        ("number", 7, '#EXTINF:-1 channel-id="7",Eins'),
        ("number", 7, '#EXTINF:-1 tvg-chno="7.0",Eins'),
        ("number", None, '#EXTINF:-1 tvg-chno="5.1" channel-id="abc",Eins'),
        ("shift_h", -2.5, '#EXTINF:-1 tvg-shift="-2,5",Eins'),
        ("adult", True, '#EXTINF:-1 group-title="XXX | 18+",Eins'),
        ("adult", False, '#EXTINF:-1 group-title="Adult Swim",Eins'),
        ("headers", (("User-Agent", "A B/1"),), '#EXTINF:-1 http-user-agent="A B/1",Eins'),
    ],
)
def test_fields(field: str, value: object, line: str) -> None:
    """Attributes keep their value however they are quoted, spelled or escaped."""
    assert value == getattr(extinf(line), field)


def test_encodings_and_line_ends() -> None:
    """A BOM, UTF-16, CRLF, lone CR and cp1252 bytes do not change what is read; wrong bytes are noted."""
    text = '#EXTM3U\n#EXTINF:-1 tvg-id="x",Süd\nhttp://h/a.ts\n#EXTINF:-1,Zwei\nhttp://h/b.ts\n'
    plain = read(text)
    assert plain.entries[0].name == "Süd"
    assert plain == read("\ufeff" + text)
    assert plain == read(text.replace("\n", "\r\n"))
    assert plain == read(text.replace("\n", "\r"))
    latin = read(text.encode("cp1252"))
    assert plain.entries == latin.entries
    assert latin.notes == ("1 line not in UTF-8, read as cp1252",)
    for name in ("utf-16-le", "utf-16-be"):
        data = ("\ufeff" + text).encode(name)
        assert plain == read(data)
        assert plain == read(text.encode(name))  # without a mark
        for size in (1, 3, 7):  # a piece may end within a character
            assert plain == parse([data[i : i + size] for i in range(0, len(data), size)], source="m")


def test_a_list_without_its_header_is_read() -> None:
    """A missing #EXTM3U is a note, not an error."""
    found = read("#EXTINF:-1,Eins\nhttp://h/a.ts\n")
    assert (len(found.entries), found.header, found.notes) == (
        1,
        False,
        ("the list does not begin with #EXTM3U",),
    )


def test_glued_lists_give_all_guides() -> None:
    """Later headers are no entries; their guide addresses are added, commas separate several."""
    found = read(
        '#EXTM3U url-tvg="http://g/1.xml,http://g/2.xml" x-tvg-url="http://g/1.xml"\n#EXTINF:-1,Eins\nhttp://h/a\n'
        '\ufeff#EXTM3U tvg-url="http://g/3.xml.gz"\n#EXTINF:-1,Zwei\nhttp://h/b\n'
    )
    assert found.guide_urls == ("http://g/1.xml", "http://g/2.xml", "http://g/3.xml.gz")
    assert [e.name for e in found.entries] == ["Eins", "Zwei"]


@pytest.mark.parametrize(
    ("header", "guides"),
    [
        ('url-tvg="http://g/1.xml, http://g/2.xml;https://g/3.xml"', ("http://g/1.xml", "http://g/2.xml", "https://g/3.xml")),
        ('x-tvg-url="http://g/1.xml http://g/2.xml,"', ("http://g/1.xml", "http://g/2.xml")),
        ("url-tvg='http://g/1.xml?channels=1,2;3'", ("http://g/1.xml?channels=1,2;3",)),
        ('url-tvg="one.xml,two.xml.gz"', ("one.xml", "two.xml.gz")),
        ('url-tvg=""', ()),
    ],
)  # fmt: skip
def test_several_guides_in_one_attribute(header: str, guides: tuple[str, ...]) -> None:
    """Between whole addresses stand commas, blanks and semicolons; one of them inside an address belongs to it."""
    assert guides == read(f"#EXTM3U {header}\n#EXTINF:-1,Eins\nhttp://h/a\n").guide_urls


@pytest.mark.parametrize("bulk", [True, False])
def test_a_list_moves_the_guide_of_all_its_entries(*, bulk: bool) -> None:
    """As in Kodi: `tvg-shift` of the header holds where an entry has none of its own, up to the next header."""
    lines = [
        "#EXTM3U tvg-shift=-3.5",
        *(f"#EXTINF:-1,N{n}\nhttp://h/{n}x" for n in range(30)),
        '#EXTINF:-1 tvg-shift="0",Own\nhttp://h/own',
        '#EXTINF:-1 tvg-shift="",None\nhttp://h/none',
        '#EXTM3U tvg-shift="2"\n#EXTINF:-1,Later\nhttp://h/later\n',
    ]
    found = {e.name: e.shift_h for e in read("\n".join(lines), in_bulk=bulk).entries}
    assert {f"N{n}": -3.5 for n in range(30)} | {"Own": 0.0, "None": -3.5, "Later": 2.0} == found


@pytest.mark.parametrize(
    ("guide_id", "line"),
    [
        ("10241", '#EXTINF:-1 channel-id="a" tvc-guide-stationid="10241",HBO'),
        ("hbo", '#EXTINF:-1 tvg-id="hbo" tvc-guide-stationid="10241",HBO'),
        ("10241", '#EXTINF:-1 tvg-id="None" tvc-guide-stationid="10241",HBO'),
        ("", '#EXTINF:-1 tvc-guide-stationid="",HBO'),
    ],
)
def test_a_station_id_is_a_guide_id(guide_id: str, line: str) -> None:
    """Channels DVR's, where there is no other: in bulk as well."""
    assert guide_id == extinf(line).guide_id
    many = "".join(f"{line}\nhttp://h/{n}x\n" for n in range(40))
    assert {guide_id} == {e.guide_id for e in read(many).entries}


def test_a_logo_as_tvheadend_writes_it() -> None:
    """`logo`, where others write `tvg-logo`."""
    entry = extinf('#EXTINF:-1 logo="http://t/12" tvg-id="a" tvg-chno="1",Das Erste')
    assert ("http://t/12", 1) == (entry.logo, entry.number)


def test_what_is_left_out_is_counted() -> None:
    """Entries without address, addresses without entry, foreign schemes and nameless ones are counted with a reason."""
    found = read(
        "#EXTM3U\n#EXTINF:-1,Lost\n#EXTINF:-1,Eins\nhttp://h/a\nhttp://h/orphan\n"
        "#EXTINF:-1,Radio\nrtsp://h/b\n#EXTINF:-1,\nhttp://h/c\n#EXTINF:-1,Typo\nhhttps://h/d\n"
        '#EXTINF:-1,Relative\nchannels/one.m3u8\n#EXTINF:-1 tvg-name="Second",\nrtsp://h/e\n'
    )
    assert [e.name for e in found.entries] == ["Eins"]
    assert {d.reason: (d.count, d.examples) for d in found.dropped} == {
        "no address after #EXTINF": (1, ("Lost",)),
        "the address does not begin with http": (1, ("Relative",)),
        "an address without #EXTINF before it": (1, ("line 5",)),
        "the address is rtsp, not http or https": (2, ("Radio", "Second")),
        "the address is hhttps, not http or https": (1, ("Typo",)),
        "no name": (1, ("line 8",)),
    }


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("#EXTM3U\n", "no line of it begins with #EXTINF"),
        ("#EXTM3U #EXTINF:-1,Eins http://h/a #EXTINF:-1,Zwei http://h/b", "no line of it begins with #EXTINF"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\nseg1.ts\n", "this is the playlist of one stream, not a list of channels"),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", "this is the playlist of one stream, not a list of channels"),
    ],
)  # fmt: skip
def test_a_list_without_entries_says_what_it_is(text: str, note: str) -> None:
    """Nothing is lost without a word: not a list in one line, and not a stream taken for one."""
    found = read(text)
    assert ((), (note,)) == (found.entries, found.notes)


@pytest.mark.accepts("SPL-7")
def test_several_addresses_of_one_entry() -> None:
    """Further http addresses on other hosts are alternatives in the list's order."""
    entry = only("#EXTM3U\n#EXTINF:-1,Eins\nhttp://a/1.ts\nhttps://b/1.ts\nhttp://c:81/1.ts\n")
    assert (entry.url, entry.more_urls) == ("http://a/1.ts", ("https://b/1.ts", "http://c:81/1.ts"))


def test_the_same_address_twice_is_one_entry() -> None:
    """The same address again is left out; the same stream id on another host becomes an alternative."""
    found = read(
        "#EXTM3U\n#EXTINF:-1,Eins\nhttp://a/u/p/1\n#EXTINF:-1,Eins again\nhttp://a/u/p/1\n"
        "#EXTINF:-1,Eins B\nhttp://b/u/p/1\n"
    )
    assert [e.name for e in found.entries] == ["Eins"]
    assert found.entries[0].more_urls == ("http://b/u/p/1",)
    assert found.dropped[0].count == 2


def test_groups_by_directive() -> None:
    """#EXTGRP below an #EXTINF is the entry's; above, it holds for those that follow; group-title wins."""
    found = read(
        "#EXTM3U\n#EXTGRP:Sticky\n#EXTINF:-1,Eins\nhttp://h/1\n#EXTINF:-1,Zwei\n#EXTGRP:Own\nhttp://h/2\n"
        '#EXTINF:-1 group-title="Title",Drei\n#EXTGRP:Own\nhttp://h/3\n#EXTINF:-1,Vier\nhttp://h/4\n'
    )
    assert [e.group for e in found.entries] == ["Sticky", "Own", "Title", "Sticky"]


@pytest.mark.parametrize(
    ("headers", "lines"),
    [
        ((("User-Agent", "VLC 3"),), "#EXTVLCOPT:http-user-agent=VLC 3\nhttp://h/a"),
        ((("Referer", "http://r/"),), "#EXTVLCOPT:http-referrer=http://r/\nhttp://h/a"),
        ((("Origin", "http://o"),), "#EXTVLCOPT:http-origin=http://o\n#EXTVLCOPT:network-caching=1000\nhttp://h/a"),
        ((("X-Key", "a:b"),), "#EXTVLCOPT:http-header=X-Key: a:b\nhttp://h/a"),
        ((("Referer", "http://r/?a=b"),), "#KODIPROP:inputstream.adaptive.stream_headers=Referer=http://r/?a=b\nhttp://h/a"),
        ((("User-Agent", "A B"), ("Referer", "http://r/")), "http://h/a|User-Agent=A%20B&Referer=http://r/"),
        ((("User-Agent", "A B"),), "http://h/a|user-agent=A B&seekable=0&verifypeer=false"),
        ((), "http://h/a|User-Agent=x%0d%0aHost: evil"),
        ((), "#EXTVLCOPT:http-header=Host: evil\nhttp://h/a"),
    ],
)  # fmt: skip
def test_headers_of_an_entry(headers: tuple[tuple[str, str], ...], lines: str) -> None:
    """Per-entry headers come from directives and from behind a pipe; none of them can split a request."""
    entry = only(f"#EXTM3U\n#EXTINF:-1,Eins\n{lines}\n")
    assert (headers, "http://h/a") == (entry.headers, entry.url)


def test_a_line_is_counted_once_where_headers_stand_before_an_entry() -> None:
    """In bulk as line by line: what the report names is the line of the list."""
    text = (
        b'#KODIPROP:inputstream.adaptive.license_key=k\n#EXTINF:-1 tvg-id="c0" tvg-name="N 0" group-title="A",Name 0\n'
        b"http://a/u/p/0\n#EXTINF:-1,\n"
    )
    pieces = [bytes((sign,)) for sign in text]
    assert [("line 4",)] * 2 == [
        dropped.examples
        for bulk in (True, False)
        for dropped in parse(pieces, source="m", in_bulk=bulk).dropped
    ]


def test_headers_before_an_entry_belong_to_it() -> None:
    """Options above an #EXTINF are that entry's, and only that one's."""
    found = read(
        "#EXTM3U\n#EXTVLCOPT:http-user-agent=V\n#EXTINF:-1,Eins\nhttp://h/1\n#EXTINF:-1,Zwei\nhttp://h/2\n"
    )
    assert [e.headers for e in found.entries] == [(("User-Agent", "V"),), ()]


def test_blanks_and_bars_in_addresses() -> None:
    """Ends are stripped, inner blanks encoded, a bar without a key behind it stays."""
    assert only("#EXTM3U\n#EXTINF:-1,E\n \thttp://h/a b.ts \n").url == "http://h/a%20b.ts"
    assert only("#EXTM3U\n#EXTINF:-1,E\nhttp://h/a|b.ts\n").url == "http://h/a|b.ts"


def test_dash_and_licences_are_told() -> None:
    """What no tuner can play is kept and told: by its address, and by what Kodi is told of it."""
    found = read(
        "#EXTM3U\n"
        "#KODIPROP:inputstream.adaptive.manifest_type=mpd\n#EXTINF:-1,A\nhttp://h/a\n"
        "#EXTINF:-1,B\n#KODIPROP:inputstream.adaptive.license_type=com.widevine.alpha\nhttp://h/b.m3u8\n"
        "#EXTINF:-1,C\n#KODIPROP:inputstream.adaptive.manifest_type=hls\nhttp://h/c.m3u8?x=.mpd&y\n"
        "#EXTINF:-1,D\nhttp://h/d.MPD?x=1\n#EXTINF:-1,E\nhttp://h/e.isml/.m3u8\n#EXTINF:-1,F\nhttp://h/f.ism/Manifest\n"
    )
    assert ["A", "B", "C", "D", "E", "F"] == [e.name for e in found.entries]
    assert ("4 entries in DASH or under a licence, which no tuner can play (A, B, D, …)",) == found.notes


def test_a_name_over_two_lines() -> None:
    """Plain text between an entry and its address is part of nothing."""
    assert only("#EXTM3U\n#EXTINF:-1,Eins\nund mehr Text\nhttp://h/a\n").url == "http://h/a"


def test_long_lines_cost_no_memory_and_no_neighbour() -> None:
    """A line of megabytes is left out and ends its entry; the next entry is read."""
    text = (
        "#EXTM3U\n#EXTINF:-1,Eins\nhttp://a/1\n"
        + "x" * (5 * LINE_LIMIT_CHARS)
        + "\n#EXTINF:-1,Zwei\nhttp://b/2\n"
    )
    whole = read(text)
    pieces = parse((text.encode()[i : i + 70_001] for i in range(0, len(text), 70_001)), source="m")
    assert [e.name for e in whole.entries] == ["Eins", "Zwei"]
    assert whole == pieces
    assert whole.notes == ("1 line longer than 1,048,576 characters left out",)


@pytest.mark.parametrize("in_bulk", [True, False])
@pytest.mark.parametrize("over", [1, LINE_LIMIT_CHARS, 3 * LINE_LIMIT_CHARS + 1, 4 * LINE_LIMIT_CHARS])
def test_a_long_line_ends_the_entry_it_stands_in(over: int, *, in_bulk: bool) -> None:
    """However long: the address behind it belongs to nothing and is named by its line; the entries around are read."""
    head = "#EXTM3U\n#EXTINF:-1,Eins\nhttp://a/1\n#EXTINF:-1,Cut\n#EXTGRP:"
    short = f"{head}{'x' * (LINE_LIMIT_CHARS - len('#EXTGRP:'))}\nhttp://c/3\n#EXTINF:-1,Zwei\nhttp://b/2\n"
    assert ["Eins", "Cut", "Zwei"] == [e.name for e in read(short, in_bulk=in_bulk).entries]
    text = short.replace("#EXTGRP:", "#EXTGRP:" + "x" * over)
    for size in (len(text), 1 << 16):
        pieces = (text.encode()[i : i + size] for i in range(0, len(text), size))
        found = parse(pieces, source="m", in_bulk=in_bulk)
        assert ["Eins", "Zwei"] == [e.name for e in found.entries]
        assert ("1 line longer than 1,048,576 characters left out",) == found.notes
        assert [("line 6",), ("Cut",)] == [d.examples for d in found.dropped]


@pytest.mark.accepts("SEC-3")
def test_a_line_without_end_costs_no_memory() -> None:
    """A quarter of a gigabyte without a line end is read past in bounded memory."""
    piece = b"x" * (1 << 20)
    tracemalloc.start()
    try:
        chunks = itertools.chain([b"#EXTM3U\n#EXTINF:-1,Eins\nhttp://a/1\n"], itertools.repeat(piece, 256))
        found = parse(chunks, source="m")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ["Eins"] == [e.name for e in found.entries]
    assert peak < 32 << 20


@pytest.mark.parametrize(
    "url",
    [
        "http://h:8080/live/bob/pa%2Fss%20word%231/41.ts",
        "http://h:8080/bob/pa%2Fss%20word%231/41",
        "http://h:8080/bob/pa%2fss%20word%231/41.m3u8",
        "http://h/sub/live/bob/pa%2Fss+word%231/41.m3u8?x=1",
        "https://h:8080/base/bob/pa%2Fss%20word%231/41.ts",
        "http://h/a/panel/bob/pa%2Fss%20word%231/41",
    ],
)
def test_panel_addresses_have_the_id_as_key(url: str) -> None:
    """Every spelling of a panel's address gives the same key, with placeholders in place of the account."""
    entry = only(f"#EXTM3U\n#EXTINF:-1,Eins\n{url}\n", concealer=ACCOUNT)
    assert (entry.key, entry.kind) == ("41", "live")
    assert "/{username}/{password}/41" in entry.url
    assert "bob" not in entry.url
    assert only(f"#EXTM3U\n#EXTINF:-1,Eins\n{url}\n", concealer=ACCOUNT, panel=True).url == ""


def test_films_and_series_are_told_apart() -> None:
    """A panel's /movie/ and /series/ addresses are VOD and series, with their container."""
    found = read(
        "#EXTM3U\n#EXTINF:-1,Film\nhttp://h/movie/u/p/5.mkv\n#EXTINF:-1,S01 E01\nhttp://h/series/u/p/5.mp4\n"
    )
    assert [(e.key, e.kind, e.extension) for e in found.entries] == [
        ("5", "vod", "mkv"),
        ("5", "series", "mp4"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://h/hls/live/2016498/de/master.m3u8",
        "http://h/a/b/12x.ts",
        "http://h/a/b/c/12.ts",
        "http://h/12.ts",
    ],
)
def test_other_addresses_have_no_key(url: str) -> None:
    """An address of another shape is no panel's."""
    assert panel_path(url) is None
    assert only(f"#EXTM3U\n#EXTINF:-1,Eins\n{url}\n").key == ""


def test_two_panels_in_one_list_do_not_share_ids() -> None:
    """Where two accounts' streams have the same number, only the larger panel's numbers are identities."""
    found = read(
        "#EXTM3U\n#EXTINF:-1,A1\nhttp://a/u/p/1\n#EXTINF:-1,A2\nhttp://a/u/p/2\n#EXTINF:-1,B1\nhttp://b/x/y/1\n"
    )
    assert [(e.name, e.key) for e in found.entries] == [("A1", "1"), ("A2", "2"), ("B1", "")]


@pytest.mark.accepts("CRD-4")
def test_no_credential_stays_in_an_entry() -> None:
    """User name and password become placeholders in addresses, vanish from logos, and come back when filled in."""
    found = read(
        '#EXTM3U url-tvg="http://h/xmltv.php?username=bob&password=pa%2Fss%20word%231"\n'
        '#EXTINF:-1 tvg-logo="http://h/l.png?u=bob",Eins\nhttp://bob:pa%2Fss%20word%231@h/x?t=bob\nhttp://i/bobby/2\n',
        concealer=ACCOUNT,
    )
    (entry,) = found.entries
    assert entry.url == "http://{username}:{password}@h/x?t={username}"
    assert entry.more_urls == ("http://i/bobby/2",)
    assert entry.logo == ""
    assert found.guide_urls == ("http://h/xmltv.php?username={username}&password={password}",)
    filled = fill("http://h/{username}/{password}/1", Secret(U), Secret(P))
    assert filled.reveal() == "http://h/bob/pa%2Fss%20word%231/1"


# --- the bulk reader against the line reader ----------------------------------------------------------------------

_word = st.text(st.sampled_from("ab Z9,=\"'&;|#\t\u00e4\u00a0:/"), max_size=8)
_key = st.sampled_from(
    ["tvg-id", "tvg-name", "group-title", "tvg-logo", "tvg-chno", "radio", "tvg-shift", "X", "tvg-ID"]
)
_attribute = st.one_of(
    st.builds(lambda k, v: f' {k}="{v}"', _key, st.text(st.sampled_from("abZ9 ,&'="), max_size=6)),
    st.builds(lambda k, v: f' {k}="{v}"', _key, _word),
    st.builds(lambda v: f' tvg-id="{v}"', st.sampled_from(["None", "n/a", "0", "1"])),
    st.builds(lambda k, v: f" {k}={v}", _key, _word),
    st.builds(lambda k, v: f" {k} = '{v}'", _key, _word),
)
_line = st.one_of(
    st.builds(lambda a, n: f"#EXTINF:-1{''.join(a)},{n}", st.lists(_attribute, max_size=4), _word),
    st.builds(lambda k, n: f"#EXTINF:-1, {k}='{n}',Name {n}", _key, st.integers(0, 99)),
    st.builds(lambda n: f'#EXTINF:-1 tvg-id="{n}" group-title="G",Name {n}', st.integers(0, 99)),
    st.builds(lambda h, n: f"http://{h}/u/p/{n}", st.sampled_from("abc"), st.integers(0, 99)),
    st.builds(lambda n: f"https://h/{n}", _word),
    st.sampled_from([
        "", "#KODIPROP:inputstream.adaptive.license_key=k", "http://h/u/p/7.mpd", "#EXTGRP:S", "#EXTVLCOPT:http-user-agent=V", "#EXTM3U url-tvg=\"http://g\"", "# note", "rtsp://h/1", "text",
        " #EXTINF:-1,Odd", "#EXTINF:-1,Two#EXTINF:", "http://h/movie/u/p/7.mkv", "\ufeff#EXTM3U",
    ]),
)  # fmt: skip
_pair = st.builds(
    lambda i, g, h: (
        f'#EXTINF:-1 tvg-id="c{i}" tvg-name="N {i}" group-title="{g}",Name {i}\nhttp://{h}/u/p/{i}'
    ),
    st.integers(0, 999),
    st.sampled_from(["A", "B", ""]),
    st.sampled_from("abc"),
)
_text = st.lists(st.one_of(_line, _pair, _pair, _pair), max_size=40).map("\n".join)


@settings(max_examples=300, deadline=None)
@given(_text, st.sampled_from(["\n", "\r\n"]), st.integers(1, 97), st.booleans())
def test_bulk_and_lines_agree(text: str, end: str, size: int, panel: bool) -> None:
    """Whatever a list looks like and however it arrives, both readers say the same."""
    data = text.replace("\n", end).encode()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    slow = parse([data], source="m", panel=panel, in_bulk=False)
    assert slow == parse([data], source="m", panel=panel)
    assert slow == parse(pieces, source="m", panel=panel)


@given(st.binary(max_size=400))
def test_any_bytes_are_read(data: bytes) -> None:
    """No input makes the reader fail."""
    assert parse([data], source="m").entries == parse([data], source="m", in_bulk=False).entries


def test_long_regular_lists_with_odd_ones_agree() -> None:
    """A long list with an odd entry here and there loses and changes nothing."""
    rows = []
    for i in range(6000):
        rows.append(f'#EXTINF:-1 tvg-id="c{i}" group-title="G{i % 7}",Name {i}\nhttp://h/u/p/{i}')
        if i % 701 == 0:
            rows.append(f"#EXTINF:-1,Odd {i}\n#EXTVLCOPT:http-user-agent=V\nhttp://h/odd/{i}")
        if i % 1999 == 0:
            rows.append("#EXTGRP:Sticky\n#EXTVLCOPT:http-user-agent=W")
    data = ("#EXTM3U\n" + "\n".join(rows) + "\n").encode()
    fast = parse([data], source="m")
    assert parse([data], source="m", in_bulk=False) == fast
    assert len(fast.entries) == 6000 + 9


@pytest.mark.shared
def test_real_lists_are_read_whole(shared: Path) -> None:
    """Every #EXTINF of the samples becomes an entry or is counted, the same by both readers."""
    for path in sorted(shared.glob("*.m3u")):
        data = path.read_bytes()
        fast = read(data)
        assert read(data, in_bulk=False) == fast, path.name
        assert data.count(b"#EXTINF:") == len(fast.entries) + sum(d.count for d in fast.dropped), path.name
