"""`ptctl history`: the journals of earlier runs, read back."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from reconciler.cli.specs import console_of, load_or_fail, spec_options
from reconciler.errors import UsageError
from reconciler.ledger.journal import read_run, run_numbers
from reconciler.rendering.history_text import render_run, render_runs

__all__ = ["history"]


@click.command()
@click.argument("run", required=False, type=int)
@click.option("--spec", "spec_", type=click.Path(path_type=str), help="The spec, if it is not ./ptctl.yaml.")
@click.option(
    "--last", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many runs to list."
)
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@spec_options
@click.pass_context
def history(
    ctx: click.Context,
    *,
    run: int | None,
    spec_: str | None,
    last: int,
    format_: str,
    env: str | None,
    allow_exec: bool,
) -> None:
    """What earlier runs did: all of them in short, or one RUN with every action."""
    console = console_of(ctx)
    state = Path(load_or_fail(console, spec_, env=env, allow_exec=allow_exec).state)
    numbers = run_numbers(state)
    if run is not None and run not in numbers:
        known = f"runs {numbers[0]} to {numbers[-1]}" if numbers else "none yet"
        raise UsageError(f"there is no run {run}", next_step=f"ptctl history   ({known})")
    found = [
        read_run(state, number)
        for number in ([run] if run is not None else sorted(numbers, reverse=True)[:last])
    ]
    if format_ == "json":
        console.data(json.dumps({"format": "ptctl-history/1", "runs": [asdict(r) for r in found]}, indent=1))
    elif run is not None:
        console.data(render_run(found[0], color=console.color_out))
    else:
        console.data(render_runs(found, color=console.color_out))
