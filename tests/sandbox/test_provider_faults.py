"""Every fault of an answer does what its name says, where and when it was told to, seen from the client's end of the socket."""

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import trio

from reconciler.sandbox.faults import Fault, FaultKind, PathKind
from reconciler.sandbox.provider import ProviderHandle
from reconciler.tls import trusted
from tests.sandbox.provided import HLS, LIVE, LOGIN, TS, Raw, asked, fetch, provider, segment_of

API = f"/player_api.php?{LOGIN}"


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
            url = handle.urls[0] + (path or await segment_of(handle))
            handle.faults.switch_on(Fault(kind))
            page = await fetch(url)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
            assert page.text.startswith("<!DOCTYPE html>")

    trio.run(main)


def test_redirect_to_the_terms_of_service(clips: Path) -> None:
    """A redirect that leads to a page of HTML."""

    async def main() -> None:
        async with provider(clips) as handle:
            url = handle.urls[0] + await segment_of(handle)
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

        async with provider(clips) as handle, httpx.AsyncClient(verify=trusted()) as client:
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
