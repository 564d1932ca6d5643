"""Hands a connection to Hypercorn: our listener has read a head that is for the application, and gives it back.

Hypercorn is an HTTP server with its own listeners; here only its handler of one connection is used, with the bytes
already read put in front. Each such connection carries one exchange (the application answers `Connection: close`), so
that a stream can never be asked for behind our back. Hypercorn is loaded after the tuners answer: its import takes as
long as all the rest of a start (performance.md 4). This module refuses to look at requests.
"""

import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, cast

import trio

from reconciler.serving.wire import Wire

if TYPE_CHECKING:
    from hypercorn.typing import ASGIFramework

__all__ = ["Hypercorn"]

KEEP_ALIVE_S: Final = 10.0
READ_TIMEOUT_S: Final = 30
HEAD_LIMIT_BYTES: Final = 32 * 1024


# Neither HTTP/2 nor WebSockets: a server may pass over the wish (RFC 9110 7.8), and one exchange stays one exchange.
UPGRADE: Final = re.compile(rb"^(?:upgrade|http2-settings)[ \t]*:", re.IGNORECASE | re.MULTILINE)


class Hypercorn:
    """The application behind Hypercorn's connection handler."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._parts: tuple[Any, ...] | None = None  # Any: Hypercorn's classes, imported late

    async def warm(self) -> None:
        """Load Hypercorn in a worker thread. Harmless when loaded."""
        if self._parts is None:
            self._parts = await trio.to_thread.run_sync(self._load)

    def _load(self) -> tuple[Any, ...]:
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.config import Config
        from hypercorn.trio.tcp_server import TCPServer
        from hypercorn.trio.worker_context import WorkerContext

        config = Config()
        config.keep_alive_timeout = KEEP_ALIVE_S
        config.read_timeout = READ_TIMEOUT_S
        config.h11_max_incomplete_size = HEAD_LIMIT_BYTES
        config.include_server_header = False
        config.accesslog = None
        config.errorlog = logging.getLogger("reconciler.serving.hypercorn")
        return TCPServer, ASGIWrapper(cast("ASGIFramework", self._app)), config, WorkerContext

    async def serve(self, wire: Wire, already: bytes) -> None:
        """Answer one exchange and close. Cancelling ends it at once."""
        await self.warm()
        assert self._parts is not None
        server, app, config, context = self._parts
        # Hypercorn shields its writes without a deadline (style.md 3), so a client that stops reading outlives a
        # cancelled scope: TCP_USER_TIMEOUT on our sockets bounds that.
        head, end, body = already.partition(b"\r\n\r\n")
        plain = UPGRADE.sub(b"x-not-taken:", head) + end + body
        await server(app, config, context(None), {}, _Replayed(wire, plain)).run()


class _Replayed:
    """What Hypercorn's handler needs of a trio stream: the bytes already read come first."""

    def __init__(self, wire: Wire, already: bytes) -> None:
        self._wire = wire
        self._already = already
        self.socket = trio.socket.from_stdlib_socket(wire.sock)

    async def receive_some(self, limit: int) -> bytes:
        if self._already:
            data, self._already = self._already[:limit], self._already[limit:]
            return data
        try:
            return await self._wire.receive(limit)
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def send_all(self, data: bytes) -> None:
        try:
            await self._wire.send_all(data)
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def send_eof(self) -> None:
        try:
            self.socket.shutdown(trio.socket.SHUT_WR)
        except OSError as error:  # the client has reset the connection: its own affair, nothing to log
            raise trio.BrokenResourceError from error
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        self._wire.close()
        await trio.lowlevel.checkpoint()
