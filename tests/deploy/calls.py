"""Whether a command line that stands in a manifest or a document is one of `ptctl`, without running it."""

from collections.abc import Sequence

import click

from reconciler.cli.main import root

__all__ = ["parses"]


def parses(words: Sequence[str]) -> bool:
    """Whether these are a command of `ptctl` and options that it has. Raises click's UsageError where they are not."""
    with root.make_context("ptctl", [str(word) for word in words]) as context:
        assert isinstance(root, click.Group)
        name, command, rest = root.resolve_command(context, [str(word) for word in words])
        assert command is not None
        with command.make_context(name, rest, parent=context):
            return True
