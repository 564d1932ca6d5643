"""Sound in a playlist of its own, and sound alone: lips and words stay together, whatever each playlist begins with."""

import subprocess
from pathlib import Path

import pytest

from reconciler.serving.clocks import begins_s, offset_s
from tests.conftest import Run
from tests.serving.origin import answer, origin, playlist, stage_of
from tests.serving.stage import served, watching

RATE = 48_000
PICTURE_S, SOUND_S = 2, 4
OWNER = b"com.apple.streaming.transportStreamTimestamp\0"


def made(folder: Path, *arguments: str) -> None:
    """What ffmpeg makes of these, 24 s of pictures and a tone being its inputs."""
    inputs: tuple[str, ...] = ("-f", "lavfi", "-i", "testsrc=size=64x48:rate=25:duration=24")
    inputs += ("-f", "lavfi", "-i", f"sine=sample_rate={RATE}:duration=24")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *inputs, *arguments],
        cwd=folder,
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def both(folder: Path, form: str) -> None:
    """`v0.ts` … of two seconds and `a0.ts` … of four (or m4s with `v.mp4` and `a.mp4`), on one clock."""
    for name, select, codec, length_s in (
        ("v", "0:v", ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "0"), PICTURE_S),
        ("a", "1:a", ("-c:a", "aac", "-b:a", "64k"), SOUND_S),
    ):
        fragments = ("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", f"{name}.mp4")
        made(
            folder,
            *("-map", select, *codec, "-f", "hls", "-hls_time", str(length_s), "-hls_list_size", "0"),
            *(fragments if form == "m4s" else ()),
            *("-hls_segment_filename", f"{name}%d.{form}", f"{name}.m3u8"),
        )


