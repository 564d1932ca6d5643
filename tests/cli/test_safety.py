"""Every safety rule from the command line: it fires, nothing is written, the whole plan is shown, and its own word lifts it.

The proof is the record of requests that the simulated Plex keeps, and the files on disk (style.md 30).
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from reconciler.sandbox.faults import Fault
from reconciler.sandbox.panel import Channel
from reconciler.sandbox.plex import FaultRule
from reconciler.sandbox.plex_records import XMLTV
from reconciler.tls import trusted
from tests.cli.settled import CHANGES, REFUSED, Guard, change_of, settled, with_channels
from tests.conftest import Run
from tests.e2e.world import SPEC, World, world

BLOCKED_LEFT = 8


def living(home: World, group: str) -> list[Channel]:
    """The provider's channels whose group begins so, without separators."""
    return [c for c in home.provider.panel.channels if c.group.startswith(group) and c.name[:1] != "#"]


def lose(home: World, group: str, count: int) -> None:
    """The provider takes some channels of a group away."""
    gone = {c.id for c in islice(living(home, group), count)}
    with_channels(home, lambda c: c.id not in gone)


def others(home: World) -> list[Channel]:
    """The provider's channels that land in the last bucket."""
    named = ("US| Locals", "SPORTS|", "XXX")
    return [
        c
        for c in home.provider.panel.channels
        if c.kind == "live" and not c.group.startswith(named) and c.name[:1] != "#"
    ]


def lose_others(home: World, share: float) -> None:
    """The provider takes away a share of them."""
    every = others(home)
    gone = {c.id for c in every[: round(len(every) * share)]}
    with_channels(home, lambda c: c.id not in gone)


def published(home: World, dvr: str) -> dict[str, str]:
    """The published lineup: name by number."""
    rows = json.loads((home.state / "artifacts/current" / dvr / "lineup.json").read_text("utf-8"))
    return {row["GuideNumber"]: row["GuideName"] for row in rows}


def write(home: World, *changes: tuple[str, str], spec: str = SPEC) -> None:
    """The spec with some of its text replaced."""
    for old, new in changes:
        assert old in spec, old
        spec = spec.replace(old, new)
    home.write_spec(spec)


WITHOUT_REST = (
    ("  - {{name: rest, match: {{}}, overflow: drop}}\n", ""),
    ("  rest: {{}}\n", ""),
)


@pytest.mark.accepts("PLN-7", "M3U-3", "ART-2")
def test_losses_wait_for_their_words(run: Run[None], tmp_path: Path) -> None:
    """S101 for one DVR, S103 for all together and for a bucket's minimum, S102 for an empty one: each by its own word alone."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            lose(home, "US| Locals", 5)
            shown = await guard.refused("S101", "--allow", "shrink:sports")
            assert "--allow shrink:locals" in shown.out
            assert "S103" not in shown.out
            assert [] != await guard.done("--allow", "shrink:locals")
            lose_others(home, 0.28)
            lose(home, "US| Locals", 2)
            lose(home, "SPORTS|", 2)
            shown = await guard.refused("S103", "--allow", "shrink:sports")
            assert "--allow shrink:all" in shown.out
            assert [] != await guard.done("--allow", "shrink:all")
            write(home, ('match: {{group: "SPORTS|*"}}', 'match: {{group: "SPORTS|*"}}, minimum: 40'))
            assert "bucket" in (await guard.refused("S103")).out
            write(home)
            lose(home, "US| Locals", 99)
            before = published(home, "locals")
            await guard.refused("S102", "--allow", "shrink:locals", "--allow", "shrink:all")
            lifted = await home.ptctl("plan", "--exit-code", "--allow", "empty:locals")
            assert "S102" not in lifted.out, lifted.text
            assert "W306" in lifted.out, lifted.text
            assert before == published(home, "locals")
            assert [] == guard.writes()

    run(main)


@pytest.mark.accepts("BLD-1", "EPG-5")
def test_a_source_that_bleeds_is_stopped_at_the_second_loss(run: Run[None], tmp_path: Path) -> None:
    """25 % gone four times in a row: the first passes, every later one is measured against the week's largest and refused."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            lose_others(home, 0.25)
            assert [] != await guard.done()
            kept = published(home, "rest")
            for _ in range(3):
                lose_others(home, 0.25)
                await guard.refused("S101")
            assert kept == published(home, "rest")

    run(main)


