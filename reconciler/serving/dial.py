"""HTTP to a provider: connect, ask, follow redirects, and hand over the body's socket.

A streaming client library costs four times a plain socket (performance.md 1), so this is one: h11 reads the answer's
head, and from there on the body is bytes from a socket. Addresses are checked after resolving and connected to as
checked, so a name cannot point elsewhere in between (SEC-1). This module refuses to judge what came: `sources.classify`
does.
"""

import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import h11
import trio

from reconciler.serving.blocks import Blocks
from reconciler.serving.body import Body, BodyBroken, Piece
from reconciler.serving.reply_heads import mended
from reconciler.sources.reach import MOST_REDIRECTS, reach_of
from reconciler.tls import fault_of, trusted

__all__ = ["DialFailed", "Dialler", "Guard", "Link", "Names", "Reply"]

READ_BYTES: Final = 64 * 1024
ROOMY_BYTES: Final = 512 * 1024
HEAD_LIMIT_BYTES: Final = 64 * 1024
NAME_KEPT_S: Final = 60.0
NAMES_KEPT: Final = 512
NEXT_ADDRESS_S: Final = 0.25
IDLE_KEPT_S: Final = 20.0
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_COOKIE: Final = re.compile(r"^\s*([^=;\s]+)=([^;]*)")
_COOKIE_OVER: Final = re.compile(
    r";\s*(?:max-age\s*=\s*\"?(?:0|-)|expires\s*=[^;]*\b19[67]\d\b)", re.IGNORECASE
)
"""How servers take a cookie back: no age, or an end in the days of the epoch."""
_COOKIE_DOMAIN: Final = re.compile(r";\s*domain\s*=\s*\.?([^;\s]+)", re.IGNORECASE)


class DialFailed(Exception):
    """No answer. `cause` is one of `sources.classify`'s for whoever waited; `detail` holds no URL."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Guard:
    """Which addresses a stream may lead to. Link-local ones (cloud metadata) never (SEC-1)."""

    private: bool = False

    def admits(self, address: str) -> bool:
        """Whether an address (text) may be connected to."""
        reach = reach_of(address)
        return reach == "public" or (reach == "private" and self.private)


class Link:
    """One connection to a provider, plain or TLS. Raises OSError for everything that breaks it."""

    __slots__ = ("_low_water", "_tls", "idle_since", "place", "sock")

    def __init__(self, sock: socket.socket, place: tuple[str, str, int]) -> None:
        self.sock = sock
        self.place = place
        self.idle_since = 0.0
        self._low_water = 1
        self._tls: trio.SSLStream[trio.SocketStream] | None = None

    def gather(self, wanted_bytes: int) -> None:
        """Ask the kernel to wake readers when so much is there (or the end). Wake-ups cost, not bytes (performance.md 1).

        Small corrections are not worth a system call. Does nothing with TLS.
        """
        have = self._low_water
        if self._tls is not None or wanted_bytes == have:
            return
        if 1 not in {wanted_bytes, have} and 0.75 * have <= wanted_bytes <= have:
            return
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted_bytes)
        except OSError:
            return  # closed under us: the reader finds out
        self._low_water = wanted_bytes

    @property
    def tls(self) -> bool:
        """Whether what is on the socket is not what it means."""
        return self._tls is not None

    async def secure(self, name: str) -> None:
        """Begin TLS as `name`. Raises DialFailed."""
        context = await trio.to_thread.run_sync(trusted)  # the first time it reads hundreds of certificates
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(self.sock))
        self._tls = trio.SSLStream(stream, context, server_hostname=name, https_compatible=True)
        try:
            await self._tls.do_handshake()
        except trio.BrokenResourceError as error:
            raise DialFailed("refused", f"no TLS with {name}: {_tls_fault(error)}") from error

    async def receive(self, limit_bytes: int) -> bytes:
        """Bytes as they come; nothing at the end. Waits first, so that SO_RCVLOWAT is honoured."""
        if self._tls is not None:
            try:
                return bytes(await self._tls.receive_some(limit_bytes))
            except trio.BrokenResourceError as error:
                raise OSError("the connection broke") from error
        while True:
            await trio.lowlevel.wait_readable(self.sock)
            try:
                return self.sock.recv(limit_bytes)
            except BlockingIOError:
                continue

    async def receive_view(self, blocks: Blocks, size_bytes: int, *, eager: bool = False) -> Piece:
        """The same without memory of its own: a view of a block, which is free again when the view is gone.

        `eager`: look before waiting, for callers who have just waited for something else.
        """
        if self._tls is not None:
            return await self.receive(size_bytes)
        while True:
            if not eager:
                await trio.lowlevel.wait_readable(self.sock)
            eager = False
            block = blocks.take(size_bytes)
            try:
                return memoryview(block)[: self.sock.recv_into(block)]
            except BlockingIOError:
                continue

    async def send_all(self, data: bytes) -> None:
        """All of `data`."""
        if self._tls is not None:
            try:
                await self._tls.send_all(data)
            except trio.BrokenResourceError as error:
                raise OSError("the connection broke") from error
            return
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self.sock)

    def close(self) -> None:
        """Close at once, without a goodbye. Harmless when closed."""
        if self.sock.fileno() != -1:
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()


@dataclass(slots=True)
class Reply:
    """An answer whose body is still on the wire. `url` is where it came from after redirects."""

    status: int
    headers: Mapping[str, str]
    url: str
    link: Link
    body: Body
    first: bytes = b""
    """Body bytes that came with the head."""


def _tls_fault(error: BaseException) -> str:
    """What was wrong in words that hold nothing of the address, with what helps against a certificate of one's own."""
    fault = fault_of(error)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({fault.verify_message}); SSL_CERT_FILE may name it"
    return (
        "the handshake failed"
        if fault is None or not fault.reason
        else f"the handshake failed ({fault.reason})"
    )


