"""Loading all sources from the simulated provider: which call gives the list, what stands in, what is never kept."""

import base64
import json
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import trio

from reconciler.catalog.entry import Dropped
from reconciler.catalog.guide_times import DAY_S
from reconciler.errors import CredentialError
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account
from reconciler.sandbox.provider import ProviderHandle
from reconciler.sandbox.wire import Exchange
from reconciler.sources.catalogue import spooling
from reconciler.sources.copies import UNFINISHED, UNUSED_S, Copies
from reconciler.sources.progress import Step
from reconciler.spec.model import Source
from tests.conftest import Run
from tests.sources.panels import (
    NOW,
    PANEL,
    USER,
    a_spec,
    load,
    panel_source,
    provider,
)
from tests.sources.test_lists import serving

Provider = Callable[..., AbstractAsyncContextManager[ProviderHandle]]


def test_a_panel_is_catalogued(run: Run[Any], tmp_path: Path) -> None:
    """Live streams with groups, ids, guide ids and the account's limit; nothing else by default."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            steps: list[Step] = []
            catalog = await load(a_spec(panel_source(*handle.urls)), tmp_path, progress=steps.append)
            report = catalog.reports["main"]
            assert ("fresh", "player_api", 1, 2, 2) == (
                report.fetched, report.via, report.host, report.hosts, report.connections,
            )  # fmt: skip
            assert len(handle.panel.of_kind("live")) == len(catalog.entries) == report.entries
            first = handle.panel.of_kind("live")[0]
            entry = catalog.entries[0]
            assert (str(first.id), first.name, first.group, first.epg_id) == (
                entry.key, entry.name, entry.group, entry.guide_id,
            )  # fmt: skip
            assert {"live"} == {e.kind for e in catalog.entries}
            assert {"login", "list", "done"} <= {s.what for s in steps}

    run(main)


@pytest.mark.accepts("XTR-7")
def test_films_and_series_on_demand(run: Run[Any], tmp_path: Path) -> None:
    """With `content` VOD and series are catalogued under their own kinds."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            source = panel_source(handle.urls[0], content=("live", "vod", "series"))
            for order in (("player_api", "get_php"), ("get_php", "player_api")):
                catalog = await load(a_spec(replace(source, order=order)), tmp_path / order[0])
                assert {"live", "vod", "series"} == {e.kind for e in catalog.entries}
                assert all(e.extension for e in catalog.entries if e.kind == "vod")
            # episodes, not series, by either call
            wanted = {str(c.id) for c in handle.panel.of_kind("series")}
            for single in ("player_api", "get_php"):
                found = await load(a_spec(replace(source, order=(single,))), tmp_path / f"only-{single}")
                assert wanted == {e.key for e in found.entries if e.kind == "series"}, single

    run(main)


def test_episodes_without_an_id_are_counted(run: Run[Any], tmp_path: Path) -> None:
    """What cannot be played of a series is left out with a word, under the name of the series."""
    answers: dict[str, object] = {
        "": {"user_info": {"auth": 1, "status": "Active"}, "server_info": {}},
        "get_series_categories": [],
        "get_series": [{"series_id": 1, "name": "Seasons"}],
        "get_series_info": {"episodes": {"1": [{"id": "5", "episode_num": 1}, {"title": "lost"}, {"id": 0}]}},
    }

    async def answer(exchange: Exchange) -> None:
        action = parse_qs(urlsplit(exchange.request.target).query).get("action", [""])[0]
        await exchange.respond(200, json.dumps(answers[action]).encode(), "application/json")

    async def main() -> None:
        async with serving(answer) as server:
            source = panel_source(server.url, content=("series",), order=("player_api",))
            found = await load(a_spec(source), tmp_path)
            assert ["Seasons S01E01"] == [e.name for e in found.entries]
            assert (Dropped("no usable episode id", 2, ("Seasons",)),) == found.reports["main"].dropped

    run(main)


