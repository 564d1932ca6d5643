"""Files that are there whole or not at all: temporary file in the same folder, flush, rename, flush of the folder.

Errors of the disk become one sentence with the place and the next step. This module refuses to know what it writes.
"""

import errno
import os
import pwd
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconciler.errors import StateError

__all__ = [
    "LEFTOVER_S",
    "disk_errors",
    "disk_step",
    "make_directory",
    "remove_leftovers",
    "replace_file",
    "replace_link",
    "sync_directory",
]

TEMPORARY: Final = ".ptctl-tmp-"
"""Beginning of the names of unfinished files."""

LEFTOVER_S: Final = 6 * 3600.0
"""What is unfinished for so long belongs to nobody any more: no run lasts that long."""

_NEXT_STEPS: Final = {
    errno.ENOSPC: "free some space, then run again",
    errno.EDQUOT: "raise the quota, then run again",
    errno.EROFS: "mount the state directory writable, or name another with $PTCTL_STATE",
}


@contextmanager
def disk_errors(what: str, path: Path) -> Iterator[None]:
    """Turns an OSError into StateError: "cannot write ledger /x/ledger.json: no space left on device"."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StateError(f"cannot {what} {path}: {reason}", next_step=disk_step(error, path)) from error


def disk_step(error: OSError, path: Path) -> str | None:
    """What to do when the disk refused something at `path`; None where no advice fits. Names whose the place is."""
    if error.errno not in {errno.EACCES, errno.EPERM}:
        return _NEXT_STEPS.get(error.errno or 0)
    ours, owner = os.geteuid(), None
    for place in (path, *path.parents):
        with suppress(OSError):
            owner = place.stat().st_uid
            break
    else_ = "or name a state directory of your own with $PTCTL_STATE"
    if owner is None or owner == ours:
        return f"give this user write access, {else_}"
    return f"it belongs to {_user(owner)} and this is {_user(ours)}: run as {_user(owner)}, {else_}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"  # a container's user need not have a name


def make_directory(path: Path, mode: int = 0o755) -> None:
    """The directory, with its parents; its mode is set when it is made. Raises StateError."""
    with disk_errors("make directory", path):
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True, mode=mode)


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> bool:
    """Make `path` hold `data`; a reader sees the old or the new content, never a mixture. False: it held it already.

    Raises StateError; then the old content stands and no temporary file is left.
    """
    with suppress(OSError):
        if path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
            return False
    make_directory(path.parent)
    temporary = _temporary(path)
    with disk_errors("write", path):
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            try:
                os.fchmod(handle, mode)
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
    return True


def remove_leftovers(state: Path) -> None:
    """Remove the unfinished files that killed processes left in the state directory, `LEFTOVER_S` after they were begun.

    Younger ones may be somebody's at work: `plan` and `serve` write without the lock. What cannot be removed stays.
    """
    for folder in (state, state / "artifacts", state / "cache", state / "private"):
        for left in folder.glob(f"{TEMPORARY}*"):
            with suppress(OSError):
                if time.time() - left.lstat().st_mtime <= LEFTOVER_S:
                    continue
                if left.is_dir() and not left.is_symlink():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()


def replace_link(path: Path, target: str) -> None:
    """Make the symbolic link `path` point to `target` in one step. Raises StateError; then the old link stands."""
    temporary = _temporary(path)
    with disk_errors("switch", path):
        try:
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(target)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Flush a directory's entries, so that a rename survives a power cut. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # some network file systems cannot, and need not
            raise
    finally:
        os.close(handle)


def _temporary(path: Path) -> Path:
    # Random, because a process id is not enough: containers that share a volume are all process 1.
    return path.with_name(f"{TEMPORARY}{os.urandom(8).hex()}")
