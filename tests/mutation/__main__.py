"""`python -m tests.mutation [MODULE…]`: how many small faults of the pure core the tests notice.

Tests are collected once and run once, to learn which lines each of them reaches. Then each mutant gets a process of its
own (a fork), in which the functions' code is exchanged and the tests that reach its line run, quickest first, until one
fails. So a mutant costs milliseconds instead of a start of pytest; that is what the programs of the package index
cannot do, and why this is 200 lines of our own. Faults of a module's constants reach everybody who imported them; class bodies are left alone.
"""

import argparse
import importlib
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import Mutant, mutants

__all__ = ["TARGETS", "Outcome", "Score", "scores"]

ROOT: Final = Path(__file__).resolve().parents[2]
LEAST: Final = 0.85
"""The share of mutants that must be noticed."""
QUICK_CPU_S: Final = 1.0
"""Tests that take longer (with every line of the module noted) play no part: each survivor would run them again."""
SLACK_S: Final = 5.0
"""A mutant that takes so much longer than its tests did is noticed: it does not end."""

TARGETS: Final[dict[str, tuple[str, ...]]] = {
    "reconciler.catalog.guide_match": ("tests/catalog/test_guide_match.py",),
    "reconciler.catalog.playlist": ("tests/catalog/test_playlist.py",),
    "reconciler.lineups.buckets": ("tests/lineups",),
    "reconciler.lineups.claims": ("tests/lineups",),
    "reconciler.lineups.device_ids": ("tests/lineups",),
    "reconciler.lineups.devices": ("tests/lineups",),
    "reconciler.lineups.filters": ("tests/lineups",),
    "reconciler.lineups.identity": ("tests/lineups",),
    "reconciler.lineups.limits": ("tests/lineups",),
    "reconciler.lineups.links": ("tests/lineups",),
    "reconciler.lineups.matching": ("tests/lineups",),
    "reconciler.lineups.merge": ("tests/lineups",),
    "reconciler.lineups.numbering": ("tests/lineups",),
    "reconciler.lineups.outcome": ("tests/lineups",),
    "reconciler.lineups.overrides": ("tests/lineups",),
    "reconciler.lineups.placing": ("tests/lineups",),
    "reconciler.lineups.pruning": ("tests/lineups",),
    "reconciler.lineups.rematch": ("tests/lineups",),
    "reconciler.pipeline.redaction": ("tests/pipeline/test_redaction.py",),
    "reconciler.planning.actions": ("tests/planning",),
    "reconciler.planning.addresses": ("tests/planning",),
    "reconciler.planning.adoption": ("tests/planning",),
    "reconciler.planning.allowances": ("tests/planning",),
    "reconciler.planning.carry": ("tests/planning",),
    "reconciler.planning.changes": ("tests/planning",),
    "reconciler.planning.database": ("tests/planning",),
    "reconciler.planning.departures": ("tests/planning",),
    "reconciler.planning.diff": ("tests/planning",),
    "reconciler.planning.drift": ("tests/planning",),
    "reconciler.planning.estimates": ("tests/planning",),
    "reconciler.planning.fields": ("tests/planning",),
    "reconciler.planning.numbers": ("tests/planning",),
    "reconciler.planning.order": ("tests/planning",),
    "reconciler.planning.plan": ("tests/planning",),
    "reconciler.planning.published": ("tests/planning",),
    "reconciler.planning.renames": ("tests/planning",),
    "reconciler.planning.safety": ("tests/planning",),
    "reconciler.planning.sight": ("tests/planning",),
    "reconciler.planning.staleness": ("tests/planning",),
    "reconciler.planning.swaps": ("tests/planning",),
    "reconciler.planning.targets": ("tests/planning",),
    "reconciler.planning.warnings": ("tests/planning",),
    "reconciler.rendering.ink": ("tests/rendering",),
    "reconciler.secret": ("tests/test_secret.py",),
    "reconciler.wording": ("tests/test_wording.py",),
}
"""Each module and the tests that answer for it: without processes and sockets, so that thousands of rounds are cheap."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A mutant and whether a test noticed it. `reached`: whether any test runs its line."""

    mutant: Mutant
    killed: bool
    reached: bool


