"""A provider's socket poured into a viewer's by the kernel, past the process (splice(2)): no byte is copied.

For a lone viewer that takes more than a channel plays, so that nothing is kept for others anyway: a recording fetched
at full speed. Each stretch is looked at where it begins, and what is not in order there stays in the socket, for the
copying path to read and judge. This module refuses to know of packets and to wait.
"""

import contextlib
import fcntl
import os
import socket
from typing import Final

__all__ = ["POURED_BYTES", "Pipe"]

POURED_BYTES: Final = 1 << 20
"""The most that a pipe takes at once: what the system lets anybody have (pipe(7), pipe-max-size)."""


class Pipe:
    """Holds what has left one socket and not reached the other. Errors are OSError. Close it."""

    __slots__ = ("_in", "_out")

    def __init__(self) -> None:
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(
            OSError
        ):  # this user has many large pipes already: a small one works as well
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, POURED_BYTES)

    def take(self, sock: socket.socket, most_bytes: int) -> int:
        """Move what has arrived into the pipe: how much. 0 at the end of the connection."""
        return os.splice(sock.fileno(), self._in, most_bytes, flags=os.SPLICE_F_NONBLOCK)

    def give(self, sock: socket.socket, most_bytes: int) -> int:
        """Move bytes from the pipe to a socket: how many. BlockingIOError when it is full."""
        return os.splice(self._out, sock.fileno(), most_bytes, flags=os.SPLICE_F_NONBLOCK)

    def read(self, count: int) -> bytes:
        """The next `count` bytes of what is held, into memory."""
        data = b""
        while len(data) < count:
            data += os.read(self._out, count - len(data))
        return data

    def close(self) -> None:
        """Lose what is held. Harmless twice."""
        if self._in >= 0:
            os.close(self._in)
            os.close(self._out)
            self._in = self._out = -1
