"""Tuners, accounts and connections: who gets one, who waits, who is refused. Counted in sockets at the provider."""

import contextlib
import json
import socket
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from reconciler.lineups.manifest import Alternative
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account, Channel, Panel
from reconciler.serving.pool import Account as PoolAccount
from reconciler.serving.pool import Pool
from tests.conftest import Run
from tests.serving.origin import Asked, answer, origin, segment, stage_of
from tests.serving.stage import Stage, one_source, panel_stage, provided, served, until, watching

ONE = "password=file:pass username=file:user"


def limited(most: int) -> Panel:
    """A panel whose account allows so many streams."""
    return Panel(
        accounts=(Account(max_connections=most),),
        channels=tuple(Channel(n, f"Channel {n}") for n in range(1, 10)),
    )


@pytest.mark.accepts("PLY-6")
def test_third_channel_is_refused(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Two tuners let two channels be watched; the third gets 503 with 805, and a second viewer of one does not."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as one, watching(place, "/auto/v1001") as two:
                    assert (200, 200) == (one.status, two.status)
                    assert {"tuner0", "tuner1"} == {
                        one.headers["x-hdhomerun-resource"],
                        two.headers["x-hdhomerun-resource"],
                    }
                    async with watching(place, "/auto/v1002") as three:
                        assert (503, "805 All Tuners In Use") == (
                            three.status,
                            three.headers["x-hdhomerun-error"],
                        )
                        assert "0" == three.headers["content-length"]
                    async with watching(place, "/auto/v1000") as again:
                        assert 200 == again.status
                    async with watching(place, "/tuner1/v1000") as taken:
                        assert "804 Tuner In Use" == taken.headers["x-hdhomerun-error"]

    run(main)


def two_dvrs(state: Path, urls: Sequence[str], connections: int | None) -> Stage:
    """Two DVRs with one channel each, on one account."""
    return Stage(
        state,
        {"a": {"1": "main/1"}, "b": {"2": "main/2"}},
        sources=one_source(*urls, connections=connections),
        channels={f"main/{n}": (Alternative("main", str(n)),) for n in (1, 2)},
    )


@pytest.mark.accepts("STR-5")
def test_one_connection_for_two_dvrs(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """max_connections 1: the second DVR waits 3 s and gets 805 while the first is watched, which is never cut."""

    async def main() -> None:
        async with provided(clips, limited(1)) as handle:
            stage = two_dvrs(tmp_path, handle.urls, 1)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["a"], "/auto/v1") as one:
                await one.read(100_000)
                began = trio.current_time()
                async with watching(serving.dvrs["b"], "/auto/v2") as two:
                    assert (503, "805 All Tuners In Use") == (two.status, two.headers["x-hdhomerun-error"])
                assert 2.5 < trio.current_time() - began < 4
                await one.read(len(one.data) + 100_000)
                assert not one.ended
                assert 1 == handle.peak()
                assert 0 == handle.refusals()

    run(main)


@pytest.mark.accepts("STR-5")
@pytest.mark.parametrize("after_s", [-1.0, -0.2, 0.2, 1.0])
def test_zapping_with_one_connection(run: Run[None], tmp_path: Path, clips: Path, after_s: float) -> None:
    """A client that closes the old stream up to a second before or after it opens the new one succeeds."""

    async def main() -> None:
        manners = Manners(notice=0.5)  # the panel notices a closed stream late
        async with provided(clips, limited(1), manners=manners) as handle:
            stage = two_dvrs(tmp_path, handle.urls, 1)
            stage.publish()
            async with served(stage) as serving, trio.open_nursery() as nursery:

                async def old(*, task_status: trio.TaskStatus[None]) -> None:
                    async with watching(serving.dvrs["a"], "/auto/v1") as one:
                        await one.read(100_000)
                        task_status.started()
                        await trio.sleep(1.0 + after_s)

                await nursery.start(old)
                await trio.sleep(1.0)
                async with watching(serving.dvrs["b"], "/auto/v2") as two:
                    assert 200 == two.status
                    await two.read(50_000)
                assert 1 == handle.peak()

    run(main)


@pytest.mark.accepts("STR-5")
def test_zapping_in_a_hurry(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Viewers who left while their channel was being tuned stand in nobody's way, and do not multiply the refusals."""

    async def main() -> None:
        manners = Manners(notice=1.0)
        async with provided(clips, limited(1), manners=manners) as handle:
            stage = panel_stage(tmp_path, handle, source={"connections": 1})
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as one:
                    await one.read(50_000)
                began = trio.current_time()
                for n in range(1, 7):
                    with trio.move_on_after(0.25):
                        async with watching(place, f"/auto/v{1000 + n}"):
                            pass
                async with watching(place, "/auto/v1007") as last:
                    assert 200 == last.status
                    await last.read(50_000)
                # asked again once a second: one more for each that a busy machine takes beyond the usual three
                late_s = max(0.0, trio.current_time() - began - 3)
                assert 1 == handle.peak()
                assert handle.refusals() <= min(6, 4 + late_s)

    run(main)


@pytest.mark.accepts("STR-5")
def test_a_channel_that_is_refused_delays_no_other(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """That the next channel plays says nothing of how late the panel notices a close: it would have played at once."""

    async def main() -> None:
        async with provided(clips, limited(1), hosts=1) as handle:
            handle.faults.switch_on(Fault("status", path="live", channel=2, status=403))
            stage = panel_stage(tmp_path, handle, source={"connections": 1})
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as one:
                    await one.read(50_000)
                async with watching(place, "/auto/v1001") as refused:
                    assert "806" == refused.headers["x-hdhomerun-error"][:3]
                async with watching(place, "/auto/v1002") as two:
                    await two.read(50_000)
                began = trio.current_time()
                async with watching(place, "/auto/v1003") as three:
                    assert 200 == three.status
                assert trio.current_time() - began < 2

    run(main)


@pytest.mark.accepts("STR-5")
def test_who_left_stands_in_nobodys_way_on_the_next_way(run: Run[None], tmp_path: Path) -> None:
    """The viewer leaves, the first way fails, the second is silent: its connection is the next viewer's at once."""

    async def late(asked: Asked) -> None:
        await trio.sleep(0.5)
        await asked.stream.send_all(answer(status="404 Not Found"))

    async def silent(_: Asked) -> None:
        await trio.sleep_forever()

    async def main() -> None:
        async with origin() as provider:
            provider.pages |= {"/1.ts": late, "/2.ts": silent, "/3.ts": answer(segment(0) * 40)}
            stage = stage_of(tmp_path, *(f"{provider.url}/{n}.ts" for n in (1, 2)))
            stage.sources = {"list": replace(stage.sources["list"], connections=1)}
            stage.lineups = {"news": {"1000": "main/1", "1001": "main/2"}}
            stage.channels = {**stage.channels, "main/2": (Alternative("list", url=f"{provider.url}/3.ts"),)}
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                with trio.move_on_after(0.2):
                    async with watching(place, "/auto/v1000"):
                        pass
                await until(lambda: provider.paths("/2.ts"))
                began = trio.current_time()
                async with watching(place, "/auto/v1001") as viewer:
                    assert 200 == viewer.status
                assert trio.current_time() - began < 2

    run(main)


@pytest.mark.parametrize("status", [429, 458])
def test_a_provider_says_when_to_come_back(run: Run[None], tmp_path: Path, clips: Path, status: int) -> None:
    """Until then the account is not asked with, on no host; afterwards it is."""

    async def main() -> None:
        async with provided(clips) as handle:
            handle.faults.switch_on(
                Fault("status", path="live", status=status, first=1, headers=(("Retry-After", "3"),))
            )
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                told = []
                for _ in range(3):
                    async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                        told.append((viewer.status, viewer.headers["x-hdhomerun-error"]))
                assert 3 * [(503, "809 Playback Connection Limit")] == told
                assert 1 == len(handle.journal.for_channel(1))
                await trio.sleep(3)
                async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                    assert 200 == viewer.status

    run(main)


def test_rests_grow_until_a_stream_comes() -> None:
    """Told to rest again and again, an account rests twice as long each time, ten minutes at most."""

    async def main() -> None:
        pool, rests = Pool(), []
        for _ in range(9):
            pool.rest("a", 10)
            rests.append(round(pool.resting_s("a")))
        assert [10, 20, 40, 80, 160, 320, 600, 600, 600] == rests
        assert 0 == pool.resting_s("b")
        pool.served("a")
        pool.rest("b", 5)
        assert 5 == round(pool.resting_s("b"))

    trio.run(main)


def test_how_late_a_panel_notices_is_learned() -> None:
    """Once known, nobody asks before what was closed is forgotten there; with room to spare nobody waits."""

    async def main() -> None:
        pool, account = Pool(), PoolAccount("a", 1)
        lease = await pool.acquire((account,), "viewer", wait_s=0)
        pool.release(lease)
        lease = await pool.acquire((account,), "viewer", wait_s=0)
        assert 0 == pool.held_off_s(account)
        pool.hold_off("a", 1.0)  # refused
        assert 1 == pool.held_off_s(account)
        await trio.sleep(2)
        pool.served("a")  # let in two seconds after the close
        pool.release(lease)
        await pool.acquire((account,), "viewer", wait_s=0)
        assert 2 == pool.held_off_s(account)
        assert 0 == pool.held_off_s(PoolAccount("a", 2))
        await trio.sleep(1.5)
        assert 0.5 == pool.held_off_s(account)
        await trio.sleep(1)
        pool.release(await pool.acquire((PoolAccount("a", 2),), "viewer", wait_s=0), noticed=True)
        assert 0 == pool.held_off_s(account), "the provider ended it itself"

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_who_leaves_the_queue_wakes_those_behind() -> None:
    """A free connection of another account is taken once nobody stands before it any more, not at the end of the wait."""

    async def main() -> None:
        pool, one, two = Pool(), PoolAccount("a", 1), PoolAccount("b", 1)
        await pool.acquire((one,), "viewer", wait_s=0)
        async with trio.open_nursery() as nursery:

            async def first() -> None:
                with trio.move_on_after(1):
                    await pool.acquire((one,), "viewer", wait_s=3)

            async def second() -> None:
                await trio.sleep(0.5)
                lease = await pool.acquire((one, two), "viewer", wait_s=3)
                assert ("b", 1.0) == (lease.account, trio.current_time() - began)

            began = trio.current_time()
            nursery.start_soon(first)
            nursery.start_soon(second)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_the_number_that_a_provider_names() -> None:
    """It is the limit where ours were none or more; where fewer of ours were too many, those are."""

    async def main() -> None:
        pool, account = Pool(), PoolAccount("a", None)
        await pool.acquire((account,), "viewer", wait_s=0)
        pool.learn(account, 2)
        assert 2 == pool.limit(account)
        await pool.acquire((account,), "viewer", wait_s=0.1)
        pool.learn(account, 2)
        assert 1 == pool.limit(account), "one of ours and one of somebody else"

    trio.run(main)


def test_provider_says_too_many(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """An account whose limit nobody knows: the refusal becomes 809, is learned, and the next tune waits instead."""

    async def main() -> None:
        async with provided(clips, limited(1), manners=Manners(limit_answer=458)) as handle:
            stage = two_dvrs(tmp_path, handle.urls, None)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["a"], "/auto/v1") as one:
                await one.read(50_000)
                async with watching(serving.dvrs["b"], "/auto/v2") as two:
                    assert (503, "809 Playback Connection Limit") == (
                        two.status,
                        two.headers["x-hdhomerun-error"],
                    )
                asked = len(handle.journal.for_channel(2))
                async with watching(serving.dvrs["b"], "/auto/v2") as two:
                    assert "805 All Tuners In Use" == two.headers["x-hdhomerun-error"]
                assert asked == len(handle.journal.for_channel(2)), "the provider was not asked again"

    run(main)


def test_accounts_are_pooled(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Two accounts of one connection each carry two channels."""

    async def main() -> None:
        panel = replace(limited(1), accounts=(Account(max_connections=1), Account("second", "pw2", 1)))
        async with provided(clips, panel) as handle:
            (tmp_path / "user2").write_text("second")
            (tmp_path / "pass2").write_text("pw2")
            refs = (
                {"username": "file:user", "password": "file:pass"},
                {"username": "file:user2", "password": "file:pass2"},
            )
            stage = two_dvrs(tmp_path, handle.urls, 1)
            stage.sources = one_source(*handle.urls, connections=1, credentials=refs)
            stage.publish()
            async with (
                served(stage) as serving,
                watching(serving.dvrs["a"], "/auto/v1") as one,
                watching(serving.dvrs["b"], "/auto/v2") as two,
            ):
                assert (200, 200) == (one.status, two.status)
                assert {"demo", "second"} == {seat.account for seat in handle.connections()}

    run(main)


@pytest.mark.accepts("CRD-5")
def test_rotated_password_is_used_by_the_next_tune(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """A changed secret file counts for new streams at once; running ones go on."""

    async def main() -> None:
        panel = replace(limited(5), accounts=(Account(), Account("demo2", "changed")))
        async with provided(clips, panel) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as one:
                await one.read(50_000)
                (tmp_path / "user").write_text("demo2")
                (tmp_path / "pass").write_text("changed")
                async with watching(serving.dvrs["news"], "/auto/v1001") as two:
                    await two.read(50_000)
                    await one.read(len(one.data) + 50_000)
                    assert ["demo", "demo2"] == [seat.account for seat in handle.connections()]

    run(main)


@pytest.mark.accepts("CRD-5")
def test_password_of_a_command(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """An account whose password a command prints is played from where --allow-exec was said; else its tune is refused."""

    async def main() -> None:
        async with provided(clips, limited(5)) as handle:
            stage = panel_stage(tmp_path, handle)
            said = json.dumps(["cat", str(tmp_path / "pass")])
            account = {"username": "file:user", "password": f"exec:{said}"}
            stage.sources = {"main": replace(stage.sources["main"], credentials=(account,))}
            stage.publish()
            async with (
                served(stage, stage.settings(allow_exec=True)) as serving,
                watching(serving.dvrs["news"], "/auto/v1000") as one,
            ):
                await one.read(50_000)
            async with (
                served(stage) as serving,
                watching(serving.dvrs["news"], "/auto/v1000") as refused,
            ):
                assert (503, "806") == (refused.status, refused.headers["x-hdhomerun-error"][:3])

    run(main)


@pytest.mark.accepts("STR-2")
def test_slow_viewer_is_dropped(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """A viewer that stops reading is dropped within its bound; the other one misses nothing."""

    async def main() -> None:
        async with provided(clips, manners=Manners(pace=False)) as handle:
            stage = panel_stage(tmp_path, handle, changes={"news": {"buffer_bytes": 512 * 1024}})
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as quick:
                    slow = await trio.open_tcp_stream(*place)
                    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    await slow.send_all(b"GET /auto/v1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                    channel = serving.relay.sessions["main/1"].channel
                    skip = 0
                    while not channel.dropped:
                        data = await quick.read(500_000)
                        assert set(data[-skip % 188 :: 188]) == {0x47}
                        skip, quick.data = (skip + len(data)) % 188, b""
                        assert not quick.ended
                    assert {"slow": 1} == channel.dropped
                    await until(lambda: len(channel.viewers) == 1)
                    await slow.aclose()

    run(main)


def test_lone_viewer_that_stops_is_dropped(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """A single viewer that takes nothing slows the provider, not our memory, and is dropped after its time."""

    async def main() -> None:
        async with provided(clips, manners=Manners(pace=False)) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            settings = stage.settings()
            settings = replace(settings, limits=replace(settings.limits, stall_s=1.0, linger_s=0.2))
            async with served(stage, settings) as serving:
                slow = await trio.open_tcp_stream(*serving.dvrs["news"])
                await slow.send_all(b"GET /auto/v1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                await until(lambda: "main/1" in serving.relay.sessions)
                channel = serving.relay.sessions["main/1"].channel
                await until(lambda: channel.dropped == {"stalled": 1})
                assert (
                    channel.published_bytes < 20_000_000
                )  # what kernel buffers hold; unpaced it would be a gigabyte
                await until(lambda: not serving.relay.sessions)
                await slow.aclose()
            await until(lambda: handle.sockets() == 0)

    run(main)


@pytest.mark.accepts("STR-6")
def test_abort_frees_everything(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """A viewer's abort frees tuner at once and the upstream within two seconds, at any moment of the tune."""

    async def main() -> None:
        async with provided(clips, limited(0)) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            settings = stage.settings()
            settings = replace(settings, limits=replace(settings.limits, linger_s=0.3))
            async with served(stage, settings) as serving:
                for pause_s in (0.0, 0.0005, 0.001, 0.002, 0.005, 0.05, 0.2):
                    stream = await trio.open_tcp_stream(*serving.dvrs["news"])
                    await stream.send_all(b"GET /auto/v1000 HTTP/1.1\r\nHost: a\r\n\r\n")
                    await trio.sleep(pause_s)
                    await stream.aclose()
                    await until(lambda: serving.relay.seats.of("news") == (), 1)
                    await until(lambda: not serving.relay.sessions and handle.sockets() == 0, 2.0)

    run(main)


@pytest.mark.accepts("STR-6")
@pytest.mark.slow
def test_thousands_of_aborts_leave_nothing(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Ten thousand connects and aborts leave no task, no descriptor and no session behind."""

    async def main() -> None:
        async with provided(clips, limited(0)) as handle:
            stage = panel_stage(tmp_path, handle, tuners=10)
            stage.publish()
            settings = stage.settings()
            settings = replace(settings, limits=replace(settings.limits, linger_s=0.3))
            async with served(stage, settings) as serving:
                place = serving.dvrs["news"]

                async def aborts(number: int, count: int) -> None:
                    for n in range(count):
                        # half of what a stream of trio's costs
                        with trio.socket.socket() as viewer:
                            await viewer.connect(place)
                            await viewer.send(b"GET /auto/v%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
                            if n % 3 == 0:
                                await trio.sleep(0.001)
                            if n % 2:
                                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

                await aborts(1000, 5)
                await until(lambda: not serving.relay.sessions and handle.sockets() == 0)
                tasks, files = trio.lowlevel.current_statistics().tasks_living, _sockets()
                async with trio.open_nursery() as nursery:
                    for number in range(1000, 1009):
                        nursery.start_soon(partial(aborts, number, 1112))
                await until(lambda: not serving.relay.sessions and handle.sockets() == 0, 30)
                await until(lambda: trio.lowlevel.current_statistics().tasks_living <= tasks, 5)
                assert _sockets() <= files
                assert () == serving.relay.seats.of("news")
                assert {} == {k: v for k, v in serving.relay.pool.use()[ONE].items() if v and k != "refused"}

    run(main)


def _sockets() -> int:
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += link.readlink().name.startswith("socket:")
    return count
