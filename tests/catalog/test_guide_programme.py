"""Programmes in canonical form: order, times, numbers, identity."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.catalog.guide_channel import Wish, channel_airings, channel_lines
from reconciler.catalog.guide_times import time_text, time_value

BEGIN = time_value("20260822000000") or 0
WINDOW = (BEGIN, BEGIN + 86400)
WISH = Wish("1001", "One & <Two>")


def programme(
    inner: str, start: str = "20260822100000 +0000", stop: str | None = "20260822110000 +0000"
) -> bytes:
    """A raw programme."""
    end = "" if stop is None else f' stop="{stop}"'
    return f'<programme start="{start}"{end} channel="c">{inner}</programme>'.encode()


def written(*raw: bytes, wish: Wish = WISH, window: tuple[int, int] = WINDOW) -> str:
    """What is written of the programmes."""
    return channel_lines(b"".join(raw), len(raw), wish, window).lines.decode()


def inner(line: str) -> str:
    """The children in one line."""
    return re.sub(r"^<programme [^>]*>|</programme>\n$", "", line)


def times(lines: str) -> list[tuple[str, str]]:
    """Start and stop of each line."""
    return re.findall(r'start="(\d{14}) \+0000" stop="(\d{14}) \+0000"', lines)


NUMBERED = (
    '<episode-num system="xmltv_ns">0.1.</episode-num><episode-num system="onscreen">S01E02</episode-num>'
)


@pytest.mark.accepts("EPG-6", "ART-3")
@pytest.mark.parametrize(
    ("start", "stop"),
    [
        ("20260822100000 +0000", "20260822110000 +0000"),
        ("20260822120000 +0200", "20260822130000 +0200"),
        ("20260822100000", "20260822110000"),
        ("20260822060000 EDT", "20260822070000 EDT"),
        ("202608221000+0000", "202608221100"),
    ],
)
def test_times_are_utc(start: str, stop: str) -> None:
    """Whatever zone the guide has, ours is UTC with a blank before the offset."""
    line = written(programme(f"<title>T</title>{NUMBERED}", start, stop))
    assert line.startswith(
        '<programme start="20260822100000 +0000" stop="20260822110000 +0000" channel="1001">'
    )


def test_a_shift_moves_times_and_window() -> None:
    """`shift` and `tvg-shift` move the programme; the window is what the viewer sees."""
    raw = programme(f"<title>T</title>{NUMBERED}", "20260821233000 +0000", "20260822000000 +0000")
    assert "" == written(raw)
    assert [("20260822003000", "20260822010000")] == times(written(raw, wish=WISH._replace(shift_s=3600)))


def test_children_in_the_dtds_order() -> None:
    """The order of the DTD, whatever the guide's; what the DTD does not know is dropped (52 files of 200, D2)."""
    wild = (
        '<rating system="V"><icon src="r"/><value>12</value></rating><star-rating><value>3/5</value></star-rating><new/><live/>'
        '<episode-num system="xmltv_ns">0.1.</episode-num><series-id>5</series-id><icon src="a" height="5"/><category>News</category>'
        '<subtitles type="teletext"><language>en</language></subtitles><video><quality>HD</quality><present>yes</present></video>'
        "<date>2019-05-01</date><country>UK</country><desc>D</desc><audio><stereo>stereo</stereo></audio><length units='minutes'>60</length>"
        '<credits><actor role="R">A</actor><director>B</director><stuntman>C</stuntman></credits><keyword>k</keyword>'
        "<sub-title>S</sub-title><review type='text'>ok</review><url>u</url><title>T</title><image type='poster'>i</image>"
    )
    assert (
        "<title>T</title><sub-title>S</sub-title><desc>D</desc><credits><director>B</director>"
        '<actor role="R">A</actor></credits><date>20190501</date><category>News</category><keyword>k</keyword>'
        '<length units="minutes">60</length><icon src="a" height="5"/><url>u</url><country>UK</country>'
        '<episode-num system="xmltv_ns">0.1.</episode-num><episode-num system="onscreen">S01E02</episode-num>'
        "<video><present>yes</present><quality>HD</quality></video><audio><stereo>stereo</stereo></audio><new/>"
        '<subtitles type="teletext"><language>en</language></subtitles><rating system="V"><value>12</value><icon src="r"/></rating>'
        '<star-rating><value>3/5</value></star-rating><review type="text">ok</review><image type="poster">i</image>'
    ) == inner(written(programme(wild)))


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("Tom &amp; Jerry", "Tom &amp; Jerry"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("Café", "Caf&eacute;"),
        ("Café", "Caf&#233;"),
        ("a &lt; b > c", "a &lt; b &gt; c"),
        ("&amp;nosuch; x", "&nosuch; x"),
        ("it's “q”", "it&apos;s &ldquo;q&rdquo;"),
        ("x y", "x\n\t y"),
        ("raw &lt;b>", "<![CDATA[raw <b>]]>"),
        ("in bold", "in <b>bold</b>"),
        ("ab", "a<!-- c -->b"),
        ("a]]&gt;b", "a]]&gt;b"),
        ("Zoé", "Zo\u00e9"),
        ("it\u2019s", "it\u0092s"),  # a control character where Windows text was taken for Latin-1
        ("ab", "a\x01b"),
    ],
)
def test_texts(text: str, raw: str) -> None:
    """Entities become characters, lone ampersands survive, control characters go, titles are one line."""
    assert f"<title>{text}</title>" in written(programme(f"<title>{raw}</title>{NUMBERED}"))


