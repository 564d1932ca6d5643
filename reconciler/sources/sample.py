"""The first bytes of a stream: what a probe looks at, in the order in which a player would.

Redirects are followed with the same headers and cookies; secret headers and the password stay with the hosts they are
for; private addresses are refused where the source is on the internet (SEC-1). The connection is closed as soon as
enough is known. This module refuses to judge.
"""

import zlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httpx
import trio

from reconciler.secret import Secret
from reconciler.sources.classify import Cause
from reconciler.sources.reach import MOST_REDIRECTS, reaches_of
from reconciler.sources.sockets import Inside, may_reach
from reconciler.sources.web import (
    FetchFailed,
    broken_off,
    failure_of,
    headers_for,
    next_address,
    refuse_inside,
)

__all__ = ["Sampled", "sampled"]

PLAIN: Final = {"Accept-Encoding": "identity"}
"""As the relay asks: a stream is no page, and what is judged are its own bytes."""


_PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_ZLIB_OR_GZIP_BITS: Final = 47
UNPACKED_BYTES: Final = 16 << 20
"""What one piece may unpack to, as in the relay: more is no playlist and no stream, but what is made to fill memory."""


class _Plain:
    """Takes a body's content coding off, a piece at a time: object stores give gzip however they were asked.

    Believed when the first bytes say so too, as in the relay.
    """

    def __init__(self, coding: str) -> None:
        self._claimed = coding.strip().lower() in _PACKED
        self._unpack: zlib._Decompress | None = None

    def of(self, data: bytes) -> bytes:
        """The next piece as it is meant. Raises FetchFailed where it cannot be unpacked, or not within bounds."""
        if self._claimed and data:
            self._claimed = False
            if data[:2] == b"\x1f\x8b" or (data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0):
                self._unpack = zlib.decompressobj(_ZLIB_OR_GZIP_BITS)
        if self._unpack is None:
            return data
        try:
            plain = self._unpack.decompress(data, UNPACKED_BYTES)
        except zlib.error:
            raise FetchFailed("not-ts", "a packed body that cannot be unpacked") from None
        if self._unpack.unconsumed_tail:
            raise FetchFailed("too-large", f"a packed body of more than {UNPACKED_BYTES >> 20} MiB")
        return plain


@dataclass(frozen=True, slots=True)
class Sampled:
    """An answer as far as it was read. `final` is the address after redirects; `cause` says why nothing came."""

    status: int
    headers: Mapping[str, str]
    final: Secret
    data: bytes
    cause: Cause = ""
    detail: str = ""


async def sampled(
    client: httpx.AsyncClient,
    url: Secret,
    headers: Mapping[str, str | Secret],
    *,
    enough: Callable[[bytes], bool],
    limit_s: float,
    private_ok: bool,
) -> Sampled:
    """Read until `enough`, the end, or `limit_s`; never raises for what a server does. Cancelling closes the connection."""
    kept: list[bytes] = []
    try:
        with trio.move_on_after(limit_s):
            return await _read(
                client, url.reveal(), headers, enough, kept, private_ok=private_ok, left=MOST_REDIRECTS
            )
    except FetchFailed as failure:
        return Sampled(failure.status, {}, Secret(""), b"", failure.cause, failure.detail)
    except (httpx.HTTPError, httpx.InvalidURL, Inside, UnicodeError, ValueError, OSError) as error:
        other = failure_of(error)
        return Sampled(0, {}, Secret(""), b"", other.cause, other.detail)
    data = b"".join(kept)
    if data:
        return Sampled(200, {}, url, data)
    return Sampled(0, {}, Secret(""), b"", "timeout", f"no byte within {limit_s:g} s")


async def _read(
    client: httpx.AsyncClient,
    at: str,
    headers: Mapping[str, str | Secret],
    enough: Callable[[bytes], bool],
    kept: list[bytes],
    *,
    private_ok: bool,
    left: int,
) -> Sampled:
    first = at
    while True:
        await refuse_inside(urlsplit(at).hostname or "", private_ok=private_ok)
        sent = headers_for(at, headers, first=first)
        sent = {k: v for k, v in sent.items() if k.lower() != "accept-encoding"} | PLAIN
        request = client.build_request("GET", at, headers=sent)
        with may_reach(reaches_of(private_ok=private_ok)):
            reply = await client.send(request, stream=True)
        try:
            location = reply.headers.get("location")
            if reply.status_code in {301, 302, 303, 307, 308} and location and left > 0:
                at, left = next_address(at, location), left - 1
                continue
            chunks = cast("AsyncGenerator[bytes, None]", reply.aiter_raw())
            plain = _Plain(reply.headers.get("content-encoding", ""))
            try:
                async for chunk in chunks:
                    kept.append(plain.of(chunk))
                    if enough(b"".join(kept)):
                        break
            finally:
                await broken_off(reply, chunks)
            names = {k.lower(): v for k, v in reply.headers.items()}
            return Sampled(reply.status_code, names, Secret(at), b"".join(kept))
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                await reply.aclose()
