"""From nothing to active in one run, twice the same, and one DVR's trouble is its own."""

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from reconciler.applying.verify import verify
from reconciler.ledger.journal import read_run, run_numbers
from reconciler.planning.model import Plan
from reconciler.plex import requests
from reconciler.plex.connection import Connection, Reply
from reconciler.plex.requests import Request
from reconciler.sandbox.plex import FaultRule, PlexOptions
from reconciler.sandbox.plex_loads import Load
from reconciler.spec.model import Approval, Plex
from tests.applying.house import ONE, QUICK, TOKEN, TWO, House, house, on, until, without
from tests.conftest import Run
from tests.planning.worlds import Lineups

PLEX = Plex("http://plex", "plex")


@pytest.mark.accepts("DVR-1", "ACT-1", "ACT-5")
def test_one_dvr_from_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Register, name and enable, create, switch on, in that order; the whole map is on and the guide shows it."""

    async def main() -> None:
        async with house(tmp_path) as home:
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert home.writes() == [
                "POST /media/grabbers/tv.plex.grabbers.hdhomerun/devices",
                "PUT /media/grabbers/devices/1",
                "POST /livetv/dvrs",
                "PUT /media/grabbers/devices/1/channelmap",
            ]
            assert on(home, "news") == {"1000", "1001", "1002"}
            device = home.plex.device(home.tuned("news").device_id)
            record = home.tuned("news")
            assert (record.device_key, record.dvr_key) == (str(device.key), str(device.parent))
            assert record.applied is not None
            assert record.applied.channels == 3

    run(main)


@pytest.mark.accepts("DVR-1", "RLD-2")
def test_a_create_that_loads_nothing_is_followed_by_one_reload(tmp_path: Path, run: Run[None]) -> None:
    """Plex's own load after the create does not fetch our guide: exactly one reload is sent."""

    async def main() -> None:
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.05, failing_load=True)) as home:
            home.timing = replace(QUICK, fetch_s=0.3)
            async with trio.open_nursery() as nursery:

                async def mend() -> None:
                    await until(lambda: "POST /livetv/dvrs" in home.writes())
                    await trio.sleep(0.1)
                    home.plex.set(failing_load=False)

                nursery.start_soon(mend)
                result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert [w for w in home.writes() if "reloadGuide" in w] == ["POST /livetv/dvrs/2/reloadGuide"]
            assert on(home, "news") == {"1000", "1001", "1002"}

    run(main)


@pytest.mark.accepts("DVR-2", "APP-3", "STM-5")
def test_twice_changes_nothing(tmp_path: Path, run: Run[None]) -> None:
    """The second plan is empty, has no action, and no write arrives."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            before, text = home.writes(), home.plex.state_text()
            planned = await home.planned(TWO)
            assert planned.plan.empty
            assert planned.plan.actions == ()
            assert (await home.carry_out(planned)).complete
            assert (home.writes(), home.plex.state_text()) == (before, text)

            async def replan() -> Plan:
                return (await home.planned(TWO)).plan

            assert (await verify(replan)).converged

    run(main)


@pytest.mark.accepts("ACT-2", "ACT-3", "DVR-6", "CRD-4")
def test_the_map_on_the_wire(tmp_path: Path, run: Run[None]) -> None:
    """480 channels in one request: brackets and commas literal, bytes as counted, and the token nowhere in a target."""

    async def main() -> None:
        lineups = {"big": {1000 + i: f"c{i}" for i in range(480)}}
        async with house(tmp_path) as home:
            result = await home.apply(lineups)
            assert result.complete, result.outcomes
            (put,) = [e for e in home.plex.writes() if "/channelmap" in e.target]
            assert "channelsEnabled=1000,1001,1002," in put.target
            assert "&channelMapping[1479]=1479&channelMappingByKey[1479]=1479" in put.target
            assert "%" not in put.target
            assert len(f"PUT {put.target} HTTP/1.1") == requests.channel_map_line_bytes(
                range(1000, 1480), device_key="1"
            )
            assert all(TOKEN not in entry.target for entry in home.plex.journal.entries)
            assert len(on(home, "big")) == 480

    run(main)


@pytest.mark.slow
@pytest.mark.accepts("MUL-1", "MUL-3", "RLD-1", "ACT-7")
def test_thirteen_with_one_that_fails(tmp_path: Path, run: Run[None]) -> None:
    """Twelve become active although one is refused; never more than three loads; what is not ours stays as it was."""

    async def main() -> None:
        lineups = {f"d{i:02}": {1000 + 100 * i + k: f"d{i}c{k}" for k in range(5)} for i in range(13)}
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.1)) as home:
            foreign = home.plex.add_foreign_dvr()
            before = [d for d in home.plex.state()["devices"] if d["deviceId"] == "10ABCDEF"]
            home.plex.add_fault(FaultRule("500", "POST", "/livetv/dvrs$", nth=5))
            result = await home.apply(lineups)
            assert not result.complete
            (failed,) = result.failed
            assert failed.kind == "create-dvr"
            good = [n for n in lineups if n != failed.dvr]
            assert all(len(on(home, n)) == 5 for n in good)
            assert home.plex.max_concurrent_loads <= 3
            assert [d for d in home.plex.state()["devices"] if d["deviceId"] == "10ABCDEF"] == before
            assert foreign.key in home.plex.machine.state.dvrs
            assert result.disturbed == ()
            assert (await home.apply(lineups)).complete
            assert len(on(home, failed.dvr)) == 5

    run(main)


@pytest.mark.accepts("DVR-3", "MUL-2")
def test_a_dvr_that_exists_already_is_found_by_its_device(tmp_path: Path, run: Run[None]) -> None:
    """A run that died after the create: Plex says "in use", the DVR is matched by uuid and finished."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.plex.add_fault(FaultRule("reset", "POST", "/livetv/dvrs$", effect=True))
            first = await home.apply(ONE)
            assert [o.kind for o in first.failed] == ["create-dvr"]
            again = await home.apply(ONE)
            assert again.complete, again.outcomes
            assert home.writes().count("POST /livetv/dvrs") == 1
            assert len(home.plex.state()["dvrs"]) == 1
            assert on(home, "news") == {"1000", "1001", "1002"}

    run(main)


