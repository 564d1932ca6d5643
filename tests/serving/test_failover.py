"""A running stream whose provider fails: the viewer's connection goes on with the next way."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.serving.attempt import Attempt
from reconciler.serving.blocks import Blocks
from reconciler.serving.dial import Names
from reconciler.serving.fanout import Channel
from reconciler.serving.health import Health
from reconciler.serving.packets import NULL_PACKET, ElementaryStream, Psi, find_psi, psi_packets
from reconciler.serving.pool import Pool
from reconciler.serving.session import Events, Session, SessionPlan
from reconciler.serving.settings import Terms
from reconciler.serving.splice import Splice
from reconciler.serving.ways import CredentialReader
from tests.conftest import Run
from tests.serving.origin import LAYOUT, Asked, answer, numbers, origin, segment, stage_of
from tests.serving.stage import Watcher, panel_stage, provided, served, until, watching

PACKET = 188


def pids_of(rows: Sequence[bytes]) -> set[int]:
    """The PIDs of packets."""
    return {(row[1] & 0x1F) << 8 | row[2] for row in rows}


def packets(data: bytes) -> list[bytes]:
    """The packets of a stream, each checked, null packets left out."""
    rows = [data[at : at + PACKET] for at in range(0, len(data) // PACKET * PACKET, PACKET)]
    assert all(row[0] == 0x47 for row in rows)
    return [row for row in rows if (row[1] & 0x1F, row[2]) != (0x1F, 0xFF)]


async def next_good(viewer: Watcher, have: int, within_s: float) -> float:
    """Seconds until 50 real packets came after `have` bytes."""
    began = trio.current_time()
    want = have
    while True:
        want += 10 * PACKET
        await viewer.read(want, within_s)
        assert not viewer.ended, "the stream ended"
        if len(packets(viewer.data[have // PACKET * PACKET :])) > 50:
            return trio.current_time() - began


@pytest.mark.accepts("STR-3")
@pytest.mark.parametrize("kind", ["eof", "reset", "html", "zeros", "stall"])
@pytest.mark.parametrize("other_pids", [False, True], ids=["same-pids", "other-pids"])
def test_ts_goes_on_with_the_next_host(
    run: Run[None], tmp_path: Path, clips: Path, kind: FaultKind, *, other_pids: bool
) -> None:
    """Whatever happens to a transport stream, the next host is on within 3 s of detection, under the same PIDs."""

    async def main() -> None:
        async with provided(clips) as handle:
            if other_pids:
                handle.faults.switch_on(Fault("pid-change", host=1, after_bytes=1))
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(200_000)
                psi = find_psi(viewer.data)
                assert psi is not None
                before = pids_of(packets(viewer.data))
                handle.faults.switch_on(Fault(kind, host=0, path="live", after_s=0.05))
                have = len(viewer.data)
                while not handle.journal.for_channel(1)[-1].host:
                    await viewer.read(len(viewer.data) + PACKET)
                took = await next_good(viewer, len(viewer.data), 12)
                assert took < 3
                await viewer.read(len(viewer.data) + 200_000)
                rows = packets(viewer.data[have // PACKET * PACKET :])
                marks = [at for at, row in enumerate(rows) if row[3] & 0x20 and row[4] and row[5] & 0x80]
                assert {s.pid for s in psi.streams} <= pids_of([rows[at] for at in marks]), (
                    "each PID is marked"
                )
                assert pids_of(rows[marks[-1] :]) <= before | {0x11, 0x1F}
                after = find_psi(b"".join(rows[max(0, marks[0] - 2) :]))
                assert after is not None
                assert [(s.pid, s.type) for s in psi.streams] == [(s.pid, s.type) for s in after.streams]

    run(main)


@pytest.mark.accepts("STR-3")
@pytest.mark.parametrize(
    ("kind", "detected_s"),
    [
        ("no-header", 0.0),
        ("no-segments", 0.0),
        ("segment-html", 0.0),
        ("segment-empty", 4.0),
        ("status", 0.0),
        ("frozen", 5.0),
        ("endlist", 4.0),
        ("hang", 3.0),
        ("refuse", 0.0),
    ],
)
def test_hls_goes_on_with_the_next_host(
    run: Run[None], tmp_path: Path, clips: Path, kind: FaultKind, detected_s: float
) -> None:
    """Whatever happens to a playlist or its segments, the next host is on within 3 s of detection."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": "hls"})
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(300_000)
                more: dict[str, Any] = {"status": 500} if kind == "status" else {}
                handle.faults.switch_on(Fault(kind, host=0, **more))
                began = trio.current_time()
                await until(lambda: handle.journal.for_channel(1)[-1].host == 1, 15)
                # One reload of two seconds passes before anybody can notice.
                assert trio.current_time() - began < detected_s + 2.5 + 3
                have = len(viewer.data)
                await next_good(viewer, have, 12)
                await until(lambda: serving.relay.sessions["main/1"].switches == 1)

    run(main)


