"""HTTP/1.1 on trio sockets for the simulators: h11 parses, the handler owns the connection.

The simulators must be able to misbehave as the real servers do (resets, bodies of no bytes, headers without a
body, an answer long after its effect), and to see the request line exactly as it came. A web framework hides
both, so this is h11 on a socket and nothing else. It refuses to be used by `serve`: it has no limits against
hostile clients.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import trio

__all__ = ["Exchange", "Handler", "Request", "serve"]

Headers = Sequence[tuple[str, str]]

HEAD_LIMIT_BYTES: Final = 1 << 20
READ_SIZE_BYTES: Final = 1 << 16
LINGER_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `target` is what stood on the wire; `path` is decoded; `query` keeps order and repeats."""

    method: str
    target: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]

    def arg(self, name: str, default: str = "") -> str:
        """The last value of a query argument."""
        return next((v for k, v in reversed(self.query) if k == name), default)

    @property
    def segments(self) -> tuple[str, ...]:
        """The parts of the path, decoded one by one: an encoded slash inside a part stays inside it."""
        return tuple(unquote(part) for part in urlsplit(self.target).path.split("/") if part)

    @property
    def line_bytes(self) -> int:
        """Length of the request line without its line end: method, target and version with two blanks."""
        return len(self.method) + len(self.target) + len("HTTP/1.1") + 2


@dataclass(slots=True)
class Exchange:
    """One request and the means to answer it, properly or not."""

    request: Request
    stream: trio.SocketStream
    _connection: h11.Connection
    started: bool = field(default=False, init=False)
    status: int = field(default=0, init=False)
    sent_bytes: int = field(default=0, init=False)

    async def respond(
        self, status: int = 200, body: bytes | str = b"", content_type: str = "", headers: Headers = ()
    ) -> None:
        """A whole answer with a length. HEAD gets the headers alone."""
        data = body.encode() if isinstance(body, str) else body
        lines = [("Content-Length", str(len(data))), *headers]
        if content_type:
            lines.append(("Content-Type", content_type))
        await self.start(status, lines)
        if self.request.method != "HEAD":
            await self.send(data)
        await self.finish()

    async def start(self, status: int, headers: Headers = ()) -> None:
        """Status and headers. Without Content-Length the body is chunked (HTTP/1.1) or ends with the connection."""
        self.started, self.status = True, status
        reply = h11.Response(status_code=status, headers=list(headers))
        await self._write(self._connection.send(reply))

    async def send(self, data: bytes) -> None:
        """A piece of the body. Raises trio.BrokenResourceError when the client is gone."""
        if data:
            await self._write(self._connection.send(h11.Data(data=data)))
            self.sent_bytes += len(data)

    async def finish(self) -> None:
        """The end of the body."""
        await self._write(self._connection.send(h11.EndOfMessage()))

    async def raw(self, data: bytes) -> None:
        """Bytes past h11: for answers that are not HTTP. The connection cannot be used again."""
        self.started = True
        await self.stream.send_all(data)
        self.sent_bytes += len(data)

    async def reset(self) -> None:
        """Cut the connection with RST instead of FIN."""
        self.started = True
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        await self.stream.aclose()

    async def _write(self, data: bytes | None) -> None:
        if data:
            await self.stream.send_all(data)


Handler = Callable[[Exchange], Awaitable[None]]


async def serve(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen until cancelled; `task_status` gets the port. A handler that raises costs its own connection only."""
    listeners = await trio.open_tcp_listeners(port, host=host)
    bound: int = listeners[0].socket.getsockname()[1]

    async def connection(stream: trio.SocketStream) -> None:
        try:
            await _connection(stream, handler)
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass  # the client left, or never spoke HTTP
        finally:
            with trio.move_on_after(1) as scope:
                scope.shield = True
                await stream.aclose()

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connection, listeners)
        task_status.started(bound)


async def _connection(stream: trio.SocketStream, handler: Handler) -> None:
    wire = h11.Connection(our_role=h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
    try:
        peer = stream.socket.getpeername()[:2]
    except OSError:  # the client reset it before its turn came
        return
    while True:
        request = await _next_request(wire, stream, peer)
        if request is None:
            return
        exchange = Exchange(request, stream, wire)
        await handler(exchange)
        if wire.our_state is h11.SEND_RESPONSE and not exchange.started:
            await exchange.respond(500, b"the simulator forgot to answer", "text/plain")
        if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
            return
        wire.start_next_cycle()


async def _next_request(
    wire: h11.Connection, stream: trio.SocketStream, peer: tuple[str, int]
) -> Request | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            if wire.they_are_waiting_for_100_continue:
                go_on = wire.send(h11.InformationalResponse(status_code=100, headers=[]))
                await stream.send_all(go_on or b"")
            wire.receive_data(await stream.receive_some(READ_SIZE_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            target = head.target.decode("ascii", "replace")
            parts = urlsplit(target)
            return Request(
                method=head.method.decode("ascii"),
                target=target,
                path=unquote(parts.path),
                query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
                headers={k.decode("latin-1").lower(): v.decode("latin-1") for k, v in head.headers},
                body=body,
                peer=peer,
            )
        else:  # ConnectionClosed, PAUSED
            return None