STUCK_AT = 50
KINDS = ("500", "reset", "timeout", "refuse", "401")
WRITES = (
    ("POST", "grabbers.hdhomerun/devices"),
    ("PUT", r"/devices/\d+$"),
    ("POST", "/livetv/dvrs$"),
    ("PUT", "/channelmap$"),
)


@pytest.mark.slow
@pytest.mark.accepts("APP-2", "MUL-2")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("method", "path"), WRITES)
def test_fault_matrix(
    tmp_path: Path, run: Run[None], kind: str, method: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writing request once answered wrongly: that DVR is reported, the other one finishes, the next run ends as an
    undisturbed one does.
    """
    for name in ("REGISTER_S", "CREATE_S", "MAP_S", "SETTINGS_S"):
        monkeypatch.setattr(requests, name, 1.0)

    async def main() -> None:
        async with house(tmp_path / "faulty") as home:
            home.plex.add_foreign_dvr()
            home.plex.add_fault(FaultRule(kind, method, path))  # type: ignore[arg-type]  # all kinds are in KINDS
            first = await home.apply(TWO)
            assert not first.complete
            assert len({o.dvr for o in first.failed}) == 1
            other = next(n for n in TWO if n != first.failed[0].dvr)
            assert on(home, other) == {str(n) for n in TWO[other]}
            second = await home.apply(TWO)
            assert second.complete, second.outcomes
            planned = await home.planned(TWO)
            assert (planned.plan.empty, planned.plan.actions) == (True, ())
            end = home.plex.state_text(keys=False)
        async with house(tmp_path / "quiet") as home:
            home.plex.add_foreign_dvr()
            assert (await home.apply(TWO)).complete
            assert without_ports(home.plex.state_text(keys=False)) == without_ports(end)

    run(main)


def without_ports(text: str) -> str:
    """The state text with loopback ports taken out: each house has its own."""
    return re.sub(r"127\.0\.0\.1(:|%3A|%253A)\d+", "HOST", text)


@pytest.mark.accepts("DVR-7", "BUS-1")
def test_without_serve_nothing_goes_to_plex(tmp_path: Path, run: Run[None]) -> None:
    """Files are published, the ledger is kept, no write arrives, and the next step is the command that starts serve."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, ready_s=0.3)
            home.client.addresses = ("http://127.0.0.1:9",)
            result = await home.apply(ONE)
            assert not result.complete
            assert result.next_step.startswith("ptctl serve"), result.next_step
            assert result.next_step.endswith("--resume 1"), result.next_step
            assert [o.kind for o in result.failed] == ["await-serve"]
            assert {"register-device", "set-device", "create-dvr", "enable-channels"} == {
                o.kind for o in result.undone
            }
            assert home.writes() == []
            assert home.ledger().dvrs.keys() == {"news"}
            assert (home.state / "artifacts" / "current" / "manifest.json").exists()
            # a wrong `advertise` leads nowhere, or to somebody else
            assert "http://127.0.0.1:9: no answer (ConnectError)" in result.failed[0].text
            home.client.addresses = (home.plex.url,)
            wrong = (await home.apply(ONE)).failed[0].text
            assert f"{home.plex.url}: what answers there is not ptctl serve" in wrong
            assert "serve.advertise" in wrong

    run(main)


def test_a_tuner_that_says_nothing_is_no_error_of_ours(tmp_path: Path, run: Run[None]) -> None:
    """The limit passes while the tuner is asked: that is serve that does not answer, and Plex is told nothing."""

    async def main() -> None:
        async with house(tmp_path) as home:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            silent = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            home.timing = replace(QUICK, ready_s=1.0)
            planned = await home.planned(ONE)
            target = replace(planned.targets["news"], uri=silent)
            result = await home.carry_out(replace(planned, targets={"news": target}))
            assert "serve does not serve this generation after 1 s" in result.failed[0].text
            assert "ptctl serve" in result.failed[0].next_step
            assert home.writes() == []
            await listener.aclose()

    run(main)


@pytest.mark.accepts("DVR-7")
def test_a_tuner_with_another_device_id_is_not_registered(tmp_path: Path, run: Run[None]) -> None:
    """Two installations at one address: the wrong DeviceID is seen from our side, Plex is not told."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, ready_s=2.0)
            planned = await home.planned(ONE)
            target = replace(planned.targets["news"], device_id="0BADC0DE")
            result = await home.carry_out(replace(planned, targets={"news": target}))
            assert "another device answers" in result.failed[0].text
            assert home.writes() == []

    run(main)


@pytest.mark.accepts("RLD-2")
def test_a_silent_load_is_proved_by_our_own_log(tmp_path: Path, run: Run[None]) -> None:
    """No activity shows and refreshedAt stays: the guide request in serve's log proves the load; without it, unconfirmed."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0.05, silent_reload=True, stale_refreshed_at=True)
        async with house(tmp_path, options=options) as home:
            await home.apply(ONE)
            renamed = {"news": {**ONE["news"], 1003: "Arte"}}
            result = await home.apply(renamed)
            assert result.complete, result.outcomes
            assert result.remarks == ()
            home.plex.set(failing_load=True)
            last = {"news": {**renamed["news"], 1003: "ARTE"}}
            result = await home.apply(last)
            assert any("unconfirmed" in note for note in result.remarks), result.outcomes

    run(main)


@pytest.mark.accepts("RLD-4", "RLD-1")
def test_a_stuck_load_does_not_stop_the_others(tmp_path: Path, run: Run[None]) -> None:
    """One load never ends: its DVR fails by its own limit, the others go on in the remaining slots."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            await home.plex.loads_done()
            home.plex.set(stuck_load=True)
            # The limit holds for the good loads as well: one of half a second is passed on a busy machine.
            home.timing = replace(QUICK, load_s=2.5, pace_s=0.2)
            more = {"news": {**ONE["news"], 1003: "Arte"}, "sport": TWO["sport"]}
            planned = await home.planned({**more, "docs": {2200: "Doc"}})
            async with trio.open_nursery() as nursery:

                async def mend() -> None:
                    # stuck, and not only begun: what makes it stick is read a moment after the beginning
                    await until(lambda: any(stuck(load) for load in home.plex.loads))
                    home.plex.set(stuck_load=False)

                nursery.start_soon(mend)
                result = await home.carry_out(planned)
            assert len(result.failed) == 1
            assert "did not end" in result.failed[0].text
            done = {o.dvr for o in result.outcomes if o.dvr} - {result.failed[0].dvr}
            assert all(on(home, n) for n in done)

    run(main)


def stuck(load: Load) -> bool:
    """Whether the sandbox has let a load stop half-way."""
    return load.outcome == "running" and load.activity.progress == STUCK_AT


class TimedConnection(Connection):
    """A connection that notes when each write was sent and when it was answered: what Plex notes comes late on a busy machine."""

    __slots__ = ("times",)

    def __init__(self, living: Connection) -> None:
        super().__init__(living._client, living._prefix)
        self.times: list[tuple[float, float]] = []

    async def send(self, request: Request) -> Reply:
        """As the connection does."""
        began = trio.current_time()
        reply = await super().send(request)
        if request.writes:
            self.times.append((began, trio.current_time()))
        return reply


@pytest.mark.accepts("APP-5")
def test_writes_are_serial_and_paced(tmp_path: Path, run: Run[None]) -> None:
    """One write at a time, each at least the pace after the one before."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = replace(QUICK, pace_s=0.15)
            home.connection = timed = TimedConnection(home.connection)
            assert (await home.apply(TWO)).complete
            assert len(timed.times) == len(home.plex.writes()) > 5
            gaps = [later[0] - earlier[1] for earlier, later in pairwise(timed.times)]
            # a clock tells less by a rounding error where it is set beside a sum
            assert min(gaps) >= 0.15 - 1e-6, gaps

    run(main)


@pytest.mark.accepts("APP-5")
def test_a_plex_that_crashes_on_quick_writes_is_spared(tmp_path: Path, run: Run[None]) -> None:
    """Back to back the writes crash it (plex-livetv.md 1, "Pace"); at the pace none does, and that finishes it."""

    async def main() -> None:
        options = PlexOptions(load_delay_s=0.05, crash_within_s=0.1)
        async with house(tmp_path, options=options) as home:
            assert not (await home.apply(TWO)).complete
            home.timing = replace(QUICK, pace_s=0.2)
            await until(lambda: home.plex.is_running)
            result = await home.apply(TWO)
            assert result.complete, result.outcomes
            assert len(home.plex.state()["dvrs"]) == 2

    run(main)


@pytest.mark.accepts("MUL-2", "APP-8")
def test_interrupted_anywhere_the_next_run_finishes(tmp_path: Path, run: Run[None]) -> None:
    """Cancelled in the middle: the journal says what is unconfirmed, and a second run ends complete."""

    async def main() -> None:
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.1, create_delay_s=0.3)) as home:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def stop() -> None:
                        await until(lambda: "POST /livetv/dvrs" in home.writes())
                        await trio.sleep(0.05)
                        scope.cancel()

                    nursery.start_soon(stop)
                    await home.apply(ONE)
            assert scope.cancelled_caught
            steps = {s.id: s.outcome for s in read_run(home.state, run_numbers(home.state)[-1]).steps}
            assert steps["create-dvr:news"] == "unconfirmed"
            assert steps["register-device:news"] == "done"
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert len(home.plex.state()["dvrs"]) == 1
            assert on(home, "news") == {"1000", "1001", "1002"}

    run(main)


