"""What the state directory tells pages: the ledger, the latest run, and how old the sources' copies are.

Everything is read only, in a worker thread, and again only when a file changed: a look that finds nothing new costs a
handful of `stat`s. What is not there or cannot be read is None, which pages show as unknown. This module refuses to
write, to lock, and to judge.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import trio

from reconciler.errors import PtctlError
from reconciler.ledger.journal import Run, read_run, run_numbers
from reconciler.ledger.model import Ledger
from reconciler.ledger.store import LEDGER, load

__all__ = ["CopySeen", "Recorded", "Records"]

log = logging.getLogger(__name__)

COPY_FORMAT: Final = "ptctl-list/"
MOST_HEAD_BYTES: Final = 4 << 20
MOST_COPIES: Final = 500


@dataclass(frozen=True, slots=True)
class CopySeen:
    """One list or guide in the cache. `fetched_at` is when it was last found to be current, seconds since 1970."""

    name: str
    fetched_at: float
    count: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """All that was read. `ledger` None: there is none or it cannot be read; `run` likewise.

    `lists` are by source, in the order of their names; `guides` likewise.
    """

    ledger: Ledger | None = None
    run: Run | None = None
    lists: Mapping[str, tuple[CopySeen, ...]] = field(default_factory=dict)
    guides: tuple[CopySeen, ...] = ()


_Mark = tuple[int, int, int]
"""What tells one content of a file from the next: inode, size, time of the last change (ns)."""


class Records:
    """The state directory of this `serve`. Holds the parsed ledger (a few MB for thousands of channels) once asked."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._limiter = trio.CapacityLimiter(1)
        self._kept: dict[Path, tuple[_Mark, Any]] = {}  # Any: what the file's own reader made of it

    async def read(self, sources: Iterable[str]) -> Recorded:
        """What is known now. `sources` are the names whose copies matter. Never raises for what a file holds."""
        names = tuple(sources)
        return await trio.to_thread.run_sync(self._read, names, limiter=self._limiter)

    def _read(self, sources: tuple[str, ...]) -> Recorded:
        ledger = self._kept_or(self._state / LEDGER, lambda _: load(self._state))
        lists = self._copies(self._state / "cache" / "lists")
        by_source = {name: tuple(c for c in lists if c.name.rpartition(".")[0] == name) for name in sources}
        return Recorded(ledger, self._run(), by_source, self._copies(self._state / "cache" / "guides"))

    def _run(self) -> Run | None:
        try:
            numbers = run_numbers(self._state)
        except PtctlError as error:
            log.warning("%s", error)
            return None
        if not numbers:
            return None
        number = numbers[-1]
        path = self._state / "runs" / f"{number}.jsonl"
        for old in [p for p in self._kept if p.parent == path.parent and p != path]:
            del self._kept[old]
        run: Run | None = self._kept_or(path, lambda _: read_run(self._state, number))
        return run

    def _copies(self, folder: Path) -> tuple[CopySeen, ...]:
        try:
            paths = sorted(p for p in folder.iterdir() if p.suffix == ".json" and not p.name.startswith("."))
        except OSError:
            return ()
        found = [self._kept_or(path, _copy) for path in paths[:MOST_COPIES]]
        return tuple(copy for copy in found if copy is not None)

    def _kept_or(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """What `read` makes of a file, kept until the file changes; None where it cannot be read."""
        try:
            stat = path.stat()
        except OSError:
            self._kept.pop(path, None)
            return None
        mark = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        kept = self._kept.get(path)
        if kept is not None and kept[0] == mark:
            return kept[1]
        try:
            value = read(path)
        except (PtctlError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("cannot read %s: %s", path, error)
            value = None
        self._kept[path] = (mark, value)
        return value


def _copy(path: Path) -> CopySeen | None:
    """The head of a copy; None for other small facts kept beside them."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        raw = json.loads(file.read(MOST_HEAD_BYTES)) if size <= MOST_HEAD_BYTES else {}
    if not str(raw.get("format", "")).startswith(COPY_FORMAT) or "fetched_at" not in raw:
        return None
    return CopySeen(path.name.removesuffix(".json"), float(raw["fetched_at"]), int(raw.get("count", 0)))
