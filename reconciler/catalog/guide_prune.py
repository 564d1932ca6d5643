"""When a channel without programmes is taken out, and when it comes back.

    decide(history, observed, options) -> channel id -> PruneVerdict

One empty guide proves nothing: providers publish broken ones. A channel goes only when several good guides in a row had
nothing for it, and returns with the first that has something. What was seen is kept by the caller between runs
(`PruneHistory` goes in, a new one comes out in each verdict). This module refuses to read guides, to count the same guide
twice, and to take a guide that failed for one that is empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.catalog.guide_index import Coverage, GuideIndex
from reconciler.spec.model import Prune

__all__ = ["PruneHistory", "PruneObserved", "PruneVerdict", "decide", "good_guide"]


@dataclass(frozen=True, slots=True)
class PruneHistory:
    """What earlier runs saw of one channel: how many good guides in a row had nothing, and which was the last counted.

    `guide` is any text that differs between two guides (a digest). `pruned` is the last verdict.
    """

    empty_runs: int = 0
    guide: str = ""
    pruned: bool = False


@dataclass(frozen=True, slots=True)
class PruneObserved:
    """What this run's guide says of one channel in the next `empty_for_s` seconds.

    `coverage` None: not known, because the guide failed, is stale, damaged or empty as a whole (`good_guide`).
    """

    coverage: Coverage | None
    guide: str


@dataclass(frozen=True, slots=True)
class PruneVerdict:
    """What becomes of one channel. `scope` "" keeps it; `reason` is for the plan, "" when there is nothing to say."""

    scope: Literal["", "guide", "lineup"]
    reason: str
    history: PruneHistory

    @property
    def pruned(self) -> bool:
        """Whether the channel is taken out of anything."""
        return self.scope != ""


def good_guide(index: GuideIndex, *, fresh: bool) -> bool:
    """Whether a guide may count against channels: had this time, whole, and with programmes in it (EPG-1)."""
    return fresh and not index.damaged and any(index.programmes.values())


def decide(
    history: Mapping[str, PruneHistory], observed: Mapping[str, PruneObserved], options: Prune
) -> dict[str, PruneVerdict]:
    """A verdict for each observed channel, in the order of their ids.

    Channels that are not observed (no guide tells them) get none. Asking twice with the same guide changes nothing.
    """
    return {
        channel: _verdict(history.get(channel, PruneHistory()), observed[channel], options)
        for channel in sorted(observed)
    }


def _verdict(before: PruneHistory, seen: PruneObserved, options: Prune) -> PruneVerdict:
    coverage = seen.coverage
    if coverage is None:
        reason = "its guide is not good today: the last verdict stands" if before.pruned else ""
        return PruneVerdict(options.scope if before.pruned else "", reason, before)
    if coverage.programmes:
        reason = "its guide has programmes again" if before.pruned else ""
        return PruneVerdict("", reason, PruneHistory(0, seen.guide))
    counted = before.guide == seen.guide and (before.empty_runs > 0 or before.pruned)
    runs = before.empty_runs if counted else before.empty_runs + 1
    # Once out it stays out until there is something, whatever becomes of `runs` in the spec.
    pruned = before.pruned or runs >= options.runs
    what = "only unavailable programmes" if coverage.unavailable else "no programmes"
    span = f"in the next {_span(options.empty_for_s)}"
    if pruned:
        reason = f"{what} {span}, {runs} good guides in a row"
    else:
        reason = f"{what} {span}: {runs} of {options.runs} good guides"
    return PruneVerdict(options.scope if pruned else "", reason, PruneHistory(runs, seen.guide, pruned))


def _span(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{seconds:g} seconds"
