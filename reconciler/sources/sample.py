"""The first bytes of a stream: what a probe looks at, in the order in which a player would.

Redirects are followed with the same headers and cookies; secret headers and the password stay with the hosts they are
for; private addresses are refused where the source is on the internet (SEC-1). The connection is closed as soon as
enough is known. This module refuses to judge.
"""

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
from reconciler.sources.web import FetchFailed, broken_off, failure_of, next_address, refuse_inside

__all__ = ["Sampled", "sampled"]

PLAIN: Final = {"Accept-Encoding": "identity"}
"""As the relay asks: a stream is no page, and what is judged are its own bytes."""


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
    first_host = urlsplit(at).netloc
    while True:
        await refuse_inside(urlsplit(at).hostname or "", private_ok=private_ok)
        own = urlsplit(at).netloc == first_host
        sent = {
            k: v.reveal() if isinstance(v, Secret) else v
            for k, v in headers.items()
            if own or not isinstance(v, Secret)
        }
        sent = {k: v for k, v in sent.items() if k.lower() != "accept-encoding"} | PLAIN
        request = client.build_request("GET", at, headers=sent)
        with may_reach(reaches_of(private_ok=private_ok)):
            reply = await client.send(request, stream=True)
        try:
            location = reply.headers.get("location")
            if reply.status_code in {301, 302, 303, 307, 308} and location and left > 0:
                at, left = next_address(at, location), left - 1
                continue
            # Unpacked: object stores give a playlist in gzip however it was asked for.
            chunks = cast("AsyncGenerator[bytes, None]", reply.aiter_bytes())
            try:
                async for chunk in chunks:
                    kept.append(chunk)
                    if enough(b"".join(kept)):
                        break
            finally:
                await broken_off(reply, chunks)
            names = {k.lower(): v for k, v in reply.headers.items()}
            return Sampled(reply.status_code, names, Secret(at), b"".join(kept))
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                await reply.aclose()
