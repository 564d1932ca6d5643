"""How a tune chooses: pins, health, deadlines of source and DVR, sharing at a late join, and hostile clients."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from reconciler.sandbox.faults import Fault
from reconciler.serving import heads
from reconciler.serving.health import Health
from reconciler.serving.packets import find_psi, first_key_frame
from tests.conftest import Run
from tests.serving.stage import ask, panel_stage, provided, served, until, watching


@pytest.mark.accepts("E20-3")
def test_a_bad_pin_is_passed_over(
    run: Run[None], tmp_path: Path, clips: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A pinned host comes first; when it gives nothing it is passed over with a warning, unless the pin is strict."""

    async def main() -> None:
        async with provided(clips) as handle:
            pin = handle.urls[1]
            stage = panel_stage(tmp_path, handle, source={"pin": pin})
            stage.publish()
            async with served(stage) as serving:
                async with watching(serving.dvrs["news"], "/auto/v1000") as one:
                    await one.read(1000)
                assert 1 == handle.journal.for_channel(1)[0].host
                handle.faults.switch_on(Fault("empty-length", host=1))
                async with watching(serving.dvrs["news"], "/auto/v1001") as two:
                    assert 200 == two.status
                assert "is passed over" in caplog.text
            stage.sources = {"main": replace(stage.sources["main"], pin_mode="strict")}
            stage.publish()
            async with (
                served(stage) as serving,
                watching(serving.dvrs["news"], "/auto/v1002") as three,
            ):
                assert (503, "807 No Video Data") == (three.status, three.headers["x-hdhomerun-error"])

    with caplog.at_level(logging.WARNING, "reconciler.serving"):
        run(main)


@pytest.mark.accepts("E20-5")
def test_health_is_hurt_and_heals() -> None:
    """A failure is felt for about a minute, five in a row for five, a success forgives all."""
    now = 0.0
    health = Health(lambda: now)
    key = ("main", "h1")
    health.failed(key, "refused")
    assert health.penalty(key) > 0
    now += 61
    assert 0 == health.penalty(key)
    for _ in range(5):
        health.failed(key, "refused")
    now += 5 * 61
    assert 0 == health.penalty(key)
    for _ in range(12):
        health.failed(key, "refused")
    now += 300
    assert health.penalty(key) > 0
    health.worked(key)
    assert 0 == health.penalty(key)
    assert 0 == health.penalty(("main", "h2"))