@pytest.mark.accepts("M3U-2", "NUM-2")
def test_both_calls_agree_on_keys(run: Run[Any], tmp_path: Path) -> None:
    """get.php and player_api list the same streams under the same ids, with no address and no credential."""

    async def main() -> None:
        async with provider(tmp_path, manners=Manners(messy=True)) as handle:
            one = await load(a_spec(panel_source(handle.urls[0])), tmp_path / "a")
            other = await load(
                a_spec(panel_source(handle.urls[0], order=("get_php", "player_api"))), tmp_path / "b"
            )
            assert ("player_api", "get_php") == (one.reports["main"].via, other.reports["main"].via)
            assert [(e.key, e.name, e.group, e.url) for e in one.entries] == [
                (e.key, e.name, e.group, e.url) for e in other.entries
            ]
            assert {""} == {e.url for e in one.entries}

    run(main)


@pytest.mark.accepts("M3U-2")
@pytest.mark.parametrize(
    "fault",
    [
        Fault("hang", path="get"),
        Fault("status", path="get", status=500),
        Fault("html", path="get"),
        Fault("empty", path="get"),
        Fault("json-error", path="get"),
        Fault("reset", path="get"),
        Fault("empty-list", path="get"),
        Fault("truncated", path="get"),
        Fault("gzip-bomb", path="get"),
    ],
    ids=lambda fault: fault.kind,
)
def test_get_php_fails_and_player_api_serves(run: Run[Any], tmp_path: Path, fault: Fault) -> None:
    """Whatever is wrong with get.php, the catalogue comes from player_api, and the report says so."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            handle.faults.switch_on(fault)
            source = panel_source(handle.urls[0], order=("get_php", "player_api"))
            report = (await load(a_spec(source), tmp_path)).reports["main"]
            assert ("fresh", "player_api") == (report.fetched, report.via)
            assert any("get.php" in note for note in report.notes), report.notes

    run(main)


@pytest.mark.accepts("M3U-2")
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", path="player_api", status=884),
        Fault("html", path="player_api"),
        Fault("broken-json", path="player_api"),
        Fault("empty-list", path="player_api", skip=1),
        Fault("truncated", path="player_api", skip=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.skip}",
)
def test_player_api_fails_and_get_php_serves(run: Run[Any], tmp_path: Path, fault: Fault) -> None:
    """The reverse order works the same."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            handle.faults.switch_on(fault)
            report = (await load(a_spec(panel_source(handle.urls[0])), tmp_path)).reports["main"]
            assert ("fresh", "get_php") == (report.fetched, report.via), report.notes

    run(main)


@pytest.mark.accepts("M3U-3", "ART-2")
def test_the_copy_stands_in(run: Run[Any], tmp_path: Path) -> None:
    """When everything fails the last good list is used, with its age; beyond `max_age` it is stale."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            spec = a_spec(panel_source(*handle.urls))
            good = await load(spec, tmp_path)
            handle.faults.switch_on(Fault("status", status=503))
            bad = await load(spec, tmp_path, now=NOW + 7 * 3600)
            report = bad.reports["main"]
            assert good.entries == bad.entries
            assert ("cached", 7 * 3600, False, 2) == (
                report.fetched, report.age_s, report.stale, report.connections,
            )  # fmt: skip
            assert "the copy of 7 h ago is used" in report.notes
            assert (await load(spec, tmp_path, now=NOW + 25 * 3600)).reports["main"].stale
            assert good.entries == (await load(spec, tmp_path, cached_only=True, environ={})).entries

    run(main)


@pytest.mark.accepts("M3U-3")
def test_nothing_at_all_is_absent(run: Run[Any], tmp_path: Path) -> None:
    """No answer and no copy: absent and stale, never an empty catalogue that looks fresh."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            handle.faults.switch_on(Fault("refuse"))
            steps: list[Step] = []
            asked = await load(a_spec(panel_source(*handle.urls)), tmp_path, progress=steps.append)
            report = asked.reports["main"]
            assert ("absent", True, 0) == (report.fetched, report.stale, report.entries)
            waits = [step.detail.rpartition("again in ")[2] for step in steps if step.what == "retry"]
            assert waits, steps
            # The wait that it is, to a tenth: three times "in 1 s" reads as if nothing moved.
            assert all(re.fullmatch(r"\d\.\d s", wait) for wait in waits), waits
            assert "no list and no copy" in report.notes

    run(main)


