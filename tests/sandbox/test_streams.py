"""Clips: made by ffmpeg, looped without a seam, patched packet by packet."""

import subprocess
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.errors import OperatorError
from reconciler.sandbox.figures import figures, logo_png
from reconciler.sandbox.packets import PACKET_BYTES, Clip, normalised
from reconciler.sandbox.streams import FRAMES, RECIPES, StreamLibrary, Variant, find_ffmpeg

LOOPS = 4


def clip_of(clips: Path, variant: Variant = "main", label: str = "7") -> Clip:
    """A clip of the shared directory."""

    async def main() -> Clip:
        return await StreamLibrary(clips).clip(label, variant)

    return trio.run(main)


def said_about(data: bytes, *arguments: str) -> str:
    """What ffmpeg says while it decodes these bytes."""
    command = [find_ffmpeg(), "-hide_banner", "-v", "warning", "-f", "mpegts", "-i", "pipe:0", *arguments]
    done = subprocess.run(
        [*command, "-f", "null", "-"], input=data, capture_output=True, check=False, timeout=60
    )
    return done.stderr.decode(errors="replace")


def packets(data: bytes) -> list[bytes]:
    """The packets of a stream."""
    return [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]


@pytest.mark.parametrize("variant", RECIPES)
def test_loops_decode_without_complaint(clips: Path, variant: Variant) -> None:
    """Four repetitions of every variant are one stream to a decoder."""
    assert said_about(clip_of(clips, variant).span(0, LOOPS * FRAMES)) == ""


@pytest.mark.program("ffprobe")
@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("main", {"h264": 800, "aac": 1500}),
        ("mpeg2", {"mpeg2video": 800, "ac3": 1000}),
        ("video-only", {"h264": 800}),
        ("audio-only", {"aac": 1500}),
    ],
)
def test_loops_lose_and_repeat_nothing(
    clips: Path, tmp_path: Path, variant: Variant, expected: dict[str, int]
) -> None:
    """Ffprobe counts exactly the frames of four repetitions, with time stamps at one distance throughout."""
    path = tmp_path / "loops.ts"
    path.write_bytes(clip_of(clips, variant).span(0, LOOPS * FRAMES))
    command = ["ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries"]
    shown = subprocess.run(
        [*command, "packet=stream_index,dts", path], capture_output=True, text=True, check=True
    )
    named = subprocess.run(
        [*command, "stream=index,codec_name", path], capture_output=True, text=True, check=True
    )
    codecs = dict(sorted(line.strip(",").split(",")[:2] for line in named.stdout.split()))
    times: dict[str, list[int]] = defaultdict(list)
    for line in shown.stdout.split():
        index, dts = line.strip(",").split(",")[:2]
        times[codecs[index]].append(int(dts))
    assert {codec: len(stamps) for codec, stamps in times.items()} == expected
    for stamps in times.values():
        steps = {b - a for a, b in pairwise(stamps)}
        assert len(steps) == 1


@pytest.mark.parametrize("variant", RECIPES)
def test_counters_go_on_across_the_seam(clips: Path, variant: Variant) -> None:
    """On every PID each packet with a payload counts one further, over three repetitions."""
    counters: dict[int, int] = {}
    for packet in packets(clip_of(clips, variant).span(0, 3 * FRAMES)):
        assert packet[0] == 0x47
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if packet[3] & 0x10:
            counter = packet[3] & 0x0F
            assert counters.get(pid, counter - 1 & 0x0F) == counter - 1 & 0x0F
            counters[pid] = counter


def test_time_stamps_wrap(clips: Path) -> None:
    """Where 33 bits end, the stream goes on: PTS and PCR wrap and no decoder complains."""
    clip = clip_of(clips)
    turn = (1 << 33) // (FRAMES * clip.ticks)
    assert said_about(clip.span(turn * FRAMES, 2 * FRAMES)) == ""


@given(first=st.integers(0, 5000), parts=st.lists(st.integers(1, 300), min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_pieces_make_the_whole(clips: Path, first: int, parts: list[int]) -> None:
    """However a span is cut, the pieces together are the same bytes, in whole packets."""
    clip = clip_of(clips)
    whole = clip.span(first, sum(parts))
    pieces, at = [], first
    for count in parts:
        pieces.append(clip.span(at, count))
        at += count
    assert b"".join(pieces) == whole
    assert len(whole) % PACKET_BYTES == 0


def test_every_second_begins_with_tables_and_a_key_frame(clips: Path) -> None:
    """A cut at a second can be joined: PAT, PMT, and the first packet with a picture allows random access."""
    clip = clip_of(clips)
    for second in range(9):
        first = packets(clip.span(second * 25, 1))
        pat, pmt = first[:2]
        frame = next(p for p in first if (p[1] & 0x1F) << 8 | p[2] == 0x100)
        assert (pat[1] & 0x1F) << 8 | pat[2] == 0
        assert (pmt[1] & 0x1F) << 8 | pmt[2] == 0x1000
        assert frame[3] & 0x20
        assert frame[5] & 0x40


def test_other_pids_are_other(clips: Path) -> None:
    """The variant shares no PID with the main clip but the fixed ones."""
    pids = []
    for variant in ("main", "other-pids"):
        data = clip_of(clips, variant).span(0, 100)
        pids.append({(p[1] & 0x1F) << 8 | p[2] for p in packets(data)})
    assert pids[0] & pids[1] <= {0, 0x11}
    assert {0x1E1, 0x1E2, 0x1F0} <= pids[1]


def test_labels_look_different(clips: Path) -> None:
    """Each channel shows its own figures: the pictures of two labels differ, those of one do not."""
    assert figures("12")[2] != figures("21")[2]
    assert len(figures("12345")[2]) == figures("12345")[0] * figures("12345")[1]
    one, two = clip_of(clips, label="7"), clip_of(clips, label="8")
    assert bytes(one.body) != bytes(two.body)
    assert logo_png("7").startswith(b"\x89PNG")


def test_a_clip_is_made_once(tmp_path: Path) -> None:
    """The second library finds the file and needs no ffmpeg; without either the error says what to install."""

    async def main() -> None:
        made = await StreamLibrary(tmp_path).clip("3")
        again = await StreamLibrary(tmp_path, ffmpeg="/nowhere/ffmpeg").clip("3")
        assert bytes(made.body) == bytes(again.body)
        with pytest.raises(OperatorError, match="ffmpeg could not make a clip"):
            await StreamLibrary(tmp_path, ffmpeg="/nowhere/ffmpeg").clip("4")

    trio.run(main)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"main-3.ts", "sound-aac.nut"}


def test_many_ask_for_one_clip_at_once(tmp_path: Path) -> None:
    """Twenty tasks wait for one ffmpeg and get the same clip."""

    async def main() -> None:
        library = StreamLibrary(tmp_path)
        found: list[Clip] = []

        async def ask() -> None:
            found.append(await library.clip("5"))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(ask)
        assert len({id(clip.body.obj) for clip in found}) == 1

    trio.run(main)


@pytest.mark.parametrize("data", [b"", b"\x47" + bytes(187), b"<html>" + bytes(182)])
def test_what_is_no_stream_is_refused(data: bytes) -> None:
    """No PAT, no sync byte: a ValueError and no clip."""
    with pytest.raises(ValueError, match=r"PAT|sync"):
        normalised(data)
