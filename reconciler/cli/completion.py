"""`ptctl completion`: the script that makes a shell complete commands and options."""

import click
from click.shell_completion import get_completion_class

from reconciler.cli.specs import console_of

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  ptctl completion bash > ~/.local/share/bash-completion/completions/ptctl
    zsh:   ptctl completion zsh > "${fpath[1]}/_ptctl"
    fish:  ptctl completion fish > ~/.config/fish/completions/ptctl.fish
    """  # noqa: D301 - \b is click's mark for "do not wrap"
    kind = get_completion_class(shell)
    assert kind is not None  # the choice above lists click's own three
    root = ctx.find_root().command
    console_of(ctx).data(kind(root, {}, "ptctl", "_PTCTL_COMPLETE").source())
