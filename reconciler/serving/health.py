"""How well each way to a stream has done lately: a score that failures raise and time lowers.

Health belongs to the attempt (design.md 6): a host that refuses is rested as a host, a channel that is missing there as
this channel on this host, and an account that is full not at all. A score halves every minute, so the first failure
matters for about a minute, the fifth for ten. API health says nothing about stream health (iptv-streams.md B4), so
nobody else writes here. This module refuses to decide what is a failure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from reconciler.serving.pool import MOST_REST_S

__all__ = ["Health"]

HALF_LIFE_S: Final = 60.0
MOST: Final = 1024.0
KEPT: Final = 20_000
RESTED: Final = 0.5


@dataclass(slots=True)
class _Score:
    value: float
    at: float
    good: int = 0
    bad: int = 0
    last: str = ""
    rested_until: float = 0.0


class Health:
    """Scores by key: a host of a source, or a channel on it."""

    def __init__(self, now: Callable[[], float] = trio.current_time) -> None:
        self._scores: dict[tuple[str, ...], _Score] = {}
        self._now = now

    def penalty(self, key: tuple[str, ...]) -> float:
        """0 for a way that is well or unknown; above 0.5 it is tried last."""
        score = self._scores.get(key)
        if score is None:
            return 0.0
        value = score.value * 0.5 ** ((self._now() - score.at) / HALF_LIFE_S)
        value = max(value, RESTED) if score.rested_until > self._now() else value
        return value if value >= RESTED else 0.0

    def failed(self, key: tuple[str, ...], cause: str) -> None:
        """Note a failure: each one in a row doubles how long it is felt."""
        score = self._of(key)
        score.value = min(MOST, max(1.0, 2.0 * self.penalty(key)))
        score.at = self._now()
        score.bad += 1
        score.last = cause

    def rest(self, key: tuple[str, ...], wait_s: float) -> None:
        """A host said when to come back (`Retry-After`): until then it is tried after the others."""
        self._of(key).rested_until = self._now() + min(MOST_REST_S, wait_s)

    def resting_s(self, key: tuple[str, ...]) -> float:
        """How long a host still wants to be left alone; 0 where it does not."""
        score = self._scores.get(key)
        return 0.0 if score is None else max(0.0, score.rested_until - self._now())

    def worked(self, key: tuple[str, ...]) -> None:
        """Note a success: the past is forgiven."""
        score = self._of(key)
        score.value, score.at, score.rested_until = 0.0, self._now(), 0.0
        score.good += 1

    def table(self, length: int) -> list[dict[str, object]]:
        """The scores of keys with `length` parts, for pages and metrics."""
        return [
            {
                "key": "/".join(key),
                "penalty": round(self.penalty(key), 2),
                "good": score.good,
                "bad": score.bad,
                "last": score.last,
            }
            for key, score in sorted(self._scores.items())
            if len(key) == length
        ]

    def _of(self, key: tuple[str, ...]) -> _Score:
        score = self._scores.get(key)
        if score is None:
            if len(self._scores) >= KEPT:  # the oldest half goes: they have decayed anyway
                for old in sorted(self._scores, key=lambda k: self._scores[k].at)[: KEPT // 2]:
                    del self._scores[old]
            score = self._scores[key] = _Score(0.0, self._now())
        return score
