"""The hub's pages over HTTP: what they show, what they never show, and with which headers."""

import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import html

from reconciler.ledger.journal import Journal
from reconciler.ledger.model import Applied, ChannelRecord, DvrRecord, Ledger
from reconciler.ledger.store import save
from reconciler.serving.drift import DriftItem, DriftSeen
from reconciler.serving.pages.guide_page import GuideAsked, GuideShown, guide_page, window_of
from reconciler.serving.pages.markup import Html
from reconciler.serving.pages.site import fit_logos
from reconciler.serving.pages.status_page import status_page
from reconciler.serving.programmes import Listings, Programme
from reconciler.serving.records import CopySeen
from reconciler.serving.status import AccountUse, DvrStatus, Host, SourceStatus, Status, StreamStatus
from reconciler.sources.copies import Copies, Head
from tests.conftest import Run
from tests.serving.house import HOSTS, NAMES, House
from tests.serving.stage import ask, panel_stage, provided, served, until, watching

Main = Callable[[], Awaitable[None]]
PAGES: Final = (
    "/",
    "/guide",
    "/guide?dvr=sportsa",
    "/channel/sportsa/2200",
    "/channel/sportsa/9",
    "/guide?dvr=x",
)
BEGIN: Final = 1_795_348_800
HOUR: Final = 3600


def tree(body: bytes) -> Any:
    """A page as lxml sees it. Any: its elements are untyped."""
    return html.document_fromstring(body.decode())


def text_of(body: bytes) -> str:
    """All text of a page, blanks made single."""
    return words_of(tree(body))


def words_of(found: Any) -> str:
    """All text of an element, pieces apart, blanks made single. Any: untyped."""
    return " ".join(" ".join(found.itertext()).split()).replace(" :", ":")


def region(body: bytes, name: str) -> str:
    """The text of one region."""
    return words_of(tree(body).xpath(f'//*[@data-region="{name}"]')[0])


# --- what every page keeps to ------------------------------------------------------------------------------------


def test_policy_and_manners(tmp_path: Path, run: Run[None]) -> None:
    """Every page forbids foreign and inline script, says no referrer, and holds no script or style in itself."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            for path in PAGES:
                got = await ask(serving.hub, path)
                policy = got.headers["content-security-policy"]
                assert "default-src 'none'; style-src 'self'; script-src 'self'" in policy
                assert "unsafe" not in policy
                assert "no-referrer" == got.headers["referrer-policy"]
                assert "nosniff" == got.headers["x-content-type-options"]
                page = tree(got.body)
                assert [] == page.xpath(
                    "//style | //@style | //script[text()] | //@*[starts-with(name(), 'on')]"
                )
                outside = page.xpath("//script/@src | //link/@href")
                assert 3 == len(outside)
                assert all(address.lstrip("./").startswith("assets/") for address in outside)
                assert "en" == page.get("lang")
                assert 1 == len(page.xpath("//h1"))
                ids = page.xpath("//@id")
                assert sorted(set(ids)) == sorted(ids)

    run(main)


def test_assets_are_kept_for_ever(tmp_path: Path, run: Run[None]) -> None:
    """Style, script and icon answer under the name of their content, to be kept; any other name is 404."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            page = tree((await ask(serving.hub, "/channel/sportsa/2200")).body)
            for address in page.xpath("//script/@src | //link/@href"):
                got = await ask(serving.hub, "/" + address.lstrip("./"))
                assert 200 == got.status
                assert "public, max-age=31536000, immutable" == got.headers["cache-control"]
                assert got.body
            assert 404 == (await ask(serving.hub, "/assets/style.css")).status
            assert 404 == (await ask(serving.hub, "/assets/../site.py")).status

    run(main)


def test_nothing_of_the_provider_shows(tmp_path: Path, run: Run[None]) -> None:
    """No page and no event holds a provider's address, a credential, its reference or a place for one."""
    now = int(time.time())
    logos = {
        "1000": f"{HOSTS[0]}/logo.png",
        "1001": "http://cdn.example/{username}/a.png",
        "1002": "ftp://x/y.png",
    }
    house = House(tmp_path, now, logos=logos)

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            for path in (*PAGES, "/guide?dvr=bcastus", "/channel/bcastus/1000", "/channel/bcastus/1001"):
                body = (await ask(serving.hub, path)).body.decode()
                for word in (
                    "panel-one",
                    "panel-two",
                    "cdn.example",
                    "list.example",
                    "{username}",
                    "orchard",
                    "file:",
                ):
                    assert word not in body, (path, word)
            async with watching(serving.hub, "/events?for=status") as events:
                data = await events.read(2000)
                assert b"panel-one" not in data
                assert b"file:" not in data

    run(main)