@dataclass(slots=True)
class Dialler:
    """The connections of one stream: its cookies, its headers, its idle links. Close it when the stream ends.

    `headers` go to every request (HLS-6); `own_headers` only to `own_hosts`, because they may be secrets.
    """

    guard: Guard
    names: "Names"
    headers: Sequence[tuple[str, str]] = ()
    own_headers: Sequence[tuple[str, str]] = ()
    own_hosts: frozenset[str] = frozenset()
    connect_s: float = 2.0
    connected: Callable[[], None] | None = None
    """Told of the first connection made."""
    _cookies: dict[tuple[str, str], str] = field(default_factory=dict)
    _idle: dict[tuple[str, str, int], list[Link]] = field(default_factory=dict)

    async def get(self, url: str, *, extra: Sequence[tuple[str, str]] = (), keep: bool = False) -> Reply:
        """Ask for `url` and follow redirects. The caller closes `reply.link` or gives it to `done`.

        Raises DialFailed. Without a limit of its own beyond connecting: the caller has the deadline.
        """
        for _ in range(MOST_REDIRECTS + 1):
            reply = await self._exchange(url, extra, keep=keep)
            target = reply.headers.get("location", "")
            if reply.status not in REDIRECTS or not target:
                return reply
            reply.link.close()
            try:
                url = urljoin(url, _as_sent(target))
            except ValueError as error:
                raise DialFailed("elsewhere", "a redirect to an address that is none") from error
        raise DialFailed("elsewhere", f"more than {MOST_REDIRECTS} redirects")

    def done(self, reply: Reply) -> None:
        """The body was read: keep the connection for the next request where both sides agree, else close it."""
        if reply.body.complete and reply.body.reusable and not reply.body.excess:
            reply.link.gather(1)
            reply.link.idle_since = trio.current_time()
            self._idle.setdefault(reply.link.place, []).append(reply.link)
        else:
            reply.link.close()

    def close(self) -> None:
        """Close what is idle. Harmless twice."""
        for links in self._idle.values():
            for link in links:
                link.close()
        self._idle.clear()

    async def _exchange(self, url: str, extra: Sequence[tuple[str, str]], *, keep: bool) -> Reply:
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise DialFailed("elsewhere", "an address that is none") from error
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not host:
            raise DialFailed("elsewhere", f"an address of the kind '{parts.scheme}'")
        place = (parts.scheme, host, port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        login, _, authority = parts.netloc.rpartition("@")
        if login:
            extra = (*extra, ("Authorization", _basic(login)))
        request = self._request(target, authority, host, extra, keep=keep)
        while (link := self._take_idle(place)) is not None:
            try:
                return await self._ask(link, request, url)
            except (OSError, DialFailed):
                link.close()  # it had been closed while idle: ask again on a new one
            except BaseException:
                link.close()
                raise
        link = await self._connect(place)
        try:
            return await self._ask(link, request, url)
        except OSError as error:
            link.close()
            raise DialFailed("reset", "the connection broke before an answer") from error
        except BaseException:
            link.close()
            raise

    def _request(
        self, target: str, authority: str, host: str, extra: Sequence[tuple[str, str]], *, keep: bool
    ) -> h11.Request:
        lines = [("Host", authority), *self.headers, *extra]
        if host in self.own_hosts:
            lines += self.own_headers
        cookies = [
            f"{name}={value}" for (where, name), value in self._cookies.items() if _same_site(host, where)
        ]
        if cookies:
            lines.append(("Cookie", "; ".join(cookies)))
        names = {name.lower() for name, _ in lines}
        if "accept" not in names:
            lines.append(("Accept", "*/*"))
        lines += [("Accept-Encoding", "identity"), ("Connection", "keep-alive" if keep else "close")]
        try:
            return h11.Request(
                method="GET",
                target=_ascii_target(target),
                headers=[(n.encode("latin-1"), v.encode("utf-8")) for n, v in lines],
            )
        except h11.LocalProtocolError as error:
            raise DialFailed("elsewhere", "an address or header that HTTP does not allow") from error

    async def _ask(self, link: Link, request: h11.Request, url: str) -> Reply:
        parser = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT_BYTES)
        await link.send_all(parser.send(request) or b"")
        parser.send(h11.EndOfMessage())
        raw, strict = b"", True
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError as error:
                plain = mended(raw) if strict else None
                if plain is None:
                    raise DialFailed("not-ts", "an answer that is not HTTP") from error
                strict = False
                parser = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT_BYTES)
                parser.send(request)
                parser.send(h11.EndOfMessage())
                parser.receive_data(plain)
                continue
            if isinstance(event, h11.Response):
                break
            if event is h11.NEED_DATA:
                data = await link.receive(READ_BYTES)
                if not data and not raw:
                    raise DialFailed("empty", "the connection was closed without an answer")
                raw += data
                parser.receive_data(data)
            elif isinstance(event, h11.ConnectionClosed):
                raise DialFailed("empty", "the connection was closed without an answer")
        headers: dict[str, str] = {}
        for name, value in event.headers:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            if key == "set-cookie":
                self._keep_cookie(link.place[1], text)
            headers.setdefault(key, text)
        body = Body.of(event.status_code, headers, http11=event.http_version >= b"1.1")
        try:
            first = bytes(body.feed(parser.trailing_data[0]))
        except BodyBroken as error:
            raise DialFailed("not-ts", "a body whose framing is broken") from error
        return Reply(event.status_code, headers, url, link, body, first)

    def _keep_cookie(self, host: str, text: str) -> None:
        found = _COOKIE.match(text)
        if found is None:
            return
        domain = _COOKIE_DOMAIN.search(text)
        where = domain[1].lower() if domain and _same_site(host, domain[1].lower()) else host
        if _COOKIE_OVER.search(text):
            self._cookies.pop((where, found[1]), None)
        else:
            self._cookies[where, found[1]] = found[2].strip()

    def _take_idle(self, place: tuple[str, str, int]) -> Link | None:
        links = self._idle.get(place, [])
        now = trio.current_time()
        while links:
            link = links.pop()
            if now - link.idle_since < IDLE_KEPT_S:
                return link
            link.close()
        return None

    async def _connect(self, place: tuple[str, str, int]) -> Link:
        scheme, host, port = place
        with trio.move_on_after(self.connect_s) as scope:
            addresses = [a for a in await self.names.addresses(host, port) if self.guard.admits(a[1][0])]
            if not addresses:
                raise DialFailed(
                    "denied", f"{host} leads to a private or reserved address, which its list may not name"
                )
            sock = await _first_to_connect(addresses)
            link = Link(sock, place)
            if scheme == "https":
                try:
                    await link.secure(host)
                except BaseException:
                    link.close()
                    raise
        if scope.cancelled_caught:
            raise DialFailed("timeout", f"no connection within {self.connect_s:g} s")
        if self.connected is not None:
            self.connected()
            self.connected = None
        return link