def test_an_empty_list_is_an_outage(run: Run[Any], tmp_path: Path) -> None:
    """An empty answer where there were streams keeps the copy and says so."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            spec = a_spec(panel_source(handle.urls[0]))
            good = await load(spec, tmp_path)
            handle.faults.switch_on(
                Fault("empty-list", path="player_api", skip=1), Fault("empty-list", path="get")
            )
            bad = await load(spec, tmp_path, now=NOW + 60)
            assert good.entries == bad.entries
            assert "cached" == bad.reports["main"].fetched
            assert any("an empty list where" in note for note in bad.reports["main"].notes)

    run(main)


def test_unchanged_lists_are_not_read_again(run: Run[Any], tmp_path: Path) -> None:
    """The same list again is `unchanged`, equal, and writes nothing but the time."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            spec = a_spec(panel_source(handle.urls[0]))
            first = await load(spec, tmp_path)
            kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "lists").glob("*.columns")}
            second = await load(spec, tmp_path, now=NOW + 3600)
            assert first.entries == second.entries
            assert ("unchanged", 0) == (second.reports["main"].fetched, second.reports["main"].age_s)
            assert kept == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache" / "lists").glob("*.columns")}

    run(main)


def test_too_many_requests_are_waited_for(run: Run[Any], tmp_path: Path) -> None:
    """429 with a short Retry-After is waited for once; with a long one the copy is used."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            spec = a_spec(panel_source(handle.urls[0]))
            slow = Fault("status", status=429, first=1, headers=(("Retry-After", "1"),))
            handle.faults.switch_on(slow)
            begun = trio.current_time()
            assert "fresh" == (await load(spec, tmp_path)).reports["main"].fetched
            assert trio.current_time() - begun >= 1
            handle.faults.switch_off()
            handle.faults.switch_on(Fault("status", status=429, headers=(("Retry-After", "600"),)))
            asked = len(handle.journal.visits)
            report = (await load(spec, tmp_path)).reports["main"]
            assert "cached" == report.fetched
            assert "asked to come back in 600 s" in report.notes
            assert len(handle.journal.visits) - asked <= 3

    run(main)


def test_a_missing_reference_is_said_before_any_request(run: Run[Any], tmp_path: Path) -> None:
    """A reference that leads nowhere names itself and the source's requests are not begun."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            with pytest.raises(CredentialError, match="env:IPTV_PASS"):
                await load(a_spec(panel_source(*handle.urls)), tmp_path, environ={"IPTV_USER": USER})
            assert 0 == len(handle.journal.visits)

    run(main)