def test_methods(tmp_path: Path, run: Run[None]) -> None:
    """HEAD answers without a body, writing is refused, unknown pages are 404 with a way back."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            for path in ("/", "/guide", "/events"):
                got = await ask(serving.hub, path, method="HEAD")
                assert (200, b"") == (got.status, got.body)
                assert 405 == (await ask(serving.hub, path, method="POST")).status
            lost = await ask(serving.hub, "/channel/nobody/1")
            assert 404 == lost.status
            assert ["../../"] == tree(lost.body).xpath("//main//a/@href")
            assert 404 == (await ask(serving.hub, "/events?for=everything")).status
            for at in ("soon", "0", "99999999999", "2026-13-01"):
                assert 400 == (await ask(serving.hub, f"/guide?at={at}")).status

    run(main)


def test_before_anything_is_published(tmp_path: Path, run: Run[None]) -> None:
    """Without artifacts the status page says so and what to do; the guide has nothing to show."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        async with served(house.stage) as serving:
            got = await ask(serving.hub, "/")
            assert 200 == got.status
            assert "Nothing is published yet. Next: ptctl apply or ptctl refresh" == region(
                got.body, "notice"
            )
            assert "no artifacts yet" == region(got.body, "pulse")
            assert 503 == (await ask(serving.hub, "/guide")).status

    run(main)


# --- the status page ---------------------------------------------------------------------------------------------