def test_windows_bytes_in_utf8() -> None:
    """A byte that is no UTF-8 is read as Windows-1252, in that programme alone."""
    good, bad = (
        programme("<title>Café</title>" + NUMBERED),
        programme("<title>Cafe</title>" + NUMBERED, "20260822110000", None),
    )
    lines = written(good, bad.replace(b"Cafe", b"Caf\xe9"))
    assert 2 == lines.count("<title>Café</title>")


@pytest.mark.parametrize(
    ("kept", "lang"), [(True, "en"), (True, "pt-BR"), (False, ""), (False, "  "), (False, "not a language")]
)
def test_lang_only_when_known(*, kept: bool, lang: str) -> None:
    """An empty `lang` keeps Plex's guide empty (iptv-streams.md D5): it is left out."""
    line = written(programme(f'<title lang="{lang}">T</title>{NUMBERED}'))
    assert kept == ("lang=" in line)
    assert not kept or f'<title lang="{lang}">' in line


def test_a_missing_title_is_the_channels_name() -> None:
    """The DTD wants a title; two in 475,400 programmes have none."""
    for raw in ("", "<title/>", "<title> </title>", "<desc>only</desc>"):
        assert "<title>One &amp; &lt;Two></title>" in written(programme(raw))


# --- stops ---------------------------------------------------------------------------------------------------


def test_missing_and_wrong_stops() -> None:
    """Without a stop, or with one not after the start: the next start, 6 h at most; a `length` is taken first."""
    raw = [
        programme("<title>a</title>", "20260822000000", None),
        programme("<title>b</title>", "20260822010000", "20260822010000"),
        programme("<title>c</title>", "20260822020000", None),
        programme("<title>d</title><length units='minutes'>90</length>", "20260822120000", None),
        programme("<title>e</title>", "20260822150000", "20260822140000"),
    ]
    expected = [
        ("20260822000000", "20260822010000"),
        ("20260822010000", "20260822020000"),
        ("20260822020000", "20260822080000"),
        ("20260822120000", "20260822133000"),
        ("20260822150000", "20260822210000"),
    ]
    assert expected == times(written(*raw))


def test_overlaps_cut_the_earlier() -> None:
    """Panel guides overlap around midnight: the later one keeps its start; of two with one start the richer stays."""
    raw = [
        programme("<title>long</title>", "20260822100000", "20260822130000"),
        programme("<title>next</title>", "20260822120000", "20260822140000"),
        programme("<title>twin</title>", "20260822120000", "20260822130000"),
        programme("<title>twin</title><desc>with more to say</desc>", "20260822120000", "20260822123000"),
    ]
    lines = written(*raw)
    assert [("20260822100000", "20260822120000"), ("20260822120000", "20260822123000")] == times(lines)
    assert "more to say" in lines


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(-5, 30))), min_size=1, max_size=12
    )
)
def test_no_overlap_and_always_an_end(rows: list[tuple[int, int | None]]) -> None:
    """Whatever the guide says: by start, ends after starts, nothing over the next, nothing over 6 h without a word."""
    raw = [
        programme(
            "<title>T</title>",
            time_text(BEGIN + start * 900),
            None if length is None else time_text(BEGIN + (start + length) * 900),
        )
        for start, length in rows
    ]
    found = channel_airings(b"".join(raw))
    assert {BEGIN + start * 900 for start, _ in rows} == {airing.start for airing in found}
    for airing, following in zip(found, [*found[1:], None], strict=True):
        assert airing.start < airing.stop
        assert following is None or airing.stop <= following.start


def test_the_window_keeps_what_lies_in_it_even_in_part() -> None:
    """A programme that runs into the window or out of it is whole; what only touches it is out."""
    hours = [
        ("20260821220000", "20260822000000"),
        ("20260821230000", "20260822003000"),
        ("20260822233000", "20260823010000"),
        ("20260823000000", "20260823010000"),
    ]
    for (start, stop), inside in zip(hours, [False, True, True, False], strict=True):
        assert inside == bool(written(programme("<title>T</title>", start, stop)))


def test_what_has_no_start_is_left_out() -> None:
    """One programme whose time cannot be read costs that programme alone."""
    lines = written(programme("<title>bad</title>", "someday"), programme("<title>good</title>"))
    assert "good" in lines
    assert "bad" not in lines