def _same_site(host: str, where: str) -> bool:
    return host == where or host.endswith("." + where)


def _basic(login: str) -> str:
    """User info of an address as the header that players make of it."""
    return "Basic " + b64encode(unquote_to_bytes(login)).decode()


def _as_sent(location: str) -> str:
    """A redirect's raw bytes beyond ASCII, in whatever encoding they are: asked for as they stand."""
    return "".join(c if c < "\x80" else f"%{ord(c):02X}" for c in location)


def _ascii_target(target: str) -> bytes:
    """Raw blanks and letters beyond ASCII in a list's URL, as browsers send them."""
    if target.isascii() and target.isprintable() and " " not in target:
        return target.encode()
    return b"".join(b"%%%02X" % b if b <= 0x20 or b >= 0x7F else bytes((b,)) for b in target.encode("utf-8"))


Address = tuple[socket.AddressFamily, tuple[str, int]]


class Names:
    """The addresses of names, kept for a minute: a worker thread for each tune would cost more than the tune."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Where a name leads, in the system's order. Raises DialFailed."""
        now = trio.current_time()
        until, known = self._known.get((host, port), (0.0, []))
        if until > now:
            return known
        try:
            found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise DialFailed("refused", f"the name {host} is not known") from error
        addresses: list[Address] = [(family, (str(a[0]), int(a[1]))) for family, _, _, _, a in found]
        if len(self._known) >= NAMES_KEPT:
            self._known.clear()
        self._known[host, port] = (now + NAME_KEPT_S, addresses)
        return addresses