@dataclass(slots=True)
class Score:
    """What became of a module's mutants."""

    module: str
    outcomes: list[Outcome] = field(default_factory=list)
    broken: str = ""
    """Why nothing could be measured: a test that fails without any fault."""

    @property
    def killed(self) -> int:
        """Mutants that a test noticed."""
        return sum(o.killed for o in self.outcomes)

    @property
    def share(self) -> float:
        """0 to 1; 0 where nothing could be measured."""
        return 0.0 if self.broken or not self.outcomes else self.killed / len(self.outcomes)


def scores(module: str, tests: Sequence[str], *, jobs: int) -> Score:
    """Run pytest once over `tests` and measure `module` after the collection. Forks; no threads may run yet."""
    judge = _Judge(module, jobs)
    pytest.main(["-n", "0", "-p", "no:cacheprovider", *tests], plugins=[judge])
    return judge.score


class _Judge:
    """A plugin that takes the place of pytest's own loop over the tests."""

    def __init__(self, module: str, jobs: int) -> None:
        self.score = Score(module)
        self._jobs = jobs

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self) -> None:
        # Not at the top: pytest rewrites what its plugins import before anybody else does.
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutation",
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),  # the first failure is enough, nobody reads the smallest
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        module = importlib.import_module(self.score.module)
        assert module.__file__ is not None
        reached: dict[str, set[int]] = {}
        took: dict[str, float] = {}
        for item in session.items:
            begun = time.process_time()
            with _Lines(module.__file__) as lines:
                failed = _fails(item)
            if failed:
                self.score.broken = f"{item.nodeid} fails without any fault"
                return True
            took[item.nodeid] = time.process_time() - begun
            reached[item.nodeid] = lines.seen
        quick = [item for item in session.items if took[item.nodeid] <= QUICK_CPU_S]
        quick.sort(key=lambda item: took[item.nodeid])
        source = Path(module.__file__).read_text("utf-8")
        found = list(mutants(source, module.__file__))
        tasks: list[tuple[Mutant, list[pytest.Item]]] = []
        for mutant in found:
            at = [i for i in quick if reached[i.nodeid] & {mutant.line, mutant.statement}]
            at = at if mutant.in_function else quick
            tasks.append((mutant, at))

        def limit(items: Sequence[pytest.Item]) -> float:
            return 20 * sum(took[i.nodeid] for i in items) + SLACK_S  # CPU on a busy machine

        work = [(lambda m=m, at=at: _try(module, m, at), limit(at)) for m, at in tasks]
        killed = _forked(work, self._jobs)
        self.score.outcomes = [
            Outcome(mutant, dead, bool(at)) for (mutant, at), dead in zip(tasks, killed, strict=True)
        ]
        return True


def _fails(item: pytest.Item) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _try(module: types.ModuleType, mutant: Mutant, items: Sequence[pytest.Item]) -> bool:
    """In a process of its own: whether a test fails with this fault."""
    _exchange(module, mutant)
    return any(_fails(item) for item in items)


def _exchange(module: types.ModuleType, mutant: Mutant) -> None:
    codes = {c.co_qualname: c for c in _codes(mutant.code)}
    for function in _functions(module):
        code = codes.get(function.__qualname__)
        if code is not None and code.co_freevars == function.__code__.co_freevars:
            function.__code__ = code
            function.__defaults__ = function.__defaults__
    if not mutant.in_function:
        fresh = types.ModuleType(module.__name__)
        fresh.__file__ = module.__file__
        exec(mutant.code, fresh.__dict__)
        for name, value in vars(fresh).items():
            if not name.startswith("__") and not isinstance(
                value, type | types.FunctionType | types.ModuleType
            ):
                _replace(name, getattr(module, name), value)


def _replace(name: str, old: object, new: object) -> None:
    """Give a module's value to everybody who imported it under its name."""
    for other in list(sys.modules.values()):
        if vars(other).get(name) is old:
            setattr(other, name, new)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            if "<locals>" not in constant.co_qualname:
                yield from _codes(constant)


