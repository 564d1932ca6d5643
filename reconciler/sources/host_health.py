"""`<state>/state.db`, table `host_health`: which hosts failed lately, so that they are asked last (design.md 5).

Only the order of asking depends on it, never what a plan says: of several hosts that work the first in the spec is the one
that counts. Failures fade by half in an hour. Hosts are kept as digests: some came out of a credential. A measurement that
cannot be kept is lost in silence; it is made again. This module refuses to ask anybody.
"""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciler import state_db
from reconciler.errors import StateError

__all__ = ["Health", "load_health", "order_of", "save_health"]

HALF_LIFE_S: Final = 3600.0
MOST: Final = 8.0
FAILING: Final = 0.5
"""From this score on a host is asked after those that did not fail: an hour after one failure, four hours after eight."""
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS host_health (host TEXT PRIMARY KEY, score REAL NOT NULL, at REAL NOT NULL)"
)

Health = Mapping[str, float]
"""Scores by digest, as of now; a host that is not in it never failed."""


def _digest(host: str) -> str:
    return hashlib.sha256(host.rstrip("/").lower().encode()).hexdigest()[:16]


def load_health(state: Path, *, now: float) -> Health:
    """The scores as of `now` (seconds since 1970). Raises StateError for a broken `state.db`."""
    rows = state_db.rows(state, "host_health", "SELECT host, score, at FROM host_health")
    return {host: score * 0.5 ** (max(0.0, now - at) / HALF_LIFE_S) for host, score, at in rows}


def order_of(hosts: Sequence[str], health: Health) -> list[int]:
    """Indexes of `hosts` in the order of asking: as listed, those that failed lately last, the worst at the end."""
    scores = [health.get(_digest(host), 0.0) for host in hosts]
    return sorted(range(len(hosts)), key=lambda i: (scores[i] if scores[i] >= FAILING else 0.0, i))


def save_health(state: Path, before: Health, outcomes: Mapping[str, bool], *, now: float) -> None:
    """Keep how hosts answered (host -> whether it worked). One success forgives everything. Never raises."""
    scores = dict(before)
    for host, worked in outcomes.items():
        key = _digest(host)
        scores[key] = 0.0 if worked else min(MOST, scores.get(key, 0.0) + 1.0)
    rows = [(host, score, now) for host, score in sorted(scores.items()) if score > 0.01]
    if not rows and not before:
        return
    with suppress(StateError), state_db.written(state, _TABLE) as db:
        db.execute("DELETE FROM host_health")
        db.executemany("INSERT INTO host_health VALUES (?, ?, ?)", rows)
