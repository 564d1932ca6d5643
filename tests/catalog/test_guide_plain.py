"""Copying programmes that are canonical gives what parsing and writing them gives."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from reconciler.catalog import guide_plain
from reconciler.catalog.guide_channel import Wish, channel_airings, channel_lines, lines_of
from reconciler.catalog.guide_index import unavailable_titles
from reconciler.catalog.guide_plain import is_plain_text, plain_lines, plain_match, plain_programme
from reconciler.catalog.guide_programme import Airing, airings, programme_of, rendered
from reconciler.catalog.guide_text import elements, recovered
from reconciler.catalog.guide_times import time_text, time_value
from tests.catalog.wild_guides import squeezed

BEGIN = time_value("20260822000000") or 0
WINDOW = (BEGIN, BEGIN + 7 * 86400)
WISH = Wish("1001", "One & Two")

TEXTS = st.sampled_from(
    [
        "News", "Tom &amp; Jerry", "5 &lt; 6", "café", "a > b", "it's", "S03 E06", "Series 2, Episode 14", "x" * 300,
        " outer", "outer ", "\n  broken\n  line ", "in\nside", "CR\r\nLF", "two  blanks", "&quot;q&quot;", "&#233;", "&eacute;",
        "a & b", "]]>", "\x01control", "\u0085", "\ufffe", "🎬 film", "No Data", "", " ",
    ]
)  # fmt: skip
CALM = st.sampled_from(["News", "Tom &amp; Jerry", "café", "S03 E06", "Movie", "No Data", "x" * 200])
LANGUAGES = st.sampled_from(
    ["", ' lang="en"', ' lang="en"', ' lang=""', ' lang="pt-BR"', ' lang="toolongtobetrue"']
)
VALUES = st.sampled_from(["https://i.example/a.png?b=1&amp;c=2", "x", " x", "", "a&quot;b", "VCHIP"])
NUMBERS = st.sampled_from(
    [
        ("xmltv_ns", "2.5."), ("xmltv_ns", "2.5.0/1"), ("xmltv_ns", "2 . 5 . "), ("xmltv_ns", ".5."), ("xmltv_ns", "-1.12.0"),
        ("xmltv_ns", "2025.-1.0"), ("onscreen", "S03E06"), ("onscreen", "3x06"), ("onscreen", "E6"), ("onscreen", "Part 2"),
        ("dd_progid", "EP012345670004"), ("original-air-date", "2019-05-01"), ("", "S01E01"), ("xmltv_ns", "99999999999.1."),
        ("onscreen", "S00E05"),
    ]
)  # fmt: skip


@st.composite
def children(draw: st.DrawFn, *, calm: bool) -> list[str]:
    """The children of a programme in the DTD's order, most of them missing."""
    texts = CALM if calm else TEXTS
    languages = st.sampled_from(["", ' lang="en"']) if calm else LANGUAGES
    values = st.just("https://i.example/a.png?b=1&amp;c=2") if calm else VALUES
    ends = st.just("/>") if calm else st.sampled_from(["/>", " />", "></icon>"])
    dates = st.sampled_from(["1999", "20190501"] if calm else ["1999", "2019-05-01", "soon"])
    none = st.just("")

    def some(tag: str, most: int, share: int, attributes: st.SearchStrategy[str] = languages) -> list[str]:
        count = draw(st.integers(0, 1 if calm else most)) if draw(st.integers(0, 9)) < share else 0
        return [f"<{tag}{draw(attributes)}>{draw(texts)}</{tag}>" for _ in range(count)]

    def odd(*choices: str) -> list[str]:
        choice = draw(st.sampled_from(["", "", *choices]))
        return [choice] if choice and not calm else []

    icons = st.builds(
        lambda v, w, e: f'<icon src="{v}"{w}{e}', values, st.sampled_from(["", ' width="9"']), ends
    )
    kept = [f"<title{draw(languages)}>{draw(texts)}</title>"]
    kept += [
        *some("title", 1, 0 if calm else 1),
        *some("sub-title", 2, 5),
        *some("desc", 2, 0 if calm else 6),
    ]
    if calm and draw(st.booleans()):
        kept.append(f"<desc>{draw(texts)}</desc>")
    if draw(st.integers(0, 4)) == 0:
        role = st.sampled_from(["", ' role="Dr. X"', ' guest="yes"'][: 2 if calm else 3])
        people = [
            *some("director", 2, 5, none),
            *some("actor", 3, 7, role),
            *some("writer", 1, 0 if calm else 3, none),
        ]
        kept += [f"<credits>{''.join(people)}</credits>"] if people or not calm else []
    kept += [f"<date>{date}</date>" for date in draw(st.lists(dates, max_size=1))]
    kept += [
        *some("category", 3, 6),
        *some("keyword", 1, 0 if calm else 2),
        *some("language", 1, 0 if calm else 1),
    ]
    kept += [draw(icons) for _ in range(draw(st.integers(0, 1 if calm else 2)))]
    kept += some("country", 1, 1)
    numbers = draw(st.lists(NUMBERS.filter(lambda pair: pair[0] != "") if calm else NUMBERS, max_size=2))
    kept += [f'<episode-num system="{system}">{value}</episode-num>' for system, value in numbers]
    kept += odd("<previously-shown/>", "<previously-shown start='2019'/>")
    kept += odd("<premiere/>", "<premiere>first</premiere>")
    kept += odd("<new/>", "<new />")
    if calm and draw(st.booleans()):
        kept.append(draw(st.sampled_from(["<new/>", "<previously-shown/>"])))
    if draw(st.booleans()):
        kept.append(f'<rating system="VCHIP"><value>{draw(texts)}</value></rating>')
    return kept + odd("<star-rating><value>3/5</value></star-rating>")


