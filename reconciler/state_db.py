"""`<state>/state.db`: opening it, for everybody who keeps a table there (design.md 5).

Probes, guide history and host health are measurements: whoever loses the file loses the time to make them again. What is
the newest ledger that was seen is there as well, with the journal as a second witness. Tables are made by whoever first
writes them: looking leaves the file as it is. This module refuses to know what the tables hold.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from reconciler.errors import StateError

__all__ = ["STATE_DB", "rows", "written"]

STATE_DB: Final = "state.db"
BUSY_S: Final = 5.0
"""So long another process may hold the file before that is an error."""


def rows(state: Path, table: str, query: str) -> list[tuple[Any, ...]]:  # Any: SQLite's own values
    """What `query` gives; nothing where the file or `table` is not there yet. Raises StateError for a broken file."""
    if not (state / STATE_DB).exists():
        return []
    with _connected(state) as db:
        known = db.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
        ).fetchone()
        return db.execute(query).fetchall() if known else []


@contextmanager
def written(state: Path, definition: str) -> Iterator[sqlite3.Connection]:
    """The open database inside one transaction, with the table of `definition` (a CREATE TABLE IF NOT EXISTS).

    Makes directory and file where they are missing. Raises StateError; then nothing of the block is kept.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StateError(
            f"cannot make directory {state}: {(error.strerror or str(error)).lower()}"
        ) from error
    with _connected(state) as db:
        db.execute(definition)
        yield db


@contextmanager
def _connected(state: Path) -> Iterator[sqlite3.Connection]:
    path = state / STATE_DB
    try:
        db = sqlite3.connect(path, timeout=BUSY_S)
        try:
            with db:
                yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StateError(
            f"{path} cannot be used: {error}",
            next_step=f"move {path} away: it holds measurements, which are made anew",
        ) from error
