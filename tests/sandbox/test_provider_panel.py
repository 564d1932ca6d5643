"""What a simulated panel holds: files moved to today, inventions, and the JSON it makes of them."""

import gzip
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from lxml import etree

from reconciler.errors import OperatorError
from reconciler.sandbox.demo import GROUPS
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Channel, Panel, Shape
from tests.sandbox.provided import LIVE, LOGIN, fetch, provider, small_panel

NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC).timestamp()
LIST = """\ufeff#EXTM3U url-tvg="x"\r
#EXTINF:-1 tvg-id="one.us" tvg-chno="7" group-title="US, Locals" catchup="xc",One, the first\r
#EXTVLCOPT:http-user-agent=VLC\r
http://old.example/live/u/p/4711.ts\r
#EXTINF:-1 tvg-id="two.us" tvg-logo="http://x/y.png",Two
http://old.example/two.m3u8
#EXTINF:-1 group-title="Films",Film
http://old.example/movie/u/p/90.mp4
#EXTINF:-1 group-title="Shows",Show S01 E02
http://old.example/series/u/p/91.mkv
"""
GUIDE = """<?xml version="1.0"?><tv><channel id="one.us"><display-name>One</display-name></channel>
<programme start="20260822120000 +0000" stop="20260822130000 +0000" channel="one.us"><title>Noon &amp; on</title></programme>
<programme channel="one.us" start="20260822130000 +0000" stop="20260822150000 +0000"><title>Later</title><lcn>1</lcn></programme>
<programme start="202608221500" channel="one.us"><title>No zone, no stop</title></programme>
</tv>"""


@pytest.fixture
def panel(tmp_path: Path) -> Panel:
    """A panel from one list and one zipped guide."""
    listed, guide = tmp_path / "list.m3u", tmp_path / "guide.xml"
    listed.write_text(LIST, encoding="utf-8", newline="")
    guide.write_bytes(gzip.compress(GUIDE.encode()))
    return Panel.from_files([listed], [guide])


def test_entries_of_a_file_become_channels(panel: Panel) -> None:
    """Xtream ids are kept, others follow from guide id and name; kinds, numbers and the rest are as in the file."""
    one, two, film, episode = panel.channels
    assert (
        Channel(
            4711,
            "One, the first",
            "US, Locals",
            "one.us",
            number=7,
            attributes=(("catchup", "xc"),),
            directives=("#EXTVLCOPT:http-user-agent=VLC",),
        )
        == one
    )
    assert (two.name, two.logo, two.epg_id) == ("Two", "http://x/y.png", "two.us")
    assert (film.kind, film.id, film.container) == ("movie", 90, "mp4")
    assert (episode.kind, episode.series, episode.container) == ("series", "Show", "mkv")


def test_ids_do_not_depend_on_order(tmp_path: Path) -> None:
    """Shuffling the lines of a file changes no stream id."""
    entries = [f'#EXTINF:-1 tvg-id="c{n}",Channel {n}\nhttp://h/{n}\n' for n in range(50)]
    ids = []
    for name, lines in (("a", entries), ("b", entries[::-1])):
        path = tmp_path / name
        path.write_text("#EXTM3U\n" + "".join(lines))
        ids.append({c.name: c.id for c in Panel.from_files([path]).channels})
    assert ids[0] == ids[1]


def programmes(document: bytes) -> list[tuple[str, str | None, str]]:
    """Start, stop and title of every programme."""
    root = etree.fromstring(document)
    return [(p.get("start") or "", p.get("stop"), p.findtext("title") or "") for p in root.iter("programme")]


def test_guide_is_moved_by_whole_days_and_repeated(panel: Panel) -> None:
    """At any time of any day something is on; hours and odd elements stay as they were in the file."""
    assert panel.guide is not None
    document = panel.guide.document(NOW)
    rows = programmes(document)
    assert ("20261121120000 +0000", "20261121130000 +0000", "Noon & on") in rows
    assert b"<lcn>1</lcn>" in document
    assert any(re.fullmatch(r"20261122\d{6}", start) for start, _, _ in rows)
    for hour in range(0, 96, 5):
        moment = f"{datetime.fromtimestamp(NOW + hour * 3600, UTC):%Y%m%d%H%M%S}"
        assert any(start[:14] <= moment and (stop is None or moment < stop[:14]) for start, stop, _ in rows)


