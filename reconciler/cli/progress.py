"""What moves while a command works: bars on a terminal, lines elsewhere, always on stderr (design.md 3).

Refuses to hold anything back: on a pipe every finished step is one line, in the order they end.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from reconciler.applying.events import Progress as Running
from reconciler.cli.console import Console
from reconciler.rendering import run_text
from reconciler.rendering.ink import harmless
from reconciler.sources.progress import Progress, Step
from reconciler.wording import size

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["applying", "fetching"]

LONG_S: Final = 15.0
"""What is waited for longer than this is told on a pipe, too."""


@contextmanager
def fetching(console: Console) -> Iterator[Progress]:
    """Show how sources and guides are fetched while the block runs."""
    if not console.terminal:
        yield lambda step: _line(console, step)
        return
    from rich.console import Console as Rich
    from rich.progress import BarColumn, DownloadColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[who]:<12}", markup=False),  # a channel may be called "[/b] News"
        BarColumn(20),
        DownloadColumn(),
        TextColumn("{task.fields[what]}", markup=False),
    )
    rich = Rich(stderr=True, no_color=not console.color_err)
    with Bars(*columns, console=rich, transient=True) as bars:
        yield _Rows(bars).show


class _Rows:
    """One bar per source, made when it first moves."""

    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._rows: dict[str, TaskID] = {}

    def show(self, step: Step) -> None:
        """Move one bar."""
        if step.name not in self._rows:
            who = harmless(step.name, color=False)
            self._rows[step.name] = self._bars.add_task("", total=None, who=who, what="")
        row = self._rows[step.name]
        total = step.total_bytes if step.what != "done" else max(step.size_bytes, 1)
        self._bars.update(
            row, completed=step.size_bytes, total=total, what=harmless(step.detail or step.what, color=False)
        )


def _line(console: Console, step: Step) -> None:
    if step.what == "done":
        much = f", {size(step.size_bytes)}" if step.size_bytes else ""
        console.note(f"{step.name}: {step.detail or 'done'}{much}")
    elif step.what == "retry":
        console.note(f"{step.name}: {step.detail or 'trying again'}")


@contextmanager
def applying(console: Console) -> Iterator[Callable[[Running], None]]:
    """Show how actions go while the block runs: finished ones as lines, running ones as moving rows on a terminal."""
    if not console.terminal:
        yield _Lines(console).show
        return
    from rich.console import Console as Rich
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    rich = Rich(stderr=True, no_color=not console.color_err, highlight=False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[who]:<11} {task.fields[what]}", markup=False),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=rich, transient=True) as bars:
        rows: dict[str, TaskID] = {}

        def show(progress: Running) -> None:
            if progress.state == "not-started":
                return  # the summary names them
            if progress.state != "running":
                if progress.action in rows:
                    bars.remove_task(rows.pop(progress.action))
                bars.console.print(
                    harmless(run_text.line(progress, color=False, width=rich.width), color=False),
                    markup=False,
                    style="red" if progress.state == "failed" else "",
                )
                return
            if progress.action not in rows:
                rows[progress.action] = bars.add_task("", total=None, who=progress.dvr or "files", what="")
            counted = f" {progress.done}/{progress.expected}" if progress.expected else ""
            bars.update(rows[progress.action], what=harmless(progress.text + counted, color=False))

        yield show


class _Lines:
    """Finished steps as lines, and once for each thing that is waited for long: a log must not fall silent for minutes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[str, str]] = set()

    def show(self, progress: Running) -> None:
        """One line, or none."""
        if progress.state == "not-started":
            return  # the summary names them
        if progress.state == "running":
            key = (progress.action, progress.text)
            if progress.seconds < LONG_S or key in self._told:
                return
            self._told.add(key)
        self._console.note(run_text.line(progress, color=self._console.color_err))
