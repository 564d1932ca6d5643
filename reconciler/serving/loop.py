"""The continuous run of `serve`: when to refresh and reconcile, never twice at once, never too often.

    async with trio.open_nursery() as nursery:
        loop = Loop(job, Rhythm(every_s=6 * 3600, jitter_s=1200))
        nursery.start_soon(loop.run)
        loop.ask("SIGHUP")

Whatever asks (the clock, a signal, a webhook, a start without artifacts) rings one bell: triggers that come while a run is
under way become one further run (STM-3). A run that fails is tried again after a pause that doubles up to an hour, or
`every_s` where that is less, and a share of chance on top. While runs are suspended none begins; one that became due meanwhile begins afterwards. The job itself runs elsewhere (a child process): parsing a gigabyte of guide must not share the relay's
thread. This module refuses to know what a run does.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import trio

from reconciler.wording import plural

__all__ = ["MINIMUM_S", "Job", "Loop", "Rhythm"]

log = logging.getLogger(__name__)

MINIMUM_S: Final = 60.0
"""Between the beginnings of two runs, whoever asks: providers take more for abuse (iptv-streams.md B4)."""
FIRST_RETRY_S: Final = 60.0
MOST_RETRY_S: Final = 3600.0
"""A Plex that was away over night is found within the hour. Each try asks the providers too, and more often than hourly is
what the spec's own rhythm is warned about (STM-6)."""
RETRY_JITTER: Final = 0.2
"""Up to so much of a retry's pause is added: what failed for many at once is not asked by all at once again."""
HELD_LOOK_S: Final = 1.0
MOST_DOUBLINGS: Final = 32
"""Far above any rhythm; a loop that fails for weeks must not compute a number that no float holds."""

Job = Callable[[str], Awaitable[bool]]
"""Given the cause; True when the run did what it should."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often. `every_s` 0: only when asked. `jitter_s` is added at random, so that thousands do not call at once."""

    every_s: float
    jitter_s: float = 0.0
    minimum_s: float = MINIMUM_S
    first_retry_s: float = FIRST_RETRY_S


class Loop:
    """Runs the job when it is due or asked for. One task runs it; anybody may ask."""

    def __init__(
        self,
        job: Job,
        rhythm: Rhythm,
        *,
        chance: Callable[[], float] = random.random,
        held: Callable[[], str] = lambda: "",
    ) -> None:
        self._job = job
        self._rhythm = rhythm
        self._chance = chance
        self._held = held
        """Why no run may begin now, "" where one may. Asked once a second while one is due."""
        self._causes: list[str] = []
        self._bell = trio.Event()
        self._failures = 0
        self.runs = 0

    def ask(self, cause: str) -> None:
        """Want a run soon. Asked again before it begins, it is still one run."""
        if cause not in self._causes:
            self._causes.append(cause)
        self._bell.set()

    async def run(self) -> None:
        """For ever. Cancelling ends a waiting loop at once and cancels a running job."""
        began = -self._rhythm.minimum_s + trio.current_time()
        while True:
            await self._wait(began)
            await trio.sleep_until(began + self._rhythm.minimum_s)
            await self._let()
            causes, self._causes = self._causes or ["schedule"], []
            self._bell = trio.Event()
            began = trio.current_time()
            self.runs += 1
            try:
                done = await self._job(", ".join(causes))
            except Exception:  # one failed run must not end the loop; the next one is due
                log.exception("a run ended unexpectedly")
                done = False
            self._failures = 0 if done else self._failures + 1
            if self._failures and self._rhythm.every_s:
                log.info(
                    "%s in a row without success; the next begins %g min after the last began, or when asked",
                    plural(self._failures, "run"),
                    round(self._pause_s() / 60, 1),
                )

    async def _wait(self, began: float) -> None:
        """Until somebody asks, or the next run is due."""
        pause = self._pause_s()
        with trio.move_on_at(began + pause if pause else float("inf")):
            await self._bell.wait()

    async def _let(self) -> None:
        """Until a run may begin."""
        said = ""
        while why := self._held():
            if why != said:
                log.info("a run is due (%s) and waits: %s", ", ".join(self._causes) or "schedule", why)
                said = why
            await trio.sleep(HELD_LOOK_S)

    def _pause_s(self) -> float:
        rhythm = self._rhythm
        if self._failures and rhythm.every_s:
            doublings = min(self._failures - 1, MOST_DOUBLINGS)
            pause_s = min(rhythm.every_s, MOST_RETRY_S, rhythm.first_retry_s * 2.0**doublings)
            return pause_s * (1 + RETRY_JITTER * self._chance())
        return rhythm.every_s + rhythm.jitter_s * self._chance() if rhythm.every_s else 0.0