def test_guide_changes_once_a_day(panel: Panel) -> None:
    """Two moments of one day give the same bytes, the next day moves them by a day."""
    assert panel.guide is not None
    first = panel.guide.document(NOW)
    assert panel.guide.document(NOW + 3600) == first
    then = programmes(panel.guide.document(NOW + 86400))
    assert ("20261122120000 +0000", "20261122130000 +0000", "Noon & on") in then


def test_missing_file_is_named(tmp_path: Path) -> None:
    """The error says which file and why."""
    with pytest.raises(OperatorError, match=r"'.*none\.m3u': FileNotFoundError"):
        Panel.from_files([tmp_path / "none.m3u"])


@pytest.mark.shared
@pytest.mark.slow
def test_real_samples_load(shared: Path) -> None:
    """A thousand real channels with their guides: every id is unique, most have something on now."""
    names = ("samsung-us", "samsung-gb")
    panel = Panel.from_files(
        [shared / f"{name}.m3u" for name in names], [shared / f"{name}.xml.gz" for name in names]
    )
    assert panel.guide is not None
    assert len(panel.channels) > 500
    assert len({c.id for c in panel.channels}) == len(panel.channels)
    moment = f"{datetime.fromtimestamp(NOW, UTC):%Y%m%d%H%M%S}"
    root = etree.fromstring(panel.guide.document(NOW))
    on = {
        p.get("channel")
        for p in root.iter("programme")
        if (p.get("start") or "")[:14] <= moment < (p.get("stop") or "")[:14]
    }
    assert len(on & {c.epg_id for c in panel.channels}) > 400


@pytest.mark.parametrize("count", [20, 80, 3000])
def test_demo_scales(count: int) -> None:
    """As many live channels as were asked for, give or take a group, in every group, with unique ids."""
    panel = Panel.demo(NOW, channels=count)
    live = [c for c in panel.of_kind("live") if not c.name.startswith("#")]
    assert abs(len(live) - count) <= len(GROUPS)
    assert {c.group for c in live} == {group.name for group in GROUPS}
    assert len({c.id for c in panel.channels}) == len(panel.channels)
    assert Panel.demo(NOW + 60, channels=count).channels == panel.channels


def test_demo_grows_at_the_end_of_groups() -> None:
    """A bigger demo has the channels of a smaller one under the same ids."""
    small = {c.id: c.name for c in Panel.demo(NOW, channels=80).channels}
    large = {c.id: c.name for c in Panel.demo(NOW, channels=800).channels}
    assert small.items() <= large.items()


def test_demo_guide_has_no_holes() -> None:
    """Every channel with a guide id has programmes that follow each other without gap or overlap, with episodes."""
    panel = Panel.demo(NOW, channels=20)
    assert panel.guide is not None
    document = panel.guide.document(NOW)
    root = etree.fromstring(document)
    listed = {c.get("id") for c in root.iter("channel")}
    assert {c.epg_id for c in panel.channels if c.epg_id} == listed
    for name in listed:
        rows = [p for p in root.iter("programme") if p.get("channel") == name]
        assert all(a.get("stop") == b.get("start") for a, b in pairwise(rows))
    assert b'system="xmltv_ns"' in document
    tomorrow = programmes(panel.guide.document(NOW + 86400))
    assert set(programmes(document)) & set(tomorrow)


def test_messy_json_means_the_same(clips: Path) -> None:
    """Types are odd in many ways, ids and names are not lost, and the record of a channel is always odd alike."""

    async def main() -> None:
        panel = Panel.demo(NOW, accounts=small_panel().accounts)
        async with provider(clips, panel, now=NOW, manners=Manners(messy=True)) as handle:
            url = f"{handle.urls[0]}/player_api.php?{LOGIN}&action=get_live_streams"
            first = await fetch(url)
            assert (await fetch(url)).content == first.content
            *records, nameless, gone = first.json()
            assert (nameless["stream_id"], gone["stream_id"]) == ("", None)
            assert [int(r["stream_id"]) for r in records] == [c.id for c in panel.of_kind("live")]
            assert [r["name"].strip() for r in records] == [c.name for c in panel.of_kind("live")]
            for field in ("stream_id", "category_id", "num", "tv_archive", "is_adult"):
                assert len({type(r[field]) for r in records}) > 1
            login = (await fetch(f"{handle.urls[0]}/player_api.php?{LOGIN}")).json()
            assert login["user_info"]["auth"] == "1"

    trio.run(main)


