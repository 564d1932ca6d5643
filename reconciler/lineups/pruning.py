"""Channels whose guide has been empty for long: what to ask the guides, and what the answers mean for the lineups.

    questions(desired, now)                       -> what to ask each guide, per DVR with `prune`
    pruned(desired, answers, guides_seen, history) -> verdicts for `compute`, and the history to keep

Only channels that a guide tells are judged, by guides that are good today; `catalog.guide_prune` has the rule. This
module refuses to read guides and to keep the history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.catalog.guide_index import Coverage, CoverageQuestion
from reconciler.catalog.guide_prune import PruneHistory, PruneObserved, decide
from reconciler.lineups.model import Desired, Verdict

__all__ = ["Answers", "GuideSeen", "Pruned", "pruned", "questions"]

Answers = Mapping[str, Mapping[str, Mapping[str, Coverage]]]
"""Coverage by guide, DVR and XMLTV id: `catalog.guide.coverage` per guide."""


@dataclass(frozen=True, slots=True)
class GuideSeen:
    """One guide of this run. `identity` differs between two guides (a digest); `good`: `catalog.guide_prune.good_guide`."""

    identity: str
    good: bool


@dataclass(frozen=True, slots=True)
class Pruned:
    """Verdicts by channel id for `compute`, and the history by channel id for the next run."""

    verdicts: Mapping[str, Verdict]
    history: Mapping[str, PruneHistory]


def questions(desired: Desired, now: float) -> dict[str, dict[str, CoverageQuestion]]:
    """By guide and DVR name: what `coverage` is to be asked. Guides that no pruned DVR uses are left out."""
    asked: dict[str, dict[str, CoverageQuestion]] = {}
    for target in desired.dvrs:
        prune = target.dvr.guide.prune
        if prune is None:
            continue
        question = CoverageQuestion(now, now + prune.empty_for_s, prune.unavailable)
        for row in target.lineup.rows:
            if row.channel.link is not None:
                asked.setdefault(row.channel.link.guide, {})[target.record.name] = question
    return asked


def pruned(
    desired: Desired,
    answers: Answers,
    guides: Mapping[str, GuideSeen],
    history: Mapping[str, PruneHistory],
) -> Pruned:
    """What becomes of every channel of a DVR with `prune`. `desired` is computed without verdicts of pruning, so that
    channels that are out today are judged as well and can come back.
    """
    verdicts: dict[str, Verdict] = {}
    after: dict[str, PruneHistory] = {}
    for target in desired.dvrs:
        options = target.dvr.guide.prune
        if options is None:
            continue
        observed = {}
        for row in target.lineup.rows:
            link = row.channel.link
            if link is None:
                continue
            seen = guides.get(link.guide, GuideSeen("", good=False))
            of = answers.get(link.guide, {}).get(target.record.name, {})
            coverage = of.get(link.xmltv_id, Coverage()) if seen.good else None
            observed[row.channel.id] = PruneObserved(coverage, seen.identity)
        for id_, verdict in decide(history, observed, options).items():
            after[id_] = verdict.history
            if verdict.scope:
                effect: Literal["off", "out"] = "off" if verdict.scope == "guide" else "out"
                verdicts[id_] = Verdict(effect, "guide", verdict.reason)
    return Pruned(verdicts, dict(sorted(after.items())))
