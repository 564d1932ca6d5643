"""A channel with a single way: what goes wrong for a moment must not end it, and nothing is given twice."""

from pathlib import Path

import pytest
import trio

from reconciler.lineups.manifest import Alternative
from reconciler.serving.settings import TimeLimits
from tests.conftest import Run
from tests.serving.origin import Asked, Page, answer, numbers, origin, playlist, segment, stage_of
from tests.serving.stage import served, until, watching

EACH = 64
"""Numbered packets of a segment."""


def segments_of(found: list[int]) -> list[int]:
    """The segments that came, each of them whole."""
    whole = sorted({number // EACH for number in found})
    assert [n for s in whole for n in range(s * EACH, (s + 1) * EACH)] == found[: len(whole) * EACH]
    return whole


@pytest.mark.accepts("HLS-4", "STR-3")
@pytest.mark.parametrize("status", ["404 Not Found", "503 Busy", "200 OK"])
def test_a_segment_that_never_comes(run: Run[None], tmp_path: Path, status: str) -> None:
    """One that stays away while the playlist lists it is skipped, with a mark; the provider is not left for it."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/live.m3u8")
            provider.pages["/12.ts"] = answer(status=status)
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(8 * (EACH + 2) * 188, 20)
                found = segments_of(numbers(viewer.data))
                assert [8, 9, 10, 11, 13, 14, 15] == found[:7]
                assert 0 == serving.relay.sessions["main/1"].switches
                assert 3 == len(provider.paths("/12.ts"))

    run(main)


def test_a_refusal_of_one_of_many_hosts(run: Run[None], tmp_path: Path) -> None:
    """A list without credentials has no account: that a host allows no second stream says nothing about the others."""

    async def main() -> None:
        async with origin() as provider, origin() as full:
            provider.segments()
            provider.live("/live.m3u8")
            full.pages["/live.m3u8?2"] = answer(status="458 Too many connections")
            provider.pages["/live.m3u8?3"] = provider.pages["/live.m3u8"]
            urls = [
                f"{one.url}/live.m3u8{end}" for one, end in ((provider, ""), (full, "?2"), (provider, "?3"))
            ]
            stage = stage_of(tmp_path, *urls)
            stage.lineups = {"news": {f"100{n}": f"main/{n}" for n in range(3)}}
            stage.channels = {f"main/{n}": (Alternative("list", url=url),) for n, url in enumerate(urls)}
            stage.publish()
            async with served(stage) as serving:
                place = serving.dvrs["news"]
                async with watching(place, "/auto/v1000") as one:
                    await one.read(50_000)
                    async with watching(place, "/auto/v1001") as two:
                        assert "809 Playback Connection Limit" == two.headers["x-hdhomerun-error"]
                    async with watching(place, "/auto/v1002") as three:
                        assert 200 == three.status

    run(main)


@pytest.mark.accepts("HLS-4")
def test_expired_at_the_start(run: Run[None], tmp_path: Path) -> None:
    """The oldest of the segments to begin with has just gone: the next one plays."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/live.m3u8")
            provider.pages["/8.ts"] = answer(status="404 Not Found")
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(3 * (EACH + 2) * 188)
                assert [9, 10, 11] == segments_of(numbers(viewer.data))[:3]

    run(main)


@pytest.mark.accepts("HLS-4", "STR-3")
def test_a_refused_segment_is_no_reason_to_begin_anew(run: Run[None], tmp_path: Path) -> None:
    """403 for one segment: asked for again, then the same address is, and what was played does not come again."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/live.m3u8")
            provider.pages["/12.ts"] = answer(status="403 Forbidden")
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(8 * (EACH + 2) * 188, 20)
                assert [8, 9, 10, 11, 13, 14, 15] == segments_of(numbers(viewer.data))[:7]
                assert 1 == serving.relay.sessions["main/1"].switches

    run(main)


@pytest.mark.accepts("STR-3")
@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("bad", [answer(status="503 Busy"), answer(), b""], ids=["503", "empty", "closed"])
def test_a_playlist_that_fails_for_a_moment(run: Run[None], tmp_path: Path, bad: bytes, times: int) -> None:
    """Once is forgiven; some times are waited for. Either way every packet comes, and comes once."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/plain.m3u8")
            good: Page = provider.pages["/plain.m3u8"]
            assert not isinstance(good, bytes)

            async def page(asked: Asked) -> None:
                if 2 < len(provider.paths("live")) < 3 + times:
                    await asked.stream.send_all(bad)
                else:
                    await good(asked)

            provider.pages["/live.m3u8"] = page
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(8 * (EACH + 2) * 188, 20)
                found = segments_of(numbers(viewer.data))
                assert list(range(8, 8 + len(found))) == found
                assert (times > 1) is bool(serving.relay.sessions["main/1"].switches)

    run(main)