def _functions(module: types.ModuleType) -> Iterator[types.FunctionType]:
    """Functions of the module and of its classes, however they are wrapped."""
    for value in vars(module).values():
        members = vars(value).values() if isinstance(value, type) else (value,)
        if getattr(value, "__module__", "") != module.__name__:
            continue
        for member in members:
            wrapped: Any = member
            if isinstance(member, property):
                wrapped = member.fget
            elif isinstance(member, staticmethod | classmethod):
                wrapped = member.__func__
            if isinstance(wrapped, types.FunctionType) and wrapped.__module__ == module.__name__:
                yield wrapped


class _Lines:
    """The lines of one file that run meanwhile."""

    def __init__(self, file: str) -> None:
        self.seen: set[int] = set()
        self._file = file

    def __enter__(self) -> Self:
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _enter(
        self, frame: types.FrameType, _event: str, _arg: object
    ) -> Any:  # Any: as sys.settrace wants it
        return self._line if frame.f_code.co_filename == self._file else None

    def _line(
        self, frame: types.FrameType, _event: str, _arg: object
    ) -> Any:  # Any: as sys.settrace wants it
        self.seen.add(frame.f_lineno)
        return self._line


def _forked(work: Sequence[tuple[Callable[[], bool], float]], jobs: int) -> list[bool]:
    """Each piece of work in a process of its own, `jobs` at once; what does not end in its time counts as True."""
    results = [True] * len(work)
    running: dict[int, tuple[int, float]] = {}
    left = list(enumerate(work))[::-1]
    while left or running:
        while left and len(running) < jobs:
            place, (task, limit_s) = left.pop()
            pid = os.fork()
            if pid == 0:
                _child(task)
            running[pid] = (place, time.monotonic() + limit_s)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid in running:
            results[running.pop(pid)[0]] = os.waitstatus_to_exitcode(status) != 0
            continue
        for late in [p for p, (_, deadline) in running.items() if time.monotonic() > deadline]:
            os.kill(late, signal.SIGKILL)
        time.sleep(0.002)
    return results


def _child(task: Callable[[], bool]) -> None:
    """Exit code 1 where a test noticed, or where the fault ends the process itself."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    code = 1
    try:
        code = int(task())
    finally:
        os._exit(code)


def main(words: Sequence[str]) -> int:
    """The command; 0 where every module has its share, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", help="parts of names; all of them if left out")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once (2)")
    parser.add_argument("--survivors", action="store_true", help="list the faults that no test noticed")
    asked = parser.parse_args(words)
    wanted = [m for m in TARGETS if not asked.modules or any(part in m for part in asked.modules)]
    if not wanted:
        parser.error(f"none of {', '.join(TARGETS)} has such a name")
    bad = False
    print(f"{'module':<34}{'mutants':>9}{'killed':>9}{'share':>9}", flush=True)
    for module in wanted:
        # A process for each: pytest keeps the modules it collected, and a module is exchanged in place.
        done, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(done)
            _report(module, os.fdopen(said, "w"), jobs=asked.jobs, survivors=asked.survivors)
        os.close(said)
        with os.fdopen(done) as lines:
            print(lines.read(), end="", flush=True)
        bad |= os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    return int(bad)


def _report(module: str, out: Any, *, jobs: int, survivors: bool) -> None:  # Any: a text file
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    score = scores(module, [str(ROOT / t) for t in TARGETS[module]], jobs=jobs)
    name = module.removeprefix("reconciler.")
    print(f"{name:<34}{len(score.outcomes):>9}{score.killed:>9}{score.share:>9.1%}", score.broken, file=out)
    for outcome in score.outcomes if survivors else ():
        if not outcome.killed:
            why = "" if outcome.reached else "   (no test runs this line)"
            print(
                f"  {outcome.mutant.line:>5}  {outcome.mutant.was}  ->  {outcome.mutant.now}{why}", file=out
            )
    out.close()
    os._exit(0 if score.share >= LEAST else 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
