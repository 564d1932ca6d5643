"""Programmes found in a published guide by halving."""

import io
import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.catalog.guide_times import time_text
from reconciler.catalog.guide_write import DvrGuide, GuideInput, GuideWanted, write_guides
from reconciler.serving.programmes import Programme, read_listings, read_logos

BEGIN: Final = 1_795_348_800  # 2026-11-22 12:00 UTC
HOUR: Final = 3600


def written(programmes: list[tuple[int, int, int, str]], *, logos: dict[int, str] | None = None) -> bytes:
    """A guide as `catalog.guide_write` makes it, of (number, start, stop, inner XML) in order."""
    numbers = sorted({number for number, *_ in programmes} | set(logos or {}))
    head = [
        f'<channel id="{n}"><display-name>{n} Ch</display-name><display-name>{n}</display-name>'
        + (f'<icon src="{logos[n]}"/>' if logos and n in logos else "")
        + "</channel>\n"
        for n in numbers
    ]
    lines = [
        f'<programme start="{time_text(a)} +0000" stop="{time_text(b)} +0000" channel="{n}">{inner}</programme>\n'
        for n, a, b, inner in programmes
    ]
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<tv generator-info-name="ptctl">\n'
        + "".join([*head, *lines])
        + "</tv>\n"
    ).encode()


@st.composite
def schedules(draw: st.DrawFn) -> list[tuple[int, int, int, str]]:
    """Channels in order, each with programmes that follow each other, with gaps; some as long as several reads."""
    programmes = []
    for number in sorted(draw(st.sets(st.integers(1, 2000), max_size=12))):
        at = BEGIN - draw(st.integers(0, 20)) * HOUR
        for minutes, gap, filling in draw(
            st.lists(
                st.tuples(
                    st.integers(1, 300), st.sampled_from([0, 0, 7]), st.sampled_from([0, 40, 900, 4000, 9000])
                ),
                max_size=15,
            )
        ):
            stop = at + minutes * 60
            text = f"<title>{number} {at}</title><desc>{'é' * filling}</desc>"
            programmes.append((number, at, stop, text))
            at = stop + gap * 60
    return programmes


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(schedules(), st.integers(-25, 40), st.integers(1, 600))
def test_same_as_reading_everything(
    tmp_path: Path, programmes: list[tuple[int, int, int, str]], hours: int, minutes: int
) -> None:
    """Whatever is in the guide and whatever the window: exactly the programmes that lie in it, even in part."""
    path = tmp_path / "guide.xml"
    path.write_bytes(written(programmes))
    begin, end = BEGIN + hours * HOUR, BEGIN + hours * HOUR + minutes * 60
    expected: dict[str, list[str]] = {}
    for number, start, stop, _ in programmes:
        if stop > begin and start < end:
            expected.setdefault(str(number), []).append(f"{number} {start}")
    wanted = {str(n + more) for n, *_ in programmes for more in (-1, 0, 1)} | {"1", "2001"}
    found = read_listings(path, wanted, begin, end)
    assert expected == {n: [p.title for p in row] for n, row in found.by_number.items()}
    assert found.known


def test_reads_what_our_writer_writes(tmp_path: Path) -> None:
    """A guide of `catalog.guide_write` gives titles, sub-titles, episodes, kinds and descriptions as plain text."""
    source = (
        b'<?xml version="1.0"?><tv><channel id="a"/>'
        b'<programme start="20261122120000 +0000" stop="20261122130000 +0000" channel="a"><title>Tom &amp; Jerry</title>'
        b"<sub-title>Mouse</sub-title><desc>A cat &lt;runs&gt;</desc><category>Cartoon</category>"
        b'<episode-num system="onscreen">S02E05</episode-num></programme>'
        b'<programme start="20261122130000 +0000" stop="20261122140000 +0000" channel="a"><title>News</title>'
        b"</programme></tv>"
    )
    out = io.BytesIO()
    wanted = [
        GuideWanted("news", 1000, "Toons", logo="http://logo.test/a.png?b=1&c=2", guide="g", xmltv_id="a")
    ]
    wanted.append(GuideWanted("news", 1001, "Nothing"))
    write_guides(
        [GuideInput("g", lambda: [source])],
        wanted,
        [DvrGuide("news", out, (BEGIN - 12 * HOUR, BEGIN + 12 * HOUR))],
        io.BytesIO(),
    )
    path = tmp_path / "guide.xml"
    path.write_bytes(out.getvalue())
    found = read_listings(path, ["1000", "1001"], BEGIN, BEGIN + 2 * HOUR)
    cat = Programme(
        BEGIN, BEGIN + HOUR, "Tom & Jerry", "Mouse", "S02E05", kind="Cartoon", about="A cat <runs>"
    )
    # The identity that the writer made up for the second one is not shown as if it were a sub-title.
    news = Programme(BEGIN + HOUR, BEGIN + 2 * HOUR, "News")
    assert {"1000": (cat, news)} == dict(found.by_number)
    assert cat == found.at("1000", BEGIN + 10)
    assert news == found.after("1000", BEGIN + 10)
    assert None is found.at("1001", BEGIN)
    assert {"1000": "http://logo.test/a.png?b=1&c=2"} == dict(read_logos(path))