@pytest.mark.accepts("STR-3", "STR-4")
@pytest.mark.parametrize(("status", "wait_s"), [("429 Too Many", 2), ("503 Busy", 2), ("429 Too Many", 60)])
def test_a_host_that_says_when_to_come_back(run: Run[None], tmp_path: Path, status: str, wait_s: int) -> None:
    """A list's only host wants to be left alone: it is for as long, if the viewer can wait for that, else the stream ends."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/plain.m3u8")
            good: Page = provider.pages["/plain.m3u8"]
            assert not isinstance(good, bytes)
            times: list[float] = []

            async def page(asked: Asked) -> None:
                times.append(trio.current_time())
                bad = len(times) == 3
                said = answer(b"", status, ("Retry-After", str(wait_s)))
                await (asked.stream.send_all(said) if bad else good(asked))

            provider.pages["/live.m3u8"] = page
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                if wait_s == 60:
                    await viewer.read(1 << 30, 12)
                    assert viewer.ended
                    assert 3 == len(times)
                    return
                await viewer.read(8 * (EACH + 2) * 188, 20)
                found = segments_of(numbers(viewer.data))
                assert list(range(8, 8 + len(found))) == found
                assert times[3] - times[2] >= wait_s

    run(main)


@pytest.mark.accepts("HLS-3")
def test_a_segment_whose_connection_is_reset(run: Run[None], tmp_path: Path) -> None:
    """What came of it is played, and the next one follows from the same provider."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            provider.live("/live.m3u8")

            async def cut(asked: Asked) -> None:
                whole = answer(segment(12))
                await asked.stream.send_all(whole[: len(whole) // 2])
                await trio.sleep(0.2)
                asked.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                asked.stream.socket.close()

            provider.pages["/12.ts"] = cut
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(7 * (EACH + 2) * 188, 20)
                found = numbers(viewer.data)
                assert found == sorted(set(found))
                assert {8, 9, 10, 11, 12, 13} <= {number // EACH for number in found}
                assert 0 == serving.relay.sessions["main/1"].switches

    run(main)


async def endlessly(asked: Asked) -> None:
    """A transport stream in small pieces, for ever."""
    await asked.stream.send_all(answer(length=False))
    for number in range(10_000):
        await asked.stream.send_all(segment(number))
        await trio.sleep(0.05)


@pytest.mark.accepts("STR-3")
def test_a_stream_that_ends_as_it_begins(run: Run[None], tmp_path: Path) -> None:
    """Its first answer is over before the viewer was told of it: the stream goes on with the next answer."""

    async def main() -> None:
        async with origin() as provider:

            async def page(asked: Asked) -> None:
                if len(provider.paths(asked.path)) == 1:
                    await asked.stream.send_all(answer(segment(0)))
                else:
                    await endlessly(asked)

            provider.pages |= {f"/{n}.ts": page for n in range(8)}
            stage = stage_of(tmp_path)
            stage.lineups = {"news": {f"100{n}": f"main/{n}" for n in range(8)}}
            urls = [f"{provider.url}/{n}.ts" for n in range(8)]
            stage.channels = {f"main/{n}": (Alternative("list", url=url),) for n, url in enumerate(urls)}
            stage.publish()
            async with served(stage) as serving:
                # Who comes first in the moment of the end is chance: each of eight has to play.
                for n in range(8):
                    async with watching(serving.dvrs["news"], f"/auto/v100{n}") as viewer:
                        await viewer.read(30_000)
                        assert not viewer.ended

    run(main)


@pytest.mark.accepts("STR-3")
def test_a_provider_that_restarts(run: Run[None], tmp_path: Path) -> None:
    """Its only host refuses for two seconds: the viewer waits with null packets, and the stream goes on."""

    async def main() -> None:
        async with origin() as provider:
            down_until = trio.current_time() + 3

            async def page(asked: Asked) -> None:
                if len(provider.asked) == 1:
                    with trio.move_on_after(1):
                        await endlessly(asked)
                elif trio.current_time() > down_until:
                    await endlessly(asked)

            provider.pages["/one.ts"] = page
            stage = stage_of(tmp_path, provider.url + "/one.ts")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                await viewer.read(100_000)
                await until(lambda: serving.relay.sessions["main/1"].switches == 1)
                have = len(viewer.data)
                await viewer.read(have + 300_000)
                assert not viewer.ended
                assert 4 <= len(provider.asked) < 9, "asked again with growing pauses"

    run(main)


@pytest.mark.accepts("STR-3")
def test_restarts_without_end(run: Run[None], tmp_path: Path) -> None:
    """A provider that ends the stream again and again: what has played each time is worth going on with."""

    async def main() -> None:
        async with origin() as provider:

            async def page(asked: Asked) -> None:
                with trio.move_on_after(0.4):
                    await endlessly(asked)

            provider.pages["/one.ts"] = page
            stage = stage_of(tmp_path, provider.url + "/one.ts")
            stage.publish()
            settings = stage.settings(limits=TimeLimits(served_s=0.2))
            async with (
                served(stage, settings) as serving,
                watching(serving.dvrs["news"], "/auto/v1000") as viewer,
            ):
                with trio.move_on_after(9):
                    await viewer.read(1 << 30, 20)
                assert not viewer.ended
                assert serving.relay.sessions["main/1"].switches > 12

    run(main)


@pytest.mark.accepts("STR-4")
def test_what_never_plays_again_ends(run: Run[None], tmp_path: Path) -> None:
    """A playlist that stays an error: nobody waits for ever, and the provider is not asked without a pause."""

    async def main() -> None:
        async with origin() as provider:
            provider.segments()
            first = answer(playlist(8, [f"{n}.ts" for n in range(8, 11)]))

            async def page(asked: Asked) -> None:
                await asked.stream.send_all(
                    first if len(provider.paths("live")) == 1 else answer(status="503 Busy")
                )

            provider.pages["/live.m3u8"] = page
            stage = stage_of(tmp_path, provider.url + "/live.m3u8")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                began = trio.current_time()
                await viewer.read(1 << 30, 20)
                assert viewer.ended
                assert 8 < trio.current_time() - began < 14
                assert len(provider.paths("live")) < 16

    run(main)
