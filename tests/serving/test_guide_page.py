"""The guide and channel pages over HTTP and as values: window, search, unknown, explanation, hostile names, speed."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.serving.pages.guide_page import GuideAsked, GuideShown, guide_page, window_of
from reconciler.serving.pages.markup import Html
from reconciler.serving.pages.site import fit_logos
from reconciler.serving.programmes import Listings, Programme
from tests.conftest import Run
from tests.serving.house import HOSTS, NAMES, House, record
from tests.serving.reading import best_of, text_of, tree, words_of
from tests.serving.stage import ask, served

BEGIN: Final = 1_795_348_800
HOUR: Final = 3600


# --- the guide ---------------------------------------------------------------------------------------------------


def test_guide_shows_the_window(tmp_path: Path, run: Run[None]) -> None:
    """Three hours from the half hour, a row per channel, spans by length, and links to earlier, later, days and DVRs."""
    now = int(time.time())
    house = House(tmp_path, now)

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            got = await ask(serving.hub, "/guide?dvr=ukie")
            page = tree(got.body)
            grid = page.xpath('//table[@id="grid"]')[0]
            begin, end = int(grid.get("data-begin")), int(grid.get("data-end"))
            assert 3 * HOUR == end - begin
            assert begin % 1800 == 0
            assert begin <= now < end
            rows = grid.xpath("./tbody/tr")
            assert 5 == len(rows)
            for row in rows:
                assert 36 == sum(int(span) for span in row.xpath("./td/@colspan"))
            assert 6 == len(grid.xpath("./thead/tr/th[@colspan='6']"))
            assert 1 == len([r for r in rows if "no guide data" in r.text_content()])
            now_cells = grid.xpath('.//td[contains(@class, "now")]/a')
            assert 4 == len(now_cells)
            assert all(int(a.get("data-b")) <= now < int(a.get("data-e")) for a in now_cells)
            assert len(NAMES) == len(page.xpath('//nav[@aria-label="DVRs"]/a'))
            later = page.xpath('//a[@rel="next"]/@href')[0]
            assert f"guide?dvr=ukie&at={end}" == later
            after = tree((await ask(serving.hub, f"/{later}")).body)
            assert str(end) == after.xpath('//table[@id="grid"]/@data-begin')[0]
            assert [] == after.xpath('//table[@id="grid"]//td[contains(@class, "now")]')
            assert ["true"] == page.xpath('//nav[@aria-label="Time"]/a[text()="Now"]/@aria-current')
            assert [] == after.xpath('//nav[@aria-label="Time"]/a[text()="Now"]/@aria-current')

    run(main)


def test_finding(tmp_path: Path, run: Run[None]) -> None:
    """A search keeps channels by name, number or programme, and says when there are none."""
    house = House(tmp_path, int(time.time()), channel_names={"2201": "ESPN <8>"})

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:

            async def numbers(words: str) -> list[str]:
                page = tree((await ask(serving.hub, f"/guide?dvr=sportsa&q={quote(words)}")).body)
                return [str(n) for n in page.xpath('//table[@id="grid"]/tbody/tr/th//b/text()')]

            assert ["2201"] == await numbers("espn")
            assert ["2203"] == await numbers("2203")
            assert set() < set(await numbers("harbour detective")) < {"2200", "2201", "2202", "2203", "2204"}
            assert [] == await numbers("nothing like it")
            body = (await ask(serving.hub, "/guide?dvr=sportsa&q=%3Cb%3E%22")).body
            assert 'has “<b>"” in its name' in text_of(body)
            assert ['<b>"'] == tree(body).xpath('//input[@id="q"]/@value')

    run(main)


def test_guide_gone_is_unknown(tmp_path: Path, run: Run[None]) -> None:
    """Where the guide's file cannot be read, the channels stand there and what is on is unknown."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        generation = house.publish()
        async with served(house.stage) as serving:
            (tmp_path / "artifacts" / generation / "ukie" / "guide.xml").unlink()
            body = (await ask(serving.hub, "/guide?dvr=ukie")).body
            assert "unknown: the guide of this DVR cannot be read" in text_of(body)
            assert "Channel 5200" in text_of(body)
            assert "no guide data" not in text_of(body)
            assert "cannot be read" in text_of((await ask(serving.hub, "/channel/ukie/5200")).body)

    run(main)


