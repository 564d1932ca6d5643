"""Runs of apply and refresh, read back from their journals, as text. Refuses to judge: the journal's words stand."""

from collections.abc import Iterator, Sequence

from reconciler.ledger.journal import Run, Step
from reconciler.rendering.ink import Role, cut, pad, paint
from reconciler.wording import plural

__all__ = ["render_run", "render_runs"]


def render_runs(runs: Sequence[Run], *, color: bool) -> str:
    """A line a run, the newest first."""
    if not runs:
        return "no run yet\n"
    lines = [paint(f"{'run':>5}  {'began':<20}  {'command':<9} {'steps':>5}  ended", "head", color=color)]
    lines += [_line(run, color=color) for run in runs]
    return "\n".join(lines) + "\n"


def render_run(run: Run, *, color: bool) -> str:
    """One run with every action: what was meant, what came of it, and how long it took."""
    return "\n".join(_whole(run, color=color)) + "\n"


def _line(run: Run, *, color: bool) -> str:
    word, role = _end(run)
    return f"{run.number:>5}  {run.began:<20}  {run.command:<9} {len(run.steps):>5}  " + paint(
        word, role, color=color
    )


def _end(run: Run) -> tuple[str, Role]:
    if not run.began:
        return "nothing noted: it ended before its first line was written", "danger"
    undone = len(run.undone)
    match run.exit:
        case 0:
            return "done", "good"
        case None:
            unknown = f"{plural(undone, 'action')} without a known outcome"
            return f"has not ended (it is at work, or was killed): {unknown}", "danger"
        case 130:
            return "interrupted", "change"
        case code:
            return f"exit {code}, {plural(undone, 'action')} undone", "danger"


def _whole(run: Run, *, color: bool) -> Iterator[str]:
    word, role = _end(run)
    yield paint(f"run {run.number}  {run.command}  {run.began}".rstrip(), "head", color=color)
    for name, value in sorted(run.head.items()):
        if value not in ("", {}, None) and name != "plan":
            yield f"  {name.replace('_', ' '):<14} {cut(str(value), 80)}"
    yield ""
    for step in run.steps:
        yield _step(step, color=color)
    begun = {step.id for step in run.steps}
    yield from (f"  {'-':<12} {id_}: not begun" for id_ in run.left if id_ not in begun)
    for at, text in run.notes:
        yield f"  {at}  {text}"
    yield ""
    yield paint(word, role, color=color) + (f"  {run.ended}" if run.ended else "")
    if run.left and run.exit != 0:
        yield f"Next:  ptctl apply --resume {run.number}"


def _step(step: Step, *, color: bool) -> str:
    outcome = step.outcome or "unknown"
    role: Role | None = None if outcome == "done" else "danger" if outcome == "failed" else "change"
    took = f"{step.seconds:.1f} s"
    kind, _, dvr = step.id.partition(":")  # what was never begun is known by its id alone
    line = f"  {pad(step.dvr or dvr or 'files', 12)} {pad(step.kind or kind, 16)} {outcome:<11} {took:>8}  {cut(step.detail, 70)}"
    return paint(line, role, color=color)
