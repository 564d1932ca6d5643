"""What a lineup was before: the rows last published, or what the ledger alone remembers of them.

This module refuses to read files.
"""

from reconciler.lineups.model import DvrTarget
from reconciler.planning.diff import churn, rows_of_records
from reconciler.planning.inputs import PlanInputs, PublishedRow
from reconciler.planning.model import Counts

__all__ = ["counts_of", "rows_before"]


def counts_of(inputs: PlanInputs, wanted: DvrTarget, old: str) -> Counts:
    """What comes, goes and changes in a DVR that was called `old`."""
    return churn(rows_before(inputs, old), wanted.lineup.rows, wanted.causes)


def rows_before(inputs: PlanInputs, name: str) -> tuple[PublishedRow, ...]:
    """The rows of the DVR that was called `name`."""
    if name in inputs.before:
        return inputs.before[name]
    return rows_of_records(r for r in inputs.world.ledger.channels.values() if r.dvr == name)
