"""What a pipe is told while apply works: each end at once, and what is waited for long, once."""

import os
import pty

import pytest

from reconciler.applying.events import Progress
from reconciler.cli.console import Console
from reconciler.cli.progress import LONG_S, applying, fetching
from reconciler.rendering.ink import cells
from reconciler.rendering.run_text import line
from reconciler.sources.progress import Step


@pytest.mark.accepts("RLD-6")
def test_a_long_wait_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A log falls silent for no longer than it must; what is over quickly is told by its end alone."""
    step = Progress("map:news", "enable-channels", "news", "running", "no channel map yet: 500")
    with applying(Console(color_out=False, color_err=False, terminal=False)) as show:
        show(step)
        for seconds in (1.0, LONG_S, LONG_S + 10):
            show(Progress(step.action, step.kind, step.dvr, "running", step.text, seconds))
        show(Progress(step.action, step.kind, step.dvr, "running", "another", LONG_S))
        show(Progress(step.action, step.kind, step.dvr, "not-started", "needs a"))
        show(Progress(step.action, step.kind, step.dvr, "done", "20 channels on", 40.0))
    waited, other, ended = capsys.readouterr().err.splitlines()
    assert waited.split() == ["news", "running:", "no", "channel", "map", "yet:", "500", "15", "s"]
    assert "running: another" in other
    assert "20 channels on" in ended


@pytest.mark.parametrize("width", [30, 80, 100, 200])
def test_a_line_is_a_line_in_a_narrow_terminal(width: int) -> None:
    """80 columns put the time on a line of its own; a long failure is cut, and whole where nobody says how wide."""
    done = Progress("a", "create-dvr", "generalent", "done", "DVR created: 137; " + "guide loaded " * 9, 97.0)
    shown = line(done, color=False, width=width)
    assert cells(shown) <= min(width, 90)
    assert shown.endswith("97 s")
    failed = Progress("a", "await-serve", "", "failed", "serve does not serve this generation " * 5)
    assert cells(line(failed, color=False, width=width)) <= width
    assert line(failed, color=False).endswith("this generation ")


def test_bars_show_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that is probed may be called like a colour, or worse: brackets are no markup, and nothing moves the cursor."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal, monkeypatch.context() as patched:
        patched.setattr("sys.stderr", terminal)
        here = Console(color_out=True, color_err=True, terminal=True)
        with fetching(here) as show:
            show(Step("[red]A[/b] \x1b[2J", "probe", detail="[fe80::1] does not answer"))
        with applying(here) as show_action:
            show_action(Progress("a", "create-dvr", "news", "running", "[/b] One"))
        with applying(here) as show_action:
            show_action(Progress("a", "create-dvr", "news", "done", "[/b] Two", 1.0))
        terminal.flush()
        shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    for text in (r"[red]A[/b] \u001b[2J", "[fe80::1]", "[/b] One", "[/b] Two"):
        assert text in shown
