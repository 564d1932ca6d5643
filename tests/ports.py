"""Ports for tests that choose one and hand it to a server that starts later: nobody else takes it in between.

The system gives connections and servers without a wish of their own any port of its own range (32,768 and up); these lie below.
Each test process of this machine has a block of them to itself, held by a lock on a file, and gives each out once.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["free_block", "free_port", "locked"]

FIRST: Final = 10_000
LAST: Final = 31_999
BLOCK: Final = 1_000


@contextmanager
def locked(port: int) -> Iterator[Callable[[], bool]]:
    """Asks for a port, or for the block that begins with it, among all test processes of this machine: what comes with the
    block is true once it is this one's, and to be called until then. Leaving lets it go.
    """
    folder = Path(tempfile.gettempdir()) / f"ptctl-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    with (folder / str(port)).open("wb") as held:

        def ours() -> bool:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        yield ours


class Ports:
    """The ports of this process, handed out one after the other; after the last one from the first again."""

    def __init__(self) -> None:
        for first in range(FIRST, LAST, BLOCK):
            held = ExitStack()
            if held.enter_context(locked(first))():
                self._held = held  # until the process ends
                break
            held.close()
        else:
            raise AssertionError("more than twenty test processes run at once")
        self._first = self._next = first

    def block(self, length: int) -> tuple[int, int]:
        """The first and the last of so many in a row, none of them in use now."""
        for _ in range(BLOCK):
            if self._next + length > self._first + BLOCK:
                self._next = self._first
            begin, end = self._next, self._next + length
            taken = next((port for port in range(begin, end) if _in_use(port)), None)
            if taken is None:
                self._next = end
                return begin, end - 1
            self._next = taken + 1
        raise AssertionError("no free ports")


def _in_use(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return True
    return False


@cache
def _own() -> Ports:
    return Ports()


def free_block(length: int) -> tuple[int, int]:
    """The first and the last of so many ports in a row that nobody has, and that this process gives out once."""
    return _own().block(length)


def free_port() -> int:
    """One port that nobody has, and that this process gives out once."""
    return free_block(1)[0]
