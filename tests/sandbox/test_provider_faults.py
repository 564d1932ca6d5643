"""Every fault does what its name says, where and when it was told to, seen from the client's end of the socket."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import trio

from reconciler.sandbox.faults import Fault, FaultKind, PathKind
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.provider import ProviderHandle
from tests.sandbox.provided import LIVE, LOGIN, Raw, asked, complaints, fetch, provider

API = f"/player_api.php?{LOGIN}"
TS = f"{LIVE}/11.ts"
HLS = f"{LIVE}/11.m3u8"


def whole(answer: Raw, body: bytes) -> tuple[int, str, bytes]:
    """What a test compares: status, announced length, body."""
    return answer.status, answer.header("content-length"), body


@pytest.mark.parametrize("path", [API, TS, HLS])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault("empty-length"), (200, "0", b"")),
        (Fault("text"), (200, "7", b"Blocked")),
        (Fault("json-error", text="no"), (200, "15", b'{"error": "no"}')),
        (Fault("status", status=884, text="vpn"), (884, "3", b"vpn")),
        (Fault("status", status=401, text=""), (401, "0", b"")),
    ],
)
def test_whole_answers(clips: Path, path: str, fault: Fault, expected: tuple[int, str, bytes]) -> None:
    """API, TS and HLS alike are answered with exactly the wrong status, length and body."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(fault)
            async with asked(handle.urls[0] + path) as answer:
                assert whole(answer, await answer.read(int(expected[1]))) == expected
            handle.faults.switch_off(fault)
            async with asked(handle.urls[0] + path) as answer:
                assert (await answer.read(1))[:1] in b"{G#"

    trio.run(main)


@pytest.mark.parametrize(
    "status", [401, 403, 404, 423, 429, 454, 456, 458, 459, 461, 503, 509, 512, 513, 514, 520, 884]
)
def test_every_status_of_the_field_can_be_sent(clips: Path, status: int) -> None:
    """Also those that no enumeration has."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("status", status=status, headers=(("Retry-After", "7"),)))
            async with asked(handle.urls[0] + TS) as answer:
                assert (answer.status, answer.header("retry-after")) == (status, "7")

    trio.run(main)


async def _first_byte(handle: ProviderHandle, path: str) -> float:
    begun = trio.current_time()
    async with asked(handle.urls[0] + path) as answer:
        await answer.read(1)
    return trio.current_time() - begun


def test_slow_start_waits_before_the_first_byte(clips: Path) -> None:
    """Nothing comes for as long as the fault says, then everything does."""

    async def main() -> None:
        async with provider(clips) as handle:
            await _first_byte(handle, TS)
            handle.faults.switch_on(Fault("slow-start", seconds=0.3))
            for path in (API, TS, HLS):
                assert 0.3 <= await _first_byte(handle, path) < 1.5

    trio.run(main)


@pytest.mark.parametrize("path", [API, TS])
def test_hang_and_silence(clips: Path, path: str) -> None:
    """`hang` sends nothing at all, `silent` a head and then nothing; both keep the connection."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("hang"))
            with trio.move_on_after(0.2) as scope:
                async with asked(handle.urls[0] + path):
                    pass
            assert scope.cancelled_caught
            handle.faults.replace([Fault("silent")])
            async with asked(handle.urls[0] + path) as answer:
                assert (answer.status, await answer.read_for(0.2)) == (200, b"")
                assert len(handle.journal.open()) == 1

    trio.run(main)


def test_trickle_keeps_its_rate(clips: Path) -> None:
    """A stream and a page crawl at the rate of the fault."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("trickle", rate=2000))
            for path in (TS, API):
                async with asked(handle.urls[0] + path) as answer:
                    assert 100 <= len(await answer.read_for(0.35)) <= 1200

    trio.run(main)


def test_empty_is_a_good_answer_without_a_byte(clips: Path) -> None:
    """Status 200, no length, no byte: the end comes at once."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("empty", path="live"))
            async with asked(handle.urls[0] + TS) as answer:
                assert (answer.status, answer.header("content-length")) == (200, "")
                assert (await answer.read_for(0.1)).strip(b"0\r\n") == b""

    trio.run(main)


