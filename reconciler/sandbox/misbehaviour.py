"""Whole answers going wrong: one request, one normal answer, and the faults that were claimed for it.

What the normal answer would have been is worked out only when the fault needs it. Faults that act inside a running
TS stream are carried out in `delivery`. This module refuses to choose faults; the switchboard did that.
"""

import json
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import trio

from reconciler.sandbox.answers import Answer, zipped
from reconciler.sandbox.faults import ADDED, Fault
from reconciler.sandbox.packets import SPACINGS, corrupted, spaced
from reconciler.sandbox.wire import Exchange

__all__ = ["CLOUDFLARE", "answer", "decisive", "delay", "until_left"]

CLOUDFLARE: Final = (("Server", "cloudflare"), ("CF-RAY", "8f1e2d3c4b5a6978-FRA"))
CHALLENGE: Final = (
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
    b"<body>Checking your browser before accessing. Ray ID: 8f1e2d3c4b5a6978</body></html>"
)
HTML: Final = b"<!DOCTYPE html><html><head><title>Blocked</title></head><body><h1>%s</h1></body></html>"
PHP_WARNING: Final = (
    b"<br />\n<b>Warning</b>:  Undefined array key &quot;HTTP_REFERER&quot; in "
    b"<b>/home/xtreamcodes/www/player_api.php</b> on line <b>47</b><br />\n"
)
BOMB_BYTES: Final = 1 << 30
BLOCK_BYTES: Final = 1 << 20
ZEROS_BYTES: Final = 16_384
ZEROS_PAUSE_S: Final = 0.05
TRICKLE_TICK_S: Final = 0.1
STREAM_TYPE: Final = "video/mp2t"
ENDING: Final = frozenset({"stall", "eof", "reset", "html", "zeros"})

Maker = Callable[[], Awaitable[Answer]]


def decisive(faults: Sequence[Fault]) -> Fault | None:
    """The fault that decides the answer, if any: not one that only delays or waits for its moment."""
    return next((f for f in faults if f.kind not in ADDED and not f.in_stream), None)


async def delay(faults: Sequence[Fault]) -> None:
    """Wait as long as `slow-start` says."""
    await trio.sleep(sum(f.seconds for f in faults if f.kind == "slow-start"))


async def until_left(exchange: Exchange) -> None:
    """Wait until the client closes its side. Has no limit of its own: the provider's end cancels it."""
    try:
        while await exchange.stream.receive_some(4096):
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def answer(exchange: Exchange, make: Maker, faults: Sequence[Fault], base: str) -> None:
    """Send what `make` gives, or what the faults make of it. Raises trio.BrokenResourceError when the client leaves."""
    await delay(faults)
    fault = decisive(faults)
    extra = CLOUDFLARE if any(f.kind == "cloudflare" for f in faults) else ()
    if fault is not None and await _instead(exchange, fault, extra, base):
        return
    normal = _dressed((await make()).with_headers(*extra), faults)
    if fault is not None:
        normal = _spoilt(normal, fault)
    await _send(exchange, normal, fault, faults)


async def _instead(exchange: Exchange, fault: Fault, extra: tuple[tuple[str, str], ...], base: str) -> bool:
    """Carry out a fault that needs no normal answer; False where it needs one."""
    match fault.kind:
        case "hang":
            await until_left(exchange)
            await exchange.reset()
        case "reset":
            await exchange.reset()
        case "silent" | "stall":
            await exchange.start(200, [("Content-Type", STREAM_TYPE), *extra])
            await until_left(exchange)
        case "empty" | "eof":
            await exchange.start(200, [("Content-Type", STREAM_TYPE), *extra])
            await exchange.finish()
        case "empty-length" | "segment-empty":
            await exchange.respond(200, b"", STREAM_TYPE, extra)
        case "html" | "segment-html":
            await exchange.respond(200, HTML % fault.text.encode(), "text/html", extra)
        case "text":
            await exchange.respond(200, fault.text, "text/plain", extra)
        case "json-error":
            await exchange.respond(200, json.dumps({"error": fault.text}), "application/json", extra)
        case "status":
            await exchange.respond(fault.status, fault.text, "text/html", (*fault.headers, *extra))
        case "tos-redirect":
            await exchange.respond(302, b"", "text/html", (("Location", f"{base}/tos"), *extra))
        case "challenge":
            await exchange.respond(503, CHALLENGE, "text/html", CLOUDFLARE)
        case "zeros":
            await exchange.start(200, [("Content-Type", STREAM_TYPE), *extra])
            while True:
                await exchange.send(bytes(ZEROS_BYTES))
                await trio.sleep(ZEROS_PAUSE_S)
        case "gzip-bomb":
            await _bomb(exchange, extra)
        case "auth-0":
            await exchange.respond(200, b'{"user_info":{"auth":0}}', "application/json", extra)
        case "broken-json":
            await exchange.respond(200, b'{"user_info":', "application/json", extra)
        case "empty-list":
            await exchange.respond(200, b"[]", "application/json", extra)
        case _:
            return False
    return True


