"""A run of apply for a person: a line per finished action, and how it ended, with the next command (output.md 1).

Refuses to decide what counts as success: the result says so.
"""

from collections.abc import Iterator

from reconciler.applying.events import Outcome, Progress, RunResult
from reconciler.rendering.ink import Role, cut, pad, paint
from reconciler.wording import plural

__all__ = ["begun", "line", "summary", "unfinished"]

_NAME = 11
_TEXT = 66
_TOOK = 8


def line(progress: Progress, *, color: bool, width: int | None = None) -> str:
    """One finished action: who, what came of it, how long it took.

    A failure is told whole, for a log may have nothing else of it; in a terminal of `width` cells the summary that
    follows has the rest, and a line is a line.
    """
    failed = progress.state == "failed"
    role: Role | None = "danger" if failed else "dim" if progress.state != "done" else None
    word = "FAILED  " if failed else "" if progress.state == "done" else f"{progress.state}: "
    text = word + progress.text
    took = f"{progress.seconds:.0f} s" if progress.seconds >= 10 else f"{progress.seconds:.1f} s"
    name = pad(progress.dvr.partition("@")[0] or "files", _NAME)
    if failed:
        whole = f"  {name} {text}"
        return paint(whole if width is None else cut(whole, width), role, color=color)
    room = _TEXT if width is None else max(1, min(_TEXT, width - _NAME - len("   ") - _TOOK - 1))
    return paint(f"  {name} {pad(cut(text, room), room)} {took:>{_TOOK}}", role, color=color)


def begun(run: int, serial: int, *, saved: bool) -> str:
    """What stands above the lines of a run."""
    if saved:
        return f"Run {run}, lock taken. Plan is fresh (spec, selection, Plex, ledger serial {serial} as planned)."
    return f"Run {run}, lock taken, ledger serial {serial}."


def summary(result: RunResult, *, color: bool, run: int) -> str:
    """How the run ended, and the next command where there is one to run."""
    return "\n".join(_summary(result, color=color, run=run)) + "\n"


def _summary(result: RunResult, *, color: bool, run: int) -> Iterator[str]:
    notes = list(dict.fromkeys(result.remarks))
    for note in notes:
        yield paint(f"  note: {note}", "change", color=color)
    for other in result.disturbed:
        yield paint(f"  {other} is not ours and changed meanwhile: look at it in Plex", "danger", color=color)
    if result.complete:
        yield paint(f"Done: {plural(len(result.outcomes), 'action')} (run {run}).", "good", color=color)
        return
    yield paint(f"Not finished: {unfinished(result)}. No file is half written.", "danger", color=color)
    for outcome in result.failed:
        yield from _failure(outcome)
    waiting = dict.fromkeys(o.dvr for o in result.undone if o.dvr)
    if waiting:
        yield f"  not finished: {', '.join(waiting)}"
    if result.next_step:
        yield f"Next:  {result.next_step}"


def unfinished(result: RunResult) -> str:
    """How much of a run is done, in figures."""
    total = len(result.outcomes)
    done = total - len(result.failed) - len(result.undone)
    return (
        f"{done} of {plural(total, 'step')} done, {len(result.failed)} failed, "
        f"{len(result.undone)} not started"
    )


def _failure(outcome: Outcome) -> Iterator[str]:
    yield f"  {outcome.dvr or outcome.kind}: {outcome.text}"
    if outcome.next_step:
        yield f"    {outcome.next_step}"