@pytest.mark.accepts("STR-4")
def test_all_ways_fail_in_mid_stream(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """When nothing plays any more the stream ends cleanly: the last chunk is there, and nulls came meanwhile."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(200_000)
                handle.faults.switch_on(Fault("hang"), Fault("stall", path="live", after_s=0.05))
                began = trio.current_time()
                await viewer.read(1 << 30, 20)
                assert viewer.ended
                assert trio.current_time() - began < 13
                assert 0 == len(viewer.data) % PACKET
                assert NULL_PACKET in viewer.data
                await until(lambda: not serving.relay.sessions)
                assert {} == {
                    k: v
                    for k, v in serving.relay.pool.use()["password=file:pass username=file:user"].items()
                    if v and k != "refused"
                }

    run(main)


@pytest.mark.accepts("STR-4", "E20-4")
def test_all_ways_fail_at_start(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Nothing but silence: 503 with a code in under ten seconds and no body."""

    async def main() -> None:
        async with provided(clips, hosts=4) as handle:
            handle.faults.switch_on(Fault("silent"))
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                began = trio.current_time()
                async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                    assert trio.current_time() - began < 10
                    assert (503, "807 No Video Data") == (viewer.status, viewer.headers["x-hdhomerun-error"])
                    assert "0" == viewer.headers["content-length"]

    run(main)


@pytest.mark.accepts("STR-3")
@pytest.mark.parametrize("form", ["ts", "hls"])
def test_another_codec_under_the_same_pids(run: Run[None], tmp_path: Path, clips: Path, form: str) -> None:
    """In mid-stream the PMT says MPEG-2: of segments nothing reaches the player, of a stream what came before the look.

    The other host goes on with H.264.
    """

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": form})
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(200_000)
                handle.faults.switch_on(Fault("codec-change", host=0, after_s=0.05 if form == "ts" else 0.0))
                await until(lambda: serving.relay.sessions["main/1"].switches == 1)
                await viewer.read(len(viewer.data) + 500_000)
                tables = [row for row in packets(viewer.data) if pids_of([row]) == {0x1000} and row[1] & 0x40]
                types = [row[17] for row in tables]
                assert types.count(0x02) <= (10 if form == "ts" else 0)
                assert {0x1B} == set(types[len(types) // 2 :])

    run(main)


@pytest.mark.accepts("STR-3")
def test_a_sound_that_moves(run: Run[None], tmp_path: Path) -> None:
    """The picture stays and the sound has another PID in a new PMT: it goes on under the PID that the player knows."""

    async def main() -> None:
        moved = replace(LAYOUT, streams=(LAYOUT.streams[0], ElementaryStream(0x222, 0x0F)), version=1)

        def sound(pid: int, count: int) -> bytes:
            return bytes((0x47, 0x40 | pid >> 8, pid & 0xFF, 0x10 | count & 15)) + bytes(184)

        async with origin() as provider:

            async def page(asked: Asked) -> None:
                await asked.stream.send_all(answer(length=False))
                for number in range(400):
                    whole = segment(number)
                    if number >= 20:
                        whole = (
                            psi_packets(moved, {0: number - 1 & 15, LAYOUT.pmt_pid: number - 1 & 15})
                            + whole[376:]
                        )
                    await asked.stream.send_all(whole + sound(0x101 if number < 20 else 0x222, number))
                    await trio.sleep(0.05)

            provider.pages["/one.ts"] = page
            stage = stage_of(tmp_path, provider.url + "/one.ts")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(60 * 67 * PACKET)
                rows = packets(viewer.data)
                last = rows[-30 * 67 :]
                assert {0, 0x100, 0x101, 0x1000} == pids_of(last)
                assert 0 == serving.relay.sessions["main/1"].switches
                found = numbers(b"".join(last))
                assert list(range(found[0], found[0] + len(found))) == found

    run(main)


def test_another_codec_without_a_key_frame_ends_the_way(run: Run[None], tmp_path: Path) -> None:
    """The next way shows another codec, and no key frame before the splice's deadline: the way ends, not the clock.

    Found by `python -m tests.benchmarks soak`: the clock of all sessions ended with it, and `serve` with the clock.
    """

    async def main() -> None:
        old, new = (Psi(1, 0x1000, 0x100, (ElementaryStream(0x100, kind),)) for kind in (0x1B, 0x02))
        attempt = Attempt(Pool(), Names(), CredentialReader(tmp_path), Blocks())
        plan = SessionPlan("main/1", "news", "news 1000", list, lambda _: Terms())
        events = Events(lambda *_: None, lambda *_: None, lambda *_: None)
        session = Session(plan, attempt, Health(), Channel(), events)
        session.waiting = 1
        session._splice = Splice(old, b"")
        assert [] == session._splice.feed([psi_packets(new) + bytes((0x47, 0x01, 0x00, 0x10)) + bytes(184)])
        session._splice_until = trio.current_time() - 1
        with trio.CancelScope() as session._play_scope:
            session.tick(trio.current_time(), 3.0)
            session.tick(trio.current_time(), 3.0)
            await trio.lowlevel.checkpoint()
        assert session._play_scope.cancelled_caught
        assert "codec-change" == session._play_cause

    run(main)
