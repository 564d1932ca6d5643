"""What moves while a command works: bars on a terminal, lines elsewhere, always on stderr (design.md 3).

Refuses to hold anything back: on a pipe every finished step is one line, in the order they end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.cli.console import Console
from reconciler.rendering.ink import size
from reconciler.sources.progress import Progress, Step

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["fetching"]


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
        TextColumn("{task.fields[who]:<12}"),
        BarColumn(20),
        DownloadColumn(),
        TextColumn("{task.fields[what]}"),
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
            self._rows[step.name] = self._bars.add_task("", total=None, who=step.name, what="")
        row = self._rows[step.name]
        total = step.total_bytes if step.what != "done" else max(step.size_bytes, 1)
        self._bars.update(row, completed=step.size_bytes, total=total, what=step.detail or step.what)


def _line(console: Console, step: Step) -> None:
    if step.what == "done":
        much = f", {size(step.size_bytes)}" if step.size_bytes else ""
        console.note(f"{step.name}: {step.detail or 'done'}{much}")
    elif step.what == "retry":
        console.note(f"{step.name}: {step.detail or 'trying again'}")
