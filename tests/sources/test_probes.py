"""Probes against the simulated provider: three outcomes, connections that are never a viewer's, and the breaker."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.errors import OperatorError
from reconciler.lineups.manifest import Alternative, Routes, SourceRoute
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account, Channel, Panel
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.secret import SecretRef
from reconciler.sources.bad_streams import bad_streams
from reconciler.sources.blacklist import load_blacklists
from reconciler.sources.probe_outcome import (
    Known,
    Subject,
    Tried,
    breaker_fires,
    due,
    judged_bad,
    known_after,
    summed_up,
)
from reconciler.sources.probe_store import forget, load_probes, save_probes
from reconciler.sources.probes import ProbeRun, probe, subjects_of
from reconciler.sources.progress import Step
from reconciler.spec.model import Credentials, Probes, Source, Spec
from tests.conftest import Run

NOW = 1_800_000_000.0
DAY = 86400.0
COUNT = 6
PANEL = Panel(
    accounts=(Account(max_connections=4),),
    channels=tuple(Channel(id=100 + i, name=f"Channel {i}", group="G") for i in range(COUNT)),
)
ENVIRON = {"U": "demo", "P": PANEL.accounts[0].password}
PROBES = Probes(mode="smoke", concurrency=3, breaker=1.0, budget_s=30)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips are made once for all tests here."""
    return tmp_path_factory.mktemp("clips")


@asynccontextmanager
async def provider(clips: Path, **options: Any) -> Any:
    """Two hosts of one panel; streams come as fast as they are taken."""
    manners = options.pop("manners", Manners(numbered=False, pace=False, hls_hold=0.2))
    async with trio.open_nursery() as nursery:
        start = partial(
            run_provider, options.pop("panel", PANEL), stream_cache=clips, manners=manners, **options
        )
        handle: ProviderHandle = await nursery.start(start)
        yield handle
        nursery.cancel_scope.cancel()


def a_spec(handle: ProviderHandle, tmp_path: Path, options: Probes = PROBES) -> Spec:
    """One panel, one account."""
    own = Credentials("own", SecretRef("env", "U"), SecretRef("env", "P"))
    source = Source("main", "xtream", hosts=handle.urls, credentials=("own",))
    return Spec(
        "t", {"main": source}, {}, (), (), {}, credentials={"own": own}, base=str(tmp_path), state=str(tmp_path),
        probes=options,
    )  # fmt: skip


def some_routes(handle: ProviderHandle, **more: Any) -> Routes:
    """A route for each channel."""
    route = SourceRoute("main", "xtream", hosts=handle.urls, connections=more.pop("connections", 4), **more)
    channels = {f"main/{100 + i}": (Alternative("main", str(100 + i)),) for i in range(COUNT)}
    return Routes("g", {"main": route}, channels)


def subjects(routes: Routes) -> list[Subject]:
    """All channels of routes."""
    return subjects_of(routes, {c: f"Channel {c}" for c in routes.channels})


async def run_on(
    handle: ProviderHandle,
    tmp_path: Path,
    routes: Routes | None = None,
    spec: Spec | None = None,
    **more: Any,
) -> ProbeRun:
    """One run over all channels."""
    routes = routes or some_routes(handle)
    more = {"known": {}, "now": NOW, "viewers": {}, "environ": ENVIRON, **more}
    return await probe(spec or a_spec(handle, tmp_path), routes, subjects(routes), **more)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("SMK-1")