@st.composite
def units(draw: st.DrawFn, start: int | None = None, stop: int | None = None, *, calm: bool = False) -> bytes:
    """One raw programme, canonical or nearly so."""
    gap = draw(st.sampled_from(["", "\n    "] if calm else ["", "\n    ", "\n    ", "\n\t", "\r\n  "]))
    begin = BEGIN + draw(st.integers(0, 8 * 86400)) if start is None else start
    end = begin + draw(st.integers(-60, 9000)) if stop is None else stop
    zone = "+0000" if calm else draw(st.sampled_from(["+0000", "+0000", "+0200", "-0530"]))
    parts = draw(children(calm=calm))
    if not calm and draw(st.integers(0, 5)) == 0:
        parts = draw(st.permutations(parts))
    if not calm and draw(st.integers(0, 5)) == 0:
        parts.append(
            draw(
                st.sampled_from(
                    [
                        "<live/>",
                        "<lcn>5</lcn>",
                        "<!-- c -->",
                        "<new/>",
                        "<video><quality>HD</quality></video>",
                    ]
                )
            )
        )
    nested = [
        part.replace("><", f">{gap}  <") if part.startswith(("<credits", "<rating")) else part
        for part in parts
    ]
    header = f'start="{time_text(begin)} {zone}" stop="{time_text(end)} {zone}"'
    header = draw(
        st.sampled_from(
            [f'{header} channel="c"', f'channel="c" {header}', f'{header} channel="c" start_timestamp="1"']
        )
    )
    return f"<programme {header}>{gap}{gap.join(nested)}{gap}</programme>\n  ".encode()


@st.composite
def channels(draw: st.DrawFn) -> list[bytes]:
    """The programmes of a channel, one after the other, now and then out of order or in each other's way."""
    result, now = [], BEGIN + draw(st.integers(-7200, 7200))
    calm = draw(st.integers(0, 3)) > 0
    for _ in range(draw(st.integers(0, 6))):
        stop = now + draw(st.sampled_from([1800, 3600, 3600, 90000]))
        result.append(draw(units(now, stop, calm=calm)))
        now = stop + draw(st.sampled_from([0, 0, 0, 0, 600, -600 if not calm else 0]))
    return result


def by_the_parser(raw: Sequence[bytes]) -> list[Airing]:
    """Every unit through lxml, mended where it is not well-formed."""
    found = []
    for unit in raw:
        try:
            found += elements(unit)
        except etree.XMLSyntaxError:
            found += recovered(unit)
    return airings(p for p in map(programme_of, found) if p is not None)


