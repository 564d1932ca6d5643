"""Counters of the stream path, kept as plain numbers so that counting costs nothing; `metrics` turns them into text.

This module refuses to format and to know of Prometheus.
"""

from bisect import bisect_left
from collections import Counter
from typing import Final

__all__ = ["FIRST_BYTE_BOUNDS_S", "Measures"]

FIRST_BYTE_BOUNDS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 9.0)


class Measures:
    """Counted since the start of the process."""

    def __init__(self) -> None:
        self.refusals: Counter[int] = Counter()
        self.endings: Counter[str] = Counter()
        self.sent_bytes = 0
        self.switches: Counter[str] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()
        self.first_byte: list[int] = [0] * (len(FIRST_BYTE_BOUNDS_S) + 1)
        self.first_byte_sum_s = 0.0

    def refused(self, code: int) -> None:
        """A viewer got an HDHomeRun error."""
        self.refusals[code] += 1

    def left(self, why: str, sent_bytes: int) -> None:
        """A viewer's stream ended."""
        self.endings[why] += 1
        self.sent_bytes += sent_bytes

    def tuned(self, seconds: float) -> None:
        """An upstream gave its first packets so long after it was wanted."""
        self.first_byte[bisect_left(FIRST_BYTE_BOUNDS_S, seconds)] += 1
        self.first_byte_sum_s += seconds

    def switched(self, cause: str) -> None:
        """A running stream went to another way."""
        self.switches[cause or "unknown"] += 1

    def attempt_failed(self, source: str, cause: str) -> None:
        """A way did not play."""
        self.failures[source, cause] += 1
