"""The loop of `serve`: due in time, never twice at once, triggers coalesce, failures back off. Virtual time, no sockets."""

import logging
from collections.abc import Callable
from functools import partial

import pytest
import trio
import trio.testing

from reconciler.serving.loop import Loop, Rhythm

HOUR = 3600.0


def run_for(seconds: float, main: Callable[[trio.Nursery], "None"], loop: Loop) -> None:
    """Run the loop in virtual time; `main` starts whatever else happens."""

    async def whole() -> None:
        with trio.move_on_after(seconds):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop.run)
                main(nursery)

    trio.run(whole, clock=trio.testing.MockClock(autojump_threshold=0))


class Job:
    """A job that takes its time and remembers when it began and why."""

    def __init__(self, takes_s: float = 10.0, *, works: bool = True) -> None:
        self.takes_s = takes_s
        self.works = works
        self.began: list[tuple[float, str]] = []
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, cause: str) -> bool:
        """Run."""
        self.began.append((trio.current_time(), cause))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await trio.sleep(self.takes_s)
        self.at_once -= 1
        return self.works

    @property
    def gaps(self) -> list[float]:
        """Seconds between the beginnings."""
        return [round(b - a) for (a, _), (b, _) in zip(self.began, self.began[1:], strict=False)]


def test_runs_every_so_often_with_jitter() -> None:
    """Six hours and the chosen share of the jitter lie between two runs."""
    job = Job()
    run_for(30 * HOUR, lambda _: None, Loop(job, Rhythm(6 * HOUR, 1200), chance=lambda: 0.5))
    assert job.gaps
    assert {round(6 * HOUR + 600)} == set(job.gaps)


@pytest.mark.accepts("STM-3")
def test_overlapping_triggers_are_one_run() -> None:
    """A hundred triggers while a run is under way make one further run, a minimum apart, with all causes named."""
    job = Job(takes_s=100)
    loop = Loop(job, Rhythm(0, minimum_s=60))

    async def storm() -> None:
        for number in range(100):
            loop.ask("webhook" if number % 2 else "SIGHUP")
            await trio.sleep(0.5)

    run_for(2 * HOUR, lambda nursery: nursery.start_soon(storm), loop)
    assert 2 == len(job.began)
    assert 1 == job.most_at_once
    assert job.gaps[0] >= 60
    assert {"SIGHUP", "webhook"} == set(job.began[1][1].split(", "))


def test_a_minimum_lies_between_two_runs() -> None:
    """However often somebody asks, runs begin at least a minute apart."""
    job = Job(takes_s=1)
    loop = Loop(job, Rhythm(0, minimum_s=60))

    async def often() -> None:
        while True:
            loop.ask("cron")
            await trio.sleep(5)

    run_for(HOUR, lambda nursery: nursery.start_soon(often), loop)
    assert min(job.gaps) >= 60


def test_failures_back_off_and_success_returns_to_the_rhythm(caplog: pytest.LogCaptureFixture) -> None:
    """60, 120, 240 … seconds, at most the rhythm, and the log says so; one success and it is the rhythm again."""
    caplog.set_level(logging.INFO, "reconciler.serving.loop")
    job = Job(takes_s=0, works=False)
    loop = Loop(job, Rhythm(600, 0, minimum_s=1), chance=lambda: 0)

    async def mended() -> None:
        await trio.sleep(2600)
        job.works = True
        loop.ask("webhook")

    run_for(5000, lambda nursery: nursery.start_soon(mended), loop)
    assert [60, 120, 240, 480, 600] == job.gaps[:5]
    assert [501, 600, 600] == job.gaps[5:8], "asked for, it comes at once; after that it is the rhythm"
    assert "1 run in a row without success; the next begins 1 min after the last began" in caplog.text
    assert "4 runs in a row without success; the next begins 8 min after the last began" in caplog.text
    assert 6 == caplog.text.count("without success")


def test_a_job_that_raises_does_not_end_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged and counts as a failure."""
    calls = []

    async def broken(cause: str) -> bool:
        calls.append(cause)
        raise RuntimeError("boom")

    run_for(400, lambda _: None, Loop(broken, Rhythm(100, minimum_s=1)))
    assert len(calls) > 2
    assert "unexpectedly" in caplog.text


def test_a_plex_that_was_away_is_found_within_the_hour() -> None:
    """A run that goes on failing is tried again each hour at least, however rare the rhythm, and never to the minute."""
    for chance, pauses in (
        (0.0, [1, 2, 4, 8, 16, 32, 60, 60]),
        (1.0, [1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 72, 72]),
    ):
        job = Job(takes_s=0, works=False)
        run_for(12 * HOUR, lambda _: None, Loop(job, Rhythm(6 * HOUR, 1200), chance=partial(float, chance)))
        assert [round(60 * minutes) for minutes in pauses] == job.gaps[:8]


def test_nothing_begins_while_held() -> None:
    """A run that is due waits, whoever asked, for as long as it is held; then it is one run, and the rhythm goes on."""
    job = Job(takes_s=1)
    loop = Loop(
        job,
        Rhythm(HOUR, minimum_s=60),
        held=lambda: "suspended" if 1800 < trio.current_time() - start[0] < 3 * HOUR else "",
    )
    start: list[float] = []

    async def asking() -> None:
        start.append(trio.current_time())
        await trio.sleep(2 * HOUR)
        loop.ask("somebody")

    run_for(5.5 * HOUR, lambda nursery: nursery.start_soon(asking), loop)
    begun = [(round(at - start[0]), cause) for at, cause in job.began]
    assert [(3 * HOUR, "somebody"), (4 * HOUR, "schedule"), (5 * HOUR, "schedule")] == begun


def test_a_loop_that_fails_for_weeks_goes_on() -> None:
    """Two thousand failures in a row: the pause stays at the rhythm."""
    job = Job(takes_s=0, works=False)
    run_for(2000 * 600, lambda _: None, Loop(job, Rhythm(600, minimum_s=1), chance=lambda: 0))
    assert len(job.began) > 1990
    assert {600} == set(job.gaps[5:])
