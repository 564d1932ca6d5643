"""Listening sockets: bound by name of who listens, accepted within bounds, closed when no longer wanted.

A port that is taken is the operator's to solve, so the error names port and DVR. Accepting has a ceiling: beyond it a
new connection is closed at once, which keeps descriptors for those who are served already (SEC-2). This module refuses
to read from a connection.
"""

import errno
import ipaddress
import logging
import resource
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from reconciler.errors import OperatorError
from reconciler.serving.wire import Wire

__all__ = ["Acceptor", "bind", "parse_address", "raise_file_limit"]

log = logging.getLogger(__name__)

BACKLOG: Final = 1024
SPARE_FILES: Final = 256
MOST_CONNECTIONS: Final = 16_384
EXHAUSTED_PAUSE_S: Final = 0.1
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
USER_TIMEOUT_MS: Final = 30_000
"""Data that the other side has not acknowledged for so long ends the connection."""


def raise_file_limit() -> int:
    """Let this process have as many descriptors as the system allows. Returns how many connections that permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > soft:
        wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError):
            log.debug("the limit of open files stays at %d", soft)
    return max(64, min(MOST_CONNECTIONS, soft - SPARE_FILES))


def parse_address(text: str, default_host: str) -> tuple[str, int]:
    """`host:port`, `[v6]:port` or a bare port as (host, port). Raises OperatorError."""
    bare = text.rpartition("://")[2].rstrip("/")
    host, colon, port = bare.rpartition(":")
    if not colon:
        host, port = default_host, bare
    if not (port.isascii() and port.isdigit() and len(port) < 6) or int(port) > 65_535:
        raise OperatorError(f"'{text}' is no address to listen on", next_step="write host:port")
    return host.strip("[]") or default_host, int(port)


def bind(host: str, port: int, who: str) -> socket.socket:
    """A listening socket. Raises OperatorError that names the port and who wanted it."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        version = 4
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit these
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OperatorError(
            f"port {port} on {host} is not free for {who}: {error.strerror}",
            next_step=f"stop what listens on port {port} (ss -ltnp 'sport = :{port}'), or give {who} another",
        ) from error
    return sock


class Acceptor:
    """Accepts for all listeners of the process, within one ceiling; half of it at most for one address.

    At the ceiling a newcomer takes the place of the oldest connection on which no request is under way, so that a house
    full of silent connections still has room for a viewer.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 0
        self._peers: Counter[str] = Counter()
        self._all: dict[Wire, trio.CancelScope] = {}

    async def run(
        self, sock: socket.socket, handle: Callable[[Wire], Awaitable[None]], nursery: trio.Nursery
    ) -> None:
        """Accept until cancelled, then close `sock`. Each connection is a task of `nursery` and may outlive this."""
        try:
            while True:
                await trio.lowlevel.wait_readable(sock)
                await self._accept_waiting(sock, nursery, handle)
        finally:
            trio.lowlevel.notify_closing(sock)
            sock.close()

    async def _accept_waiting(
        self, sock: socket.socket, nursery: trio.Nursery, handle: Callable[[Wire], Awaitable[None]]
    ) -> None:
        while True:
            try:
                client, address = sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    log.warning("cannot accept: %s", error.strerror)
                    await trio.sleep(EXHAUSTED_PAUSE_S)
                    return
                continue  # the client had gone before it was accepted
            peer = str(address[0])
            full = self.open >= self._most
            if (full or self._peers[peer] >= self._most // 2) and not self._make_room("" if full else peer):
                client.close()
                continue
            client.settimeout(0)
            wire = Wire(client, peer)
            self._all[wire] = trio.CancelScope()
            self.open += 1
            self._peers[peer] += 1
            nursery.start_soon(self._one, wire, self._all[wire], handle)

    def _make_room(self, peer: str) -> bool:
        """End the oldest silent connection (of `peer`, or of anybody). False: all of them are at work."""
        for wire, scope in self._all.items():
            if wire.silent and (not peer or wire.peer == peer):
                scope.cancel()
                self._leave(wire)
                return True
        return False

    def _leave(self, wire: Wire) -> None:
        if self._all.pop(wire, None) is None:
            return  # its place was given to another
        wire.close()
        self.open -= 1
        self._peers[wire.peer] -= 1
        if not self._peers[wire.peer]:
            del self._peers[wire.peer]

    async def _one(
        self, wire: Wire, scope: trio.CancelScope, handle: Callable[[Wire], Awaitable[None]]
    ) -> None:
        try:
            with scope:
                await handle(wire)
        except trio.ClosedResourceError:
            pass  # closed to make room, while it waited
        except Exception:  # a task's border: one connection must not end the others
            log.exception("a connection from %s ended by a fault of ours", wire.peer)
        finally:
            self._leave(wire)
