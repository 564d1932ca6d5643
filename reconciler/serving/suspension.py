"""A time without runs: `serve`'s loop begins none until then, and everybody is told why.

    {"reason": "provider moves house", "for": "2h"}     what is asked for
    Suspension(reason, since, until)                    what is kept

Runs that somebody starts by hand go on as ever, and so does everything that is served. Pure: the time is given. This module
refuses to keep anything: `suspending` does.
"""

import json
import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeGuard, cast

from reconciler.spec.values import Refused, duration

__all__ = ["Suspension", "asked_for", "suspension_bytes", "suspension_of"]

FORMAT: Final = "ptctl-suspension/1"
MOST_S: Final = 30 * 86400.0
"""Lists and guides of a month ago serve nobody; who wants no runs at all has `serve.refresh`."""
LATEST: Final = 253_402_300_799
"""The last second that a date can name (year 9999)."""
REASON_CHARS: Final = 200
FOR: Final = duration("h", least_s=1.0, most_s=MOST_S)


@dataclass(frozen=True, slots=True)
class Suspension:
    """One suspension. `since` and `until` in seconds since 1970, `reason` one line of at most 200 characters."""

    reason: str
    since: int
    until: int

    def holds(self, now: float) -> bool:
        """Whether it is in force at `now` (seconds since 1970)."""
        return now < self.until

    def __str__(self) -> str:
        """For people: `suspended until 2026-11-30T14:00:00Z: provider moves house`."""
        return f"suspended until {datetime.fromtimestamp(self.until, UTC):%Y-%m-%dT%H:%M:%SZ}: {self.reason}"


def asked_for(body: bytes, now: float) -> Suspension | str:
    """The suspension that a request's body asks for, beginning now; or what is wrong with it, for whoever asked."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return 'the body has to be JSON: {"reason": "why", "for": "2h"}'
    if not isinstance(said, dict) or not said.keys() <= {"reason", "for"}:
        return 'the body has to be {"reason": "why", "for": "2h"} and nothing else'
    reason = said.get("reason")
    if not _is_reason(reason):
        return f'"reason" has to be one line of 1 to {REASON_CHARS} characters'
    length = said.get("for")
    if not isinstance(length, str) or not FOR.fits(length):
        return f'"for" has to be {FOR.what}'
    try:
        seconds = cast("float", FOR.parse(length))
    except Refused as error:
        return f'"for": {error.summary} ({error.label})'
    return Suspension(reason.strip(), int(now), math.ceil(now + seconds))


def suspension_bytes(suspension: Suspension) -> bytes:
    """What is kept in a file."""
    return (json.dumps({"format": FORMAT, **asdict(suspension)}, indent=1) + "\n").encode()


def suspension_of(data: bytes) -> Suspension:
    """What a file holds. Raises ValueError where it is not as `suspension_bytes` writes it."""
    try:
        kept: Any = json.loads(data)  # Any: JSON
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    reason, since, until = kept.get("reason"), kept.get("since"), kept.get("until")
    if not _is_reason(reason):
        raise ValueError("it gives no reason of one line")
    if not (
        type(since) is int and type(until) is int and 0 <= since < until <= min(LATEST, since + MOST_S + 1)
    ):
        raise ValueError("its times are no times")
    return Suspension(reason, since, until)


def _is_reason(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value.strip()) <= REASON_CHARS and value.strip().isprintable()
