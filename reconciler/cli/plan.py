"""`ptctl plan`: how the world differs from the spec. Sends no writing request and touches nothing but the cache."""

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import trio

from reconciler.cli.exits import Exit
from reconciler.cli.planning import exit_of, request_from, selection_options, show
from reconciler.cli.progress import fetching
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_argument, spec_options
from reconciler.converge import asked_busy
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
@click.option(
    "--base",
    metavar="SPEC",
    type=click.Path(path_type=str),
    help="Only what differs from this spec, over one selection of channels.",
)
@click.option(
    "--world",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Plan over a snapshot: no provider, no Plex, no secret. It cannot be applied.",
)
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
    base: str | None,
    world: Path | None,
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
    older = load_or_fail(console, base, env=env, allow_exec=allow_exec) if base else None
    named = (*only, *skip, *((channels,) if channels and channels != "all" else ()))
    check_addresses(loaded, named, frozenset(older.dvrs) if older else frozenset())
    if out and (base or world):
        raise UsageError(
            "a plan over a snapshot or against a base cannot be applied, so it is not saved",
            next_step="ptctl plan --out FILE, without --base and --world; -f json > FILE keeps this one",
        )
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
        made = _made(loaded, older, world, replace(request, ask_busy=asked_busy))
    saved = _save(out, made) if out else None
    if channels and format_ != "text":
        raise UsageError("--channels is for the text format", next_step="-f json has all channels")
    show(console, made, format_=format_, channels=channels, saved=saved, actions=actions)
    code = exit_of(made, count_content=exit_code == "all")
    # A plan is done whatever it says; one that Plex did not answer is none (design.md 3).
    return code if exit_code or code is Exit.FAILED else Exit.DONE


def _made(spec: Spec, base: Spec | None, world: Path | None, request: Request) -> Plan:
    if base is None and world is None:
        return trio.run(partial(make_plan, spec, request))
    from reconciler.cli.snapshot import read_world, take
    from reconciler.pipeline import snapshots

    if world is not None:
        seen = read_world(world)
    else:
        assert base is not None
        seen = trio.run(partial(take, _both(base, spec), replace(request, plex=False)))
    if base is None:
        return snapshots.plan_over(spec, seen, request)
    return snapshots.difference(base, spec, seen, request)


def _both(base: Spec, head: Spec) -> Spec:
    """A spec that fetches what either of the two needs; where both say something, the newer word counts."""
    return replace(
        head,
        credentials={**base.credentials, **head.credentials},
        sources={**base.sources, **head.sources},
        guides={**base.guides, **head.guides},
    )


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
