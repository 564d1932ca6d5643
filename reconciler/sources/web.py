"""One GET at a provider: bounded in time and size, polite to the host, and silent about addresses.

Every wait has a limit of `Limits`. Bodies are written to a file as they come, still packed, so that a bomb costs disk up
to the cap and no memory. Redirects are followed by hand: a server on the internet may not send us to an address of the
home network (SEC-1), and secret headers stay with the host they were meant for. Errors say what happened and never where
in full: no URL leaves this module (httpx puts them into its exceptions and, at INFO, into the log, which is silenced).
It refuses to retry and to know what is being fetched.
"""

import contextlib
import logging
import ssl
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, cast
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

import httpx
import trio

from reconciler.secret import Secret
from reconciler.sources.classify import Cause, behind_cloudflare, classify_response, retry_after_s
from reconciler.sources.hosts import in_cloudflare_range
from reconciler.sources.pace import Pace, PaceExceeded
from reconciler.sources.reach import EVERYWHERE, MOST_REDIRECTS, Reach, reach_of, reaches_of
from reconciler.sources.sockets import Inside, may_reach, transport
from reconciler.tls import fault_of, trusted

__all__ = [
    "Answer",
    "FetchFailed",
    "Limits",
    "Web",
    "broken_off",
    "failure_of",
    "headers_for",
    "is_private_host",
    "next_address",
    "open_web",
    "refuse_inside",
]