def test_missing_guide_is_unknown(tmp_path: Path) -> None:
    """A guide that is not there is unknown, which is not the same as an empty one."""
    assert not read_listings(tmp_path / "guide.xml", ["1000"], BEGIN, BEGIN + HOUR).known
    assert {} == dict(read_logos(tmp_path / "guide.xml"))
    (tmp_path / "guide.xml").write_bytes(written([]))
    assert read_listings(tmp_path / "guide.xml", ["1000"], BEGIN, BEGIN + HOUR).known


@pytest.mark.parametrize("cut", [0, 1, 150, 400, 600, 1000])
def test_damaged_guide_gives_no_wrong_channel(tmp_path: Path, cut: int) -> None:
    """Cut off anywhere, or with lines of another form in it, a guide gives fewer programmes and never another's."""
    rows = [
        (n, BEGIN + i * HOUR, BEGIN + (i + 1) * HOUR, f"<title>{n}</title>")
        for n in (1, 2, 3)
        for i in range(3)
    ]
    data = written(rows)
    odd = b'<programme channel="2" start="20261122"><title>odd</title></programme>\n'
    data = data.replace(b"</tv>", odd * 3 + b"</tv>")
    path = tmp_path / "guide.xml"
    path.write_bytes(data[: len(data) - cut])
    found = read_listings(path, ["1", "2", "3", "x", "٣"], BEGIN, BEGIN + 3 * HOUR)
    for number, programmes in found.by_number.items():
        assert {number} == {p.title for p in programmes}


def test_endless_programme_is_passed_over(tmp_path: Path) -> None:
    """A programme without an end within reason is left out; what follows is found."""
    huge = f"<title>huge</title><desc>{'x' * 2_000_000}</desc>"
    rows = [(1, BEGIN, BEGIN + HOUR, huge), (2, BEGIN, BEGIN + HOUR, "<title>two</title>")]
    path = tmp_path / "guide.xml"
    path.write_bytes(written(rows))
    found = read_listings(path, ["1", "2"], BEGIN, BEGIN + HOUR)
    assert ["2"] == list(found.by_number)


def test_reads_little_of_a_large_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three hours of 480 channels are found without reading the week: a small part of the file is touched."""
    rows = [
        (n, BEGIN + i * HOUR, BEGIN + (i + 1) * HOUR, f"<title>{n}</title><desc>{'word ' * 60}</desc>")
        for n in range(1000, 1480)
        for i in range(100)
    ]
    path = tmp_path / "guide.xml"
    path.write_bytes(written(rows))
    read_bytes = 0
    real: Any = __import__("os").pread

    def counting(handle: int, length: int, offset: int) -> bytes:
        nonlocal read_bytes
        data: bytes = real(handle, length, offset)
        read_bytes += len(data)
        return data

    monkeypatch.setattr("reconciler.serving.programmes.os.pread", counting)
    at = BEGIN + 50 * HOUR
    found = read_listings(path, [str(n) for n in range(1000, 1480)], at, at + 3 * HOUR)
    assert 480 == len(found.by_number)
    assert {3} == {len(row) for row in found.by_number.values()}
    assert read_bytes < path.stat().st_size, re.sub(r"\B(?=(\d{3})+$)", ",", str(read_bytes))
