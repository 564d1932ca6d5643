"""Cutting guides: the quick way, the careful way and a real parser agree; damage is survived and told."""

import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from reconciler.catalog.guide_block import Block
from reconciler.catalog.guide_bytes import open_guide
from reconciler.catalog.guide_split import ELEMENT_LIMIT_BYTES, Splitter
from reconciler.errors import ProviderError
from tests.catalog.wild_guides import calm_guides, guides, infoset

HOUR = '<programme start="20260822{0:02d}0000 +0000" stop="20260822{1:02d}0000 +0000" channel="{2}"><title>{3}</title></programme>'


def chopped(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes in slices."""
    return (data[place : place + size] for place in range(0, len(data), size))


def found_in(blocks: Iterable[Block]) -> list[tuple[str, bytes]]:
    """Channel and infoset of every programme."""
    found = []
    for block in blocks:
        for xmltv_id, start, end in block.programmes():
            root = etree.fromstring(b"<tv>%b</tv>" % block.text[start:end], etree.XMLParser(huge_tree=False))
            found.append((xmltv_id.decode(), infoset(root[0])))
    return found


def by_a_parser(data: bytes) -> list[tuple[str, bytes]]:
    """The same from lxml reading the whole document."""
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True))
    return [((p.get("channel") or "").strip(), infoset(p)) for p in root.iterfind("programme")]


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    data=guides(), size=st.sampled_from([1, 10, 64, 200, 4096]), quick=st.booleans(), channels=st.booleans()
)
def test_both_ways_cut_as_a_parser_does(data: bytes, size: int, *, quick: bool, channels: bool) -> None:
    """Whatever well-formed guide, block size and way: the same programmes of the same channels, whole, in order."""
    splitter = Splitter(chopped(data, size), quick=quick, channels=channels, block_bytes=size)
    assert by_a_parser(data) == found_in(splitter.blocks())
    assert not splitter.damaged


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.one_of(guides(), calm_guides()), st.sampled_from([64, 300, 1000]))
def test_channels_are_found_wherever_they_stand(data: bytes, size: int) -> None:
    """All `<channel` elements and no fakes out of comments, also behind programmes (18 files of 200)."""
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True))
    splitter = Splitter(chopped(data, size), block_bytes=size)
    raw = b"".join(channel for block in splitter.blocks() for channel in block.channels)
    wrapped = etree.fromstring(b"<tv>%b</tv>" % raw)
    assert [infoset(c) for c in root.iterfind("channel")] == [infoset(c) for c in wrapped.iterfind("channel")]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 5)), min_size=1, max_size=8),
    st.sampled_from([500, 5000]),
)
def test_spans_hold_the_runs_of_a_channel(runs: list[tuple[str, int]], size: int) -> None:
    """Places in the source are where the wanted programmes are, whether or not a channel comes back later."""
    rows = [HOUR.format(0, 1, xmltv_id, f"{xmltv_id}{n}") for xmltv_id, count in runs for n in range(count)]
    data = ("<tv>\n" + "\n".join(rows) + "\n</tv>").encode()
    texts = []
    for block in Splitter(chopped(data, size), block_bytes=size).blocks():
        for span in block.spans({b"b", b"c"}):
            part = block.text[span.start : span.end]
            assert span.programmes == part.count(b"<programme")
            if block.offset >= 0:
                assert part == data[block.offset + span.start : block.offset + span.end]
            texts += [
                row.strip()
                for row in part.replace(b"<programme", b"\0<programme").split(b"\0")
                if row.strip()
            ]
    assert [row.encode() for row in rows if 'channel="a"' not in row] == [
        t.removesuffix(b"\n</tv>") for t in texts
    ]


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.one_of(guides(), calm_guides()), st.data())
@example(b"<tv><programme", None)
def test_mutilated_guides_are_survived(data: bytes, more: st.DataObject | None) -> None:
    """Bytes lost, doubled or put in anywhere: no crash, whole programmes before the damage, notes about it."""
    if more is not None:
        place = more.draw(st.integers(0, len(data)))
        cut = more.draw(st.integers(0, 20))
        data = (
            data[:place]
            + more.draw(st.sampled_from([b"", b"<", b"&", b"<!--", b'"', b"\xff\0"]))
            + data[place + cut :]
        )
    for quick in (True, False):
        splitter = Splitter(chopped(data, 100), quick=quick, block_bytes=600)
        try:
            for block in splitter.blocks():
                assert len(block.ids) == len(list(block.programmes()))
        except ProviderError:
            assert b"<programme" not in data[:100] or b"<tv" not in data[:100]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 22)), min_size=1, max_size=8), st.data())
def test_a_truncated_guide_keeps_what_is_whole(rows: list[tuple[str, int]], more: st.DataObject) -> None:
    """Cut anywhere: every programme whose end tag is there is given, and the notes say that the end is missing."""
    texts = [HOUR.format(hour, hour + 1, xmltv_id, "T") for xmltv_id, hour in rows]
    data = ("<tv>\n" + "\n".join(texts) + "\n</tv>\n").encode()
    place = more.draw(st.integers(20, len(data) - 6))
    splitter = Splitter([data[:place]])
    assert data[:place].count(b"</programme>") == sum(len(block.ids) for block in splitter.blocks())
    assert splitter.damaged
    assert "the guide ends early: '</tv>' is missing" in splitter.notes


@pytest.mark.parametrize(
    ("encoding", "declared", "text"),
    [
        ("utf-8", "UTF-8", "Zoé"),
        ("utf-8-sig", None, "Zoé"),
        ("iso-8859-1", "ISO-8859-1", "Zoé"),
        ("cp1252", "iso-8859-1", "Zoé\u2019s €"),
        ("cp1252", "windows-1252", "Zoé\u2019s"),
        ("utf-16", "UTF-16", "Zoé"),
        ("utf-16-le", "UTF-16", "Zoé"),
        ("utf-8", "UTF-16", "Zoé"),  # says one thing and is another
        ("utf-8", "ISO-8859-1", "Zoé\u2019s"),
        ("utf-8", "windows-1252", "Łódź"),
        ("iso-8859-2", "ISO-8859-2", "Łódź"),
        ("utf-8", "no-such-thing", "Zoé"),
        ("utf-8", "zlib", "Zoé"),  # a codec of Python, and no encoding of text
    ],
)
def test_encodings(encoding: str, declared: str | None, text: str) -> None:
    """By byte order mark, declaration, or UTF-8; Latin-1 means Windows-1252."""
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    data = (declaration + "<tv>" + HOUR.format(1, 2, text, text) + "</tv>").encode(encoding)
    for size in (1, 7, 10_000):
        blocks = list(Splitter(chopped(data, size)).blocks())
        assert [text.encode()] == [xmltv_id for block in blocks for xmltv_id in block.ids]
        assert text.encode() in blocks[0].text


def test_a_guide_is_closed_however_reading_ends(tmp_path: Path) -> None:
    """At its end, with an error, and where nobody wants more."""
    path = tmp_path / "guide.xml"
    whole = b"<tv>" + HOUR.format(1, 2, "a", "A").encode() + b"</tv>"
    for data, wanted in ((whole, 9), (whole, 0), (b"<tv><programme>" + b"x" * (ELEMENT_LIMIT_BYTES + 9), 9)):
        path.write_bytes(data)
        opened = open_guide(path)
        blocks = Splitter(opened).blocks()
        with suppress(ProviderError):
            list(islice(blocks, wanted))
        del blocks
        if not wanted:
            opened.close()
        with pytest.raises(ValueError, match="closed"):
            _ = opened.stamp


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"<!DOCTYPE html><html><body>404", "is a web page"),
        (b"\n<HTML>", "is a web page"),
        (b'{"user_info": {}}', "is JSON"),
        (b"#EXTM3U\n", "is a playlist"),
        (b"<rss><channels/></rss>", "is not XMLTV"),
        (b"Service unavailable", "is not XMLTV"),
    ],
)
def test_what_is_no_guide_is_named(data: bytes, message: str) -> None:
    """A provider that answers with something else gets a clear word."""
    with pytest.raises(ProviderError, match=message):
        list(Splitter([data]).blocks())


@pytest.mark.accepts("SEC-3")
@pytest.mark.parametrize("tail", [b"x", b"<a>", b"<![CDATA[", b"<!--", b"&amp;"], ids=repr)
def test_an_endless_element_is_refused_in_bounded_memory(tail: bytes) -> None:
    """A gigabyte in one element, comment or line: an error after some 8 MiB, not a full memory."""
    fed = 0

    def endless() -> Iterator[bytes]:
        nonlocal fed
        yield b'<tv><programme start="20260822000000" channel="a"><title>' + tail
        while True:
            fed += 1 << 18
            yield b"y" * (1 << 18)

    tracemalloc.start()
    with pytest.raises(ProviderError, match="element of more than 8 MiB"):
        list(Splitter(endless()).blocks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fed < 2 * ELEMENT_LIMIT_BYTES
    assert peak < 8 * ELEMENT_LIMIT_BYTES


@pytest.mark.accepts("SEC-3")
def test_entities_of_a_guide_are_not_expanded() -> None:
    """A billion laughs stay one: the DOCTYPE never reaches a parser, and the notes say so."""
    bomb = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    data = f'<?xml version="1.0"?><!DOCTYPE tv [<!ENTITY l0 "ha">{bomb}]><tv>{HOUR.format(1, 2, "a", "&l9;")}</tv>'
    splitter = Splitter([data.encode()])
    blocks = list(splitter.blocks())
    assert [b"a"] == blocks[0].ids
    assert b"&l9;" in blocks[0].text
    assert ["the guide declares entities of its own: they are not expanded"] == splitter.notes
