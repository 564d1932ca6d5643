"""Real players on a real stream, and streams across new generations."""

import os
from pathlib import Path

import pytest
import trio

from reconciler.sandbox.panel import Account, Channel, Panel
from tests.conftest import Run
from tests.serving.stage import panel_stage, provided, served, until, watching

FFPROBE = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0"]
FFMPEG = ["ffmpeg", "-v", "error", "-t", "3", "-i"]
VLC = ["cvlc", "-q", "--run-time=3", "--play-and-exit", "--sout=#std{access=file,mux=ts,dst=-}"]


@pytest.mark.accepts("STR-1")
@pytest.mark.parametrize("form", ["ts", "hls"])
@pytest.mark.parametrize(
    "player",
    [pytest.param(name, marks=pytest.mark.program(name)) for name in ("ffprobe", "ffmpeg", "cvlc")],
)
def test_players_play(run: Run[None], tmp_path: Path, clips: Path, player: str, form: str) -> None:
    """Each player finds video and sound and has nothing to complain about, from TS and from HLS upstreams."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": form})
            stage.publish()
            async with served(stage) as serving:
                host, port = serving.dvrs["news"]
                url = f"http://{host}:{port}/auto/v1000"
                words = {
                    "ffprobe": [*FFPROBE, url],
                    "ffmpeg": [*FFMPEG, url, "-f", "null", "-"],
                    "cvlc": [*VLC, url],
                }[player]
                # VLC refuses to run as root.
                user = "nobody" if player == "cvlc" and os.geteuid() == 0 else None
                with trio.fail_after(60):
                    done = await trio.run_process(
                        words, capture_stdout=True, capture_stderr=True, check=False, user=user
                    )
                if player == "cvlc":
                    assert len(done.stdout) > 50_000, done.stderr.decode()
                    assert {0x47} == set(done.stdout[::188])
                    return
                assert 0 == done.returncode, done.stderr.decode()
                assert "" == done.stderr.decode()
                if player == "ffprobe":
                    assert {"video", "audio"} == set(done.stdout.decode().split())

    run(main)


@pytest.mark.accepts("STR-7", "ONE-5", "PLY-5", "TUN-7")
def test_new_artifacts_interrupt_nothing(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Fifty streams run while generations come and go: none is cut, also those whose channel or DVR has left."""

    async def main() -> None:
        panel = Panel(
            accounts=(Account(max_connections=0),), channels=tuple(Channel(n, str(n)) for n in range(1, 10))
        )
        async with provided(clips, panel) as handle:
            lineups = {f"dvr{n}": {str(k): f"main/{k}" for k in range(1, 10)} for n in range(6)}
            stage = panel_stage(tmp_path, handle, tuners=20)
            stage.lineups = lineups
            stage.publish()
            async with served(stage) as serving, trio.open_nursery() as nursery:
                counts: dict[int, int] = {}

                async def watch(place: tuple[str, int], number: int, index: int) -> None:
                    async with watching(place, f"/auto/v{number}") as viewer:
                        assert 200 == viewer.status
                        while True:
                            data = await viewer.read(20_000)
                            assert not viewer.ended
                            counts[index] = counts.get(index, 0) + len(data)
                            viewer.data = b""

                index = 0
                for name in lineups:
                    for number in range(1, 10):
                        if index < 50:
                            nursery.start_soon(watch, serving.dvrs[name], number, index)
                            index += 1
                await until(lambda: len(counts) == 50, 30)
                stage.lineups = {"dvr0": {"1": "main/1"}, "new": {"5": "main/5"}}
                stage.channels = {k: v for k, v in stage.channels.items() if k in {"main/1", "main/5"}}
                stage.publish()
                await until(lambda: set(serving.dvrs) == {"dvr0", "new"})
                before = dict(counts)
                await until(lambda: all(counts[i] > before[i] for i in before), 20)
                nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.accepts("UPG-1")
def test_draining(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Draining: not ready, no new streams, running ones go on until they end."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle)
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as one:
                    await one.read(20_000)
                    serving.drain()
                    assert not serving.live.ready
                    async with watching(place, "/auto/v1001") as two:
                        assert (503, "803 System Busy") == (two.status, two.headers["x-hdhomerun-error"])
                    await one.read(len(one.data) + 50_000)
                    assert not one.ended
                await serving.relay.idle()

    run(main)
