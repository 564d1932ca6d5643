"""Request heads: read from the wire under limits, parsed by h11, handed on as a value.

Clients are not trusted: a head has a greatest size and a deadline, a body too, and h11 decides what is HTTP. One h11
connection parses one request, and what came too much begins the next; answers are written by others as bytes, so h11
never sees them. This module refuses to answer and to look at paths.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

import h11
import trio

from reconciler.serving.wire import Wire

__all__ = ["BadRequest", "Reader", "Request"]

HEAD_LIMIT_BYTES: Final = 16 * 1024
BODY_LIMIT_BYTES: Final = 64 * 1024
READ_BYTES: Final = 16 * 1024
IDLE_S: Final = 30.0
HEAD_S: Final = 10.0
BODY_S: Final = 10.0


_Event = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class BadRequest(Exception):
    """A request that is not answered further than with `status`; the connection ends."""

    def __init__(self, status: int) -> None:
        super().__init__(f"request refused with {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is decoded, without the query; `raw` is everything that was read for it."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    keep_alive: bool
    http11: bool
    body: bytes
    raw: bytes

    @property
    def head_only(self) -> bool:
        """Whether the body of the answer is to be left out."""
        return self.method == "HEAD"

    def arg(self, name: str) -> str:
        """The first value of a query argument, or nothing."""
        return next((value for key, value in self.query if key == name), "")


class Reader:
    """The requests of one connection, one after the other."""

    __slots__ = ("_rest", "_wire")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rest = b""

    async def next(self) -> Request | None:
        """The next request, or None when the client has gone or idled for 30 s.

        Raises BadRequest for what is not HTTP, too large (431, 413) or too slow (408), and OSError.
        """
        data = self._rest
        self._wire.silent = True
        data = data.lstrip(b"\r\n")  # a line end too many after a body, of old clients (RFC 9112 2.2)
        if not data:
            with trio.move_on_after(IDLE_S) as scope:
                while not data and (came := await self._wire.receive(READ_BYTES)):
                    data = came.lstrip(b"\r\n")
            if scope.cancelled_caught or not data:
                return None
        parser = h11.Connection(our_role=h11.SERVER, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        raw = bytearray(data)
        try:
            parser.receive_data(data)
            event = parser.next_event()
            if event is h11.NEED_DATA:
                with trio.fail_after(HEAD_S):
                    event = await self._more(parser, raw)
            if not isinstance(event, h11.Request):
                return None
            if len(raw) - len(parser.trailing_data[0]) > HEAD_LIMIT_BYTES:
                raise BadRequest(431)
            headers = _headers(event)
            if {"content-length", "transfer-encoding"} <= headers.keys():
                raise BadRequest(400)  # two lengths are how requests are smuggled past others (RFC 9112 6.1)
            if (
                int(headers.get("content-length", "0")) > BODY_LIMIT_BYTES
            ):  # h11 has seen to it that it is a number
                raise BadRequest(413)  # said at once: nobody is to send what is not taken
            body = b""
            if headers.keys() & {"content-length", "transfer-encoding"}:
                with trio.fail_after(BODY_S):
                    body = await self._body(parser, raw)
        except h11.RemoteProtocolError as error:
            raise BadRequest(error.error_status_hint) from error
        except trio.TooSlowError as error:
            raise BadRequest(408) from error
        self._rest = bytes(parser.trailing_data[0])
        self._wire.silent = False
        return _request(event, headers, body, bytes(raw[: len(raw) - len(self._rest)]))

    async def _more(self, parser: h11.Connection, raw: bytearray) -> _Event:
        while True:
            data = await self._wire.receive(READ_BYTES)
            raw += data
            parser.receive_data(data)
            event = parser.next_event()
            if event is not h11.NEED_DATA:
                return event

    async def _body(self, parser: h11.Connection, raw: bytearray) -> bytes:
        body = b""
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                if parser.they_are_waiting_for_100_continue:
                    go_on = parser.send(h11.InformationalResponse(status_code=100, headers=[]))
                    await self._wire.send_all(go_on or b"")
                event = await self._more(parser, raw)
            if isinstance(event, h11.Data):
                body += bytes(event.data)
                if len(body) > BODY_LIMIT_BYTES:
                    raise BadRequest(413)
            elif isinstance(event, h11.EndOfMessage):
                return body
            else:
                raise BadRequest(400)


def _headers(event: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in event.headers:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def _request(event: h11.Request, headers: Mapping[str, str], body: bytes, raw: bytes) -> Request:
    target = event.target.decode("latin-1")
    if not target.startswith("/"):  # absolute form: a proxy's way, RFC 9112 3.2.2
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    # A second question mark comes from clients that append to any URL (telly #77): the rest is part of the query.
    pairs = tuple(parse_qsl(query.replace("?", "&"), keep_blank_values=True))
    http11 = event.http_version >= b"1.1"
    wish = headers.get("connection", "").lower()
    return Request(
        method=event.method.decode("latin-1"),
        path=unquote(path),
        query=pairs,
        headers=headers,
        keep_alive="close" not in wish if http11 else "keep-alive" in wish,
        http11=http11,
        body=body,
        raw=raw,
    )
