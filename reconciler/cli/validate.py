"""`ptctl validate`: every mistake of every spec in one run, offline. Refuses to fetch and to resolve anything."""

import importlib
import os

import click

from reconciler.cli.exits import Exit
from reconciler.cli.specs import console_of, spec_options
from reconciler.diagnostics import joined
from reconciler.spec import check, find

__all__ = ["validate"]

FORMATS = ("text", "json", "github", "sarif", "junit")


@click.command()
@click.argument("specs", metavar="[SPEC…]", nargs=-1)
@click.option("-f", "--format", "format_", type=click.Choice(FORMATS), default="text", help="How to report.")
@spec_options
@click.pass_context
def validate(
    ctx: click.Context, *, specs: tuple[str, ...], format_: str, env: str | None, allow_exec: bool
) -> Exit:
    """Check specs, offline: all errors at once.

    Without SPEC: $PTCTL_SPEC, else ./ptctl.yaml. Exit 0 when valid (warnings do not count), 3 when not.
    """
    console = console_of(ctx)
    found, texts = joined(
        [check(find(argument, os.environ), env=env, allow_exec=allow_exec) for argument in specs or (None,)]
    )
    if format_ == "text":
        from reconciler.rendering import diagnostics_text

        console.data(diagnostics_text.render(found, texts, color=console.color_out))
    else:
        renderer = importlib.import_module(f"reconciler.rendering.diagnostics_{format_}")
        console.data(renderer.render(found, texts))
    if format_ == "github":
        # The annotations name ten of a kind at most; the log has all of them (output.md 2).
        from reconciler.rendering import diagnostics_text

        console.data("::group::ptctl validate")
        console.data(diagnostics_text.render(found, texts, color=False))
        console.data("::endgroup::")
    return Exit.INVALID if found.errors else Exit.DONE
