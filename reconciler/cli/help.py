"""`ptctl help`: a command's own help, or the page of a code."""

import click

from reconciler.cli.main import COMMANDS
from reconciler.cli.specs import console_of
from reconciler.errors import UsageError
from reconciler.spec.suggest import closest

__all__ = ["help_"]


@click.command("help")
@click.argument("topic", metavar="[COMMAND|CODE]", required=False)
@click.pass_context
def help_(ctx: click.Context, *, topic: str | None) -> None:
    """Explain a command or a code such as V102.

    Code letters: V the spec, W plan warnings, S safety, P a run. Without a topic: all commands.
    """
    console = console_of(ctx)
    parent = ctx.find_root()
    if topic is None:
        console.data(parent.get_help())
        return
    if topic in COMMANDS:
        group = parent.command
        assert isinstance(group, click.Group)
        command = group.get_command(parent, topic)
        assert command is not None
        with click.Context(command, info_name=topic, parent=parent) as inner:
            console.data(command.get_help(inner))
        return
    from reconciler.rendering import help_pages

    page = help_pages.page(topic)
    if page is not None:
        console.data(page.text)
        return
    near = closest(topic.upper(), help_pages.codes()) or closest(topic, COMMANDS)
    hint = f'; did you mean "{near}"?' if near else ""
    raise UsageError(
        f'there is no command and no code "{topic}"{hint}', next_step="ptctl help, or docs/codes.md"
    )
