"""Several ways to one stream: the first alone, the others raced, the first that plays wins.

The first way is given its own deadline, because it is the best one and racing costs a provider connection. Once it has
failed, ways follow each other at once on a failure and after a second on silence, side by side as far as the account
allows. Losers are cancelled and their connections closed before this returns. This module refuses to keep scores: it
tells a listener what happened.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from reconciler.serving.attempt import Attempt, AttemptFailed, Won
from reconciler.serving.pool import Lease
from reconciler.serving.settings import Terms
from reconciler.serving.ways import Way

__all__ = ["AllFailed", "race", "refusal_code"]

FULL: Final = frozenset({"pool", "limit"})


@dataclass(slots=True)
class AllFailed(Exception):
    """No way plays. `failures` in the order they failed."""

    failures: list[AttemptFailed]


def refusal_code(failures: Sequence[AttemptFailed]) -> int:
    """The HDHomeRun error that tells a viewer why (hdhomerun.md 2.10)."""
    causes = {failure.cause for failure in failures}
    if causes == {"pool"}:
        return 805
    if "limit" in causes:
        return 809
    if any(f.connected and f.cause not in {"denied", "status", "missing", "busy"} for f in failures):
        return 807
    return 806


async def race(
    attempt: Attempt,
    ways: Sequence[Way],
    terms: Callable[[Way], Terms],
    *,
    within_s: float,
    race_s: float,
    told: Callable[[Way, AttemptFailed | None], None],
    held: Callable[[Lease], None],
) -> Won:
    """The first way that plays. Raises AllFailed when none does within the limit. `told` hears of each outcome, `held`
    of each connection.
    """
    failures: list[AttemptFailed] = []
    won: Won | None = None
    with trio.move_on_after(within_s) as whole:
        if ways:
            # The best way is alone, and needs no task of its own: this is what every good tune waits for.
            won = await _one(attempt, ways[0], terms, told, held, failures)
        if won is None and len(ways) > 1:
            won = await _several(attempt, ways[1:], terms, told, held, failures, race_s)
    if won is not None:
        return won
    if whole.cancelled_caught:
        failures.append(AttemptFailed("timeout", f"no stream within {within_s:g} s", connected=True))
    raise AllFailed(failures)


async def _one(
    attempt: Attempt,
    way: Way,
    terms: Callable[[Way], Terms],
    told: Callable[[Way, AttemptFailed | None], None],
    held: Callable[[Lease], None],
    failures: list[AttemptFailed],
) -> Won | None:
    try:
        won = await attempt.make(way, terms(way), held=held)
    except AttemptFailed as error:
        told(way, error)
        failures.append(error)
        return None
    told(way, None)
    return won


async def _several(
    attempt: Attempt,
    ways: Sequence[Way],
    terms: Callable[[Way], Terms],
    told: Callable[[Way, AttemptFailed | None], None],
    held: Callable[[Lease], None],
    failures: list[AttemptFailed],
    race_s: float,
) -> Won | None:
    winner: list[Won] = []
    try:
        async with trio.open_nursery() as nursery:

            async def run(way: Way, ended: trio.Event) -> None:
                won = await _one(attempt, way, terms, told, held, failures)
                ended.set()
                if won is None:
                    return
                if winner:  # two won in the same moment
                    won.upstream.close()
                    attempt.pool.release(won.lease)
                    return
                winner.append(won)
                nursery.cancel_scope.cancel()

            for way in ways:
                # A full account has been waited for once; on its other hosts it would only be waited for again.
                if any(f.cause in FULL for f in failures) and not attempt.pool.obtainable(way.accounts):
                    continue
                ended = trio.Event()
                nursery.start_soon(run, way, ended)
                with trio.move_on_after(race_s):
                    await ended.wait()
        # Cancelled in the moment the last of them won, the nursery ends without a word of it.
        await trio.lowlevel.checkpoint_if_cancelled()
    except BaseException:
        # Cancelled from outside in the moment one won: nobody would ever give its lease back.
        for won in winner:
            won.upstream.close()
            attempt.pool.release(won.lease)
        raise
    return winner[0] if winner else None