@pytest.mark.parametrize(("kind", "path"), [("html", TS), ("html", API), ("segment-html", "")])
def test_html_where_something_else_was_due(clips: Path, kind: FaultKind, path: str) -> None:
    """A page with status 200."""

    async def main() -> None:
        async with provider(clips) as handle:
            url = handle.urls[0] + (path or await _segment(handle))
            handle.faults.switch_on(Fault(kind))
            page = await fetch(url)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
            assert page.text.startswith("<!DOCTYPE html>")

    trio.run(main)


async def _segment(handle: ProviderHandle, which: int = 0, path: str = HLS) -> str:
    """The path of one segment of the playlist as it is now."""
    text = (await fetch(handle.urls[0] + path)).text
    return [line for line in text.splitlines() if line.startswith("/hls/")][which]


def test_segments_without_bytes_under_a_sound_playlist(clips: Path) -> None:
    """The playlist is as always, the first two segments are empty, the third is not."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("segment-empty", first=2))
            sizes = [len((await fetch(handle.urls[0] + await _segment(handle, n))).content) for n in range(3)]
            assert sizes[:2] == [0, 0]
            assert sizes[2] > 10_000

    trio.run(main)


def test_redirect_to_the_terms_of_service(clips: Path) -> None:
    """A redirect that leads to a page of HTML."""

    async def main() -> None:
        async with provider(clips) as handle:
            url = handle.urls[0] + await _segment(handle)
            handle.faults.switch_on(Fault("tos-redirect", path="segment"))
            answer = await fetch(url)
            assert answer.status_code == 302
            assert "terms of service" in (await fetch(answer.headers["location"])).text

    trio.run(main)


def test_zeros_never_end(clips: Path) -> None:
    """An endless body in which no byte is anything but NUL."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("zeros"))
            async with asked(handle.urls[0] + TS) as answer:
                body = await answer.read(60_000)
                assert body.count(b"\0") > 55_000

    trio.run(main)


@pytest.mark.parametrize("path", [f"/get.php?{LOGIN}", "/guide.xml.gz", API])
def test_truncated_page(clips: Path, path: str) -> None:
    """Half of what was announced, then the connection ends."""

    async def main() -> None:
        from dataclasses import replace

        from reconciler.sandbox.listings import InventedGuide
        from tests.sandbox.provided import small_panel

        panel = small_panel()
        panel = replace(panel, guide=InventedGuide(panel.channels, first_day=20_000))
        async with provider(clips, panel) as handle:
            handle.faults.switch_on(Fault("truncated"))
            async with asked(handle.urls[0] + path) as answer:
                body = await answer.read(1 << 40)
                assert len(body) == int(answer.header("content-length")) // 2

    trio.run(main)


def test_truncated_stream_ends_inside_a_packet(clips: Path) -> None:
    """A TS stream that ends is not always a whole number of packets."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("truncated", path="live"))
            async with asked(handle.urls[0] + TS) as answer:
                assert len(await answer.read(1 << 40)) % 188 == 100

    trio.run(main)


def test_gzip_bomb_unpacks_to_a_gibibyte(clips: Path) -> None:
    """A small body that grows a thousandfold; read here only as far as the proof needs."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("gzip-bomb", path="api"))
            async with asked(f"{handle.urls[0]}/get.php?{LOGIN}", "Connection: close") as answer:
                assert answer.header("content-encoding") == "gzip"
                packed = _unchunked(await answer.read(20_000))
                plain = zlib.decompressobj(31).decompress(packed)
                assert len(plain) > 500 * len(packed)

    trio.run(main)