@pytest.mark.accepts("CRD-4")
def test_no_credential_in_cache_notes_or_log(
    run: Run[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A planted password occurs in no file of the cache, no note and no log line, in any coding."""
    planted = "s3cret/with+odd&chars 47"
    panel = replace(PANEL, accounts=(Account("planted-user", planted),))
    environ = {"IPTV_USER": "planted-user", "IPTV_PASS": planted}

    async def main() -> list[str]:
        async with provider(tmp_path, panel=panel) as handle:
            shown: list[str] = []
            for order in (("player_api",), ("get_php",)):
                spec = a_spec(panel_source(*handle.urls, order=order, content=("live", "vod", "series")))
                shown.append(repr(await load(spec, tmp_path, environ=environ)))
            m3u = Source("list", "m3u", url=f"{handle.urls[0]}/get.php?username={{username}}&password={{password}}"
                         "&type=m3u_plus", credentials=("provider",))  # fmt: skip
            shown.append(repr(await load(a_spec(m3u), tmp_path, environ=environ)))
            handle.faults.switch_on(Fault("text", text=f"go away planted-user {planted}"))
            shown.append(repr(await load(a_spec(m3u, panel_source(*handle.urls)), tmp_path, environ=environ)))
            return shown

    with caplog.at_level("DEBUG"):
        shown = run(main)
    everything = [*(s.encode() for s in shown), caplog.text.encode()]
    everything += [p.read_bytes() + p.name.encode() for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    for secret in (planted, "planted-user"):
        codings = {secret, quote(secret), quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
        for coding in codings:
            assert not [e[:200] for e in everything if coding.encode() in e], coding
    assert all(p.stat().st_mode & 0o77 == 0 for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_what_killed_runs_left_is_removed_after_a_day(tmp_path: Path) -> None:
    """Bodies on their way and half-written copies, wherever they lie in the cache; what is younger may still be at work."""
    old, young = tmp_path / f"{UNFINISHED}old", tmp_path / f"{UNFINISHED}young"
    half, copy = tmp_path / "lists" / f"{UNFINISHED}half", tmp_path / "lists" / "main.json"
    for path in (old / "body", young / "body", half, copy):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    for path in (old, half, copy):
        os.utime(path, (1_000, 1_000))
    os.utime(young, (2_000, 2_000))
    with spooling(tmp_path, now=1_500 + DAY_S) as spool:
        assert spool.is_dir()
        assert {old: False, young: True, half: False, copy: True} == {
            path: path.exists() for path in (old, young, half, copy)
        }
    assert not spool.exists()


def test_copies_that_nobody_names_go_after_a_month(tmp_path: Path) -> None:
    """A source that left the spec takes its gigabyte along, not at once: another environment may name it still."""
    names = ("main.json", "main.01.data", "left.json", "left.live.02.columns", "mixed.json", "mixed.03.data")
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (1_000, 1_000))
    os.utime(tmp_path / "mixed.json", (2_000, 2_000))
    Copies(tmp_path).forget({"main"}, 1_500 + UNUSED_S)
    assert {n for n in names if not n.startswith("left.")} == {path.name for path in tmp_path.iterdir()}
    Copies(tmp_path / "nowhere").forget({"main"}, 1_500 + UNUSED_S)
    assert not (tmp_path / "nowhere").exists()


def test_a_source_that_left_the_spec_is_forgotten(run: Run[Any], tmp_path: Path) -> None:
    """By whoever fetches next, when its time is over, and with what belongs to it."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            await load(a_spec(panel_source(*handle.urls)), tmp_path)
            lists = tmp_path / "cache" / "lists"
            before = {path.name for path in lists.iterdir()}
            assert before
            for name in before:
                os.utime(lists / name, (NOW, NOW))
            other = a_spec(replace(panel_source(*handle.urls), name="other"))
            await load(other, tmp_path)
            assert before < {path.name for path in lists.iterdir()}
            for name in before:
                os.utime(lists / name, (NOW - UNUSED_S - 1, NOW - UNUSED_S - 1))
            await load(other, tmp_path)
            assert {"other"} == {path.name.partition(".")[0] for path in lists.iterdir()}

    run(main)


def test_cancelling_leaves_the_copies(run: Run[Any], tmp_path: Path) -> None:
    """A load that is cancelled in the middle leaves no half file and the old copy."""

    async def main() -> None:
        async with provider(tmp_path) as handle:
            spec = a_spec(panel_source(handle.urls[0]))
            good = await load(spec, tmp_path)
            handle.faults.switch_on(Fault("trickle", rate=500))
            with trio.move_on_after(0.4):
                await load(spec, tmp_path)
            assert good.entries == (await load(spec, tmp_path, cached_only=True)).entries
            assert [] == [p.name for p in (tmp_path / "cache").glob(".fetch-*")]

    run(main)


def test_sources_are_loaded_side_by_side_in_order(run: Run[Any], tmp_path: Path) -> None:
    """Two sources take as long as one; their entries come in the order of the spec; one that fails leaves the other."""
    playlist = tmp_path / "locals.m3u"
    playlist.write_text("#EXTM3U\n#EXTINF:-1,Local\nhttp://10.0.0.9/1.ts\n")

    async def main() -> None:
        async with provider(tmp_path) as handle:
            locals_ = Source("locals", "m3u", path=str(playlist))
            spec = a_spec(locals_, panel_source(handle.urls[0]))
            catalog = await load(spec, tmp_path)
            assert ["locals", "main"] == list(catalog.reports)
            assert ("locals", "main") == (catalog.entries[0].source, catalog.entries[-1].source)
            handle.faults.switch_on(Fault("refuse"))
            playlist.write_text("#EXTM3U\n#EXTINF:-1,Local 2\nhttp://10.0.0.9/2.ts\n")
            catalog = await load(spec, tmp_path)
            assert ["fresh", "cached"] == [r.fetched for r in catalog.reports.values()]
            assert "Local 2" == catalog.entries[0].name

    run(main)


Main = Callable[[], Awaitable[None]]