def _is_connected(sock: socket.socket) -> bool:
    """Whether the other side has answered. On one's own machine it has before `connect` returns."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


async def _connect_one(address: Address) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Raises the receive buffer without fixing it: the default holds 64 KiB, which means twice the wake-ups.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, ROOMY_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        try:
            sock.connect(place)
        except BlockingIOError:
            if not _is_connected(sock):
                await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "cannot connect") from None
        return sock
    except BaseException:
        trio.lowlevel.notify_closing(sock)
        sock.close()
        raise


async def _first_to_connect(addresses: Sequence[Address]) -> socket.socket:
    """The first that answers; each next one starts when the one before failed or a quarter second passed (RFC 8305)."""
    if len(addresses) == 1:
        try:
            return await _connect_one(addresses[0])
        except OSError as error:
            raise DialFailed("refused", "the connection was refused") from error
    winner: list[socket.socket] = []
    async with trio.open_nursery() as nursery:

        async def attempt(address: Address, failed: trio.Event) -> None:
            try:
                sock = await _connect_one(address)
            except OSError:
                failed.set()
                return
            if winner:
                sock.close()
            winner.append(sock)
            nursery.cancel_scope.cancel()

        for address in addresses:
            failed = trio.Event()
            nursery.start_soon(attempt, address, failed)
            with trio.move_on_after(NEXT_ADDRESS_S):
                await failed.wait()
    if not winner:
        raise DialFailed("refused", "the connection was refused")
    return winner[0]
