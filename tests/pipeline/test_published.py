"""What earlier runs tell a plan, and that none of them can stop one."""

from pathlib import Path

from reconciler.ledger.journal import Journal
from reconciler.pipeline.published import last_apply, load_seconds
from reconciler.planning.estimates import RUNS
from reconciler.planning.model import LastApply


def journal(state: Path, seconds: float) -> None:
    """A run that loaded a guide, and failed with another."""
    with Journal(state, "apply", lambda: "2026-03-01T04:12:40Z") as run:
        for kind, outcome, took in (("load-guide", "done", seconds), ("load-guide", "failed", 9.0), ("publish", "done", 7.0)):  # fmt: skip
            run.intent(f"{kind}:{took}", kind, "news")
            run.outcome(f"{kind}:{took}", outcome, seconds=took)  # type: ignore[arg-type]  # the words above


def test_what_a_guide_load_took(tmp_path: Path) -> None:
    """A list for each run, of loads that ended well."""
    assert [] == load_seconds(tmp_path)
    journal(tmp_path, 90.0)
    journal(tmp_path, 30.0)
    assert [[30.0], [90.0]] == load_seconds(tmp_path)


def test_runs_that_load_nothing_push_no_measurement_out(tmp_path: Path) -> None:
    """A refresh every hour finds nothing to do: what the last apply took is still what the next one will take."""
    journal(tmp_path, 90.0)
    for _ in range(RUNS + 2):
        Journal(tmp_path, "refresh", lambda: "2026-03-01T05:12:40Z").close()
    assert [[90.0]] == load_seconds(tmp_path)


def test_the_last_apply(tmp_path: Path) -> None:
    """The newest run that finished something in Plex; a refresh after it, and one that failed in all, are none."""
    assert last_apply(tmp_path) is None
    journal(tmp_path, 90.0)
    with Journal(tmp_path, "refresh", lambda: "2026-03-02T00:00:00Z") as run:
        run.intent("publish", "publish")
        run.outcome("publish", "done")
    assert LastApply(1, "2026-03-01T04:12:40Z") == last_apply(tmp_path)


def test_no_journal_can_stop_a_plan(tmp_path: Path) -> None:
    """One that a crash or a full disk left empty, one that was cut off, and one of another version."""
    journal(tmp_path, 90.0)
    for number, text in ((2, ""), (3, '{"format": "ptctl-ru'), (4, '{"format": "ptctl-run/9"}\n')):
        (tmp_path / "runs" / f"{number}.jsonl").write_text(text, "utf-8")
    assert [90.0] == [second for run in load_seconds(tmp_path) for second in run]