def packed(folder: Path) -> None:
    """`a0.aac` … of four seconds: frames, with the clock of the pictures' segments in a tag before them."""
    made(folder, "-map", "1:a", "-c:a", "aac", "-b:a", "64k", "-f", "adts", "whole.aac")
    data, frames = (folder / "whole.aac").read_bytes(), []
    while len(data) > 7:
        length = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        frames.append(data[:length])
        data = data[length:]
    each = SOUND_S * RATE // 1024
    for number in range(len(frames) // each):
        ticks = int((1.4 + number * each * 1024 / RATE) * 90_000)
        (folder / f"a{number}.aac").write_bytes(tag(ticks) + b"".join(frames[number * each :][:each]))


def tag(ticks: int) -> bytes:
    """An ID3 tag with a time, as RFC 8216 3.4 wants it."""
    body = OWNER + ticks.to_bytes(8, "big")
    frame = b"PRIV" + len(body).to_bytes(4, "big") + b"\0\0" + body
    return b"ID3\x04\0\0" + bytes((0, 0, len(frame) >> 7, len(frame) & 127)) + frame


def starts(data: bytes, folder: Path) -> dict[str, float]:
    """When each kind of stream begins in what a viewer got, as ffprobe says."""
    (folder / "got.ts").write_bytes(data)
    said = subprocess.run(
        [
            "ffprobe",
            "-v",
            "error",
            "-show_entries",
            "stream=codec_type,start_time",
            "-of",
            "csv=p=0",
            "got.ts",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    rows = dict(line.split(",")[:2] for line in said.stdout.split())
    return {kind: float(start) for kind, start in rows.items()}


@pytest.mark.program("ffmpeg")
@pytest.mark.program("ffprobe")
@pytest.mark.accepts("HLS-3")
@pytest.mark.parametrize("form", ["ts", "m4s", "aac"])
def test_sound_that_begins_elsewhere(run: Run[None], tmp_path: Path, form: str) -> None:
    """The pictures' playlist begins at 14 s, the sound's at 8: what is over is left out, and 2 s earlier is 2 s earlier."""
    folder = tmp_path / "clips"
    folder.mkdir()
    both(folder, "m4s" if form == "m4s" else "ts")
    if form == "aac":
        packed(folder)
    pictures = "m4s" if form == "m4s" else "ts"

    async def main() -> None:
        async with origin() as provider:
            provider.pages |= {f"/{path.name}": answer(path.read_bytes()) for path in folder.iterdir()}
            for name, ending, numbers, length_s in (
                ("v", pictures, range(3, 10), PICTURE_S),
                ("a", form, range(5), SOUND_S),
            ):
                head = f'#EXT-X-MAP:URI="{name}.mp4"\n' if form == "m4s" else ""
                lines = [f"{head}{name}{number}.{ending}" for number in numbers]
                provider.pages[f"/{name}.m3u8"] = answer(playlist(numbers[0], lines, target_s=length_s))
            provider.pages["/live.m3u8"] = answer(
                b'#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="x",DEFAULT=YES,URI="a.m3u8"\n'
                b'#EXT-X-STREAM-INF:BANDWIDTH=1000,AUDIO="s"\nv.m3u8\n'
            )
            stage = stage_of(tmp_path, provider.url + "/live.m3u8", profile="remux")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert 200 == viewer.status, viewer.headers
                data = await viewer.read(120_000, 20)
            begun = starts(data, tmp_path)
            assert begun["video"] - begun["audio"] == pytest.approx(2.0, abs=0.1)

    run(main)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("HLS-3")
@pytest.mark.parametrize("profile", ["remux", "copy"])
def test_sound_alone(run: Run[None], tmp_path: Path, profile: str, caplog: pytest.LogCaptureFixture) -> None:
    """A radio whose segments are frames without packets plays through a muxer, and is said to need one without."""
    folder = tmp_path / "clips"
    folder.mkdir()
    packed(folder)

    async def main() -> None:
        async with origin() as provider:
            provider.pages |= {f"/{path.name}": answer(path.read_bytes()) for path in folder.iterdir()}
            provider.pages["/live.m3u8"] = answer(
                playlist(0, [f"a{n}.aac" for n in range(5)], target_s=SOUND_S)
            )
            stage = stage_of(tmp_path, provider.url + "/live.m3u8", profile=profile)
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                if profile == "remux":
                    assert {"audio"} == starts(await viewer.read(60_000), tmp_path).keys()
                else:
                    assert (503, "807 No Video Data") == (viewer.status, viewer.headers["x-hdhomerun-error"])
                    assert "segments of sound alone: needs the profile 'remux'" in caplog.text

    run(main)


def test_clocks_of_segments() -> None:
    """A tag's time, a packet's, and nothing where a beginning does not say."""
    assert 10.0 == begins_s(tag(900_000) + b"\xff\xf1")
    assert 10.0 == begins_s(tag(900_000 + (1 << 33)) + b"\xff\xf1")
    stamp = bytes((0x21, 0x00, 0x37, 0x77, 0x41))  # 900,000 as ISO 13818-1 2.4.3.6 spreads it
    pes = b"\x47\x41\x00\x10\x00\x00\x01\xe0\x00\x00\x80\x80\x05" + stamp
    assert 10.0 == begins_s(b"\x47\x01\x00\x10" + bytes(184) + pes.ljust(188, b"\0"))
    for nothing in (b"", b"ID3", b"\x47" * 188, b"\xff\xf1" * 20, bytes(400), b"\0\0\0\1moof"):
        assert begins_s(nothing) is None


def test_differences_of_clocks() -> None:
    """Across the 33 bits it is still small; what is far apart or not known is none."""
    assert 1.5 == offset_s(10, 11.5)
    assert -2.0 == offset_s(12, 10)
    assert offset_s((1 << 33) / 90_000 - 1, 1) == pytest.approx(2)
    assert offset_s(1, (1 << 33) / 90_000 - 1) == pytest.approx(-2)
    assert [0, 0, 0] == [offset_s(None, 1), offset_s(1, None), offset_s(1, 4000)]
