"""Every fault of a playlist or a stream does what its name says, seen from the client's end of the socket."""

from pathlib import Path

import pytest
import trio

from reconciler.sandbox.faults import Fault, FaultKind
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.provider import ProviderHandle
from tests.sandbox.provided import HLS, LIVE, TS, asked, complaints, fetch, provider, segment_of


def test_segments_without_bytes_under_a_sound_playlist(clips: Path) -> None:
    """The playlist is as always, the first two segments are empty, the third is not."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("segment-empty", first=2))
            sizes = [
                len((await fetch(handle.urls[0] + await segment_of(handle, n))).content) for n in range(3)
            ]
            assert sizes[:2] == [0, 0]
            assert sizes[2] > 10_000

    trio.run(main)


def test_truncated_stream_ends_inside_a_packet(clips: Path) -> None:
    """A TS stream that ends is not always a whole number of packets."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("truncated", path="live"))
            async with asked(handle.urls[0] + TS) as answer:
                assert len(await answer.read(1 << 40)) % 188 == 100

    trio.run(main)


def _numbers(text: str) -> tuple[int, list[str]]:
    """Media sequence and file names of a playlist."""
    lines = text.splitlines()
    sequence = next(line for line in lines if line.startswith("#EXT-X-MEDIA-SEQUENCE:"))
    return int(sequence.partition(":")[2]), [
        line.rpartition("/")[2] for line in lines if line.startswith("/hls/")
    ]


async def _polled(
    handle: ProviderHandle, seconds: float
) -> tuple[tuple[int, list[str]], tuple[int, list[str]]]:
    """The playlist now and `seconds` later."""
    first = _numbers((await fetch(handle.urls[0] + HLS)).text)
    await trio.sleep(seconds)
    return first, _numbers((await fetch(handle.urls[0] + HLS)).text)


ONE_SECOND = Manners(segment=1)


@pytest.mark.slow
def test_playlist_moves_on(clips: Path) -> None:
    """Without a fault number and names go on with the clock."""

    async def main() -> None:
        async with provider(clips, manners=ONE_SECOND) as handle:
            first, then = await _polled(handle, 1.1)
            assert then[0] > first[0]
            assert first[1] != then[1]
            assert [f"{first[0] + n}.ts" for n in range(5)] == first[1]

    trio.run(main)


@pytest.mark.slow
def test_frozen_playlist(clips: Path) -> None:
    """Nothing changes, and what is listed can still be had."""

    async def main() -> None:
        async with provider(clips, manners=ONE_SECOND) as handle:
            handle.faults.switch_on(Fault("frozen", channel=11))
            first, then = await _polled(handle, 1.1)
            assert first == then
            assert len((await fetch(handle.urls[0] + await segment_of(handle))).content) > 10_000

    trio.run(main)


@pytest.mark.slow
def test_sequence_reset_begins_at_nought(clips: Path) -> None:
    """The number goes back to 0 and counts from there; the names do not."""

    async def main() -> None:
        async with provider(clips, manners=ONE_SECOND) as handle:
            before = _numbers((await fetch(handle.urls[0] + HLS)).text)
            handle.faults.switch_on(Fault("sequence-reset"))
            first, then = await _polled(handle, 1.1)
            assert before[0] > 0
            assert first[0] in (0, 1)
            assert first[0] < then[0] < before[0] + 2
            assert int(first[1][0].removesuffix(".ts")) >= before[0]

    trio.run(main)


@pytest.mark.slow
def test_sequence_stuck_while_names_go_on(clips: Path) -> None:
    """The number stays 0 with rotating names."""

    async def main() -> None:
        async with provider(clips, manners=ONE_SECOND) as handle:
            handle.faults.switch_on(Fault("sequence-stuck"))
            first, then = await _polled(handle, 1.1)
            assert (first[0], then[0]) == (0, 0)
            assert first[1] != then[1]

    trio.run(main)


@pytest.mark.slow
def test_names_loop_while_the_sequence_goes_on(clips: Path) -> None:
    """Names come from a small set, the number advances, and the newest name has the newest contents."""

    async def main() -> None:
        async with provider(clips, manners=ONE_SECOND) as handle:
            handle.faults.switch_on(Fault("names-loop"))
            first, then = await _polled(handle, 1.1)
            assert then[0] > first[0]
            assert {int(name.removesuffix(".ts")) for name in (*first[1], *then[1])} <= set(range(10))
            assert len((await fetch(handle.urls[0] + await segment_of(handle, -1))).content) > 10_000

    trio.run(main)


def test_playlists_without_header_segments_or_with_an_end(clips: Path) -> None:
    """Three playlists that are almost right."""

    async def main() -> None:
        async with provider(clips) as handle:
            url = handle.urls[0] + HLS
            handle.faults.switch_on(Fault("no-header"))
            text = (await fetch(url)).text
            assert "#EXTM3U" not in text
            assert "#EXTINF" in text
            handle.faults.replace([Fault("no-segments")])
            text = (await fetch(url)).text
            assert text.startswith("#EXTM3U")
            assert "#EXTINF" not in text
            handle.faults.replace([Fault("endlist")])
            assert (await fetch(url)).text.endswith("#EXT-X-ENDLIST\n")

    trio.run(main)


@pytest.mark.parametrize("late", [False, True])
def test_stream_ends_after_some_bytes(clips: Path, *, late: bool) -> None:
    """EOF comes after exactly so many bytes, or at once in a stream that runs already."""

    async def main() -> None:
        async with provider(clips) as handle:
            if not late:
                handle.faults.switch_on(Fault("eof", after_bytes=100_000))
            async with asked(handle.urls[0] + TS) as answer:
                await answer.read(1)
                if late:
                    handle.faults.switch_on(Fault("eof", channel=11))
                body = await answer.read(1 << 40)
                assert late or len(body) == 100_000
            assert [visit.fault for visit in handle.journal.visits] == ["eof"]

    trio.run(main)


