"""Which ledger was the newest here, so that an older copy, or one of another lineage, is told from it (design.md 5).

A restored ledger would give numbers away that were given since, and forget DVRs that were made since. What was written
last is kept in `state.db`; where that file was lost, the last run's journal says at least what that run began with. This
module refuses to judge a ledger that is not there: a lost one is built again by `ptctl adopt --rebuild`.
"""

from pathlib import Path
from typing import Final, NamedTuple

from reconciler import state_db
from reconciler.errors import StalePlan, StateError
from reconciler.ledger.journal import read_run, run_numbers
from reconciler.ledger.model import Ledger

__all__ = ["Newest", "newest", "note", "refuse_older"]

_TABLE: Final = "CREATE TABLE IF NOT EXISTS ledger_seen (lineage TEXT NOT NULL, serial INTEGER NOT NULL)"


class Newest(NamedTuple):
    """Lineage and serial of the newest ledger that was seen."""

    lineage: str
    serial: int


def newest(state: Path) -> Newest | None:
    """The newest ledger that was seen here, None before the first. Raises StateError for a broken `state.db`."""
    rows = state_db.rows(state, "ledger_seen", "SELECT lineage, serial FROM ledger_seen")
    if rows:
        return Newest(str(rows[-1][0]), int(rows[-1][1]))
    for number in reversed(run_numbers(state)):
        try:
            head = read_run(state, number).head
        except StateError:
            continue
        if "ledger_lineage" in head:
            # "": it began without a ledger and made one, of which nothing else is known
            lineage = str(head["ledger_lineage"])
            return Newest(lineage, int(head["ledger_serial"])) if lineage else None
    return None


def note(state: Path, ledger: Ledger) -> None:
    """This ledger was written: it is the newest from now on. Raises StateError."""
    with state_db.written(state, _TABLE) as db:
        db.execute("DELETE FROM ledger_seen")
        db.execute("INSERT INTO ledger_seen VALUES (?, ?)", (ledger.lineage, ledger.serial))


def refuse_older(state: Path, ledger: Ledger, seen: Newest | None) -> None:
    """Raises StalePlan (exit 5) for a ledger older than `seen` or of another lineage.

    Ask for `seen` before the ledger is read: a run that ends between the two makes both newer.
    """
    if seen is None or not ledger.lineage:
        return
    path = state / "ledger.json"
    if ledger.lineage != seen.lineage:
        raise StalePlan(
            f"{path} is of another lineage: {ledger.lineage}, and {seen.lineage} was kept here",
            moved=("ledger lineage",),
            next_step=f"put the ledger of lineage {seen.lineage} back; if it is lost, move {path} away and run"
            "  ptctl adopt --rebuild;  another home needs another state directory ($PTCTL_STATE)",
        )
    if ledger.serial < seen.serial:
        raise StalePlan(
            f"{path} is an older copy: serial {ledger.serial}, and {seen.serial} was written here",
            moved=("ledger serial",),
            next_step=f"put the copy with serial {seen.serial} back; if it is lost, move {path} away and run"
            "  ptctl adopt --rebuild",
        )