async def _bomb(exchange: Exchange, extra: tuple[tuple[str, str], ...]) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip"), *extra]
    await exchange.start(200, headers)
    for _ in range(BOMB_BYTES // BLOCK_BYTES):
        await exchange.send(packer.compress(b" " * BLOCK_BYTES))
        await trio.lowlevel.checkpoint()
    await exchange.send(packer.flush())
    await exchange.finish()


def _dressed(normal: Answer, faults: Sequence[Fault]) -> Answer:
    """The normal answer in the odd manner that is switched on."""
    for fault in faults:
        if fault.kind in SPACINGS and normal.body[:1] == b"\x47":
            normal = replace(normal, body=spaced(normal.body, SPACINGS[fault.kind]))
        elif fault.kind == "packed" and normal.body:
            normal = replace(normal, body=zipped(normal.body)).with_headers(("Content-Encoding", "gzip"))
    return normal


def _spoilt(normal: Answer, fault: Fault) -> Answer:
    """The normal answer with something wrong inside."""
    body = normal.body
    match fault.kind:
        case "php-warning":
            body = PHP_WARNING + body
        case "garbage":
            body += b"\n<!-- 0.0412s -->"
        case "expired" | "server-info-only":
            body = _login(body, fault.kind)
        case "no-header":
            body = body.replace(b"#EXTM3U\n", b"", 1)
        case "corrupt":
            body = corrupted(body)
        case _:
            return normal
    return Answer(normal.status, body, normal.content_type, normal.headers)


def _login(body: bytes, kind: str) -> bytes:
    try:
        said = json.loads(body)
    except ValueError:
        return body
    if not isinstance(said, dict) or "server_info" not in said:
        return body
    if kind == "server-info-only":
        del said["user_info"]
    else:
        said["user_info"] |= {"auth": 1, "status": "Expired", "exp_date": "1577836800"}
    return json.dumps(said).encode()


async def _send(exchange: Exchange, normal: Answer, fault: Fault | None, faults: Sequence[Fault]) -> None:
    waiting = [f for f in faults if f.in_stream and f.kind in ENDING]
    rate = next((f.rate for f in faults if f.kind == "trickle" and not f.in_stream), None)
    cut = len(normal.body) // 2 if fault is not None and fault.kind == "truncated" else None
    if rate is None and cut is None and not waiting:
        await exchange.respond(normal.status, normal.body, normal.content_type, normal.headers)
        return
    headers = [("Content-Length", str(len(normal.body))), *normal.headers]
    if normal.content_type:
        headers.append(("Content-Type", normal.content_type))
    await exchange.start(normal.status, headers)
    if exchange.request.method == "HEAD":
        await exchange.finish()
        return
    begun, sent = trio.current_time(), 0
    step = max(1, int((rate or 0) * TRICKLE_TICK_S)) or 1
    while sent < len(normal.body):
        due = next((f for f in waiting if _due(f, sent, begun)), None)
        if due is not None:
            await _break_off(exchange, due, len(normal.body) - sent)
            return
        end = min(len(normal.body), sent + step if rate else sent + ZEROS_BYTES)
        marks = [m for m in (cut, *(f.after_bytes for f in waiting)) if m is not None and sent < m < end]
        end = min(marks, default=end)
        await exchange.send(normal.body[sent:end])
        sent = end
        if cut is not None and sent >= cut:
            return
        if rate:
            await trio.sleep(TRICKLE_TICK_S)
    await exchange.finish()


def _due(fault: Fault, sent: int, begun: float) -> bool:
    return sent >= fault.after_bytes and trio.current_time() - begun >= fault.after_s


async def _break_off(exchange: Exchange, fault: Fault, left: int) -> None:
    """The middle of an announced body of which `left` bytes were to come. Returning closes the connection."""
    match fault.kind:
        case "reset":
            await exchange.reset()
        case "stall":
            await until_left(exchange)
        case "html":
            await exchange.send((HTML % fault.text.encode()).ljust(left)[:left])
        case "zeros":
            await exchange.send(bytes(left))
        case _:
            return
