"""`ptctl plan`: how the world differs from the spec. Sends no writing request and touches nothing but the cache."""

import hashlib
from functools import partial
from pathlib import Path

import click
import trio

from reconciler.cli.exits import Exit
from reconciler.cli.planning import check_addresses, exit_of, request_from, selection_options, show
from reconciler.cli.progress import fetching
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options
from reconciler.errors import StateError, UsageError
from reconciler.ledger.atomic import replace_file
from reconciler.pipeline import Request, prepared
from reconciler.planning.document import dump
from reconciler.planning.model import Plan
from reconciler.rendering.plan_text import Saved
from reconciler.spec.model import Spec

__all__ = ["plan"]


@click.command()
@spec_argument
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan for `ptctl apply FILE`."
)
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json", "markdown"]), default="text")
@click.option(
    "--exit-code",
    is_flag=False,
    flag_value="changes",
    type=click.Choice(["changes", "all"]),
    help="Exit 2 where something would change, 4 where something is blocked; `all` counts guides that moved on.",
)
@click.option("--cached", is_flag=True, help="Use the last copies; ask no provider.")
@click.option("--channels", metavar="DVR|all", help="List every channel that comes, goes or changes.")
@click.option("--actions", is_flag=True, help="Also list the steps of apply, one by one.")
@selection_options
@spec_options
@click.pass_context
def plan(
    ctx: click.Context,
    *,
    spec: str | None,
    out: Path | None,
    format_: str,
    exit_code: str | None,
    cached: bool,
    channels: str | None,
    actions: bool,
    allow: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """Show how the world differs from the spec.

    Reads the sources and Plex; writes nothing but its cache.
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    check_addresses(loaded, (*only, *skip, *((channels,) if channels and channels != "all" else ())))
    with fetching(console) as progress:
        request = request_from(
            allow=allow,
            only=only,
            skip=skip,
            env=env,
            cached=cached,
            allow_exec=allow_exec,
            progress=progress,
        )
        made = trio.run(partial(make_plan, loaded, request))
    saved = _save(out, made) if out else None
    if channels and format_ != "text":
        raise UsageError("--channels is for the text format", next_step="-f json has all channels")
    show(console, made, format_=format_, channels=channels, saved=saved, actions=actions)
    return exit_of(made, count_content=exit_code == "all") if exit_code else Exit.DONE


async def make_plan(spec: Spec, request: Request) -> Plan:
    """The plan alone; what was staged for it is gone afterwards."""
    async with prepared(spec, request) as ready:
        return ready.plan


def _save(path: Path, made: Plan) -> Saved:
    data = dump(made).encode()
    try:
        replace_file(path, data)
    except OSError as error:
        raise StateError(
            f"cannot write {path}: {error.strerror}", next_step="choose another --out"
        ) from error
    return Saved(str(path), hashlib.sha256(data).hexdigest())