@pytest.mark.parametrize("format_", ["hls", "ts"])
def test_streams_that_play_are_good(run: Run[Any], tmp_path: Path, clips: Path, format_: str) -> None:
    """HLS with a segment of TS, and plain TS, are good; progress names each channel; secrets stay out of sight."""

    async def main() -> None:
        async with provider(clips) as handle:
            steps: list[Step] = []
            found = await run_on(handle, tmp_path, some_routes(handle, format=format_), progress=steps.append)
            assert ("", COUNT, COUNT, 0) == (found.stopped, found.tried, found.good, found.bad), found
            assert COUNT == len([s for s in steps if s.what == "probe"])
            assert ENVIRON["P"] not in repr((found, steps))

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("SMK-1", "SMK-2")
@pytest.mark.parametrize(
    ("outcome", "cause", "fault"),
    [
        ("bad", "empty", Fault("empty", path="playlist")),
        ("bad", "html", Fault("html", path="playlist")),
        ("bad", "no-segment", Fault("no-segments", path="playlist")),
        ("bad", "empty-segment", Fault("segment-empty", path="segment")),
        ("bad", "html", Fault("segment-html", path="segment")),
        ("bad", "elsewhere", Fault("tos-redirect", path="playlist")),
        ("bad", "missing", Fault("status", path="playlist", status=404)),
        ("inconclusive", "limit", Fault("status", path="playlist", status=429)),
        ("inconclusive", "limit", Fault("status", path="playlist", status=458)),
        ("inconclusive", "denied", Fault("status", path="playlist", status=403)),
        ("inconclusive", "busy", Fault("status", path="playlist", status=503)),
        ("inconclusive", "reset", Fault("reset", path="playlist")),
        ("inconclusive", "challenge", Fault("challenge", path="playlist")),
    ],
    ids=lambda value: f"{value.kind}-{value.path}" if isinstance(value, Fault) else str(value),
)
def test_three_outcomes(
    run: Run[Any], tmp_path: Path, clips: Path, outcome: str, cause: str, fault: Fault
) -> None:
    """What is no stream is bad; what only says that the account or the server is busy keeps the channel."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(replace(fault, channel=101) if fault.path == "playlist" else fault)
            routes = some_routes(handle)
            routes = replace(routes, channels={"main/101": routes.channels["main/101"]})
            found = (await run_on(handle, tmp_path, routes)).found
            assert [(outcome, cause)] == [(k.outcome, k.cause) for k in found]

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("SMK-6")
def test_all_alternatives_are_tried(run: Run[Any], tmp_path: Path, clips: Path) -> None:
    """A channel is good as long as one host or one alternative plays."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("html", host=0, path="playlist"))
            assert COUNT == (await run_on(handle, tmp_path)).good
            handle.faults.switch_on(Fault("html", host=1, path="playlist", channel=100))
            routes = some_routes(handle)
            both = (*routes.channels["main/100"], *routes.channels["main/101"])
            routes = replace(routes, channels={"main/100": both, "main/105": routes.channels["main/100"]})
            found = {k.channel: k.outcome for k in (await run_on(handle, tmp_path, routes)).found}
            assert {"main/100": "good", "main/105": "bad"} == found

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("SMK-3", "BUS-1", "PVL-6", "STM-1")
def test_connections_of_viewers_are_never_used(run: Run[Any], tmp_path: Path, clips: Path) -> None:
    """At most limit - 1 - viewers at once; without a spare one nothing is opened and the run ends at once."""

    async def main() -> None:
        async with provider(clips) as handle:
            found = await run_on(handle, tmp_path, some_routes(handle, format="ts"), viewers={"main": 1})
            assert COUNT == found.good
            assert handle.peak() <= 2
            before = len(handle.journal.visits)
            for routes, viewers in (
                (some_routes(handle), {"main": 3}),
                (some_routes(handle, connections=1), {}),
                (some_routes(handle, connections=1), {"main": 1}),
                (some_routes(handle, connections=1), None),
            ):
                found = await run_on(handle, tmp_path, routes, viewers=viewers)
                assert (0, COUNT) == (found.tried, found.waiting)
                assert any("no connection to spare" in note for note in found.notes)
            assert any("serve does not answer" in note for note in found.notes)
            assert before == len(handle.journal.visits)

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("SMK-4")
def test_the_breaker_changes_nothing(run: Run[Any], tmp_path: Path, clips: Path) -> None:
    """When more fails than the threshold allows, nothing found is kept and the reason is said with both numbers."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("empty", path="playlist"))
            spec = a_spec(handle, tmp_path, replace(PROBES, breaker=0.3))
            found = await run_on(handle, tmp_path, spec=spec)
            assert ("breaker", ()) == (found.stopped, found.found)
            assert any(f"{COUNT} of {COUNT} streams" in note and "30%" in note for note in found.notes)

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("STM-2")
def test_a_run_ends_when_asked(run: Run[Any], tmp_path: Path, clips: Path) -> None:
    """Setting `stop` ends a hanging run at once, its connections closed, and keeps what was found; so does the budget."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("hang", path="playlist", channel=103))
            stop = trio.Event()
            asked: list[float] = []
            steps: list[Step] = []

            def told(step: Step) -> None:
                steps.append(step)
                if len(steps) == COUNT - 1:  # all but the one that hangs
                    asked.append(trio.current_time())
                    stop.set()

            found = await run_on(handle, tmp_path, stop=stop, progress=told)
            assert trio.current_time() - asked[0] < 1.0
            assert "asked" == found.stopped
            assert "main/103" not in {k.channel for k in found.found}
            assert found.good == COUNT - 1
            spec = a_spec(handle, tmp_path, replace(PROBES, budget_s=1.0))
            assert "budget" == (await run_on(handle, tmp_path, spec=spec)).stopped

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.program("ffprobe")
@pytest.mark.accepts("PVL-4")
def test_deep_probes_look_inside(
    run: Run[Any], tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ffprobe a stream must have a picture; without it first bytes are looked at, and that is said."""

    async def main() -> None:
        panel = replace(PANEL, channels=(Channel(id=100, name="A"), *PANEL.channels[1:]))
        async with provider(clips, panel=panel) as handle:
            deep = a_spec(handle, tmp_path, replace(PROBES, mode="deep"))
            routes = some_routes(handle)
            routes = replace(routes, channels={"main/100": routes.channels["main/100"]})
            assert 1 == (await run_on(handle, tmp_path, routes, deep)).good
            monkeypatch.setenv("PATH", str(tmp_path))
            found = await run_on(handle, tmp_path, routes, deep)
            assert 1 == found.good
            assert any("ffprobe is not installed" in note for note in found.notes)

    run(main)


# --- rules -----------------------------------------------------------------------------------------------------


def subject(channel: str = "main/1", key: str = "1") -> Subject:
    """A channel with one alternative."""
    return Subject(channel, "One", (Alternative("main", key),))


@pytest.mark.accepts("SMK-6", "SMK-2")
def test_outcomes_add_up() -> None:
    """One good one is enough; one that proves nothing keeps the channel; bad means all bad."""
    good, bad, unclear = Tried("good"), Tried("bad", "html"), Tried("inconclusive", "limit")
    assert good == summed_up([bad, unclear, good])
    assert unclear == summed_up([bad, unclear])
    assert bad == summed_up([bad, bad])
    assert "inconclusive" == summed_up([]).outcome


@pytest.mark.accepts("SMK-5")
def test_only_new_changed_and_expired_ones_are_due() -> None:
    """A channel tried within `every` with the same addresses is left alone; the longest ago comes first."""
    one, two, three = subject("a", "1"), subject("b", "2"), subject("c", "3")
    known = {
        "a": known_after(None, one, Tried("good"), now=NOW - 2 * DAY),
        "b": known_after(None, two, Tried("good"), now=NOW - 60),
        "c": known_after(None, three, Tried("bad"), now=NOW - 3 * DAY),
    }
    assert [three, one] == due([one, two, three], known, now=NOW, every_s=DAY)
    moved = subject("b", "99")
    new = subject("d", "4")
    assert [moved, new] == due([moved, new], known, now=NOW, every_s=DAY)


@pytest.mark.accepts("PVL-1")
def test_verdicts_expire_and_follow_addresses() -> None:
    """A bad verdict counts until it expires or the addresses change; first and last time are kept apart."""
    one = subject()
    first = known_after(None, one, Tried("bad", "html", "a page"), now=NOW)
    again = known_after(first, one, Tried("bad", "html", "a page"), now=NOW + DAY)
    assert (NOW, NOW + DAY) == (again.first_bad, again.last_bad)
    assert again == known_after(again, one, Tried("inconclusive", "limit"), now=NOW + 2 * DAY)
    assert 0.0 == known_after(again, one, Tried("good"), now=NOW + 2 * DAY).first_bad
    known = {"main/1": again}
    assert {"main/1": again} == judged_bad([one], known, now=NOW + 2 * DAY, expire_s=7 * DAY)
    assert {} == judged_bad([one], known, now=NOW + 9 * DAY, expire_s=7 * DAY)
    assert {} == judged_bad([subject("main/1", "2")], known, now=NOW + 2 * DAY, expire_s=7 * DAY)


@pytest.mark.accepts("SMK-4")
def test_when_the_breaker_fires() -> None:
    """The share counts, with few streams as if there were five."""
    assert breaker_fires(tried=44, newly_bad=44, threshold=0.3)
    assert breaker_fires(tried=10, newly_bad=4, threshold=0.3)
    assert not breaker_fires(tried=10, newly_bad=3, threshold=0.3)
    assert not breaker_fires(tried=1, newly_bad=1, threshold=0.3)


def test_what_is_known_is_kept(tmp_path: Path) -> None:
    """Results survive in `state.db` beside other tables; old ones can be forgotten."""
    assert {} == load_probes(tmp_path)
    one = Known("main/1", "bad", NOW, "abc", "html", "a page", NOW - DAY, NOW)
    two = Known("main/2", "good", NOW - 90 * DAY, "def")
    save_probes(tmp_path, [one, two])
    save_probes(tmp_path, [one])
    assert {"main/1": one, "main/2": two} == load_probes(tmp_path)
    assert 1 == forget(tmp_path, before=NOW - 60 * DAY)
    assert {"main/1": one} == load_probes(tmp_path)


# --- lists -----------------------------------------------------------------------------------------------------

SOURCES = {"main": SourceRoute("main", "xtream", hosts=("http://a.example.net:80", "http://b.example.net"))}


def listed(tmp_path: Path, document: object, *wanted: Subject) -> list[str]:
    """The channels that a file takes out."""
    path = tmp_path / "list.json"
    path.write_text(json.dumps(document))
    return sorted(load_blacklists([str(path)]).bad(wanted, SOURCES))


@pytest.mark.accepts("PVL-2")
def test_lists_hold_ids_names_and_hosts(tmp_path: Path) -> None:
    """An id, a name pattern, and a host take channels out; a host only those that have no other."""
    news = Subject("main/1", "US: News 24/7", (Alternative("main", "1"),))
    other = Subject("list/x", "Other", (Alternative("list", url="http://b.example.net/x.ts"),))
    assert ["main/1"] == listed(tmp_path, ["main/1"], news, other)
    assert ["main/1"] == listed(tmp_path, ["name:*news 24/7"], news, other)
    assert ["main/1"] == listed(tmp_path, ["*News*"], news, other)
    assert ["list/x"] == listed(tmp_path, ["host:B.example.net"], news, other)
    assert ["list/x", "main/1"] == listed(
        tmp_path, ["host:a.example.net:80", "host:b.example.net"], news, other
    )
    assert [] == listed(tmp_path, ["main/2", "name:nothing"], news, other)


@pytest.mark.accepts("PVL-3")
@pytest.mark.parametrize(
    "document",
    [
        ["http://old.example.net/live/user/pass/1.ts"],
        [{"url": "http://old.example.net/user/pass/1", "reason": "no video"}],
        {"http://old.example.net/live/u/p/1.m3u8": "no video"},
        {"blacklist": {"1": {"reason": "no video", "first_seen": "2026-01-01"}}},
        {"streams": [{"key": 1, "error": "no video"}]},
        {"channels": [{"id": "main/1"}]},
        {"updated": "2026-01-01", "entries": ["1"]},
        [{"id": 2, "name": "Two", "url": "http://old.example.net/user/pass/1.ts", "reason": "no video"}],
        {"http://old.example.net/live/u/p/1.ts": {"name": "Two", "reason": "no video"}},
    ],
)
def test_lists_of_older_tools_are_understood(tmp_path: Path, document: object) -> None:
    """Lists and objects of addresses, ids and reasons are read; of an address only the stream id counts."""
    news = Subject("main/1", "News", (Alternative("main", "1"),))
    assert ["main/1"] == listed(
        tmp_path, document, news, Subject("main/2", "Two", (Alternative("main", "2"),))
    )


def test_a_merged_channel_needs_all_its_ways_listed(tmp_path: Path) -> None:
    """A channel of two alternatives stays while one of them is not listed."""
    both = Subject("main/1", "News", (Alternative("main", "1"), Alternative("main", "2")))
    assert [] == listed(tmp_path, ["http://h/u/p/2"], both)
    assert ["main/1"] == listed(tmp_path, ["http://h/u/p/2", "http://h/u/p/1"], both)


@pytest.mark.parametrize("text", ["{", "5", '["", 1]', "[[1]]", '[{"x": 1}]'])
def test_broken_lists_are_errors(tmp_path: Path, text: str) -> None:
    """A list that cannot be understood is an error with its name, never half a list."""
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(OperatorError, match=r"bad\.json"):
        load_blacklists([str(path)])
    with pytest.raises(OperatorError, match="no such file"):
        load_blacklists([str(tmp_path / "none.json")])


@pytest.mark.accepts("PVL-1", "PVL-2")
def test_both_kinds_of_knowledge_together(tmp_path: Path) -> None:
    """Files win over probes and count without them; reasons can be shown."""
    path = tmp_path / "list.json"
    path.write_text('[{"id": "main/1", "reason": "black picture"}]')
    routes = Routes("g", SOURCES, {f"main/{i}": (Alternative("main", str(i)),) for i in (1, 2, 3)})
    all_three = subjects_of(routes, {c: c for c in routes.channels})
    save_probes(
        tmp_path, [known_after(None, s, Tried("bad", "html", "a page"), now=NOW) for s in all_three[:2]]
    )
    options = Probes(mode="smoke", blacklist=(str(path),))
    spec = Spec("t", {}, {}, (), (), {}, state=str(tmp_path), probes=options)
    assert {"main/1": "black picture", "main/2": "failing since 2027-01-15: a page"} == bad_streams(
        spec, routes, all_three, now=NOW + 60
    )
    off = replace(spec, probes=replace(options, mode="off"))
    assert {"main/1": "black picture"} == bad_streams(off, routes, all_three, now=NOW + 60)
    assert path.read_text() == '[{"id": "main/1", "reason": "black picture"}]'