USER_AGENT: Final = "VLC/3.0.20 LibVLC/3.0.20"
"""What most panels let pass (iptv-streams.md B4); `stream.user_agent` of a source replaces it."""
SMALL_BYTES: Final = 8 << 20
SHOWN_BYTES: Final = 16 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much one fetch may take. Times in seconds; `pause_s` is the first wait before a retry.

    `login_s` bounds one host's login, `answer_s` the time to the head of a list, `idle_s` silence within it, `list_s`
    and `guide_s` the whole. `patience_s` is the longest `Retry-After` that is waited for. `retries` is the budget of one
    source for all its requests together; `stagger_s` is how long the next host waits for the one before to log in.
    """

    connect_s: float = 5.0
    login_s: float = 10.0
    answer_s: float = 30.0
    idle_s: float = 20.0
    list_s: float = 180.0
    guide_s: float = 600.0
    stagger_s: float = 3.0
    pause_s: float = 1.0
    patience_s: float = 20.0
    retries: int = 3
    redirects: int = MOST_REDIRECTS
    list_bytes: int = 256 << 20
    guide_bytes: int = 2 << 30


class FetchFailed(Exception):
    """No usable answer. `cause` is one of the detector's; `detail` is a short sentence without a URL."""

    def __init__(
        self,
        cause: Cause,
        detail: str,
        *,
        status: int = 0,
        retry_after_s: float | None = None,
        cloudflare: bool = False,
    ) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s
        self.cloudflare = cloudflare

    @property
    def transient(self) -> bool:
        """Whether asking again in a moment may help."""
        return self.cause in {"timeout", "refused", "reset", "stall", "busy", "limit", "short", "empty"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came. `body` holds it unpacked from its content coding when no file was given, else it is in the file.

    Header names are in lower case. `base` is the address after redirects, for resolving relative ones.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    size_bytes: int
    base: Secret
    cloudflare: bool

    @property
    def unchanged(self) -> bool:
        """Whether the server says that our copy is still good."""
        return self.status == 304


@dataclass(frozen=True, slots=True)
class _Wish:
    headers: Mapping[str, str | Secret]
    limit_bytes: int
    into: Path | None
    moved: Callable[[int, int | None], None] | None
    own: str = ""
    """The address that the spec itself names; empty where a list names it."""


@dataclass(slots=True)
class Web:
    """The one client of a load, and how often which host was asked."""

    client: httpx.AsyncClient
    limits: Limits
    pace: Pace = field(default_factory=Pace)

    async def get(
        self,
        url: Secret,
        *,
        headers: Mapping[str, str | Secret],
        whole_s: float,
        limit_bytes: int = SMALL_BYTES,
        into: Path | None = None,
        moved: Callable[[int, int | None], None] | None = None,
        private_ok: bool | None = None,
    ) -> Answer:
        """GET `url`; 200, 206 and 304 are answers, everything else raises FetchFailed.

        The body goes to `into` as it came over the wire (packed, if it was), or is returned unpacked, which is for
        small answers. `moved` hears of bytes received and expected. `private_ok` None: private addresses are fine
        where the URL's own host is one. Cancelling leaves a partial file at `into`; the caller owns it.
        """
        wish = _Wish(headers, limit_bytes, into, moved)
        at = url.reveal()
        if private_ok is None:
            wish = replace(wish, own=at)
            private_ok = await is_private_host(urlsplit(at).hostname or "")
        with trio.move_on_after(whole_s) as scope:
            return await self._followed(at, wish, scope, private_ok=private_ok)
        assert scope.cancelled_caught
        raise FetchFailed("timeout", f"no whole answer within {whole_s:g} s")

    async def _followed(self, at: str, wish: "_Wish", scope: trio.CancelScope, *, private_ok: bool) -> Answer:
        first = at
        for _ in range(self.limits.redirects + 1):
            sent = headers_for(at, wish.headers, first=first)
            if at != wish.own:  # what the spec itself names, its author may
                await refuse_inside(urlsplit(at).hostname or "", private_ok=private_ok)
            allowed = EVERYWHERE if at == wish.own and private_ok else reaches_of(private_ok=private_ok)
            async with self._sent(at, sent, scope, allowed) as reply:
                if reply.status_code in _REDIRECTS and "location" in reply.headers:
                    at = next_address(at, reply.headers["location"])
                    continue
                return await self._received(reply, at, wish)
        raise FetchFailed("status", f"more than {self.limits.redirects} redirects")

    @asynccontextmanager
    async def _sent(
        self, at: str, headers: Mapping[str, str], scope: trio.CancelScope, allowed: frozenset[Reach]
    ) -> AsyncIterator[httpx.Response]:
        begun = trio.current_time()
        try:
            async with self.pace.turn(urlsplit(at).netloc):
                # waiting for others' requests is not this server's slowness
                scope.deadline += trio.current_time() - begun
                request = self.client.build_request("GET", at, headers=dict(headers))
                with may_reach(allowed):
                    reply = await self._bounded(self.client.send(request, stream=True))
        except PaceExceeded as error:
            raise FetchFailed("denied", str(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, Inside, UnicodeError, ssl.SSLError, ValueError) as error:
            raise failure_of(error) from None
        try:
            yield reply
        finally:
            with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                await reply.aclose()

    async def _bounded(self, sending: Awaitable[httpx.Response]) -> httpx.Response:
        with trio.move_on_after(self.limits.answer_s):
            return await sending
        raise FetchFailed("timeout", f"no answer within {self.limits.answer_s:g} s")

    async def _received(
        self,
        reply: httpx.Response,
        at: str,
        wish: "_Wish",
    ) -> Answer:
        limit_bytes, into, moved = wish.limit_bytes, wish.into, wish.moved
        names = {k.lower(): v for k, v in reply.headers.items()}
        cloudflare = behind_cloudflare(names) or in_cloudflare_range(_peer(reply))
        if reply.status_code not in (200, 206, 304):
            raise await self._refusal(reply, names, cloudflare=cloudflare)
        stated = names.get("content-length", "")
        total = int(stated) if stated.isdecimal() else None
        if total is not None and total > limit_bytes:
            raise FetchFailed("too-large", f"larger than {limit_bytes >> 20} MiB", cloudflare=cloudflare)
        size = 0
        kept: list[bytes] = []
        file = into.open("wb") if into else None
        try:
            async with aclosing(self._chunks(reply)) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit_bytes:
                        raise FetchFailed(
                            "too-large", f"larger than {limit_bytes >> 20} MiB", cloudflare=cloudflare
                        )
                    if file:
                        file.write(chunk)
                    else:
                        kept.append(chunk)
                    if moved:
                        moved(size, total)
        finally:
            if file:
                file.close()
        coding = names.get("content-encoding", "").strip().lower()
        body = b"" if file else _decoded(b"".join(kept), coding, limit_bytes)
        return Answer(reply.status_code, names, body, size, Secret(at), cloudflare)

    async def _chunks(self, reply: httpx.Response) -> AsyncGenerator[bytes, None]:
        chunks = cast("AsyncGenerator[bytes, None]", reply.aiter_raw())
        try:
            while True:
                with trio.move_on_after(self.limits.idle_s) as scope:
                    try:
                        chunk = await anext(chunks)
                    except StopAsyncIteration:
                        return
                if scope.cancelled_caught:
                    raise FetchFailed("stall", f"silent for {self.limits.idle_s:g} s in the middle")
                yield chunk
        except httpx.HTTPError as error:
            raise failure_of(error) from None
        finally:
            await broken_off(reply, chunks)

    async def _refusal(
        self, reply: httpx.Response, names: Mapping[str, str], *, cloudflare: bool
    ) -> FetchFailed:
        shown = b""
        try:
            async with aclosing(self._chunks(reply)) as chunks:
                async for chunk in chunks:
                    shown += chunk
                    if len(shown) >= SHOWN_BYTES:
                        break
        except FetchFailed:
            pass  # the status says enough
        verdict = classify_response(reply.status_code, names, "", shown)
        wait = retry_after_s(names)
        if wait:
            # also for the other call of the same panel: repeated 429 bring a ban
            self.pace.rest(reply.url.netloc.decode("ascii", "replace"), wait)
        return FetchFailed(
            verdict.cause or "status",
            verdict.detail or f"answered {reply.status_code}",
            status=reply.status_code,
            retry_after_s=wait,
            cloudflare=cloudflare,
        )


async def broken_off(reply: httpx.Response, chunks: AsyncGenerator[bytes, None]) -> None:
    """End an answer that is not read to its end, and the chain of generators behind it.

    httpx nests five of them and closes only the outermost; trio warns of the rest (ResourceWarning). A cancelled read
    ends the innermost, which closes its connection, and the others with it; what had been received already is passed
    over, and where that was all, the connection is kept. The socket is not closed under httpcore: it asks an idle one
    whether it is readable, which a closed one answers with ValueError.
    """
    if reply.is_closed:
        return
    with trio.CancelScope(shield=True) as reading:
        reading.cancel()
        with contextlib.suppress(httpx.HTTPError, httpx.StreamError, RuntimeError, StopAsyncIteration):
            while True:
                await anext(chunks)
    with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
        await chunks.aclose()


def _peer(reply: httpx.Response) -> str:
    """The IP address that answered, "" where the client does not say, or where the connection is reset by now."""
    stream = reply.extensions.get("network_stream")
    with contextlib.suppress(OSError):
        address = stream.get_extra_info("server_addr") if stream is not None else None
        return str(address[0]) if address else ""
    return ""


def headers_for(at: str, headers: Mapping[str, str | Secret], *, first: str) -> dict[str, str]:
    """The headers to send to `at`, where a redirect from `first` led: secret ones to the same host alone, and not without
    TLS where they were meant for TLS.
    """
    asked, now = urlsplit(first), urlsplit(at)
    own = asked.netloc == now.netloc and now.scheme in {asked.scheme, "https"}
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in headers.items()
        if own or not isinstance(value, Secret)
    }


def next_address(at: str, location: str) -> str:
    """Where a redirect leads. Raises FetchFailed for anything but http and https."""
    try:
        target = urljoin(at, location)
        parts = urlsplit(target)
    except ValueError:
        raise FetchFailed("status", "redirected to no address") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise FetchFailed("elsewhere", "redirected to something other than http")
    return target


def _decoded(data: bytes, coding: str, limit_bytes: int) -> bytes:
    """A small body without its content coding."""
    if coding not in {"gzip", "x-gzip", "deflate"} or not data:
        return data
    for bits in (47, -15):  # gzip or zlib by their heads, then raw deflate
        unpack = zlib.decompressobj(bits)
        try:
            plain = unpack.decompress(data, limit_bytes)
        except zlib.error:
            continue
        if unpack.unconsumed_tail:
            raise FetchFailed("too-large", f"larger than {limit_bytes >> 20} MiB unpacked")
        if not unpack.eof:
            raise FetchFailed("short", "the answer ends in the middle")
        return plain
    raise FetchFailed("not-ts", "the answer cannot be unpacked")


def failure_of(error: Exception) -> FetchFailed:
    """What an error of the client means, in words without an address."""
    match error:
        case Inside():
            return _inside({error.reach})
        case httpx.ConnectTimeout():
            return FetchFailed("timeout", "no connection in time")
        case httpx.TimeoutException():
            return FetchFailed("timeout", "no answer in time")
        case httpx.ConnectError():
            text = str(error).lower()
            fault = fault_of(error)
            if isinstance(fault, ssl.SSLCertVerificationError):
                why = (
                    f"the TLS certificate is not trusted ({fault.verify_message}); SSL_CERT_FILE may name it"
                )
                return FetchFailed("refused", why)
            if fault is not None:
                return FetchFailed("refused", "the TLS handshake failed")
            if any(word in text for word in ("name or service", "nodename", "no address", "resolution")):
                return FetchFailed("refused", "the host name is not known")
            return FetchFailed("refused", "the connection was refused")
        case httpx.RemoteProtocolError():
            return FetchFailed("reset", "the connection broke off or spoke no HTTP")
        case httpx.NetworkError():
            return FetchFailed("reset", "the connection was reset")
        case httpx.LocalProtocolError() | UnicodeEncodeError():
            return FetchFailed(
                "elsewhere", "a header cannot be sent: each is one line of ASCII with a plain name"
            )
        case httpx.UnsupportedProtocol() | httpx.InvalidURL() | ValueError():
            # the same at the next try
            return FetchFailed("elsewhere", "the address is no http or https address")
        case _:
            return FetchFailed("reset", f"the request failed ({type(error).__name__})")


async def is_private_host(host: str) -> bool:
    """Whether a host name or address leads into a private network, to this machine, or to link-local metadata.

    Names are resolved; one that cannot be resolved is not private (the request will fail by itself).
    """
    return await _reaches(host) != {"public"}


async def refuse_inside(host: str, *, private_ok: bool) -> None:
    """Raise FetchFailed where a list or a redirect leads inside: to link-local metadata in any case (SEC-1)."""
    reaches = await _reaches(host)
    if not reaches <= reaches_of(private_ok=private_ok):
        raise _inside(reaches)


def _inside(reaches: Collection[Reach]) -> FetchFailed:
    where = "a link-local or reserved address" if "never" in reaches else "an address of a private network"
    return FetchFailed("elsewhere", f"leads to {where}")


async def _reaches(host: str) -> set[Reach]:
    """How far the addresses of a host lead."""
    try:
        return {reach_of(host.strip("[]"))}
    except ValueError:
        pass
    try:
        with trio.move_on_after(5):
            found = await trio.socket.getaddrinfo(host, None)
            return {reach_of(str(address[4][0])) for address in found}
    except (OSError, UnicodeError, ValueError):
        pass
    return {"public"}


@asynccontextmanager
async def open_web(limits: Limits) -> AsyncIterator[Web]:
    """A client for one load. Opening costs nothing until the first https request."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)  # at INFO they print whole URLs
    timeout = httpx.Timeout(limits.answer_s, connect=limits.connect_s)
    # A proxy of the environment, where there is one, makes the connections itself; httpx asks for one only without ours
    own = None if getproxies() else transport(trusted())
    async with httpx.AsyncClient(
        timeout=timeout, follow_redirects=False, headers={}, verify=trusted(), transport=own
    ) as client:
        yield Web(client, limits)
