"""`<state>/state.db`, table `probes`: what was found of each channel and when (PVL-1).

Measurements, not decisions: whoever loses this file loses the time to measure again. It holds no address and no
credential. This module refuses to judge; `probe_outcome` does.
"""

from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from reconciler import state_db
from reconciler.sources.probe_outcome import Known

__all__ = ["forget", "load_probes", "save_probes"]

_COLUMNS: Final = ", ".join(f'"{f.name}"' for f in fields(Known))
_TABLE: Final = """CREATE TABLE IF NOT EXISTS probes (
    "channel" TEXT PRIMARY KEY, "outcome" TEXT NOT NULL, "checked" REAL NOT NULL, "of" TEXT NOT NULL,
    "cause" TEXT NOT NULL, "detail" TEXT NOT NULL, "first_bad" REAL NOT NULL, "last_bad" REAL NOT NULL)"""


def load_probes(state: Path) -> dict[str, Known]:
    """All that is known, by channel id; nothing before the first probe. Raises StateError for a broken database."""
    found = state_db.rows(state, "probes", f"SELECT {_COLUMNS} FROM probes")  # noqa: S608 - our own field names
    return {row[0]: Known(*row) for row in found}


def save_probes(state: Path, found: Iterable[Known]) -> None:
    """Add or replace these, in one transaction. Raises StateError."""
    rows = [astuple(one) for one in found]
    marks = ", ".join("?" * len(fields(Known)))
    with state_db.written(state, _TABLE) as db:
        db.executemany(f"INSERT OR REPLACE INTO probes ({_COLUMNS}) VALUES ({marks})", rows)  # noqa: S608


def forget(state: Path, *, before: float) -> int:
    """Remove what was last checked before a moment (channels long gone); how many. Raises StateError."""
    with state_db.written(state, _TABLE) as db:
        return db.execute('DELETE FROM probes WHERE "checked" < ?', (before,)).rowcount