def canonical(lines: bytes) -> bytes:
    """Lines of programmes without blanks between tags, as C14N: what a client sees."""
    root = etree.fromstring(b"<tv>" + squeezed(lines) + b"</tv>")
    for text in root.iter():
        assert text.text is None or text.text == text.text.strip() or "\n" in text.text
    return bytes(etree.tostring(root, method="c14n"))


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(units())
def test_a_match_means_what_the_parser_says(unit: bytes) -> None:
    """A programme that matches the pattern gives the same line either way, whatever is in it."""
    found = plain_match(unit)
    if not is_plain_text(unit) or found is None:
        return
    copied = plain_programme(found)
    parsed = by_the_parser([unit])
    if copied is None:
        assert not parsed
        return
    (again,) = airings([copied])
    (airing,) = parsed
    assert (airing.start, airing.stop) == (again.start, again.stop)
    assert (airing.programme.title, airing.programme.film) == (copied.title, copied.film)
    assert airing.programme.numbered == copied.numbered
    one, two = (rendered(a, "1001", "N", 0).encode() for a in (airing, again))
    assert canonical(one) == canonical(two)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(raw=channels(), looks=st.booleans())
def test_a_channel_is_copied_as_it_is_written(raw: list[bytes], *, looks: bool) -> None:
    """Where the copy answers at all, it answers byte for byte what goes programme by programme, counts included."""
    says_nothing = unavailable_titles(["no data*"]) if looks else None
    data = b"".join(raw)
    limits = tuple(time_text(limit).encode() for limit in WINDOW)
    copied = plain_lines(data, len(raw), b"1001", (limits[0], limits[1]), says_nothing)
    inside = [a for a in channel_airings(data) if a.start < WINDOW[1] and a.stop > WINDOW[0]]
    written = lines_of(inside, WISH._replace(says_nothing=says_nothing))
    if copied is not None:
        assert tuple(written) == copied
    parsed = [a for a in by_the_parser(raw) if a.start < WINDOW[1] and a.stop > WINDOW[0]]
    assert canonical(lines_of(parsed, WISH).lines) == canonical(written.lines)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(channels(), st.randoms(use_true_random=False))
def test_the_order_in_the_guide_plays_no_part(raw: list[bytes], dice: object) -> None:
    """The same programmes in any order give the same bytes."""
    shuffled = list(raw)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    one = channel_lines(b"".join(raw), len(raw), WISH, WINDOW)
    two = channel_lines(b"".join(shuffled), len(raw), WISH, WINDOW)
    assert one == two


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(units(calm=True))
def test_the_quick_pattern_accepts_no_more_than_the_other(unit: bytes) -> None:
    """What the pattern for whole channels takes, the general one takes too: the decision stays with the text."""
    assume(guide_plain._RUN.match(unit))
    assert plain_match(unit)


def test_usual_guides_are_copied() -> None:
    """The common layouts go the quick way: else all of this would be for nothing."""
    body = (
        '<title lang="en">News</title>\n    <sub-title>At ten</sub-title>\n    <desc lang="en">All &amp; more</desc>\n    '
        '<date>2026</date>\n    <category lang="en">News</category>\n    <icon src="https://i/x.png"/>\n    '
        '<episode-num system="onscreen">S01E02</episode-num>\n    <rating>\n      <value>12</value>\n    </rating>\n  '
    )
    header = 'start="20260822010000 +0000" stop="20260822020000 +0000" channel="c"'
    unit = f"<programme {header}>\n    {body}</programme>\n  ".encode()
    for one in (unit, unit.replace(b"\n", b"").replace(b"  ", b""), unit.replace(b' channel="c"', b"").replace(b"<programme", b'<programme channel="c"')):  # fmt: skip
        assert plain_lines(one, 1, b"7", (b"20260822000000", b"20260829000000"), None) is not None


@pytest.mark.parametrize(
    ("plain", "data"),
    [
        (True, b"plain &amp; simple &lt; more\n\t\r"),
        (True, "café 🎬 \u00a0".encode()),
        (False, b"a & b"),
        (False, b"&gt;"),
        (False, b"&amp"),
        (False, b"]]>"),
        (False, b"\x00"),
        (False, b"\x1f"),
        (False, b"\x7f"),
        (False, b"caf\xe9"),
        (False, "\u0085".encode()),
        (False, "\ufffe".encode()),
        (False, b"\xed\xa0\x80"),
    ],
)
def test_plain_text(*, plain: bool, data: bytes) -> None:
    """Only what XML allows and what would be written as it stands."""
    assert plain == is_plain_text(data)
