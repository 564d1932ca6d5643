"""Real players read a tuner: ffprobe, ffmpeg and VLC, from TS and from HLS upstreams."""

import json
import os
from pathlib import Path

import pytest
import trio

from tests.conftest import Run
from tests.serving.stage import panel_stage, provided, served

PLAY_S = 4


async def output(*command: str, limit_s: float = 40) -> tuple[int, str]:
    """Run a player to its end; exit status and what it said."""
    with trio.fail_after(limit_s):
        done = await trio.run_process(
            list(command), capture_stdout=True, capture_stderr=True, check=False, stdin=b""
        )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


@pytest.mark.program("ffprobe")
@pytest.mark.accepts("STR-1", "TUN-4")
@pytest.mark.parametrize("form", ["ts", "hls"])
def test_ffprobe_sees_video_and_audio(run: Run[None], tmp_path: Path, clips: Path, form: str) -> None:
    """H.264 and AAC, as the provider's channel has them."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": form})
            stage.publish()
            async with served(stage) as serving:
                host, port = serving.dvrs["news"]
                url = f"http://{host}:{port}/auto/v1000"
                with trio.fail_after(40):
                    done = await trio.run_process(
                        ["ffprobe", "-v", "error", "-show_streams", "-of", "json", url], capture_stdout=True
                    )
                streams = json.loads(done.stdout)["streams"]
                assert {"h264", "aac"} == {s["codec_name"] for s in streams}

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("STR-1", "HLS-4")
@pytest.mark.parametrize("form", ["ts", "hls"])
def test_ffmpeg_finds_nothing_to_complain_about(
    run: Run[None], tmp_path: Path, clips: Path, form: str
) -> None:
    """Several loops of the clip decode without one warning about continuity, timestamps or packets."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": form})
            stage.publish()
            async with served(stage) as serving:
                host, port = serving.dvrs["news"]
                url = f"http://{host}:{port}/auto/v1000?duration={PLAY_S}"
                code, said = await output(
                    "ffmpeg", "-v", "warning", "-i", url, "-t", str(PLAY_S), "-f", "null", "-"
                )
                assert code == 0, said
                assert "" == said.strip(), said

    run(main)


@pytest.mark.program("cvlc")
@pytest.mark.accepts("STR-1")
def test_vlc_plays(run: Run[None], tmp_path: Path, clips: Path) -> None:
    """VLC writes what it plays; the file is a transport stream of some length."""

    async def main() -> None:
        async with provided(clips) as handle:
            stage = panel_stage(tmp_path, handle, source={"format": "hls"})
            stage.publish()
            out = tmp_path / "played.ts"
            async with served(stage) as serving:
                host, port = serving.dvrs["news"]
                url = f"http://{host}:{port}/auto/v1000"
                # VLC refuses to run as root; its own switch in the environment is for tests like this one
                vlc = [
                    "cvlc",
                    "-I",
                    "dummy",
                    "--run-time",
                    str(PLAY_S),
                    "--play-and-exit",
                ]
                sout = f"#std{{access=file,mux=ts,dst={out}}}"
                code, said = await output(*unprivileged(tmp_path), *vlc, "--sout", sout, url, "vlc://quit")
                assert out.exists(), f"exit {code}: {said}"
            data = await trio.Path(out).read_bytes()
            assert len(data) > 50_000
            assert {0x47} == set(data[: 188 * 100 : 188])

    run(main)


def unprivileged(folder: Path) -> list[str]:
    """A prefix that runs the command as nobody where the tests run as root."""
    if os.geteuid() != 0:
        return []
    for path in (folder, *folder.parents):
        if path.is_dir() and path != Path("/") and path.stat().st_uid == 0:
            path.chmod(path.stat().st_mode | 0o055)
    folder.chmod(0o777)
    return ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", f"HOME={folder}"]
