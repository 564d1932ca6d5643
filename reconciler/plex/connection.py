"""One HTTP connection to one Plex server: token in a header, named time limits, no URL in an error.

The target of a request goes out as `plex.requests` wrote it (`extensions={"target": …}`), so that brackets stay
literal and byte counts stay true. The token is a `Secret` and is revealed here alone. Redirects are not followed and
proxies of the environment are not used: the token must not travel elsewhere. This module refuses to understand
answers; `reader` and `writer` do.
"""

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio

from reconciler.errors import PlexDenied, PlexRefused, PlexUnreachable
from reconciler.plex.requests import Request
from reconciler.secret import Secret
from reconciler.tls import fault_of, trusted

__all__ = ["Connection", "Reply", "connected"]

CONNECT_S: Final = 5.0
POOL_S: Final = 60.0
WRITE_S: Final = 30.0
CONNECTIONS: Final = 4
BODY_LIMIT_BYTES: Final = 64 << 20

# httpx and httpcore print whole URLs at INFO and DEBUG (style.md 3).
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Reply:
    """A 2xx answer. `activity` is the uuid of what the request set going, where Plex says so (5)."""

    status: int
    body: bytes
    activity: str = ""


@dataclass(slots=True)
class Connection:
    """An open client. `requests` counts what was sent, `writes` those that were not GET."""

    _client: httpx.AsyncClient = field(repr=False)
    _prefix: str = ""
    requests: int = 0
    writes: int = 0

    async def send(self, request: Request) -> Reply:
        """Send one request and give its 2xx answer.

        Raises PlexUnreachable when there is no connection or no answer in the request's time (whether it took effect
        is then unknown), PlexDenied for 401 and 403, PlexRefused for any other status. Messages name method and path.
        Cancelling closes the connection; nothing is retried.
        """
        self.requests += 1
        self.writes += request.writes
        name = f"{request.method} {request.path}"
        timeout = httpx.Timeout(request.timeout_s, connect=CONNECT_S, write=WRITE_S, pool=POOL_S)
        sent = self._client.build_request(
            request.method,
            request.path,
            timeout=timeout,
            extensions={"target": (self._prefix + request.target).encode("ascii")},
        )
        try:
            answer = await self._client.send(sent, stream=True)
            # httpx counts from one piece to the next: an answer that trickles in would be waited for for ever.
            with trio.fail_after(request.timeout_s):
                await answer.aread()
        except trio.TooSlowError:
            raise PlexUnreachable(
                f"{name}: no whole answer within {request.timeout_s:g} s", next_step="ptctl doctor"
            ) from None
        except httpx.TimeoutException as error:
            kind = "connection" if isinstance(error, httpx.ConnectTimeout) else "answer"
            limit = CONNECT_S if kind == "connection" else request.timeout_s
            raise PlexUnreachable(f"{name}: no {kind} within {limit:g} s", next_step="ptctl doctor") from None
        except httpx.ConnectError as error:
            raise _unconnected(error, name) from None
        except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
            raise PlexUnreachable(
                f"{name}: the connection broke ({type(error).__name__})", next_step="ptctl doctor"
            ) from None
        return _judged(answer, name)


def _unconnected(error: httpx.ConnectError, name: str) -> PlexUnreachable:
    cause = fault_of(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        # Plex's own certificate is for its plex.direct name and for no other (1).
        return PlexUnreachable(
            f"{name}: the TLS certificate at plex.url is not for that name or not trusted",
            next_step="write plex.url with http://, or with the server's own name: "
            "https://<ip-with-dashes>.<hash>.plex.direct:32400",
        )
    if cause is not None:
        return PlexUnreachable(
            f"{name}: what answers at plex.url does not speak TLS", next_step="write plex.url with http://"
        )
    return PlexUnreachable(
        f"{name}: no connection to plex.url", next_step="check plex.url, then: ptctl doctor"
    )


def _judged(answer: httpx.Response, name: str) -> Reply:
    status = answer.status_code
    if status in {401, 403}:
        word = "refused the token" if status == 401 else "says the token is not the owner's"
        raise PlexDenied(
            f"{name}: Plex {word} ({status})", next_step="check plex.credentials, then: ptctl doctor"
        )
    if not 200 <= status < 300:
        raise PlexRefused(
            f"{name}: Plex answered {status}",
            status=status,
            reason=answer.reason_phrase,
            next_step="Plex's own log says why; then: ptctl plan" if status >= 500 else None,
        )
    if len(answer.content) > BODY_LIMIT_BYTES:
        raise PlexRefused(f"{name}: the answer is larger than 64 MiB", status=status, reason="too large")
    return Reply(status, answer.content, answer.headers.get("X-Plex-Activity", ""))


@asynccontextmanager
async def connected(url: str, token: Secret, *, client_id: str) -> AsyncIterator[Connection]:
    """A connection to the server at `url`, closed at the end of the block. Nothing is sent on opening.

    `client_id` must stay the same from run to run: Plex lists every identifier it meets as a device (1).
    """
    headers = {
        "Accept": "application/json",
        "X-Plex-Token": token.reveal(),
        "X-Plex-Client-Identifier": client_id,
        "X-Plex-Product": "ptctl",
        "X-Plex-Device-Name": "ptctl",
    }
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    base = url.rstrip("/")
    async with httpx.AsyncClient(
        base_url=base,
        headers=headers,
        limits=limits,
        follow_redirects=False,
        trust_env=False,
        verify=trusted(),
    ) as client:
        yield Connection(client, urlsplit(base).path)
