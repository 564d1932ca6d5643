"""Runs as `history` and `status` tell them, those of a journal without a word included."""

from typing import Any

import pytest

from reconciler.ledger.journal import Run, Step
from reconciler.rendering.history_text import render_run, render_runs
from reconciler.rendering.status_text import render_away

NOON = "2026-02-28T12:00:00Z"
EMPTY = Run(3, "", "", {})
DONE = Run(
    2,
    NOON,
    "apply",
    {"spec": "home.yaml"},
    (Step("a", "load-guide", "news", NOON, NOON, "done"),),
    (),
    NOON,
    0,
)
FAILED = Step("a", "load-guide", "news", NOON, NOON, "failed", "500 from Plex", 4.25)


@pytest.mark.parametrize(
    ("run", "end"),
    [
        (DONE, "done"),
        (EMPTY, "nothing noted: it ended before its first line was written"),
        (
            Run(4, NOON, "apply", {}),
            "has not ended (it is at work, or was killed): 0 actions without a known outcome",
        ),
        (Run(4, NOON, "apply", {}, (), (), NOON, 130), "interrupted"),
        (Run(4, NOON, "apply", {}, (FAILED,), (), NOON, 6), "exit 6, 1 action undone"),
    ],
)
def test_history_says_how_a_run_ended(run: Run, end: str) -> None:
    """Each end in its words, in the list and of the run itself."""
    listed = render_runs([run], color=False).splitlines()
    assert listed[1].endswith(end)
    assert [str(run.number)] == listed[1].split()[:1]
    whole = render_run(run, color=False).splitlines()
    assert whole[0] == whole[0].rstrip()
    assert any(line.startswith(end) for line in whole)


def test_history_without_a_run() -> None:
    """Said in words, not as an empty table."""
    assert "no run yet\n" == render_runs([], color=False)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (None, None),
        ({"number": 1, "command": "", "began": "", "exit": None}, "1, nothing noted, no end noted"),
        ({"number": 7, "command": "apply", "began": NOON, "exit": None}, f"7 apply, {NOON}, no end noted"),
        ({"number": 7, "command": "apply", "began": NOON, "exit": 0}, f"7 apply, {NOON}, exit 0"),
    ],
)
def test_status_without_serve_tells_the_last_run(run: dict[str, Any] | None, said: str | None) -> None:
    """What the journal says of it, which may be nothing; no run, no line."""
    local = {"generation": "", "serial": 0, "dvrs": 0, "run": run}
    lines = render_away("refused", local, color=False).splitlines()
    told = [line.removeprefix("  last run    ") for line in lines if line.startswith("  last run")]
    assert ([] if said is None else [said]) == told
    assert "  published   generation none" in lines
    assert "Next:  ptctl serve" == lines[-1]


def test_what_was_never_begun_has_a_name_too() -> None:
    """A step that was skipped is known by its id alone: the row says which step of which DVR it is."""
    skipped = Step("create-dvr:news", "", "", NOON, NOON, "skipped", "needs set-device:news", 0.0)
    shown = render_run(Run(4, NOON, "apply", {}, (skipped,), (), NOON, 6), color=False)
    assert ["news", "create-dvr", "skipped"] == shown.splitlines()[2].split()[:3]
