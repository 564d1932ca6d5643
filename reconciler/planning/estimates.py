"""How long a run will take, from how long earlier ones took: the median, and said so. Never a constant.

This module refuses to read journals: it gets their figures.
"""

from collections.abc import Sequence
from statistics import median
from typing import Final

from reconciler.planning.inputs import Estimate
from reconciler.wording import plural

__all__ = ["LOADING", "RUNS", "estimate_of"]

RUNS: Final = 10
"""How many earlier runs with guide loads are counted."""
LOADING: Final = frozenset({"create-dvr", "load-guide", "enable-channels"})
"""Kinds of actions whose time is that of a guide load."""


def estimate_of(seconds: Sequence[Sequence[float]]) -> Estimate | None:
    """The estimate from the seconds of loading actions, one list for each earlier run that had any; None without."""
    if not seconds:
        return None
    each = median(second for run in seconds for second in run)
    count = len(seconds)
    return Estimate(each, f"median of {plural(count, 'run')}: {each:.0f} s each")