# --- numbers and identity ------------------------------------------------------------------------------------


@pytest.mark.accepts("ART-3")
@pytest.mark.parametrize(
    ("numbers", "raw"),
    [
        ([("xmltv_ns", "2.5."), ("onscreen", "S03E06")], '<episode-num system="xmltv_ns">2.5.</episode-num>'),
        (
            [("xmltv_ns", "2.5/10.0/2"), ("onscreen", "S03E06")],
            '<episode-num system="xmltv_ns"> 2 . 5/10 . 0/2 </episode-num>',
        ),
        ([("onscreen", "S3 E6"), ("xmltv_ns", "2.5.")], '<episode-num system="onscreen">S3 E6</episode-num>'),
        ([("onscreen", "3x06"), ("xmltv_ns", "2.5.")], "<episode-num>3x06</episode-num>"),
        ([("onscreen", "S00E05")], '<episode-num system="onscreen">S00E05</episode-num>'),
        (
            [
                ("dd_progid", "EP01.6"),
                ("original-air-date", "2019-05-01"),
                ("xmltv_ns", "2.5."),
                ("onscreen", "S03E06"),
            ],
            (
                '<episode-num system="dd_progid">EP01.6</episode-num><episode-num system="original-air-date">2019-05-01'
                '</episode-num><episode-num system="xmltv_ns">2.5.</episode-num>'
            ),
        ),
        ([("xmltv_ns", "7.4."), ("onscreen", "S08E05")], "<sub-title>S08 E05</sub-title>"),
    ],
)
def test_both_number_systems(numbers: list[tuple[str, str]], raw: str) -> None:
    """Season and episode known: both systems are there, what else there is stays, and nothing is made up."""
    line = written(programme(f"<title>T</title>{raw}"))
    assert numbers == re.findall(r'<episode-num system="([^"]*)">([^<]*)</episode-num>', line)
    assert "<date>" not in line


@pytest.mark.accepts("ART-3")
def test_identity_of_a_bare_title() -> None:
    """Title alone would be a film to Plex: it gets a sub-title of the day, a date and a number made of its start."""
    assert (
        "<title>News</title><sub-title>2026-08-22 10:00</sub-title><date>20260822</date>"
        '<episode-num system="xmltv_ns">2025.8220999.</episode-num><episode-num system="onscreen">S2026E8221000</episode-num>'
    ) == inner(written(programme("<title>News</title>")))


@pytest.mark.accepts("ART-3")
@pytest.mark.parametrize(
    ("added", "raw"),
    [
        ({"date", "episode-num"}, "<sub-title>Headlines</sub-title>"),
        ({"episode-num"}, "<sub-title>Headlines</sub-title><date>2026</date>"),
        ({"sub-title", "date", "episode-num"}, "<desc>d</desc><category>News</category>"),
        ({"sub-title", "date"}, '<episode-num system="onscreen">Part 2</episode-num>'),
        ({"date"}, "<category>Movie</category>"),
        ({"date"}, "<category>Spielfilm</category><sub-title>s</sub-title>"),
        (set(), "<category>Movie</category><date>1994</date>"),
        (set(), "<date>1994</date>"),
        (set(), "<sub-title>Headlines</sub-title><date>2026</date>" + NUMBERED),
    ],
)
def test_identity_adds_what_is_missing(added: set[str], raw: str) -> None:
    """Films stay films; what is numbered stays as it is; the rest gets what it lacks."""
    before = set(re.findall(r"<([a-z-]+)", raw)) | {"title"}
    after = set(re.findall(r"<([a-z-]+)", inner(written(programme(f"<title>T</title>{raw}")))))
    assert added == after - before


@pytest.mark.accepts("ART-3")
@given(
    st.lists(st.integers(0, 90), min_size=2, max_size=10, unique=True),
    st.sampled_from(["", "<sub-title>Live</sub-title>", "<category>News</category>"]),
)
def test_no_two_airings_of_the_same_title_are_one(hours: list[int], raw: str) -> None:
    """The same title over and over: every airing has an identity of its own, and the same one each time."""
    rows = [programme(f"<title>News</title>{raw}", time_text(BEGIN + hour * 900), None) for hour in hours]
    lines = written(*rows)
    identities = [re.sub(r"<desc>.*</desc>", "", inner(line + "\n")) for line in lines.splitlines()]
    assert len(set(identities)) == len(identities)
    assert lines == written(*reversed(rows))


def test_new_and_previously_shown_exclude_each_other() -> None:
    """With both, `new` stays; a `previously-shown` names no channel of the provider's guide."""
    assert "<previously-shown" not in written(
        programme(f"<title>T</title>{NUMBERED}<previously-shown/><new/>")
    )
    line = written(
        programme(f'<title>T</title>{NUMBERED}<previously-shown start="20190501120000 +0200" channel="x"/>')
    )
    assert '<previously-shown start="20190501100000 +0000"/>' in line