@pytest.mark.accepts("E20-5")
def test_a_failed_host_is_tried_last(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """After a host has refused, the next channel begins with the other one."""

    async def main() -> None:
        async with provided(clips) as handle:
            handle.faults.switch_on(Fault("refuse", host=0))
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                async with watching(serving.dvrs["news"], "/auto/v1000") as one:
                    assert 200 == one.status
                handle.faults.switch_off(*handle.faults.active())
                async with watching(serving.dvrs["news"], "/auto/v1001") as two:
                    assert 200 == two.status
                assert [1] == [visit.host for visit in handle.journal.for_channel(2)]

    run(main)


@pytest.mark.accepts("PLY-1", "PLY-4")
@pytest.mark.parametrize(
    ("dvr_s", "source_s", "good"),
    [(None, None, True), (0.5, None, False), (3.0, 0.5, True), (None, 0.5, False)],
)
def test_first_byte_deadline_is_honoured(
    run: Run[None], tmp_path: Path, clips: Path, dvr_s: float | None, source_s: float | None, *, good: bool
) -> None:
    """A provider that needs a second is waited for by default, and not when DVR or source say half a second.

    The DVR's own way to the source is the one that is taken: its agent and its buffer.
    """

    async def main() -> None:
        async with provided(clips, hosts=1) as handle:
            handle.faults.switch_on(Fault("slow-start", seconds=1.0, path="live"))
            stage = panel_stage(
                tmp_path,
                handle,
                source={"first_byte_s": source_s},
                changes={"news": {"first_byte_s": dvr_s}},
            )
            own = replace(stage.sources["main"], user_agent="Lavf", buffer_bytes=1 << 20)
            stage.by_dvr = {"news": {"main": own}}
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert (200 if good else 503) == viewer.status
                if good:
                    assert 1 << 20 == serving.relay.sessions["main/1"].channel.ring_bytes
            assert {"Lavf"} == {visit.agent for visit in handle.journal.visits}

    run(main)


def test_late_viewer_begins_at_a_key_frame(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Somebody who joins later gets PAT, PMT and a key frame first, at once."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as one:
                    # More than what is held for everybody from the beginning.
                    serving.relay.sessions["main/1"].channel.history_bytes = 150_000
                    await one.read(600_000, 30)
                    began = trio.current_time()
                    async with watching(place, "/auto/v1000") as two:
                        data = await two.read(60 * 188)
                        assert trio.current_time() - began < 3.5
                        psi = find_psi(data[: 2 * 188])
                        assert psi is not None
                        assert first_key_frame(data[: 3 * 188], psi) == 2 * 188

    run(main)


def test_duration_ends_a_stream(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """`?duration=1` ends cleanly after a second; nonsense is ignored."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                async with watching(serving.dvrs["news"], "/auto/v1000?duration=1&transcode=heavy") as one:
                    began = trio.current_time()
                    await one.read(1 << 30, 5)
                    assert one.ended
                    assert trio.current_time() - began < 2
                async with watching(serving.dvrs["news"], "/auto/v1000?duration=-1") as two:
                    await two.read(100_000)
                    assert not two.ended

    run(main)


@pytest.mark.accepts("SEC-2")
def test_slow_heads_are_cut(
    run: Run[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: Path
) -> None:
    """Hundreds of clients that send a byte now and then are cut after the deadline and harm nobody meanwhile."""
    monkeypatch.setattr(heads, "HEAD_S", 1.0)
    monkeypatch.setattr(heads, "IDLE_S", 1.0)

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                slow = [await trio.open_tcp_stream(*place) for _ in range(300)]
                for stream in slow[:200]:
                    await stream.send_all(b"GET /discover.json HTTP/1.1\r\nX-A: ")
                began = trio.current_time()
                assert 200 == (await ask(place, "/discover.json")).status
                assert trio.current_time() - began < 0.5
                ended = 0
                for stream in slow:
                    with trio.fail_after(8):
                        said = b""
                        while more := await stream.receive_some(1000):
                            said += more
                    ended += said == b"" or b" 408 " in said[:16]
                    await stream.aclose()
                assert 300 == ended
                await until(lambda: not serving.relay.sessions)

    run(main)


@pytest.mark.accepts("BUS-1")
def test_a_viewer_above_a_lowered_count_is_told(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Who watches on the third tuner stays in status.json when there are two only, and leaves it with the stream."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, tuners=3)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]

                async def tuners() -> list[tuple[str, bool]]:
                    rows = (await ask(place, "/status.json")).json()
                    return [(row["Resource"], bool(row.get("TargetIP"))) for row in rows]

                async with watching(place, "/tuner2/v1000") as viewer:
                    await viewer.read(1000)
                    stage.tuners = 1
                    stage.publish()
                    await serving.live.changed.wait()
                    assert [("tuner0", False), ("tuner2", True)] == await tuners()
                    one = await ask(place, "/tuner2/status.json")
                    assert ("tuner2", "1000") == (one.json()["Resource"], one.json()["VctNumber"])
                    assert "*" == one.headers["access-control-allow-origin"]
                    assert 404 == (await ask(place, "/tuner1/status.json")).status
                    page = (await ask(place, "/tuners.html")).body.decode()
                    assert "<td>Tuner 0 Channel</td><td>none</td>" in page
                    assert "<td>Tuner 2 Channel</td><td>1000 " in page
                await until(lambda: not serving.relay.seats.dvrs())
                assert [("tuner0", False)] == await tuners()

    run(main)
