"""The root command: finds the subcommand's module and runs it.

Commands are loaded when they are called, so that `ptctl validate` does not pay for `serve`. This module refuses to do
any command's work.
"""

import importlib
import signal
import threading
from collections.abc import Sequence
from typing import Final

import click

from reconciler import __version__
from reconciler.cli.console import Console
from reconciler.cli.endings import asks_for_json, ended
from reconciler.cli.examples import epilog
from reconciler.cli.exits import Exit
from reconciler.errors import UsageError

__all__ = ["COMMANDS", "root", "run"]

OWN: Final = ("--no-color", "--traceback")
"""The options of `ptctl` itself; they may stand anywhere."""

# name -> (module, attribute, one line for `ptctl --help`); the order is that of a user's first hour
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "demo": ("reconciler.cli.demo", "demo", "See it work: provider, Plex, plan, apply, a tuned channel"),
    "init": ("reconciler.cli.init", "init", "Write a first spec: asks for provider and Plex, or takes flags"),
    "import": ("reconciler.cli.import_", "import_", "Write a spec from Threadfin, a playlist, or Plex"),
    "catalog": ("reconciler.cli.catalog", "catalog", "What the sources offer, what a matcher would catch"),
    "validate": ("reconciler.cli.validate", "validate", "Check specs, offline: all errors at once"),
    "plan": ("reconciler.cli.plan", "plan", "Show how the world differs from the spec"),
    "snapshot": (
        "reconciler.cli.snapshot",
        "snapshot",
        "The world as one file, for plans where there are no secrets",
    ),
    "apply": ("reconciler.cli.apply", "apply", "Make the world match the spec"),
    "refresh": (
        "reconciler.cli.refresh",
        "refresh",
        "Fetch sources and publish artifacts; never touches Plex",
    ),
    "serve": ("reconciler.cli.serve", "serve", "Be every declared tuner"),
    "adopt": ("reconciler.cli.adopt", "adopt", "Take over a DVR that Plex has; rebuild a lost ledger"),
    "explain": ("reconciler.cli.explain", "explain", "Why a channel is where it is"),
    "probe": ("reconciler.cli.probe", "probe", "Try streams, and remember which do not play"),
    "status": ("reconciler.cli.status", "status", "What the running serve is doing"),
    "history": ("reconciler.cli.history", "history", "What earlier runs did"),
    "rollback": ("reconciler.cli.rollback", "rollback", "Publish an earlier generation at once"),
    "renumber": ("reconciler.cli.renumber", "renumber", "Give every channel of a DVR a new number"),
    "doctor": (
        "reconciler.cli.doctor",
        "doctor",
        "What is in the way: token, reachability, ports, clock, Plex",
    ),
    "sandbox": ("reconciler.cli.sandbox", "sandbox", "A simulated provider and Plex on loopback"),
    "schema": ("reconciler.cli.schema", "schema", "Print the JSON Schema of the spec, plan or diagnostics"),
    "completion": ("reconciler.cli.completion", "completion", "Print the completion script of a shell"),
    "help": ("reconciler.cli.help", "help_", "Explain a command or a code such as V102"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, and which suggests near misses."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """The command, imported now; None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        command.epilog = epilog(cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion where the name is unknown."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from reconciler.spec.suggest import closest

            near = closest(args[0], COMMANDS)
            hint = f'; did you mean "{near}"?' if near else ""
            raise click.UsageError(f'no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The list for `--help`, without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.command(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, "-V", "--version", message="ptctl %(version)s")
@click.option(
    OWN[0],
    is_flag=True,
    expose_value=False,
    help="Same text without colour (also: NO_COLOR); with any command.",
)
@click.option(
    OWN[1], is_flag=True, expose_value=False, help="Show where in the code an error arose; with any command."
)
def root() -> None:
    """Live TV for Plex as code: one YAML spec, every tuner, one plan."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Returns the exit status; prints every error with its next step.

    The options of `ptctl` itself are looked for here, wherever they stand: errors of the parser are shown by them, too, and
    nobody should have to know that they go before the command.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own = {word for word in arguments[:end] if word in OWN}
    words = [*(word for word in arguments[:end] if word not in own), *arguments[end:]]
    console = Console.here(no_color=OWN[0] in own)
    _take_sigterm()

    def work() -> object:
        try:
            return root.main(words, prog_name="ptctl", standalone_mode=False, obj=console)
        except click.exceptions.Exit as exit_:
            return exit_.exit_code
        except click.Abort:
            raise KeyboardInterrupt from None
        except click.exceptions.NoArgsIsHelpError as error:
            # nothing was asked: the whole help, and no error to read first
            console.note(error.format_message())
            return Exit.USAGE
        except SystemExit:
            raise BrokenPipeError from None  # click's way of ending when the reader left
        except click.ClickException as error:
            raise _usage(error) from None

    return ended(console, work, json=asks_for_json(arguments), verbose=OWN[1] in own)


def _take_sigterm() -> None:
    """SIGTERM interrupts as Ctrl-C does: 130, with the journal settled (design.md 3).

    The system's own way ends a process in the middle of a line of the journal, and as the first process of a container
    not at all. Where Ctrl-C is ignored (a job of a shell's background) SIGTERM keeps the system's way.
    """
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def _usage(error: click.ClickException) -> UsageError:
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "ptctl"
    message = error.format_message()
    return UsageError(message[:1].lower() + message[1:].rstrip("."), next_step=f"{command} --help")
