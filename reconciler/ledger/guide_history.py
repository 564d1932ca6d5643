"""`<state>/state.db`, table `guide_history`: how long each channel's guide has been empty (design.md 5).

A run that publishes writes it, `plan` never does: looking often must not make a channel's empty days pass faster. This
module refuses to judge; `lineups.pruning` does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from reconciler import state_db
from reconciler.catalog.guide_prune import PruneHistory

__all__ = ["load_history", "save_history"]

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS guide_history"
    " (channel TEXT PRIMARY KEY, empty_runs INTEGER NOT NULL, guide TEXT NOT NULL, pruned INTEGER NOT NULL)"
)


def load_history(state: Path) -> dict[str, PruneHistory]:
    """The history by channel id; empty before the first run. Raises StateError for a broken database."""
    found = state_db.rows(
        state, "guide_history", "SELECT channel, empty_runs, guide, pruned FROM guide_history"
    )
    return {channel: PruneHistory(runs, guide, bool(pruned)) for channel, runs, guide, pruned in found}


def save_history(state: Path, history: Mapping[str, PruneHistory]) -> None:
    """Replace the history in one transaction. Raises StateError."""
    with state_db.written(state, _TABLE) as db:
        db.execute("DELETE FROM guide_history")
        rows = [(c, h.empty_runs, h.guide, int(h.pruned)) for c, h in sorted(history.items())]
        db.executemany("INSERT INTO guide_history VALUES (?, ?, ?, ?)", rows)