@pytest.mark.accepts("PLN-7", "NUM-5", "NUM-2")
def test_a_swapped_panel_is_matched_again_by_its_word(run: Run[None], tmp_path: Path) -> None:
    """New ids for everything: S105, nothing moves; `rematch:panel` keeps the number of all that guide id and name tell apart."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            known = {c.name for c in home.provider.panel.channels if c.epg_id}
            before = {n: name for n, name in published(home, "rest").items() if name in known}
            with_channels(home, change=lambda c: replace(c, id=c.id + 5_000_000))
            shown = await guard.refused("S105", "--allow", "shrink:all")
            assert "--allow rematch:panel" in shown.out
            await guard.done("--allow", "rematch:panel")
            assert before.items() <= published(home, "rest").items()
            ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
            assert all(int(c["id"].partition("/")[2]) > 5_000_000 for c in ledger["channels"])

    run(main)


@pytest.mark.accepts("PLN-7", "MUL-4", "BUS-1")
def test_deleting_takes_the_word_and_nobody_watching(run: Run[None], tmp_path: Path) -> None:
    """S201 for a DVR that left the spec; S501 while somebody watches it or nobody can tell; then it is deleted, and only it."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            tuner = json.loads((home.state / "artifacts/current/manifest.json").read_text())["dvrs"][2]
            assert "rest" == tuner["name"]
            write(home, *WITHOUT_REST)
            shown = await guard.refused("S201")
            assert "--allow delete:rest" in shown.out
            async with watching(f"{tuner['base_url']}/auto/v{min(tuner['channels'])}"):
                shown = await guard.refused("S501", "--allow", "delete:rest")
                assert "1 stream runs on it" in shown.out
                lifted = await home.ptctl(
                    "plan", "--exit-code", "--allow", "delete:rest", "--allow", "busy:rest"
                )
                assert lifted.code == CHANGES, lifted.text
            saved = await home.ptctl("plan", "--allow", "delete:rest", "--out", "saved.json")
            assert saved.code == 0, saved.text
            applied = await home.ptctl("apply", "saved.json")
            assert applied.code == 0, applied.text
            writes = guard.writes()
            assert 2 == sum(w.startswith("DELETE") for w in writes), writes
            assert {"locals", "sports"} == {d["lineupTitle"] for d in await dvrs(home)}

    run(main)


@pytest.mark.accepts("BUS-1", "PLN-7")
def test_without_serve_nothing_is_replaced_or_deleted(run: Run[None], tmp_path: Path) -> None:
    """`serve` away: who watches is unknown, so delete and replace are S501 until their words say otherwise."""

    async def main() -> None:
        async with world(tmp_path, channels=60) as home:
            assert 0 == (await home.ptctl("refresh")).code
            async with home.serving():
                assert 0 == (await home.ptctl("apply", "--yes")).code
            guard = Guard(home)
            write(home, *WITHOUT_REST, ("  sports: {{}}\n", "  sports: {{title: Sport}}\n"))
            words = ("--allow", "delete:rest", "--allow", "replace:sports")
            shown = await home.ptctl("plan", "-f", "json", "--exit-code", *words)
            assert shown.code == REFUSED, shown.text
            for dvr in ("rest", "sports"):
                blocks = change_of(shown.out, dvr)["blocks"]
                assert ["S501"] == [b["code"] for b in blocks]
                assert "cannot be known" in blocks[0]["message"]
            await guard.refused("S501", *words)

    run(main)


