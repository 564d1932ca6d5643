"""The hub's pages over HTTP: what they show, what they never show, and with which headers."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import pytest
import trio

from reconciler.rendering.status_text import render_status
from reconciler.serving.blocked import blocked_of
from reconciler.serving.drift import DriftItem, DriftSeen
from reconciler.serving.pages.status_page import status_page
from reconciler.serving.programmes import Programme
from reconciler.serving.records import CopySeen
from reconciler.serving.status import AccountUse, DvrStatus, Host, SourceStatus, Status, StreamStatus
from tests.conftest import Run
from tests.serving.house import HOSTS, NAMES, House, record
from tests.serving.reading import best_of, region, text_of, tree, words_of
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


def test_a_failed_run_is_told_until_one_works(tmp_path: Path, run: Run[None]) -> None:
    """A refresh that failed is a problem on the page, though the tuners are ready; the next good one takes it away."""
    house = House(tmp_path, int(time.time()))

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            assert "serving" == region((await ask(serving.hub, "/")).body, "pulse")
            serving.live.note_run("the last run failed with exit 1")
            body = (await ask(serving.hub, "/")).body
            assert "1 problem" == region(body, "pulse")
            assert b"the last run failed with exit 1" in body
            assert 200 == (await ask(serving.hub, "/readyz")).status
            serving.live.note_run("")
            assert "serving" == region((await ask(serving.hub, "/")).body, "pulse")

    run(main)


@pytest.mark.accepts("WEB-1")
def test_what_is_blocked_is_told_with_its_word(tmp_path: Path, run: Run[None]) -> None:
    """What a safety rule held back stands on the page and in the status with its code and the command that decides it; a run
    that failed before its plan changes nothing of it, one that found nothing blocked takes it away.
    """
    house = House(tmp_path, int(time.time()))
    rows = [
        {
            "code": "S101",
            "dvr": "moviesprem",
            "message": "shrink 42.0 % > 30 %",
            "next_step": "ptctl plan home.yaml --allow shrink:moviesprem",
        },
        {"code": "S401", "dvr": "", "message": "<unknown>", "next_step": "ptctl help S401"},
    ]

    async def main() -> None:
        house.publish()
        async with served(house.stage) as serving:
            for trouble, blocked in (("", blocked_of(rows)), ("the last run failed", None)):
                serving.live.note_run(trouble, blocked)
                said = region((await ask(serving.hub, "/")).body, "notice")
                assert "moviesprem: S101 shrink 42.0 % > 30 %" in said
                assert "ptctl plan home.yaml --allow shrink:moviesprem" in said
                assert "all: S401 <unknown>. Next: ptctl help S401" in said
                status = (await ask(serving.hub, "/api/v1/status")).json()
                assert ["S101", "S401"] == [block["code"] for block in status["blocked"]]
                assert "left as it was, S101 shrink" in render_status(status, color=False)
            serving.live.note_run("", ())
            assert "S101" not in region((await ask(serving.hub, "/")).body, "notice")

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
    return Status(BEGIN, "home", "g", True, "", (), (), dvrs, streams, (source, source), (), None, None, True)


def test_without_a_plex_nothing_waits_for_an_apply() -> None:
    """A spec for other players alone: the page and `ptctl status` compare nothing and ask for no command."""
    home = many_dvrs(1)
    alone = replace(
        home, plex=False, dvrs=tuple(replace(d, in_plex="none", applied_at="") for d in home.dvrs)
    )
    page = text_of(status_page(alone))
    assert "no Plex in the spec" in page
    assert "nothing to compare with" in page
    assert "ptctl plan" not in page
    assert "not looked" not in page
    said = render_status(asdict(alone), color=False)
    assert "no Plex in the spec" in said
    assert "drift" not in said


def test_a_taken_port_is_why_it_is_not_ready() -> None:
    """The first line of `ptctl status` says so much, and a line of its own which."""
    status = replace(many_dvrs(2), ready=False, problems=(("dvr0", "port 5005 is not free"),))
    said = render_status(asdict(status), color=False)
    assert "not ready: 1 problem\n" in said
    assert "dvr0: port 5005 is not free" in said


def test_status_is_quick() -> None:
    """The status page of 13 DVRs with 26 streams takes at most 50 ms."""
    status = many_dvrs(13)
    assert best_of(lambda: status_page(status)) < 0.050


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
