"""`ptctl refresh`: sources and artifacts, never Plex. What is blocked is carried over byte for byte."""

import click

from reconciler.cli.apply import report, settle
from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from
from reconciler.cli.runs import lock
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options

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
        console.note(f"pinned hosts are ignored for this run: {', '.join(pinned) or 'none is pinned'}")
    with lock(console, loaded, "refresh", wait):
        request = request_from(allow=allow, env=env, plex=False, ignore_pin=ignore_pin, allow_exec=allow_exec)
        settled = settle(console, loaded, request, asked=True, skip_blocked=True, command="refresh")
    code = report(console, settled, skip_blocked=True, format_=format_)
    return Exit.REFUSED if code is Exit.SKIPPED_BLOCKED else code
