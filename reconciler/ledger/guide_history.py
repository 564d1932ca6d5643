"""`<state>/state.db`, table `guide_history`: how long each channel's guide has been empty (design.md 5).

A run that publishes writes it, `plan` never does: looking often must not make a channel's empty days pass faster. This
module refuses to judge; `lineups.pruning` does.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from reconciler.catalog.guide_prune import PruneHistory
from reconciler.errors import StateError
from reconciler.ledger.atomic import make_directory

__all__ = ["STATE_DB", "load_history", "save_history"]

STATE_DB: Final = "state.db"
BUSY_S: Final = 5.0
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS guide_history"
    " (channel TEXT PRIMARY KEY, empty_runs INTEGER NOT NULL, guide TEXT NOT NULL, pruned INTEGER NOT NULL)"
)


def load_history(state: Path) -> dict[str, PruneHistory]:
    """The history by channel id; empty before the first run. Raises StateError for a broken database."""
    if not (state / STATE_DB).exists():
        return {}
    with _opened(state) as db:
        rows = db.execute("SELECT channel, empty_runs, guide, pruned FROM guide_history").fetchall()
    return {channel: PruneHistory(runs, guide, bool(pruned)) for channel, runs, guide, pruned in rows}


def save_history(state: Path, history: Mapping[str, PruneHistory]) -> None:
    """Replace the history in one transaction. Raises StateError."""
    make_directory(state)
    with _opened(state) as db:
        db.execute("DELETE FROM guide_history")
        rows = [(c, h.empty_runs, h.guide, int(h.pruned)) for c, h in sorted(history.items())]
        db.executemany("INSERT INTO guide_history VALUES (?, ?, ?, ?)", rows)


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