def _unchunked(body: bytes) -> bytes:
    out = b""
    while (at := body.find(b"\r\n")) > 0 and (size := int(body[:at], 16)):
        out += body[at + 2 : at + 2 + size]
        body = body[at + 4 + size :]
    return out


@pytest.mark.parametrize("path", [API, TS, HLS])
def test_reset_before_an_answer(clips: Path, path: str) -> None:
    """The client sees a reset connection, not an ended one."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("reset"))
            with pytest.raises(trio.BrokenResourceError):
                async with asked(handle.urls[0] + path):
                    pass

    trio.run(main)


def test_cloudflare_headers_and_challenge(clips: Path) -> None:
    """One host sits behind Cloudflare and works all the same; later it asks for a browser."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("cloudflare", host=0))
            for path in (API, TS, HLS):
                async with asked(handle.urls[0] + path) as answer:
                    assert (answer.status, answer.header("server")) == (200, "cloudflare")
                    assert answer.header("cf-ray")
                async with asked(handle.urls[1] + path) as answer:
                    assert answer.header("server") != "cloudflare"
            handle.faults.switch_on(Fault("challenge", host=0))
            page = await fetch(handle.urls[0] + API)
            assert (page.status_code, page.headers["server"]) == (503, "cloudflare")
            assert "Checking your browser" in page.text

    trio.run(main)


LOGINS: dict[FaultKind, Callable[[str], bool]] = {
    "auth-0": lambda text: json.loads(text) == {"user_info": {"auth": 0}},
    "expired": lambda text: json.loads(text)["user_info"]["status"] == "Expired",
    "server-info-only": lambda text: list(json.loads(text)) == ["server_info"],
    "broken-json": lambda text: text == '{"user_info":',
    "php-warning": lambda text: text.startswith("<br />\n<b>Warning") and text.endswith("}}"),
    "empty-list": lambda text: text == "[]",
    "garbage": lambda text: text.startswith('{"user_info"') and text.endswith("-->"),
}


@pytest.mark.parametrize("kind", LOGINS)
def test_login_answers(clips: Path, kind: FaultKind) -> None:
    """The odd answers of panels to a login."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault(kind))
            assert LOGINS[kind]((await fetch(handle.urls[0] + API)).text)
            # What is about logins and JSON leaves streams alone.
            async with asked(handle.urls[0] + TS) as answer:
                assert (await answer.read(1))[:1] == b"G"

    trio.run(main)


def test_refused_port_and_back(clips: Path) -> None:
    """Connections to the host are refused, running ones are cut, the other host goes on; then the port is back."""

    async def main() -> None:
        async with provider(clips) as handle:
            async with asked(handle.urls[0] + TS) as answer:
                await answer.read(1)
                handle.faults.switch_on(Fault("refuse", host=0))
                with trio.fail_after(2):
                    await answer.read(1 << 40)
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", int(handle.urls[0].rpartition(":")[2]))
            assert (await fetch(handle.urls[1] + API)).status_code == 200
            handle.faults.switch_off()
            with trio.fail_after(2):
                while True:
                    try:
                        assert (await fetch(handle.urls[0] + API)).status_code == 200
                        break
                    except Exception:
                        await trio.sleep(0.01)

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
            assert len((await fetch(handle.urls[0] + await _segment(handle))).content) > 10_000

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
            assert len((await fetch(handle.urls[0] + await _segment(handle, -1))).content) > 10_000

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
            url = handle.urls[0] + await _segment(handle)
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
            url = handle.urls[0] + await _segment(handle, -1)
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


def test_conditions_hold_together(clips: Path) -> None:
    """Host, path, channel, agent and counting all have to fit before a request is hit."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(
                Fault("status", status=461, host=0, path="live", channel=12, agent="*VLC*", skip=1, first=2)
            )
            agent = "User-Agent: VLC/3.0.20"
            cases = [
                (handle.urls[1] + f"{LIVE}/12.ts", agent, 200),
                (handle.urls[0] + f"{LIVE}/11.ts", agent, 200),
                (handle.urls[0] + f"{LIVE}/12.m3u8", agent, 200),
                (handle.urls[0] + f"{LIVE}/12.ts", "User-Agent: Lavf", 200),
                (handle.urls[0] + f"{LIVE}/12.ts", agent, 200),
                (handle.urls[0] + f"{LIVE}/12.ts", agent, 461),
                (handle.urls[0] + f"{LIVE}/12.ts", agent, 461),
                (handle.urls[0] + f"{LIVE}/12.ts", agent, 200),
            ]
            for url, header, expected in cases:
                async with asked(url, header) as answer:
                    assert answer.status == expected
                await trio.sleep(0.02)

    trio.run(main)


