"""`<state>/artifacts/<generation>/`: staged, named by content, published by one rename and one switched link.

A reader that follows `current` sees the old generation or the new one, never a mixture; files of a published
generation are never changed. Unchanged content touches nothing. Where streams come from is private and lies beside
(`<state>/private/routes.json`, mode 0600), written before the switch. The caller holds the lock. This module refuses
to know what the files mean.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from reconciler.errors import StateError
from reconciler.ledger.atomic import (
    LEFTOVER_S,
    TEMPORARY,
    disk_errors,
    make_directory,
    replace_file,
    replace_link,
    sync_directory,
)

__all__ = [
    "KEEP",
    "Published",
    "carry_over",
    "current",
    "current_path",
    "discard",
    "finish",
    "generations",
    "held",
    "publish",
    "release",
    "rollback",
    "routes_path",
    "stage",
    "staging",
    "write",
]

KEEP: Final = 5
"""How many generations stay, the current one included: enough to go back over a bad night."""

_ARTIFACTS: Final = "artifacts"
_CURRENT: Final = "current"
_HELD: Final = "held"
_STAGING: Final = "staging-"


@dataclass(frozen=True, slots=True)
class Published:
    """What `publish` did. `changed` False: it was current already. `held`: a rollback holds, nothing was published."""

    generation: str
    changed: bool
    previous: str = ""
    held: str = ""


def stage(state: Path) -> Path:
    """An empty directory to build a generation in. What killed runs left behind is removed. Raises StateError.

    Runs without the lock stage too (`plan`), also in containers where every process has the same pid: names are unique,
    and only what is older than any run may last is taken for a leftover.
    """
    cache = state / "cache"
    make_directory(cache)
    with disk_errors("write", cache):
        for left in cache.glob(f"{_STAGING}*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > LEFTOVER_S:
                    discard(left)
        staged = Path(tempfile.mkdtemp(prefix=_STAGING, dir=cache))
        staged.chmod(0o755)  # it becomes the published directory, which other users' `serve` may read
        return staged


def discard(staged: Path) -> None:
    """Remove a staged directory. Missing is fine; what cannot be removed is left for the next run."""
    shutil.rmtree(staged, ignore_errors=True)


@contextmanager
def staging(state: Path) -> Iterator[Path]:
    """`stage` for a block: whatever was not published at its end is removed."""
    staged = stage(state)
    try:
        yield staged
    finally:
        discard(staged)


def write(staged: Path, name: str, data: bytes) -> None:
    """Write one file of the generation (`news/lineup.json`). Raises StateError."""
    path = staged / name
    make_directory(path.parent)
    with disk_errors("write", path):
        path.unlink(missing_ok=True)  # it may be a link to a published file
        path.write_bytes(data)


def carry_over(state: Path, staged: Path, slug: str) -> bool:
    """Take one DVR's files from the current generation as they are. False: there are none.

    Hard links where the file system has them: published files are never changed, and guides are large.
    """
    source = current_path(state)
    if source is None or not (source / slug).is_dir():
        return False
    target = staged / slug
    make_directory(target)
    with disk_errors("carry over", target):
        for path in sorted((source / slug).rglob("*")):
            copy = target / path.relative_to(source / slug)
            if path.is_dir():
                copy.mkdir(exist_ok=True)
                continue
            copy.unlink(missing_ok=True)
            try:
                copy.hardlink_to(path)
            except OSError:
                shutil.copy2(path, copy)
    return True


def finish(staged: Path, known: Mapping[str, str] | None = None) -> str:
    """The generation's id: 16 hex digits of the SHA-256 over all file names and digests, sorted.

    `known` are SHA-256 (hex) by name of files that need not be read again.
    """
    total = hashlib.sha256()
    with disk_errors("read", staged):
        for path in sorted(p for p in staged.rglob("*") if p.is_file()):
            name = path.relative_to(staged).as_posix()
            digest = (known or {}).get(name) or _digest(path)
            total.update(f"{name}\0{digest}\n".encode())
    return total.hexdigest()[:16]


def publish(
    state: Path, staged: Path, generation: str, routes: bytes, *, keep: int = KEEP, repair: bool = False
) -> Published:
    """Make the staged files current under their id, with their routes. Older generations beyond `keep` are removed.

    If they are current already, neither files nor link are touched, and the routes only if they differ; but with `repair`
    the files on disk, which somebody has changed, are exchanged for the staged ones. While a rollback is held nothing is
    published. The staged directory is gone afterwards. Raises StateError (disk full, read-only); then `current` is what it
    was.
    """
    before = current(state) or ""
    repair = repair and before == generation  # of a held one as well: it keeps its bytes
    if (hold := held(state)) and not repair:
        discard(staged)
        return Published(before, changed=False, previous=before, held=hold)
    if before == generation and not repair:
        discard(staged)
        _write_routes(state, generation, routes)
        return Published(generation, changed=False, previous=before)
    make_directory(state / _ARTIFACTS)
    target = state / _ARTIFACTS / generation
    if target.is_dir() and finish(target) != generation:
        _remove(target)  # somebody wrote into it: content and name no longer agree
    if target.is_dir():
        discard(staged)
    else:
        with disk_errors("publish", target):
            _flush(staged)
            staged.rename(target)
            sync_directory(target.parent)
    _write_routes(state, generation, routes)
    _switch(state, generation)
    _prune(state, keep)
    return Published(generation, changed=True, previous=before)


def current(state: Path) -> str | None:
    """The id of the published generation, or None before the first."""
    try:
        return Path((state / _ARTIFACTS / _CURRENT).readlink()).name
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StateError(f"cannot read {state / _ARTIFACTS / _CURRENT}: {reason}") from error


def current_path(state: Path) -> Path | None:
    """The directory of the published generation, its link resolved so that one reader stays with one generation."""
    generation = current(state)
    return None if generation is None else state / _ARTIFACTS / generation


def generations(state: Path) -> list[str]:
    """All generations that are kept, the latest published first."""
    folder = state / _ARTIFACTS
    try:
        found = [p for p in folder.iterdir() if p.is_dir() and not p.is_symlink() and _is_id(p.name)]
        return [p.name for p in sorted(found, key=lambda p: (-p.stat().st_mtime_ns, p.name))]
    except FileNotFoundError:
        return []


def held(state: Path) -> str:
    """The generation that `rollback --hold` holds, or ""."""
    try:
        return (state / _ARTIFACTS / _HELD).read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StateError(f"cannot read {state / _ARTIFACTS / _HELD}: {reason}") from error


def rollback(state: Path, generation: str = "", *, hold: bool = False) -> Published:
    """Publish an earlier generation at once; without one named, the one published before the current.

    Its routes come back with it. With `hold` no refresh replaces it until `release`. Raises StateError if it is not
    there any more.
    """
    before = current(state) or ""
    order = generations(state)
    if not generation:
        earlier = order[order.index(before) + 1 :] if before in order else order
        if not earlier:
            raise StateError("there is no earlier generation to go back to")
        generation = earlier[0]
    if generation not in order:
        raise StateError(
            f"generation {generation} is not kept any more; kept are {', '.join(order) or 'none'}",
            next_step="ptctl rollback " + (order[0] if order else ""),
        )
    if hold:
        replace_file(state / _ARTIFACTS / _HELD, f"{generation}\n".encode())
    elif held(state):
        release(state)
    if generation == before:
        return Published(generation, changed=False, previous=before, held=held(state))
    routes = _kept_routes(state, generation)
    if routes is not None:
        _write_routes(state, generation, routes)
    _switch(state, generation, touch=False)
    return Published(generation, changed=True, previous=before, held=held(state))


def release(state: Path) -> bool:
    """End a hold; the next refresh publishes again. False: nothing was held."""
    path = state / _ARTIFACTS / _HELD
    with disk_errors("remove", path):
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_directory(path.parent)
    return True


def routes_path(state: Path) -> Path:
    """Where the routes of the current generation lie."""
    return state / "private" / "routes.json"


def _kept_routes(state: Path, generation: str) -> bytes | None:
    with disk_errors("read", state / "private"):
        try:
            return (state / "private" / f"routes-{generation}.json").read_bytes()
        except FileNotFoundError:
            return None


def _write_routes(state: Path, generation: str, routes: bytes) -> None:
    """The current routes, and a copy under the generation's name for a rollback to it."""
    make_directory(state / "private", 0o700)
    replace_file(state / "private" / f"routes-{generation}.json", routes, 0o600)
    replace_file(routes_path(state), routes, 0o600)


def _switch(state: Path, generation: str, *, touch: bool = True) -> None:
    folder = state / _ARTIFACTS
    if touch:
        with disk_errors("publish", folder / generation):
            os.utime(folder / generation)  # its age is when it was published last
    replace_link(folder / _CURRENT, generation)


def _prune(state: Path, keep: int) -> None:
    """Remove what nobody needs any more. Failing is no error: the new generation is published already."""
    now = current(state)
    kept = {now, *[g for g in generations(state) if g != now][: max(0, keep - 1)]}
    for generation in generations(state):
        if generation not in kept:
            _remove(state / _ARTIFACTS / generation)
    with suppress(OSError):
        for path in (state / "private").glob("routes-*.json"):
            if path.stem.removeprefix("routes-") not in kept:
                path.unlink(missing_ok=True)


def _remove(directory: Path) -> None:
    """Rename first, so that no half-removed generation stands under an id."""
    doomed = directory.with_name(f"{TEMPORARY}{directory.name}")
    with suppress(OSError):
        directory.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _flush(directory: Path) -> None:
    for path in directory.rglob("*"):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_directory(directory)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_id(name: str) -> bool:
    return len(name) == 16 and all(c in "0123456789abcdef" for c in name)
