"""HLS whose numbers, names and times misbehave without being dead: the stream goes on, nothing comes twice."""

from pathlib import Path

import pytest
import trio

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.panel import Channel, Panel, Shape
from tests.conftest import Run
from tests.serving.stage import panel_stage, provided, served, watching


def segments_asked(handle: object, channel: int) -> list[str]:
    """The segments of a channel that were asked for, in order."""
    visits = handle.journal.for_channel(channel)  # type: ignore[attr-defined]
    return [visit.target for visit in visits if visit.kind == "segment"]


@pytest.mark.accepts("HLS-4", "HLS-2")
@pytest.mark.parametrize("kind", ["sequence-reset", "sequence-stuck", "names-loop"])
def test_odd_counting_plays_on(run: Run[None], tmp_path: Path, clips: Path, kind: FaultKind) -> None:
    """Numbers that begin anew or stand still, and names that repeat: the same host plays on without a switch."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": "hls"})
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(300_000)
                handle.faults.switch_on(Fault(kind))
                have, began = len(viewer.data), trio.current_time()
                await viewer.read(have + 900_000, 20)
                assert not viewer.ended
                assert trio.current_time() - began < 16, "about eleven seconds of stream"
                assert 0 == serving.relay.sessions["main/1"].switches
                if kind != "names-loop":
                    asked = segments_asked(handle, 1)
                    assert len(set(asked)) == len(asked), "a segment was fetched twice"

    run(main)


@pytest.mark.accepts("HLS-3")
def test_advertisements_keep_their_pids(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Blocks with other PIDs after a discontinuity come out under the programme's own."""

    async def main() -> None:
        panel = Panel(channels=(Channel(1, "One", shape=Shape(ads_every=2)),))
        async with provided(clips, panel) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": "hls"})
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(1_500_000, 40)
                rows = [viewer.data[at : at + 188] for at in range(0, len(viewer.data) // 188 * 188, 188)]
                pids = {(row[1] & 0x1F) << 8 | row[2] for row in rows}
                assert pids - set(range(0x20)) - {0x1FFF} == {0x100, 0x101, 0x1000}
                assert any(row[3] & 0x20 and row[4] and row[5] & 0x80 for row in rows)

    run(main)