@pytest.mark.slow
def test_moments(clips: Path) -> None:
    """A fault may begin some time after it was switched on and end by itself."""

    async def main() -> None:
        async with provider(clips) as handle:
            handle.faults.switch_on(Fault("status", after_s=0.8, lasts=1.2))
            seen = [0]
            with trio.fail_after(20):
                while seen[1:] != [200, 503, 200]:
                    code = (await fetch(handle.urls[0] + API)).status_code
                    seen += [code] if code != seen[-1] else []
                    await trio.sleep(0.05)

    trio.run(main)


def test_switches_over_http(clips: Path) -> None:
    """Faults are listed, added and taken away at the control address; a strange one is refused by name."""

    async def main() -> None:
        import httpx

        async with provider(clips) as handle, httpx.AsyncClient() as client:
            url = f"{handle.control_url}/_sandbox/faults"
            records = [{"kind": "status", "status": 509, "path": "live"}, {"kind": "frozen", "channel": 11}]
            assert (await client.post(url, json=records)).json() == records
            assert handle.faults.active() == [
                Fault("status", status=509, path="live"),
                Fault("frozen", channel=11),
            ]
            assert (await client.request("DELETE", url, json=records[:1])).json() == records[1:]
            assert (await client.delete(url)).json() == []
            refused = await client.post(url, json={"kind": "sulk"})
            assert (refused.status_code, refused.json()) == (400, {"error": "there is no fault 'sulk'"})
            refused = await client.post(url, json={"kind": "html", "moon": 1})
            assert refused.json() == {"error": "a fault has no 'moon'"}
            await fetch(
                handle.urls[0] + API, headers={"User-Agent": "A B/1", "Cookie": "c=1", "Referer": "r"}
            )
            visit = (await client.get(f"{handle.control_url}/_sandbox/journal")).json()[-1]
            shown = [
                visit[name] for name in ("kind", "target", "agent", "cookie", "referer", "status", "account")
            ]
            assert shown == ["player_api", API, "A B/1", "c=1", "r", 200, "anna"]
            async with asked(handle.urls[0] + TS) as answer:
                await answer.read(1)
                seats = (await client.get(f"{handle.control_url}/_sandbox/connections")).json()
                assert [(s["account"], s["channel"], s["open"]) for s in seats] == [("anna", 11, True)]

    trio.run(main)


def test_every_kind_survives_json() -> None:
    """A fault of every kind, with every path, is the same after writing and reading."""
    for kind in get_args(FaultKind):
        for path in (None, *get_args(PathKind)):
            fault = Fault(kind, path=path, headers=(("A", "b"),), first=3, lasts=1.5)
            assert Fault.from_record(json.loads(json.dumps(fault.record()))) == fault


def test_zipped_pages_are_zipped(clips: Path) -> None:
    """`.gz` names are gzip, whatever else they are."""

    async def main() -> None:
        async with provider(clips) as handle:
            body = (await fetch(f"{handle.urls[0]}/list.m3u.gz")).content
            assert gzip.decompress(body).startswith(b"#EXTM3U url-tvg=")

    trio.run(main)
