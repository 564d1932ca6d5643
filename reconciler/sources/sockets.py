"""The connections under httpx: where a fetch may be connected to, and how much of an answer is read at a time.

An address is judged where it counts, on the connection itself and before a byte is sent: a name that is asked twice may
give a public address first and one of the home network then (DNS rebinding; SEC-1). Answers are read in large pieces:
with httpcore's own 64 KiB a guide of a gigabyte costs more than twice the CPU time. This module refuses to know HTTP.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import httpcore
import httpx

from reconciler.sources.reach import EVERYWHERE, Reach, reach_of

__all__ = ["Inside", "may_reach", "transport"]

PIECE_BYTES: Final = 1 << 20
# httpx's own limits, which httpcore's are not
CONNECTIONS: Final = 100
KEPT: Final = 20
KEPT_S: Final = 5.0
_ALLOWED: Final[ContextVar[frozenset[Reach]]] = ContextVar("allowed", default=EVERYWHERE)


class Inside(Exception):
    """The other end turned out to be where this fetch may not lead. Nothing was sent."""

    def __init__(self, reach: Reach) -> None:
        super().__init__(reach)
        self.reach: Final = reach


@contextmanager
def may_reach(allowed: frozenset[Reach]) -> Iterator[None]:
    """Connections made in this block, in this task, lead only so far; others raise Inside."""
    token = _ALLOWED.set(allowed)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def transport(tls: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    """What httpx makes for itself, on connections of this module."""
    made = httpx.AsyncHTTPTransport(verify=tls)
    # httpx offers no other place to hand a network backend in; a test holds that it is used
    made._pool = httpcore.AsyncConnectionPool(  # noqa: SLF001
        ssl_context=tls,
        max_connections=CONNECTIONS,
        max_keepalive_connections=KEPT,
        keepalive_expiry=KEPT_S,
        network_backend=_Backend(),
    )
    return made


class _Backend(httpcore.AsyncNetworkBackend):
    def __init__(self) -> None:
        self._trio = httpcore.TrioBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        stream = await self._trio.connect_tcp(host, port, timeout, local_address, socket_options)
        try:
            peer = stream.get_extra_info("server_addr")
        except OSError as error:  # reset since
            await stream.aclose()
            raise httpcore.ConnectError(str(error)) from error
        reach = reach_of(str(peer[0]))
        if reach not in _ALLOWED.get():
            await stream.aclose()
            raise Inside(reach)
        return _Stream(stream)

    async def sleep(self, seconds: float) -> None:
        await self._trio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that reads in pieces of `PIECE_BYTES`, whatever it is asked for: httpcore takes what comes."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max(max_bytes, PIECE_BYTES), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own signature
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # Any: httpcore's own word
        return self._stream.get_extra_info(info)