@pytest.mark.accepts("GIT-2")
def test_an_approval_is_spent_by_a_complete_run(tmp_path: Path, run: Run[None]) -> None:
    """It lifts its block once; after the run the ledger marks it, and the next loss is blocked again."""

    async def main() -> None:
        big = {"news": {1000 + i: f"c{i}" for i in range(20)}}
        half: Lineups = {"news": without(dict(big["news"]), *range(1000, 1010))}
        async with house(tmp_path) as home:
            await home.apply(big)
            home.spec = {
                "approvals": (
                    Approval("shrink:news", date(2026, 3, 3)),
                    Approval("shrink:all", date(2026, 3, 3)),
                )
            }
            result = await home.apply(half)
            assert result.complete, result.outcomes
            # The total is no rule any more for what was decided by name.
            assert home.ledger().spent == ("shrink:news 2026-03-03",)
            assert (await home.planned(half)).plan.empty
            quarter: Lineups = {"news": without(dict(half["news"]), *range(1010, 1015))}
            assert {b.code for b in (await home.planned(quarter)).plan.blocks} == {"S101"}

    run(main)


@pytest.mark.accepts("PLN-1")
def test_a_plan_writes_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Planning sends no write to Plex, and no file outside the cache changes, whatever there is to do."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(ONE)
            before = files(home), home.writes(), home.plex.state_text()
            planned = await home.planned({"news": {1000: "other"}, "sport": TWO["sport"]})
            assert planned.plan.actions
            assert (files(home), home.writes(), home.plex.state_text()) == before

    run(main)


def files(home: House) -> dict[str, tuple[int, bytes]]:
    """Every file of the state directory but the cache, with its time and bytes."""
    return {
        str(path.relative_to(home.state)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in home.state.rglob("*")
        if path.is_file() and "cache" not in path.parts
    }


@pytest.mark.accepts("RLD-6")
def test_progress_counts_channels(tmp_path: Path, run: Run[None]) -> None:
    """While Plex pairs channels a listener hears how many of how many."""

    async def main() -> None:
        async with house(tmp_path, options=PlexOptions(load_delay_s=0.6)) as home:
            await home.apply(ONE)
            assert {("news", 3)} <= {(p.dvr, p.expected) for p in home.progress if p.expected}
            assert {"done"} == {
                p.state for p in home.progress if p.action == "publish" and p.state != "running"
            }

    run(main)
