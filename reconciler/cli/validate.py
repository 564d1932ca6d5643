"""The command line of `ptctl validate`. Refuses to do its work: that is `cli.judging`."""

import click

from reconciler.cli.exits import Exit
from reconciler.cli.judging import judge
from reconciler.cli.specs import console_of, spec_options
from reconciler.rendering.diagnostics_format import FORMATS, Format

__all__ = ["validate"]


@click.command()
@click.argument("specs", metavar="[SPEC…]", nargs=-1)
@click.option("-f", "--format", "form", type=click.Choice(FORMATS), default="text", help="How to report.")
@spec_options
@click.pass_context
def validate(
    ctx: click.Context, *, specs: tuple[str, ...], form: Format, env: str | None, allow_exec: bool
) -> Exit:
    """Check specs, offline: all errors at once.

    Without SPEC: $PTCTL_SPEC, else ./ptctl.yaml. Exit 0 when valid (warnings do not count), 3 when not.
    """
    return judge(console_of(ctx), specs, form=form, env=env, allow_exec=allow_exec)
