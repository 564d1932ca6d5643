"""`ptctl refresh`: sources and artifacts, never Plex. What is blocked is carried over byte for byte."""

import os
import time
from dataclasses import replace
from functools import partial

import click
import trio

from reconciler.applying.settled import Settled
from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from
from reconciler.cli.progress import fetching
from reconciler.cli.run_report import report
from reconciler.cli.runs import lock
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options
from reconciler.planning.model import Plan
from reconciler.spec.model import Spec
from reconciler.standing import Question, Standing, outside, remember, standing

__all__ = ["refresh"]


@click.command()
@spec_argument
@click.option("--ignore-pin", is_flag=True, help="Drop pinned stream hosts for this run.")
@click.option("--allow", multiple=True, metavar="WORD", help="Lift one block, e.g. shrink:moviesprem.")
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--wait", metavar="DURATION", default="0s", help="Wait so long for another run to end, e.g. 10m."
)
@spec_options
@click.pass_context
def refresh(
    ctx: click.Context,
    *,
    spec: str | None,
    ignore_pin: bool,
    allow: tuple[str, ...],
    format_: str,
    wait: str,
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """Fetch sources and publish artifacts; never touches Plex.

    What a safety rule blocks stays as it is (exit 4 where something was); everything else is published.
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    if ignore_pin:
        pinned = [s.name for s in loaded.sources.values() if s.stream.pin]
        pinned += [d.name for d in loaded.dvrs.values() if d.stream.pin]
        console.note(f"pinned hosts are ignored for this run: {', '.join(pinned) or 'none is pinned'}")
    with lock(console, loaded, "refresh", wait):
        now = time.time()
        question = Question(
            now, dict(os.environ), allow, env or "", allow_exec=allow_exec, outside=outside(loaded, now)
        )
        found = Standing() if ignore_pin else _standing(console, loaded, question)
        if found.plan is not None:
            settled = Settled(found.plan, why="nothing to do")
        else:
            from reconciler.cli.apply import settle  # what a run needs, which most refreshes are not

            request = request_from(
                allow=allow, env=env, plex=False, ignore_pin=ignore_pin, allow_exec=allow_exec, now=now
            )
            request = replace(request, offered=found.offered)
            settled = settle(console, loaded, request, asked=True, skip_blocked=True, command="refresh")
            remember(loaded, question, None if ignore_pin else _left(settled))
    code = report(console, settled, skip_blocked=True, format_=format_)
    return Exit.REFUSED if code is Exit.SKIPPED_BLOCKED else code


def _standing(console: Console, spec: Spec, question: Question) -> Standing:
    """Whether there is anything to do."""
    with fetching(console) as progress:
        return trio.run(partial(standing, spec, replace(question, progress=progress)))


def _left(settled: Settled) -> Plan | None:
    """What the run showed to be left, by a plan of the world as it is now; None where that is not known."""
    if settled.why == "nothing to do":
        return settled.plan
    return settled.verdict.plan if settled.verdict and settled.converged and not settled.blocked else None