@pytest.mark.accepts("PLN-7", "APP-6")
def test_replacing_takes_its_word_and_says_what_is_lost(run: Run[None], tmp_path: Path) -> None:
    """S202 for another title: two recording rules would be lost; blocked, the harmless rest waits; with the word it is made anew."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            sports = next(d for d in await dvrs(home) if d["lineupTitle"] == "sports")
            held = home.plex.machine.state.dvrs[int(sports["key"])]
            home.plex.add_rule(held, "The Match"), home.plex.add_rule(held, "The Race")
            write(home, ("  sports: {{}}\n", "  sports: {{title: Sport}}\n"))
            shown = await guard.refused("S202")
            assert "recording rules" in shown.out
            assert "--allow replace:sports" in shown.out
            loss = change_of((await home.ptctl("plan", "-f", "json")).out, "sports")["loses"]
            assert ["recording rules"] == [lost["what"] for lost in loss]
            assert 0 != loss[0]["count"]  # a rule that records nothing just now does not say whose it is
            writes = await guard.done("--allow", "replace:sports")
            assert f"DELETE /livetv/dvrs/{sports['key']}" in writes
            assert "POST /livetv/dvrs" in writes
            assert {"locals", "Sport", "rest"} == {d["lineupTitle"] for d in await dvrs(home)}

    run(main)


@pytest.mark.accepts("PLN-7")
def test_what_is_protected_stays_until_the_spec_lets_it_go(run: Run[None], tmp_path: Path) -> None:
    """S203: no word lifts it, neither for delete nor for letting go; `protect: false`, applied once, does."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            write(home, ("  rest: {{}}\n", "  rest: {{protect: true}}\n"))
            assert [] == await guard.done()
            write(home, *WITHOUT_REST)
            await guard.refused("S203", "--allow", "delete:rest")
            write(home, *WITHOUT_REST, ("plex: {{url", "removed: [{{dvr: rest, keep: true}}]\nplex: {{url"))
            await guard.refused("S203", "--allow", "delete:rest")
            write(home, ("  rest: {{}}\n", "  rest: {{protect: false}}\n"))
            assert [] == await guard.done()
            write(home, *WITHOUT_REST)
            lifted = await home.ptctl("plan", "--exit-code", "--allow", "delete:rest")
            assert lifted.code == CHANGES, lifted.text

    run(main)


@pytest.mark.accepts("OWN-1")
def test_letting_go_writes_nothing_to_plex(run: Run[None], tmp_path: Path) -> None:
    """`removed: keep`: out of the ledger, as it was in Plex, no write; from then on it is not ours, and nothing is left."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            plex = home.plex.state_text()
            write(home, *WITHOUT_REST, ("plex: {{url", "removed: [{{dvr: rest, keep: true}}]\nplex: {{url"))
            assert [] == await guard.done()
            assert plex == home.plex.state_text()
            ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
            assert ["locals", "sports"] == [d["name"] for d in ledger["dvrs"]]
            plan = await home.ptctl("plan", "--exit-code", "-f", "json")
            assert plan.code == 0, plan.text
            assert ["rest"] == [f["title"] for f in json.loads(plan.out)["foreign"]]

    run(main)


@pytest.mark.accepts("PLN-7", "NUM-1")
def test_numbers_move_overlap_and_run_out_by_their_words(run: Run[None], tmp_path: Path) -> None:
    """S204 an edited range, S303 a range without room, S302 a stranger's number, S301 a limit below what lives there."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            count = len(published(home, "locals"))
            moved = ("  locals: {{}}\n", f"  locals: {{{{numbers: 5000-{4999 + count}}}}}\n")
            write(home, moved)
            shown = await guard.refused("S204")
            assert "--allow renumber:locals" in shown.out
            assert [] != await guard.done("--allow", "renumber:locals")
            assert {str(5000 + n) for n in range(count)} == published(home, "locals").keys()
            first, *_, last = living(home, "US| Locals")
            with_channels(home, lambda c: c is not first)
            await guard.done()
            fresh = replace(first, id=first.id + 7_000_000, name="Fresh Local 99", epg_id="fresh.us")
            panel = home.provider.panel
            home.provider.replace(replace(panel, channels=(*panel.channels, fresh)))
            shown = await guard.refused("S303")
            assert "--allow reuse:locals" in shown.out
            assert [] != await guard.done("--allow", "reuse:locals")
            assert "Fresh Local 99" in published(home, "locals").values()
            number = max(map(int, published(home, "rest"))) + 1
            home.plex.add_foreign_dvr(
                "10FEDCBA", lineup=f"lineup://{XMLTV}/http%3A%2F%2Fother%2Fx.xml#O", channels=(str(number),)
            )
            other = next(iter(others(home)))
            more = replace(other, id=other.id + 8_000_000, name="Fresh Other 98", epg_id="other.us")
            panel = home.provider.panel
            home.provider.replace(replace(panel, channels=(*panel.channels, more)))
            shown = await guard.refused("S302", "--allow", "overlap:locals")
            assert "--allow overlap:rest" in shown.out
            assert [] != await guard.done("--allow", "overlap:rest")
            write(home, moved, ("  rest: {{}}\n", "  rest: {{limit: 5}}\n"))
            shown = await guard.refused("S301", "--allow", "shrink:all", "--allow", "shrink:rest")
            assert "--allow size" not in shown.out
            assert last.name in published(home, "locals").values()

    run(main)


