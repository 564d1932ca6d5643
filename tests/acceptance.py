"""Which statements of `acceptance.txt` have a passing test, and which have none.

    python -m tests.acceptance            every id with its tests and how they ended
    python -m tests.acceptance --missing  only the ids without a passing test
    python -m tests.acceptance --run      run the marked tests first

A statement counts when at least one test marked with its id passed in the latest run of that test and none failed.
Outcomes are kept by the test run itself (`tests/conftest.py`) in `.pytest_cache`. The command refuses to count a test
that exists only in that record: it collects first.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["OUTCOMES", "Statement", "statements", "tally"]

ROOT: Final = Path(__file__).resolve().parent.parent
LIST: Final = ROOT / "tests" / "acceptance.txt"
OUTCOMES: Final = ROOT / ".pytest_cache" / "acceptance.json"
COLLECT_LIMIT_S: Final = 120


@dataclass(frozen=True, slots=True)
class Statement:
    """One acceptance statement."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A statement with its tests by outcome."""

    statement: Statement
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    other: tuple[str, ...]

    @property
    def shown(self) -> bool:
        """At least one passing test, none failing."""
        return bool(self.passed) and not self.failed


def statements() -> tuple[Statement, ...]:
    """All statements in the order of the list."""
    lines = LIST.read_text("utf-8").splitlines()
    return tuple(Statement(*line.split("  ", 1)) for line in lines if line)


def tally(marks: Mapping[str, Sequence[str]], outcomes: Mapping[str, str]) -> tuple[Standing, ...]:
    """Where each statement stands. `marks` is test -> ids, `outcomes` test -> outcome of its latest run.

    Pure. A parametrised test counts once per case.
    """
    by_id: dict[str, list[str]] = {}
    for test, ids in marks.items():
        for statement_id in ids:
            by_id.setdefault(statement_id, []).append(test)
    standings = []
    for statement in statements():
        tests = sorted(by_id.get(statement.id, ()))
        outcome = {test: outcomes.get(test, "not run") for test in tests}
        standings.append(
            Standing(
                statement,
                passed=tuple(t for t in tests if outcome[t] == "passed"),
                failed=tuple(t for t in tests if outcome[t] == "failed"),
                other=tuple(t for t in tests if outcome[t] not in {"passed", "failed"}),
            )
        )
    return tuple(standings)


def _collect(*extra: str) -> dict[str, list[str]]:
    """Ask pytest for the marked tests. Raises SystemExit where collection itself fails."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-n",
        "0",
        "--acceptance-marks",
        *extra,
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=COLLECT_LIMIT_S, check=False
    )
    line = next((x for x in done.stdout.splitlines() if x.startswith("{")), None)
    if line is None:
        sys.exit(f"the tests could not be collected:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, list[str]] = json.loads(line)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """The command. Exit 0 when every statement is shown, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance", description=__doc__.splitlines()[0])
    parser.add_argument("--missing", action="store_true", help="only statements without a passing test")
    parser.add_argument("--run", action="store_true", help="run the marked tests first")
    options = parser.parse_args(argv)
    marks = _collect()
    unknown = sorted({i for ids in marks.values() for i in ids} - {s.id for s in statements()})
    if unknown:
        sys.exit(f"tests are marked with ids that acceptance.txt does not have: {', '.join(unknown)}")
    if options.run:
        subprocess.run([sys.executable, "-m", "pytest", *marks], cwd=ROOT, check=False)
    outcomes: dict[str, str] = json.loads(OUTCOMES.read_text("utf-8")) if OUTCOMES.exists() else {}
    standings = tally(marks, outcomes)
    for standing in standings:
        if standing.shown and options.missing:
            continue
        word = (
            "shown"
            if standing.shown
            else "FAILED"
            if standing.failed
            else "not run"
            if standing.other
            else "none"
        )
        print(f"{standing.statement.id:7} {word:8} {standing.statement.text[:80]}")
        if not options.missing:
            for test in (*standing.passed, *standing.failed, *standing.other):
                print(f"{'':16} {outcomes.get(test, 'not run'):8} {test}")
    shown = sum(s.shown for s in standings)
    print(f"{shown} of {len(standings)} statements have a passing test, {len(standings) - shown} have none")
    return 0 if shown == len(standings) else 1


if __name__ == "__main__":
    sys.exit(main())
