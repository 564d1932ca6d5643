"""The journal: intent before, outcome after, readable whatever happened in between."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.errors import StateError
from reconciler.ledger.journal import KEPT, Journal, read_run, run_numbers


def clock() -> Callable[[], str]:
    """Seconds that count up."""
    ticks = itertools.count()
    return lambda: f"2026-03-01T04:12:{next(ticks):02d}Z"


@pytest.mark.accepts("APP-8")
def test_a_run_can_be_read_back(tmp_path: Path) -> None:
    """Spec digest, each action with arguments, outcome and time, notes and the exit code."""
    with Journal(tmp_path, "apply", clock(), {"spec": "91c0", "serial": 118}) as journal:
        journal.intent("a1", "create-dvr", "news", {"uri": "http://ptctl:5005"})
        journal.outcome("a1", "done", "DVR 205", 11.84)
        journal.intent("a2", "load-guide", "news")
        journal.note("guide load took long")
        journal.outcome("a2", "failed", "no answer", 180)
        journal.finish(6)
    run = read_run(tmp_path, 1)
    assert ("apply", {"spec": "91c0", "serial": 118}, 6) == (run.command, run.head, run.exit)
    assert [("a1", "done", 11.84), ("a2", "failed", 180.0)] == [
        (s.id, s.outcome, s.seconds) for s in run.steps
    ]
    assert {"uri": "http://ptctl:5005"} == run.steps[0].args
    assert ("2026-03-01T04:12:01Z", "2026-03-01T04:12:02Z") == (run.steps[0].began, run.steps[0].ended)
    assert ["a2"] == [s.id for s in run.undone]
    assert (("2026-03-01T04:12:04Z", "guide load took long"),) == run.notes


def test_intent_is_on_disk_before_the_action(tmp_path: Path) -> None:
    """A run that was killed shows what it was about to do, a torn last line or not."""
    journal = Journal(tmp_path, "apply", clock())
    journal.intent("a1", "delete-dvr", "news")
    with journal.path.open("ab") as file:
        file.write(b'{"outcome": "a1", "resu')
    run = read_run(tmp_path, 1)
    journal.close()
    assert [("a1", "")] == [(s.id, s.outcome) for s in run.steps]
    assert run.exit is None
    assert run.steps == run.undone


def test_numbers_go_on_and_never_meet(tmp_path: Path) -> None:
    """Each run gets the next number, even where two begin at the same moment."""
    first = Journal(tmp_path, "plan", clock())
    second = Journal(tmp_path, "plan", clock())
    first.close()
    second.close()
    (tmp_path / "runs" / "notes.txt").write_text("")
    assert [1, 2] == run_numbers(tmp_path)
    assert [] == run_numbers(tmp_path / "elsewhere")


def test_a_full_disk_stops_the_action(tmp_path: Path) -> None:
    """When the intent cannot be written the caller hears of it before it acts."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o755)
    journal = Journal(tmp_path, "apply", clock())
    journal.close()
    with pytest.raises(StateError, match="cannot write"):
        journal.intent("a1", "create-dvr")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    """A journal of another format, and a run that never was, are errors."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "3.jsonl").write_text('{"format": "ptctl-run/9"}\n')
    with pytest.raises(StateError, match="no journal of this version"):
        read_run(tmp_path, 3)
    with pytest.raises(StateError, match="no such file"):
        read_run(tmp_path, 4)


def test_a_journal_without_a_beginning_is_a_run_that_did_nothing(tmp_path: Path) -> None:
    """The process died, or the disk was full, before the first line was whole: it can be listed, and stops nobody."""
    (tmp_path / "runs").mkdir()
    for number, text in ((1, ""), (2, '{"format": "ptctl-run/1", "ru')):
        (tmp_path / "runs" / f"{number}.jsonl").write_text(text, "utf-8")
        run = read_run(tmp_path, number)
        assert (number, "", (), (), None) == (run.number, run.command, run.steps, run.left, run.exit)


def test_old_journals_go(tmp_path: Path) -> None:
    """The newest stay; numbers go on; what is no journal is left alone."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for number in range(1, KEPT + 3):
        (folder / f"{number}.jsonl").touch()
    (folder / "notes.txt").touch()
    Journal(tmp_path, "refresh", clock()).close()
    assert list(range(4, KEPT + 4)) == run_numbers(tmp_path)
    assert (folder / "notes.txt").exists()
