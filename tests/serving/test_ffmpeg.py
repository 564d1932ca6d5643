"""Profiles that put an ffmpeg between provider and viewer."""

from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.errors import OperatorError
from reconciler.lineups.manifest import SourceRoute
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.panel import Channel, Panel, Shape
from reconciler.serving import ffmpeg
from reconciler.serving.ffmpeg import muxer_arguments
from reconciler.serving.packets import find_psi
from reconciler.serving.server import serve
from tests.conftest import Run
from tests.serving.stage import Stage, ask, panel_stage, provided, served, until, watching

pytestmark = pytest.mark.program("ffmpeg")


def children() -> list[str]:
    """Command lines of this process's children."""
    pids = [
        pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    found = []
    for pid in pids:
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [line for line in found if "ffmpeg" in line]


@pytest.mark.accepts("COR-1", "COR-4", "COR-5")
@pytest.mark.parametrize("form", ["ts", "hls"])
def test_salvage_gives_video_alone(run: Run[None], tmp_path: Path, clips: Path, form: str) -> None:
    """A damaged stream comes out as clean packets with the first video only; the child ends with its viewer."""

    async def main() -> None:
        async with provided(clips) as handle:
            damage = Fault("corrupt")
            stage = panel_stage(
                tmp_path, handle, source={"format": form}, changes={"news": {"profile": "salvage"}}
            )
            stage.publish()
            async with served(stage) as serving:
                async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                    assert 200 == viewer.status
                    for _ in range(4):  # a burst of lost and damaged packets each second
                        handle.faults.switch_on(damage)
                        await trio.sleep(0.2)
                        handle.faults.switch_off(damage)
                        await viewer.read(len(viewer.data) + 50_000, 30)
                    psi = find_psi(viewer.data[: len(viewer.data) // 188 * 188])
                    assert psi is not None
                    assert ["video"] == [s.kind for s in psi.streams]
                    assert set(viewer.data[::188]) == {0x47}
                    assert 1 == len(children())
                    assert "127.0.0.1" not in children()[0], "no address is in the process list"
                began = trio.current_time()
                await until(lambda: not children())
                assert trio.current_time() - began < 2

    run(main)


@pytest.mark.accepts("HLS-3", "PLY-2")
@pytest.mark.parametrize(
    "shape", [Shape(segments="fmp4"), Shape(master=1, separate_audio=True), Shape()], ids=repr
)
def test_remux_of_what_needs_it(run: Run[None], tmp_path: Path, clips: Path, shape: Shape) -> None:
    """Fragmented MP4 and sound apart become one transport stream with video and audio; the user agent arrives."""

    async def main() -> None:
        panel = Panel(channels=tuple(Channel(n, f"Channel {n}", shape=shape) for n in range(1, 4)))
        agent = 'Odd "Agent" 1.0 (it\'s; fine)'
        async with provided(clips, panel) as handle:
            source = {"format": "hls", "user_agent": agent, "profile": "remux"}
            stage = panel_stage(tmp_path, handle, source=source)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 200 == viewer.status
                await viewer.read(400_000, 30)
                psi = find_psi(viewer.data[: len(viewer.data) // 188 * 188])
                assert psi is not None
                assert {"video", "audio"} == {s.kind for s in psi.streams}
            assert {agent} == {visit.agent for visit in handle.journal.visits}

    run(main)


def test_without_profile_it_is_refused(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """Fragmented MP4 without a profile is 503 with a cause, never a hidden child process."""

    async def main() -> None:
        panel = Panel(channels=(Channel(1, "One", shape=Shape(segments="fmp4")),))
        async with provided(clips, panel) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": "hls"})
            stage.publish()
            async with served(stage) as serving:
                async with watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                    assert "807 No Video Data" == viewer.headers["x-hdhomerun-error"]
                assert [] == children()

    run(main)


@pytest.mark.accepts("COR-3")
def test_missing_ffmpeg_is_an_error_at_the_start(
    run: Run[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that needs ffmpeg where there is none keeps `serve` from starting."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    ffmpeg.find_ffmpeg.cache_clear()

    async def main() -> None:
        stage = Stage(tmp_path, changes={"news": {"profile": "salvage"}})
        stage.publish()
        with pytest.raises(OperatorError, match="needs ffmpeg, and there is none"):
            await serve(stage.state, stage.settings())

    try:
        run(main)
    finally:
        ffmpeg.find_ffmpeg.cache_clear()


@pytest.mark.accepts("COR-3")
@pytest.mark.parametrize("profile", ["", "copy"])
def test_nobody_needs_ffmpeg_who_does_not_ask_for_it(
    run: Run[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    """Without a profile, or with `copy`, `serve` starts on what is published where there is no ffmpeg."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    ffmpeg.find_ffmpeg.cache_clear()

    async def main() -> None:
        stage = Stage(
            tmp_path, changes={"news": {"profile": profile}}, sources={"main": SourceRoute("main", "m3u")}
        )
        stage.publish()
        async with served(stage) as serving:
            assert 200 == (await ask(serving.hub, "/readyz")).status

    try:
        run(main)
    finally:
        ffmpeg.find_ffmpeg.cache_clear()


def _descriptors() -> list[Path]:
    return sorted(Path("/proc/self/fd").iterdir())


def test_a_muxer_that_is_never_begun_leaves_no_pipe(run: Run[None]) -> None:
    """A viewer who leaves in the moment before ffmpeg begins leaves no descriptor of the second input behind."""

    async def main() -> None:
        nobody: Any = None  # cancelled before anybody is asked
        upstream = ffmpeg.FfmpegUpstream([nobody, nobody], "remux", ["mpegts", "aac"])
        before = _descriptors()
        with trio.CancelScope() as viewer:
            viewer.cancel()
            await upstream.play(nobody)
        assert viewer.cancelled_caught
        assert before == _descriptors()

    run(main)


@pytest.mark.parametrize(
    ("of_dvr", "of_source", "kinds"),
    [
        ("", "salvage", {"video"}),
        ("copy", "salvage", {"video", "audio"}),
        ("salvage", "copy", {"video"}),
        ("remux", "salvage", {"video", "audio"}),
    ],
)
def test_the_word_of_the_dvr_wins(
    run: Run[None], tmp_path: Path, clips: Path, of_dvr: str, of_source: str, kinds: set[str]
) -> None:
    """A DVR that says nothing takes the source's profile; one that says `copy` takes none."""

    async def main() -> None:
        async with provided(clips) as handle:
            source = {"format": "ts", "profile": of_source}
            stage = panel_stage(tmp_path, handle, source=source, changes={"news": {"profile": of_dvr}})
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(300_000, 30)
                psi = find_psi(viewer.data[: len(viewer.data) // 188 * 188])
                assert psi is not None
                assert kinds == {s.kind for s in psi.streams}
                assert bool(children()) == (of_dvr != "copy")

    run(main)


@pytest.mark.accepts("PLY-2", "COR-1")
def test_arguments_are_a_list() -> None:
    """The salvage profile has the flags that stopped endless spinning, and never -re or an address."""
    said = muxer_arguments("salvage", [("mpegts", 0)])
    assert ["-map", "0:v:0", "-c:v", "copy", "-an", "-sn", "-dn"] == said[said.index("-map") :][:7]
    assert "+discardcorrupt+genpts" in said
    assert "-re" not in said
    two = muxer_arguments("remux", [("mp4", 0), ("mp4", 9)])
    assert ["pipe:0", "pipe:9", "pipe:1"] == [word for word in two if word.startswith("pipe:")]
