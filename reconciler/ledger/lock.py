"""One run at a time: `flock` on `<state>/lock`, held per run.

The kernel frees the lock when its holder dies and keeps it for a live holder in another PID namespace, so no pid is
ever asked about; the text in the file (who, what, since) is information only. A file system whose locks do not lock is
refused. This module refuses to wait longer than it is told, and to break a lock.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.errors import LockHeld, StateError
from reconciler.ledger.atomic import disk_errors, make_directory, remove_leftovers

__all__ = ["LOCK", "hold", "holder"]

LOCK: Final = "lock"
POLL_S: Final = 0.1

_BUSY: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK})


@contextmanager
def hold(
    state: Path,
    who: str,
    what: str,
    *,
    since: str,
    wait_s: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock while the block runs. `since` is the ISO second now, for whoever finds it held.

    What killed runs left unfinished is removed first.

    Raises LockHeld at once (or after `wait_s` seconds, asking ten times a second; `on_wait` is told the holder once),
    StateError where the file system has no locks or the directory is read-only. Blocks the thread while it waits; a
    signal's exception ends the wait.
    """
    make_directory(state)
    path = state / LOCK
    with disk_errors("open", path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        told = False
        while not _locked(handle, path):
            if time.monotonic() >= deadline:
                text = holder(state) or "another run"
                raise LockHeld(f"the lock is held by {text}", next_step=_next_step(wait_s))
            if on_wait is not None and not told:
                on_wait(holder(state) or "another run")
                told = True
            time.sleep(min(POLL_S, max(0.0, deadline - time.monotonic())))
        _prove(path)
        with disk_errors("write", path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{who}: {what}, since {since}\n".encode(), 0)
        remove_leftovers(state)
        try:
            yield
        finally:
            with suppress(OSError):  # the text is information only
                os.ftruncate(handle, 0)
    finally:
        os.close(handle)  # frees the lock


def holder(state: Path) -> str:
    """Who says to hold the lock, what for and since when; "" where nobody says so. Never proof of anything."""
    try:
        return (state / LOCK).read_text("utf-8", "replace").strip()[:300]
    except OSError:
        return ""


def _locked(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return False
        raise _no_locks(path) from error
    return True


def _prove(path: Path) -> None:
    """A second handle must be refused; on file systems that only pretend it is not."""
    with disk_errors("open", path):
        other = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if _locked(other, path):
            raise _no_locks(path)
    finally:
        os.close(other)


def _no_locks(path: Path) -> StateError:
    return StateError(
        f"the file system of {path} has no working locks",
        next_step="put the state directory on a local disk, or on a network file system with locks",
    )


def _next_step(wait_s: float) -> str:
    return "wait for it to end, or let this run wait: --wait 10m" if not wait_s else "wait for it to end"
