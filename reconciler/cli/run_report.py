"""How a run ended, for people and as JSON, and the exit status that says so. Refuses to run anything.

Apart from the commands, because a refresh with nothing to do shows its end without loading what a run needs.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.applying.settled import Settled
from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.cli.planning import show
from reconciler.errors import ApplyIncomplete, PlexUnreachable
from reconciler.lineups.model import Block
from reconciler.planning import commands
from reconciler.planning.model import Plan
from reconciler.rendering import error_json, plan_text, run_text

__all__ = ["report"]


def report(console: Console, settled: Settled, *, skip_blocked: bool, format_: str = "text") -> Exit:
    """Say how it ended; the exit status."""
    code = _exit(settled, skip_blocked=skip_blocked)
    if format_ == "json":
        console.data(json.dumps(_document(settled, code), indent=1))
    elif settled.result is not None:
        console.data(run_text.summary(settled.result, color=console.color_out, run=settled.run))
        for line in _proof(settled):
            console.data(line)
        if settled.blocked:
            for line in plan_text.left_alone(settled.plan, color=console.color_out):
                console.data(line)
    elif settled.why == "declined":
        console.note("nothing was changed")
    else:
        show(console, settled.plan)
    if settled.waiting:
        names = ", ".join(sorted(settled.waiting))
        console.note(f"more than content is to be done for {names}: that waits for  ptctl apply")
    return code


def _exit(settled: Settled, *, skip_blocked: bool) -> Exit:
    if settled.plan.plex == "unknown":  # nothing was begun, and that is no rule's refusal (design.md 3)
        return Exit.FAILED
    if settled.result is None and settled.why == "blocked":
        return Exit.REFUSED
    if settled.result is not None and not settled.converged:
        return Exit.INCOMPLETE
    if settled.blocked and settled.why != "declined":
        return Exit.SKIPPED_BLOCKED if skip_blocked else Exit.REFUSED
    return Exit.DONE


def _proof(settled: Settled) -> Iterator[str]:
    if settled.verdict is None:
        return
    if settled.verdict.converged:
        yield "Planned again: nothing is left."
        return
    yield "Planned again, and something is left:"
    yield from (f"  {left}" for left in settled.verdict.left)
    yield "Next:  ptctl plan"


def _document(settled: Settled, code: Exit) -> dict[str, object]:
    """The run as `ptctl-run-report/1`: what `serve`'s loop and scripts read."""
    plan, result = settled.plan, settled.result
    blocks = tuple(dict.fromkeys([*plan.blocks, *(b for c in plan.changes for b in c.blocks)]))
    return {
        "format": "ptctl-run-report/1",
        "run": settled.run,
        "exit": int(code),
        "why": settled.why,
        "errors": _errors(settled, code, blocks),
        "generation": plan.digests.generation,
        "plex": plan.plex,
        "plex_why": plan.plex_why,
        "blocked": [
            {
                "code": b.code,
                "dvr": b.dvr,
                "message": b.message,
                "lift": b.lift,
                "next_step": commands.deciding(plan, b),
            }
            for b in blocks
        ],
        "stale": [s.name for s in plan.sources if s.stale or s.fetched in {"cached", "absent"}],
        "drift": _drift(plan),
        "drift_left": _drift(settled.verdict.plan if settled.verdict else plan),
        "actions": [
            {
                "id": o.action,
                "dvr": o.dvr,
                "state": o.state,
                "text": o.text,
                "seconds": o.seconds,
                "next_step": o.next_step or None,
            }
            for o in (result.outcomes if result else ())
        ],
        "left": list(settled.verdict.left) if settled.verdict else [],
        "waiting": sorted(settled.waiting),
    }


def _drift(plan: Plan) -> list[dict[str, Any]]:  # Any: JSON
    return [{"dvr": d.dvr, "path": d.path, "found": d.found, "note": d.note} for d in plan.drift]


def _errors(settled: Settled, code: Exit, blocks: Sequence[Block]) -> list[dict[str, Any]]:  # Any: JSON
    """Why the run did not end with 0, as in `ptctl-error/1`."""
    plan, result = settled.plan, settled.result
    if code is Exit.DONE:
        return []
    if plan.plex == "unknown":
        why = f"Plex could not be read: {plan.plex_why}"
        return error_json.rows([PlexUnreachable(why, next_step="ptctl doctor")])
    found: list[dict[str, Any]] = []
    if result is not None and not result.complete:
        unfinished = ApplyIncomplete(run_text.unfinished(result), next_step=result.next_step or None)
        found += error_json.rows([unfinished])
    elif result is not None and not settled.converged:
        left = settled.verdict.left if settled.verdict else ()
        said = f"planned again, and something is left: {', '.join(left) or 'it could not be told what'}"
        found += error_json.rows([ApplyIncomplete(said, next_step=commands.again(plan, "plan"))])
    for block in blocks:
        message = f"{block.dvr or 'all'}: {block.message}"
        found.append({"code": block.code, "message": message, "next_step": commands.deciding(plan, block)})
    return found