def test_films_and_series_are_listed(clips: Path) -> None:
    """Categories, streams and episodes of films and series name what get.php names."""

    async def main() -> None:
        panel = Panel.demo(NOW, channels=20, accounts=small_panel().accounts)
        async with provider(clips, panel, now=NOW) as handle:
            base = handle.urls[0]

            async def call(action: str) -> object:
                return (await fetch(f"{base}/player_api.php?{LOGIN}&action={action}")).json()

            films = await call("get_vod_streams")
            assert isinstance(films, list)
            assert {f["stream_id"] for f in films} == {c.id for c in panel.of_kind("movie")}
            series = await call("get_series")
            assert isinstance(series, list)
            info = await call(f"get_series_info&series_id={series[0]['series_id']}")
            assert isinstance(info, dict)
            ids = {int(e["id"]) for season in info["episodes"].values() for e in season}
            assert ids == {c.id for c in panel.of_kind("series")}
            groups = await call("get_live_categories")
            assert isinstance(groups, list)
            one = await call(f"get_live_streams&category_id={groups[0]['category_id']}")
            assert isinstance(one, list)
            assert {c.id for c in panel.of_kind("live") if c.group == groups[0]["category_name"]} == {
                s["stream_id"] for s in one
            }
            text = (await fetch(f"{base}/get.php?{LOGIN}&type=m3u_plus")).text
            assert f"/movie/anna/pa%20ss%2F1/{films[0]['stream_id']}.mp4" in text
            assert await call("get_nothing") == []

    trio.run(main)


def test_panel_can_be_exchanged(clips: Path) -> None:
    """Fewer channels, other names, another order: every page follows, and what is gone is 404."""

    async def main() -> None:
        async with provider(clips) as handle:
            one, two, _three = handle.panel.channels
            handle.replace(replace(handle.panel, channels=(replace(two, name="Deux"), one)))
            url = f"{handle.urls[1]}/player_api.php?{LOGIN}&action=get_live_streams"
            assert [(r["stream_id"], r["name"]) for r in (await fetch(url)).json()] == [
                (12, "Deux"),
                (11, "Eleven"),
            ]
            assert "Thirteen" not in (await fetch(f"{handle.urls[0]}/get.php?{LOGIN}")).text
            assert (await fetch(f"{handle.urls[0]}{LIVE}/13.ts")).status_code == 404

    trio.run(main)


def test_server_info_can_name_another_host(clips: Path) -> None:
    """`advertised_host` is what XTR-4 is about: the API host names another one, or one that does not exist."""

    async def main() -> None:
        async with provider(clips, manners=Manners(advertised_host=1)) as handle:
            url = f"{handle.urls[0]}/player_api.php?{LOGIN}"
            assert handle.urls[1].endswith((await fetch(url)).json()["server_info"]["port"])
            handle.behave(Manners(advertised_host=-1))
            assert (await fetch(url)).json()["server_info"]["url"] == "dead.invalid"

    trio.run(main)


def test_plain_list_gives_back_what_the_file_said(clips: Path, panel: Panel) -> None:
    """Attributes and directives beyond the usual ones are in the plain list, with our URLs."""

    async def main() -> None:
        async with provider(clips, panel, now=NOW) as handle:
            lines = (await fetch(f"{handle.urls[0]}/list.m3u")).text.splitlines()
            assert lines[1:4] == [
                (
                    '#EXTINF:-1 tvg-id="one.us" tvg-name="One, the first" group-title="US, Locals" tvg-chno="7" '
                    'catchup="xc",One, the first'
                ),
                "#EXTVLCOPT:http-user-agent=VLC",
                f"{handle.urls[0]}/play/4711.ts",
            ]
            again = await fetch(f"{handle.urls[0]}/list.m3u")
            headers = {"If-None-Match": again.headers["etag"]}
            assert (await fetch(f"{handle.urls[0]}/list.m3u", headers=headers)).status_code == 304

    trio.run(main)


def test_shapes_that_make_no_sense_are_refused() -> None:
    """What the simulator cannot make is an error at once, not a broken stream later."""
    with pytest.raises(ValueError, match="need TS segments"):
        Shape(segments="fmp4", encrypted=True)