def test_stream_is_reset_after_some_time(clips: Path) -> None:
    """The connection is reset in the middle, not before its time."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("reset", after_s=0.4))
            begun = trio.current_time()
            with pytest.raises(trio.BrokenResourceError):
                async with asked(handle.urls[0] + TS) as answer:
                    await answer.read(1 << 40)
            assert 0.4 <= trio.current_time() - begun < 2

    trio.run(main)


@pytest.mark.slow
def test_stall_lasts_until_it_is_switched_off(clips: Path) -> None:
    """A running stream falls silent and goes on when the fault is over; another channel never noticed."""

    async def main() -> None:
        async with provider(clips) as handle:
            stall = Fault("stall", channel=11)
            async with asked(handle.urls[0] + TS) as one, asked(f"{handle.urls[0]}{LIVE}/12.ts") as other:
                await one.read(1)
                await other.read(1)
                handle.faults.switch_on(stall)
                await one.read_for(0.3)
                mark, running = len(one.body), len(other.body)
                await one.read_for(0.3)
                assert len(one.body) == mark
                assert len(await other.read_for(0.3)) > running
                handle.faults.switch_off(stall)
                assert len(await one.read(mark + 10_000)) > mark

    trio.run(main)


def test_stream_turns_into_html(clips: Path) -> None:
    """Packets first, then a page in the same body."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("html", after_bytes=188 * 100))
            async with asked(handle.urls[0] + TS) as answer:
                body = await answer.read(188 * 100 + 20)
                assert body[188 * 99 : 188 * 99 + 1] == b"G"
                assert body[188 * 100 :].startswith(b"<!DOCTYPE html>")

    trio.run(main)


@pytest.mark.parametrize(("kind", "pids"), [("pid-change", {0x1E1, 0x1E2}), ("codec-change", {0x100, 0x101})])
def test_stream_changes_its_pids_or_codecs(clips: Path, kind: FaultKind, pids: set[int]) -> None:
    """After some bytes other PIDs come, or the same with other stream types in the PMT."""

    async def main() -> None:
        async with provider(clips, manners=Manners(pace=False)) as handle:
            handle.faults.switch_on(Fault(kind, after_bytes=188))
            async with asked(handle.urls[0] + TS) as answer:
                body = await answer.read(2_000_000)
                tail = body[1_000_000 // 188 * 188 :]
                packets = [tail[n : n + 188] for n in range(0, len(tail) - 188, 188)]
                seen = {(p[1] & 31) << 8 | p[2] for p in packets}
                assert pids <= seen
                types = next(p for p in packets if p[1] & 0x40 and p[5] == 2)
                assert (types[17] == 0x02) == (kind == "codec-change")

    trio.run(main)


def test_corrupt_streams_are_still_streams(clips: Path) -> None:
    """TS and segments come in whole packets with packets lost and damaged: a decoder complains, and sees pictures."""

    async def main() -> None:
        async with provider(clips, manners=Manners(pace=False)) as handle:
            url = handle.urls[0] + await segment_of(handle)
            sound = len((await fetch(url)).content)
            handle.faults.switch_on(Fault("corrupt"))
            damaged = (await fetch(url)).content
            assert 0.9 * sound < len(damaged) < sound
            assert all(damaged[at] == 0x47 for at in range(0, len(damaged), 188))
            said = await complaints(handle.urls[0] + TS, "-xerror", seconds=3)
            assert said
            said = await complaints(handle.urls[0] + TS, "-err_detect", "ignore_err", seconds=3)
            assert "exit" not in said

    trio.run(main)


def test_token_expiry_refuses_old_tokens_only(clips: Path) -> None:
    """The playlist's own token is refused and the running stream ends, but the original URL gives a new token."""

    async def main() -> None:
        async with provider(clips, manners=Manners(redirect=True)) as handle:
            target = (await fetch(handle.urls[0] + HLS)).headers["location"]
            assert (await fetch(target)).status_code == 200
            stream = (await fetch(handle.urls[0] + TS)).headers["location"]
            async with asked(stream) as answer:
                await answer.read(1)
                handle.faults.switch_on(Fault("token-expiry"))
                await answer.read(1 << 40)
            assert (await fetch(target)).status_code == 403
            again = (await fetch(handle.urls[0] + HLS)).headers["location"]
            assert (await fetch(again)).status_code == 200

    trio.run(main)


def test_segment_breaks_off_in_the_middle(clips: Path) -> None:
    """A segment's body ends, stalls, is reset or turns to HTML after so many bytes."""

    async def main() -> None:
        async with provider(clips) as handle:
            url = handle.urls[0] + await segment_of(handle, -1)
            handle.faults.switch_on(Fault("eof", path="segment", after_bytes=5_000))
            async with asked(url) as answer:
                assert len(await answer.read(1 << 40)) == 5_000
            handle.faults.replace([Fault("stall", path="segment", after_bytes=5_000)])
            async with asked(url) as answer:
                assert len(await answer.read_for(0.2)) == 5_000
            handle.faults.replace([Fault("html", path="segment", after_bytes=5_000)])
            async with asked(url) as answer:
                length = int(answer.header("content-length"))
                assert (await answer.read(length))[5_000:].startswith(b"<!DOCTYPE html>")
            handle.faults.replace([Fault("reset", path="segment", after_bytes=5_000)])
            with pytest.raises(trio.BrokenResourceError):
                async with asked(url) as answer:
                    await answer.read(1 << 40)

    trio.run(main)