def test_what_nobody_knows_is_unknown(tmp_path: Path, run: Run[None]) -> None:
    """Without ledger, journal, caches and a look at Plex the page says unknown, not zero and not well."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            body = (await ask(serving.hub, "/")).body
            assert region(body, "drift").startswith("unknown: Plex was not looked at")
            assert "unknown" == region(body, "run")
            assert "Drift unknown" in region(body, "glance")
            assert "List unknown" in region(body, "sources")
            assert "not tried yet" in region(body, "sources")
            assert "unknown" in region(body, "dvrs")
            assert "none" not in region(body, "drift")

    run(main)


@pytest.mark.accepts("WEB-1")
def test_shows_what_is_known(tmp_path: Path, run: Run[None]) -> None:
    """DVRs with tuners, sources with lists, drift and the last run stand on the page, from memory and from disk."""
    now = int(time.time())
    house = House(tmp_path, now, changes={"sportsa": {"lineup_digest": "a"}, "ukie": {"lineup_digest": "b"}})

    async def main() -> None:
        generation = house.publish()
        record(tmp_path, generation, now)
        async with served(house.stage) as serving:
            serving.drift.note(
                DriftSeen(now, (DriftItem("sportsa", "tuner.uri", "tuner address is http://old:5004"),))
            )
            await ask(serving.dvrs["sportsa"], "/guide.xml", headers=[("User-Agent", "PlexMediaServer/1.41")])
            body = (await ask(serving.hub, "/")).body
            for name in NAMES:
                assert name in region(body, "dvrs")
            rows = {row.xpath("string(th//b)"): words_of(row) for row in
                    tree(body).xpath('//*[@data-region="dvrs"]//tbody/tr')}  # fmt: skip
            assert "0 of 2" in rows["sportsa"]
            assert "2200\N{EN DASH}2204" in rows["sportsa"]
            assert "just now PlexMediaServer" in rows["sportsa"]
            assert "as applied" in rows["sportsa"]
            assert "changes wait" in rows["ukie"]
            assert "not applied" in rows["latin"]
            assert "DVRs 13 65 channels" in region(body, "glance")
            assert "12,345 entries, fetched 2 h ago" in region(body, "sources")
            assert "0 of 4" in region(body, "sources")
            assert "host 1" in region(body, "sources")
            assert "1 difference" in region(body, "drift")
            assert "sportsa tuner address is http://old:5004 tuner.uri" in region(body, "drift")
            assert "1 action failed" in region(body, "run")
            assert "Plex said no" in region(body, "run")
            serving.drift.note(DriftSeen(now, failed="Plex did not answer"))
            assert "unknown: Plex did not answer" in region((await ask(serving.hub, "/")).body, "drift")

    run(main)


def record(state: Path, generation: str, now: int) -> None:
    """A ledger with three DVRs, a journal with a failure, and a copy of a list two hours old."""
    digests = {d["name"]: d["lineup_digest"] for d in
               json.loads((state / "artifacts" / generation / "manifest.json").read_text())["dvrs"]}  # fmt: skip
    dvrs = {}
    for name, digest in (("sportsa", digests["sportsa"]), ("ukie", "of last week"), ("latin", None)):
        applied = Applied("g", "http://a", "http://g", name, "m", 5, lineup_digest=digest) if digest else None
        dvrs[name] = DvrRecord(name, "10AA0001", 5005, name, name, (1000, 1599), applied=applied)
    channels = {
        "main/201": ChannelRecord(
            "main/201",
            "sportsa",
            2200,
            "main",
            ("main/999",),
            "espn.us",
            "espn",
            group="US| <Sports>",
            since="2026-11-01",
        )
    }
    save(state, Ledger("line", dvrs=dvrs, channels=channels), base=Ledger("line"))
    with Journal(state, "apply", lambda: "2026-11-22T10:00:00Z") as journal:
        journal.intent("dvr/sportsa", "create", "sportsa")
        journal.outcome("dvr/sportsa", "failed", "Plex said no", 1.0)
        journal.finish(6)
    Copies(state / "cache" / "lists").keep("main.live", Head("xtream", now - 7200, 12345), ())


def test_reads_records_only_when_they_change(tmp_path: Path, run: Run[None]) -> None:
    """A ledger that becomes unreadable is unknown at once, and known again when it is mended."""
    now = int(time.time())
    changes = {"sportsa": {"lineup_digest": "same"}}
    house = House(tmp_path, now, changes=changes)

    async def main() -> None:
        record(tmp_path, house.publish(), now)
        kept = (tmp_path / "ledger.json").read_bytes()
        async with served(house.stage) as serving:

            async def said() -> str:
                return region((await ask(serving.hub, "/")).body, "dvrs")

            assert "as applied" in await said()
            (tmp_path / "ledger.json").write_text("{broken")
            assert "as applied" not in await said()
            assert "not applied" not in await said()
            (tmp_path / "ledger.json").write_bytes(kept)
            assert "as applied" in await said()

    run(main)


def test_streams_show_with_what_is_on(tmp_path: Path, clips: Path, run: Run[None]) -> None:
    """A watched channel stands on the page with programme, viewers, source and host; an open page is told by an event."""
    now = int(time.time())

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            house = House(tmp_path, now, channels=9, names=("news",))
            stage.guide = house.guide(stage.lineups)
            stage.publish()
            async with served(stage) as serving, watching(serving.hub, "/events?for=status") as events:
                first = await events.read(100)
                assert b"Nobody is watching" in first
                async with watching(serving.dvrs["news"], "/auto/v1001") as viewer:
                    await viewer.read(188)
                    body = (await ask(serving.hub, "/")).body
                    watched = region(body, "watching")
                    assert "1001 Channel 1001" in watched
                    assert "playing" in watched
                    assert "main host 1" in watched
                    assert any(title in watched for title in house.titles)
                    assert "1 of 2" in region(body, "dvrs")
                    assert "1 viewer" in text_of((await ask(serving.hub, "/channel/news/1001")).body)
                    told = (await events.read(len(first) + 1000))[len(first) :]
                    assert b"Channel 1001" in told
                await until(lambda: not serving.relay.sessions)

    run(main)


def test_equal_moments_are_equal_values() -> None:
    """Two looks at the same state are equal, whenever they were: nothing is sent for the passing of time."""
    one = many_dvrs(2)
    assert one == replace(one, as_of=one.as_of + 60)
    assert one != replace(one, ready=False)


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


def test_window_of_now() -> None:
    """The window of "now" holds the present time, begins on a half hour, and goes on ten minutes before the next."""
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


def many_dvrs(count: int) -> Status:
    """A status as a home with many DVRs has it."""
    dvrs = tuple(
        DvrStatus(f"dvr{n}", f"DVR {n}", "10AA0001", "http://x", 480, "1000", "1479", 4, 2, 3, "current",
                  "2026-11-22T10:00:00Z", BEGIN, "PlexMediaServer")
        for n in range(count)
    )  # fmt: skip
    playing = Programme(BEGIN, BEGIN + HOUR, "The Harbour Detective")
    streams = tuple(
        StreamStatus(f"dvr{n}", t, f"{1000 + n}", "Channel", "playing", 2, ("10.0.0.1", "10.0.0.2"), BEGIN, 4_200_000,
                     "main", "host 1", 0, playing)
        for n in range(count)
        for t in range(2)
    )  # fmt: skip
    hosts = tuple(Host(f"host {n}", 5, 1, resting=n == 2, last="403") for n in range(1, 7))
    source = SourceStatus(
        "main", "xtream", (CopySeen("main.live", BEGIN, 20_000),), (AccountUse(3, 5, 0),), hosts
    )
    return Status(BEGIN, "home", "g", True, "", (), dvrs, streams, (source, source), (), None, None, True)


def best_of(five: Callable[[], object]) -> float:
    """CPU seconds of the quickest of five."""
    times = []
    for _ in range(5):
        began = time.process_time()
        five()
        times.append(time.process_time() - began)
    return min(times)


def test_status_is_quick() -> None:
    """The status page of 13 DVRs with 26 streams takes at most 50 ms."""
    status = many_dvrs(13)
    assert best_of(lambda: status_page(status)) < 0.050


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


def test_many_open_pages_are_refused_kindly(tmp_path: Path, run: Run[None]) -> None:
    """Beyond the limit of open event streams the next one gets 503 and when to come again; pages still answer."""
    from reconciler.serving.events import MOST_CLIENTS

    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving, trio.open_nursery() as nursery:
            opened = 0

            async def listen() -> None:
                nonlocal opened
                async with watching(serving.hub, "/events?for=guide") as events:
                    await events.read(20)
                    opened += 1
                    await trio.sleep_forever()

            for _ in range(MOST_CLIENTS):
                nursery.start_soon(listen)
            await until(lambda: opened == MOST_CLIENTS)
            got = await ask(serving.hub, "/events?for=guide")
            assert (503, "30") == (got.status, got.headers["retry-after"])
            assert 200 == (await ask(serving.hub, "/")).status
            nursery.cancel_scope.cancel()

    run(main)
