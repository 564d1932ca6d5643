"""One client's connection as a plain non-blocking socket that trio waits on.

A layer of stream objects costs as much as the relaying itself (performance.md 1), so the stream path works on the
socket. This module refuses to know of HTTP. A client that takes nothing for a minute is an OSError;
waiting for it to say something has its caller's limit.
"""

import contextlib
import os
import socket
from errno import ETIMEDOUT
from typing import Final

import trio

__all__ = ["Wire"]

SENDFILE_BYTES: Final = 1 << 20
WRITE_STALL_S: Final = 60.0
LINGER_S: Final = 1.0
LINGER_BYTES: Final = 1 << 20


class Wire:
    """A connected non-blocking socket. Errors are OSError; cancelling is safe and leaves the socket open."""

    __slots__ = ("peer", "silent", "sock")

    def __init__(self, sock: socket.socket, peer: str = "") -> None:
        self.sock = sock
        self.peer = peer
        self.silent = True
        """No request is under way: the connection may be ended to make room for another."""

    async def receive(self, limit_bytes: int) -> bytes:
        """What has arrived, at least one byte; nothing (b"") when the other side has ended."""
        while True:
            try:
                data = self.sock.recv(limit_bytes)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self.sock)
            else:
                # No full checkpoint: whoever answers has one in `send_all`, and this is the way to every first byte.
                await trio.lowlevel.checkpoint_if_cancelled()
                return data

    async def send_all(self, data: bytes | memoryview) -> None:
        """All of `data`. Returns when the kernel has it."""
        view = memoryview(data)
        while True:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                await self._writable()
            if not view:
                break
        await trio.lowlevel.checkpoint()

    async def send_file(self, file: int, offset: int, count: int) -> int:
        """`count` bytes of the open file, copied by the kernel (S3). Returns how many went out: less at its end."""
        sent = 0
        while sent < count:
            try:
                step = os.sendfile(self.sock.fileno(), file, offset + sent, min(SENDFILE_BYTES, count - sent))
            except BlockingIOError:
                await self._writable()
                continue
            if step == 0:
                break
            sent += step
            await trio.lowlevel.checkpoint()
        return sent

    async def linger(self) -> None:
        """Say that nothing more comes, and take what the client still sends for a moment.

        Closing with unread bytes resets the connection, and the reset may overtake the answer.
        """
        with contextlib.suppress(OSError), trio.move_on_after(LINGER_S):
            self.sock.shutdown(socket.SHUT_WR)
            stray = 0
            while stray < LINGER_BYTES and (data := await self.receive(65_536)):
                stray += len(data)

    async def _writable(self) -> None:
        with trio.move_on_after(WRITE_STALL_S) as scope:
            await trio.lowlevel.wait_writable(self.sock)
        if scope.cancelled_caught:
            raise TimeoutError(ETIMEDOUT, "the client takes nothing")

    def close(self) -> None:
        """Close it, waking whoever waits on it. Harmless when closed already."""
        if self.sock.fileno() != -1:
            trio.lowlevel.notify_closing(self.sock)
            self.sock.close()