def test_channel_is_explained(tmp_path: Path, run: Run[None]) -> None:
    """A channel's page has id, aliases, group, the ways in their order without addresses, and what is on."""
    now = int(time.time())
    house = House(tmp_path, now, channel_names={"2200": "ESPN & <Friends>"})

    async def main() -> None:
        record(tmp_path, house.publish(), now)
        async with served(house.stage) as serving:
            body = (await ask(serving.hub, "/channel/sportsa/2200")).body
            words = text_of(body)
            assert "2200 ESPN & <Friends>" in words
            for part in ("main/201", "main/999", "US| <Sports>", "espn.us", "2026-11-01"):
                assert part in words
            ways = [words_of(row) for row in
                    tree(body).xpath('//table[contains(., "Ways")]/tbody/tr')]  # fmt: skip
            assert 3 == len(ways)
            assert ways[0].startswith("1. main")
            assert "host 2" in ways[1]
            assert "address 1" in ways[2]
            assert 1 == len(tree(body).xpath('//ol/li[@class="now"]'))
            assert "What happens in it." in words

    run(main)


def test_hosts_are_called_alike_on_every_page(tmp_path: Path, run: Run[None]) -> None:
    """A DVR that tries them in an order of its own shows that order by the names that the status page uses."""
    house = House(tmp_path, int(time.time()))
    main_ = house.stage.sources["main"]
    house.stage.by_dvr = {"sportsa": {"main": replace(main_, hosts=main_.hosts[::-1])}}

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            body = (await ask(serving.hub, "/channel/sportsa/2200")).body
            ways = [words_of(row) for row in tree(body).xpath('//table[contains(., "Ways")]/tbody/tr')]
            assert "host 2" in ways[0]
            assert "host 1" in ways[1]

    run(main)


def test_window_of_now() -> None:
    """The window of "now" begins with the half hour that holds the present time; another is moved to its half hour."""
    for late in range(0, 3600, 60):
        begin, end = window_of(GuideAsked("x"), BEGIN + late)
        assert begin % 1800 == 0
        assert begin <= BEGIN + late < end
    assert (BEGIN, BEGIN + 3 * HOUR) == window_of(GuideAsked("x", BEGIN + 700), 0)


def test_logos_fit() -> None:
    """A logo is shown unless it lies at a provider, has a place for a credential, or is no web address."""
    from reconciler.lineups.manifest import Routes, SourceRoute

    routes = Routes("g", {"m": SourceRoute("m", "xtream", HOSTS)})
    logos = {
        "1": "https://logos.example/a.png",
        "2": f"{HOSTS[0]}/a.png",
        "3": "http://panel-two.example/other-port.png",
        "4": "http://x/{password}.png",
        "5": "javascript:alert(1)",
        "6": "http://user:word@x/a.png",
        "7": "http://[bad/a.png",
    }
    assert {"1": "https://logos.example/a.png"} == dict(fit_logos(logos, routes))


# --- hostile text and speed --------------------------------------------------------------------------------------

names = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["</td></table><script>alert(1)</script>", "' onmouseover=x", "\ud800", "<!--", "&amp;", "\u202e"]
    ),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(names, min_size=1, max_size=4), names, names)
def test_hostile_names_change_no_structure(channels: list[str], title: str, words: str) -> None:
    """Whatever channels, programmes and searches are called, the page has the rows it should have and nothing more."""
    lineup = {str(n): name for n, name in enumerate(channels, 1)}
    airing = Programme(BEGIN, BEGIN + HOUR, title, title, about=title)
    listings = Listings(BEGIN, BEGIN + 3 * HOUR, dict.fromkeys(lineup, (airing,)))
    shown = GuideShown(
        title, "mark", ("a", words), GuideAsked("a", words=""), lineup, {"1": "http://x/" + title}, listings
    )
    page = tree(guide_page(shown, BEGIN, Html("")))
    assert len(lineup) == len(page.xpath('//table[@id="grid"]/tbody/tr'))
    assert [] == page.xpath(
        "//style | //@style | //script[text()] | //@*[starts-with(name(), 'on')] | //comment()"
    )
    assert 1 == len(page.xpath("//script"))
    assert len(lineup) == len(page.xpath('//table[@id="grid"]/tbody/tr/td[2]'))


def test_guide_is_quick(tmp_path: Path) -> None:
    """Three hours of a DVR of 480 channels, found in the guide of a week and made a page, take at most 150 ms."""
    from reconciler.serving.programmes import read_listings, read_logos

    logos = {str(1000 + n): f"http://logos.example/{n}.png" for n in range(480)}
    house = House(tmp_path, BEGIN, channels=480, hours=84, names=("all",), logos=logos)
    path = tmp_path / "guide.xml"
    path.write_bytes(house.stage.guide)
    numbers = {number: house.name(number) for number in house.stage.lineups["all"]}

    def whole() -> bytes:
        listings = read_listings(path, numbers, BEGIN, BEGIN + 3 * HOUR)
        shown = GuideShown("home", "g", NAMES, GuideAsked("all"), numbers, read_logos(path), listings)
        return guide_page(shown, BEGIN, Html(""))

    assert 480 == len(tree(whole()).xpath('//table[@id="grid"]/tbody/tr'))
    assert best_of(whole) < 0.150
