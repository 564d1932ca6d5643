"""Which channels the guides have had nothing for, and for how long: asked only where a DVR says `prune`.

Refuses to remember: the new history goes to whoever publishes.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from reconciler.catalog.guide import coverage
from reconciler.catalog.guide_bytes import open_guide
from reconciler.catalog.guide_prune import PruneHistory, good_guide
from reconciler.ledger.guide_history import load_history
from reconciler.lineups.desired import compute
from reconciler.lineups.model import Desired, Verdict
from reconciler.lineups.pruning import GuideSeen, pruned, questions
from reconciler.pipeline.gather import Gathered, Request
from reconciler.spec.model import Spec

__all__ = ["Computed", "History", "desired_state"]

History = Mapping[str, PruneHistory] | None
"""What the run that publishes writes down; None: no DVR prunes."""


class Computed(NamedTuple):
    """The desired state, what is to be remembered of it, and the verdicts it rests on (for a snapshot)."""

    desired: Desired
    history: History
    verdicts: Mapping[str, Verdict]


def desired_state(
    spec: Spec, request: Request, gathered: Gathered, *, today: date, verdicts: Mapping[str, Verdict]
) -> Computed:
    """The desired state, with channels taken out whose guide has been empty long enough.

    Costs a second computation and a pass over each guide that a pruning DVR uses; nothing where none prunes.
    """

    def state_with(more: Mapping[str, Verdict]) -> Desired:
        return compute(
            spec,
            gathered.catalog,
            gathered.guides,
            gathered.ledger,
            today=today,
            allow=frozenset(request.allow),
            renumber=request.renumber,
            verdicts={**more, **verdicts},
        )

    first = state_with({})
    asked = questions(first, request.now)
    if not any(target.dvr.guide.prune for target in first.dvrs):
        return Computed(first, None, verdicts)
    answers = {}
    seen = {}
    for guide, of_dvrs in asked.items():
        path = gathered.guide_files.get(guide)
        if path is None:
            continue
        fresh = gathered.reports[f"guide {guide}"].fetched in {"fresh", "unchanged"}
        seen[guide] = GuideSeen(_digest(path), good=good_guide(gathered.guides[guide], fresh=fresh))
        answers[guide] = coverage(open_guide(path), of_dvrs, shift_s=spec.guides[guide].shift_s)
    found = pruned(first, answers, seen, load_history(Path(spec.state)))
    desired = state_with(found.verdicts) if found.verdicts else first
    return Computed(desired, found.history, {**found.verdicts, **verdicts})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
