"""What probes found, as values, and the rules about it: who is due, what a channel's tries add up to, when to stop.

Three outcomes (SMK-2): good, bad, and inconclusive, which keeps the channel: a busy account, a refused login, a time
spent say nothing about a stream. Taking channels away is what this must never do lightly: runs in which too much fails
change nothing (SMK-4: "0 of 44", "0 of 281" were the provider's bad day). Pure functions; this module refuses to connect
and to remember.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from reconciler.lineups.manifest import Alternative

__all__ = [
    "Known",
    "Outcome",
    "Subject",
    "Tried",
    "breaker_fires",
    "due",
    "fingerprint",
    "judged_bad",
    "known_after",
    "summed_up",
]

Outcome = Literal["good", "bad", "inconclusive"]
BREAKER_FLOOR: Final = 5
"""With fewer streams tried the threshold is taken of this many: one dead channel out of one is no outage."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A channel to try: its id, its name, and its alternatives in order."""

    channel: str
    name: str
    alternatives: tuple[Alternative, ...]
    radio: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What one try, or all tries of a channel together, came to. `detail` is a short sentence without secrets."""

    outcome: Outcome
    cause: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a channel. Times in seconds since 1970; `first_bad` and `last_bad` 0: never since it was good.

    `of` tells whether the channel's addresses are still those that were tried.
    """

    channel: str
    outcome: Outcome
    checked: float
    of: str
    cause: str = ""
    detail: str = ""
    first_bad: float = 0.0
    last_bad: float = 0.0


def fingerprint(subject: Subject) -> str:
    """A digest of what would be tried: sources, stream ids and addresses (with placeholders), whatever their order."""
    places = sorted(json.dumps([a.source, a.kind, a.key, a.url, *a.more_urls]) for a in subject.alternatives)
    return hashlib.sha256("\n".join(places).encode()).hexdigest()[:16]


def summed_up(tries: Sequence[Tried]) -> Tried:
    """A channel's outcome: good if any alternative is; bad only if all are; else inconclusive (SMK-6)."""
    for wanted in ("good", "inconclusive", "bad"):
        for one in tries:
            if one.outcome == wanted:
                return one
    return Tried("inconclusive", "", "nothing to try")


def due(
    subjects: Iterable[Subject], known: Mapping[str, Known], *, now: float, every_s: float
) -> list[Subject]:
    """New, changed and expired ones (SMK-5): never tried first, then the longest ago."""
    waiting: list[tuple[float, str, Subject]] = []
    for subject in subjects:
        before = known.get(subject.channel)
        if before is None or before.of != fingerprint(subject):
            waiting.append((0.0, subject.channel, subject))
        elif now - before.checked >= every_s:
            waiting.append((before.checked, subject.channel, subject))
    return [subject for _, _, subject in sorted(waiting, key=lambda w: w[:2])]


def known_after(before: Known | None, subject: Subject, tried: Tried, *, now: float) -> Known:
    """What is remembered after a try. An inconclusive one leaves an earlier verdict as it was."""
    of = fingerprint(subject)
    same = before is not None and before.of == of
    if tried.outcome == "inconclusive" and before is not None and same and before.outcome != "inconclusive":
        return before
    first_bad = last_bad = 0.0
    if tried.outcome == "bad":
        was_bad = before is not None and same and before.outcome == "bad"
        first_bad = before.first_bad if before is not None and was_bad else now
        last_bad = now
    return Known(subject.channel, tried.outcome, now, of, tried.cause, tried.detail, first_bad, last_bad)


def breaker_fires(*, tried: int, newly_bad: int, threshold: float) -> bool:
    """Whether so many fail that it must be the provider, not the channels. `threshold` is a fraction of 1."""
    return newly_bad > threshold * max(tried, BREAKER_FLOOR)


def judged_bad(
    subjects: Iterable[Subject], known: Mapping[str, Known], *, now: float, expire_s: float
) -> dict[str, Known]:
    """Channels whose last verdict is bad, still about the same addresses, and not expired (PVL-1)."""
    found = {}
    for subject in subjects:
        one = known.get(subject.channel)
        if one and one.outcome == "bad" and one.of == fingerprint(subject) and now - one.last_bad < expire_s:
            found[subject.channel] = one
    return found
