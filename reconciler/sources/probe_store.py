"""`<state>/state.db`, table `probes`: what was found of each channel and when (PVL-1).

Measurements, not decisions: whoever loses this file loses the time to measure again. It holds no address and no
credential. This module refuses to judge; `probe_outcome` does.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from reconciler.errors import StateError
from reconciler.sources.probe_outcome import Known

__all__ = ["STATE_DB", "forget", "load_probes", "save_probes"]

STATE_DB: Final = "state.db"
BUSY_S: Final = 5.0
_COLUMNS: Final = ", ".join(f'"{f.name}"' for f in fields(Known))
_TABLE: Final = """CREATE TABLE IF NOT EXISTS probes (
    "channel" TEXT PRIMARY KEY, "outcome" TEXT NOT NULL, "checked" REAL NOT NULL, "of" TEXT NOT NULL,
    "cause" TEXT NOT NULL, "detail" TEXT NOT NULL, "first_bad" REAL NOT NULL, "last_bad" REAL NOT NULL)"""


def load_probes(state: Path) -> dict[str, Known]:
    """All that is known, by channel id; nothing before the first probe. Raises StateError for a broken database."""
    if not (state / STATE_DB).exists():
        return {}
    with _opened(state) as db:
        rows = db.execute(f"SELECT {_COLUMNS} FROM probes").fetchall()  # noqa: S608 - the names are our own fields
    return {row[0]: Known(*row) for row in rows}


def save_probes(state: Path, found: Iterable[Known]) -> None:
    """Add or replace these, in one transaction. Raises StateError."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = [astuple(one) for one in found]
    marks = ", ".join("?" * len(fields(Known)))
    with _opened(state) as db:
        db.executemany(f"INSERT OR REPLACE INTO probes ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608


def forget(state: Path, *, before: float) -> int:
    """Remove what was last checked before a moment (channels long gone); how many. Raises StateError."""
    with _opened(state) as db:
        return db.execute('DELETE FROM probes WHERE "checked" < ?', (before,)).rowcount


@contextmanager
def _opened(state: Path) -> Iterator[sqlite3.Connection]:
    path = state / STATE_DB
    try:
        db = sqlite3.connect(path, timeout=BUSY_S)
        try:
            with db:
                db.execute(_TABLE)
                yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StateError(
            f"{path} cannot be used: {error}",
            next_step=f"move {path} away: it holds measurements, which are made anew",
        ) from error