@pytest.mark.accepts("PLN-7", "PLN-8")
def test_what_cannot_be_read_is_not_written(run: Run[None], tmp_path: Path) -> None:
    """S401 for the one DVR that answers 500: no word lifts it, `--skip-blocked` does the others; readable again, it is done."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            key = next(d["key"] for d in await dvrs(home) if d["lineupTitle"] == "locals")
            lose(home, "US| Locals", 1)
            lose(home, "SPORTS|", 1)
            home.plex.add_fault(FaultRule("500", method="GET", path=f"/livetv/dvrs/{key}$", times=0))
            await guard.refused("S401", "--allow", "shrink:locals")
            rest = await home.ptctl("apply", "--yes", "--skip-blocked")
            assert rest.code == BLOCKED_LEFT, rest.text
            device = home.plex.machine.state.dvrs[int(key)]
            writes = guard.writes()
            assert [] != writes
            assert not [w for w in writes if f"/{key}" in w or f"/{device.key}" in w], writes
            home.plex.reset_faults()
            home.plex.set(load_delay_s=0.05)
            assert [] != await guard.done()

    run(main)


@pytest.mark.accepts("PLN-7", "ART-2")
def test_a_copy_that_is_too_old_changes_nothing(run: Run[None], tmp_path: Path) -> None:
    """S402: the panel is away longer than its max_age; what lives of it is not moved until `stale:panel`, the rest is."""

    async def main() -> None:
        more = "  locals2: {{kind: m3u, path: more.m3u}}\nguides:"
        both = SPEC.replace("guides:", more, 1)
        listed = '#EXTM3U\n#EXTINF:-1 tvg-id="a" group-title="US| Locals",A\nhttp://a.example/a\n'
        async with settled(tmp_path, spec=both, more=listed) as home:
            guard = Guard(home)
            home.provider.faults.switch_on(Fault("html"))
            for head in (home.state / "cache" / "lists").glob("panel*.json"):
                copy = json.loads(head.read_text("utf-8"))
                if "fetched_at" in copy:
                    head.write_text(json.dumps({**copy, "fetched_at": copy["fetched_at"] - 3 * 86_400}))
            quiet = await home.ptctl("plan", "--exit-code")
            assert quiet.code == 0, quiet.text  # old, but nothing of it moves
            gone = living(home, "US| Locals")[-1]
            drop = f'overrides: [{{{{channel: "panel/{gone.id}", drop: true}}}}]\nplex: {{{{url'
            write(home, ("plex: {{url", drop), spec=both)
            shown = await guard.refused("S402")
            assert "--allow stale:panel" in shown.out
            assert [] != await guard.done("--allow", "stale:panel")

    run(main)


@pytest.mark.accepts("GIT-2")
def test_approvals_lift_what_they_name_until_they_end(run: Run[None], tmp_path: Path) -> None:
    """An ended one warns and lifts nothing; one in force lifts its own word and no other; used once, it is spent."""

    def approvals(*items: tuple[str, int]) -> tuple[str, str]:
        today = datetime.now(UTC).date()
        rows = ", ".join(
            f'{{{{allow: "{word}", until: {today + timedelta(days=days)}, why: "told"}}}}'
            for word, days in items
        )
        return "plex: {{url", f"approvals: [{rows}]\nsafety: {{{{total_shrink: 90%}}}}\nplex: {{{{url"

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            lose_others(home, 0.4)
            write(home, approvals(("shrink:rest", -1)))
            shown = await guard.refused("S101")
            assert "W401" in shown.out, shown.text
            write(home, approvals(("shrink:sports", 3), ("empty:rest", 3)))
            await guard.refused("S101")
            write(home, approvals(("shrink:rest", 3)))
            assert [] != await guard.done()
            lose_others(home, 0.4)
            await guard.refused("S101")

    run(main)


async def dvrs(home: World) -> list[dict[str, str]]:
    """What Plex has, as it tells it."""
    headers = {"X-Plex-Token": home.plex.token, "Accept": "application/json"}
    async with httpx.AsyncClient(
        base_url=home.plex.url, headers=headers, trust_env=False, verify=trusted()
    ) as client:
        found: list[dict[str, str]] = (await client.get("/livetv/dvrs")).json()["MediaContainer"]["Dvr"]
        return found


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[None]:
    """A viewer of one channel, for the length of the block."""
    parts = urlsplit(url)
    async with await trio.open_tcp_stream(str(parts.hostname), parts.port or 80) as stream:
        await stream.send_all(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                async for _ in stream:
                    pass

            nursery.start_soon(read)
            yield
            nursery.cancel_scope.cancel()
