"""`ptctl apply`: asks, converges, reads back, plans again and expects nothing left."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from reconciler.applying.events import Progress
from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from, selection_options, show
from reconciler.cli.progress import applying, fetching
from reconciler.cli.run_report import report
from reconciler.cli.runs import lock
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_options
from reconciler.converge import Orders, Settled, converge
from reconciler.errors import StalePlan, UsageError
from reconciler.ledger.journal import read_run, run_numbers
from reconciler.pipeline import Request
from reconciler.planning import commands
from reconciler.planning.document import load
from reconciler.planning.model import Plan
from reconciler.rendering import run_text
from reconciler.spec.model import Spec

__all__ = ["apply", "run_once", "settle"]


@click.command()
@click.argument("spec", metavar="[SPEC|PLANFILE]", required=False, type=click.Path(path_type=str))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--skip-blocked", is_flag=True, help="Do everything that is not blocked (exit 8 where something was)."
)
@click.option(
    "--content-only",
    is_flag=True,
    help="Only files, guide loads and channel maps of DVRs that are ours; leave everything else for later.",
)
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--resume",
    "resumed",
    metavar="RUN",
    type=click.IntRange(1),
    help="Go on with what this run left undone (`ptctl history`).",
)
@click.option(
    "--wait", metavar="DURATION", default="0s", help="Wait so long for another run to end, e.g. 10m."
)
@selection_options
@spec_options
@click.pass_context
def apply(
    ctx: click.Context,
    *,
    spec: str | None,
    yes: bool,
    skip_blocked: bool,
    content_only: bool,
    format_: str,
    resumed: int | None,
    wait: str,
    allow: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """Make the world match the spec.

    Plans, asks, acts, reads back and plans again. With a PLANFILE of `plan --out` it does exactly that plan, without
    asking, and refuses (exit 5) when the world moved since.
    """
    console = console_of(ctx)
    saved = _saved(spec)
    if saved is not None and (allow or only or skip or env):
        raise UsageError(
            "--allow, --only, --skip and --env belong to the plan that was saved",
            next_step="ptctl plan --out FILE, with them",
        )
    if resumed is not None and (saved or allow or only or skip or env):
        raise UsageError(
            "--resume takes the run's own plan and arguments",
            next_step=f"ptctl apply --resume {resumed}",
        )
    if saved is None and not yes and not console.terminal:
        raise UsageError(
            "there is no terminal to ask on",
            next_step="ptctl apply --yes, or ptctl plan --out FILE and ptctl apply FILE",
        )
    if saved is None and not yes and format_ == "json":
        raise UsageError(
            "the question would stand in the JSON",
            next_step="ptctl apply --yes -f json, or ptctl plan --out FILE and ptctl apply FILE -f json",
        )
    arguments = json.loads(saved.arguments or "{}") if saved else {}
    path = saved.spec_files[0] if saved else spec
    loaded = load_or_fail(console, path, env=arguments.get("env") or env, allow_exec=allow_exec)
    if resumed is not None:
        own = _asked(loaded, resumed).get("env")
        if own:  # where the state lies is known without it, the rest of the spec is not
            loaded = load_or_fail(console, path, env=own, allow_exec=allow_exec)
        arguments = _unfinished(loaded, resumed)
    check_addresses(loaded, (*only, *skip))
    with lock(console, loaded, "apply", wait):
        request = request_from(
            allow=tuple(arguments.get("allow", allow)),
            only=tuple(arguments.get("only", only)),
            skip=tuple(arguments.get("skip", skip)),
            env=arguments.get("env", env),
            renumber=tuple(arguments.get("renumber", ())),
            ignore_pin=bool(arguments.get("ignore_pin")),
            allow_exec=allow_exec,
        )
        asked = yes or saved is not None
        settled = settle(
            console,
            loaded,
            request,
            saved=saved,
            saved_as=spec or "FILE",
            asked=asked,
            skip_blocked=skip_blocked,
            content_only=content_only,
        )
    return report(console, settled, skip_blocked=skip_blocked, format_=format_)


def _asked(spec: Spec, number: int) -> dict[str, Any]:  # Any: JSON
    """The arguments of a run. Raises UsageError where there is no such run."""
    state = Path(spec.state)
    numbers = run_numbers(state)
    if number not in numbers:
        known = f"runs {numbers[0]} to {numbers[-1]}" if numbers else "none yet"
        raise UsageError(f"there is no run {number}", next_step=f"ptctl history   ({known})")
    return dict(read_run(state, number).head.get("arguments") or {})


def _unfinished(spec: Spec, number: int) -> dict[str, Any]:
    """The arguments to go on with a run: its own, and only the DVRs it did not finish.

    Raises UsageError where nothing of it is undone, StalePlan where the spec is another by now.
    """
    arguments = _asked(spec, number)
    run = read_run(Path(spec.state), number)
    if run.exit == 0 or not run.left:
        raise UsageError(f"run {number} left nothing undone", next_step="ptctl plan")
    if run.head.get("spec") != spec.digest:
        raise StalePlan(
            f"the spec is not the one of run {number}",
            moved=("spec",),
            next_step="ptctl plan, then ptctl apply",
        )
    dvrs = {id_.partition(":")[2] for id_ in run.left}
    if "" not in dvrs and not arguments.get("only"):
        arguments["only"] = sorted(dvrs & spec.dvrs.keys())
    return arguments


def settle(
    console: Console,
    spec: Spec,
    request: Request,
    *,
    saved: Plan | None = None,
    asked: bool = False,
    skip_blocked: bool = False,
    content_only: bool = False,
    command: str = "apply",
    saved_as: str = "FILE",
) -> Settled:
    """One run with everything it shows, also how to go on with one that was interrupted. The caller holds the lock."""
    resume: list[str] = []
    try:
        return trio.run(
            partial(
                run_once,
                console,
                spec,
                request,
                saved=saved,
                asked=asked,
                skip_blocked=skip_blocked,
                content_only=content_only,
                command=command,
                saved_as=saved_as,
                resume=resume.append,
            )
        )
    except* KeyboardInterrupt:
        for words in resume if command == "apply" else ():
            console.note(f"No file is half written, and the journal is settled.   Next:  {words}")
        raise


async def run_once(
    console: Console,
    spec: Spec,
    request: Request,
    *,
    saved: Plan | None = None,
    asked: bool = False,
    skip_blocked: bool = False,
    content_only: bool = False,
    command: str = "apply",
    saved_as: str = "FILE",
    resume: Callable[[str], None] = lambda _: None,
) -> Settled:
    """`converge` with progress shown and, unless `asked`, a question. `resume` is told what goes on with a run that begins."""
    with ExitStack() as display:
        fetched = display.enter_context(fetching(console))
        moves: list[Callable[[Progress], None]] = []

        async def consent(plan: Plan) -> bool:
            display.close()  # a question stands in still text
            if not asked:
                show(console, plan, asking=True)
                if not click.confirm("Apply this plan?", default=False, err=True):
                    return False
            moves.append(display.enter_context(applying(console)))
            return True

        def moved(step: Progress) -> None:
            moves[-1](step)

        def begun(run: int, plan: Plan) -> None:
            resume(commands.command(plan, "apply", "--resume", str(run)))
            console.note(run_text.begun(run, plan.ledger_serial, saved=saved is not None))

        orders = Orders(
            consent=consent,
            command=command,
            saved=saved,
            saved_as=saved_as,
            skip_blocked=skip_blocked,
            content_only=content_only,
            begun=begun,
            progress=moved,
        )
        return await converge(spec, replace(request, progress=fetched), orders)


def _saved(argument: str | None) -> Plan | None:
    """The plan in the file, where the argument is a plan file: JSON, which no spec begins with."""
    if argument is None or not Path(argument).is_file():
        return None
    with Path(argument).open("rb") as file:
        head = file.read(64).lstrip()
    return load(Path(argument).read_bytes()) if head.startswith(b"{") else None
