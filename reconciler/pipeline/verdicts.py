"""Which channels are taken out by what was observed: streams that do not play, guides that stay empty.

Bad streams come from probes and blacklists, empty guides are asked for only where a DVR says `prune`. Refuses to probe,
and to remember: the new history goes to whoever publishes.
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
from reconciler.lineups.routes import routes
from reconciler.pipeline.gather import Gathered, Request
from reconciler.planning.allowances import allowances
from reconciler.sources.bad_streams import bad_streams
from reconciler.sources.probes import subjects_of
from reconciler.spec.model import Spec

__all__ = ["Computed", "History", "desired_state"]

History = Mapping[str, PruneHistory] | None
"""What the run that publishes writes down; None: no DVR prunes."""


class Computed(NamedTuple):
    """The desired state, what is to be remembered of it, and the verdicts it rests on (for a snapshot)."""

    desired: Desired
    history: History
    verdicts: Mapping[str, Verdict]


def desired_state(spec: Spec, request: Request, gathered: Gathered, *, today: date) -> Computed:
    """The desired state, without channels whose streams are bad or whose guide has been empty long enough.

    Costs a second computation and a pass over each guide that a pruning DVR uses; nothing where none prunes.
    """
    given = allowances(request.allow, spec.approvals, spent=gathered.ledger.spent, today=today.isoformat())
    allow = frozenset(given.every)

    def state_with(more: Mapping[str, Verdict]) -> Desired:
        return compute(
            spec,
            gathered.catalog,
            gathered.guides,
            gathered.ledger,
            today=today,
            allow=allow,
            renumber=request.renumber,
            verdicts=more,
        )

    first = state_with({})
    bad = _bad_streams(spec, gathered, first, request.now)
    if bad:
        first = state_with(bad)
    asked = questions(first, request.now)
    if not any(target.dvr.guide.prune for target in first.dvrs):
        return Computed(first, None, bad)
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
    out = {**found.verdicts, **bad}
    return Computed(state_with(out) if found.verdicts else first, found.history, out)


def _bad_streams(spec: Spec, gathered: Gathered, desired: Desired, now: float) -> dict[str, Verdict]:
    if spec.probes.mode == "off" and not spec.probes.blacklist:
        return {}
    names = {row.channel.id: row.channel.name for t in desired.dvrs for row in t.lineup.rows}
    ways = routes(spec, desired, gathered.catalog)
    found = bad_streams(spec, ways, subjects_of(ways, names), now=now)
    return {channel: Verdict("out", "probe", why) for channel, why in found.items()}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
