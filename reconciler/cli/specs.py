"""Finding, reading and judging the spec for the commands that need one: arguments in, a `Spec` or exit 3 out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.console import Console
from reconciler.errors import SpecError, UsageError
from reconciler.spec import find, load
from reconciler.spec.suggest import closest

if TYPE_CHECKING:
    from reconciler.spec.model import Spec  # half of a validation's time would be making its classes

__all__ = ["check_addresses", "console_of", "load_or_fail", "spec_argument", "spec_options"]

F = TypeVar("F", bound=Callable[..., Any])  # Any: click hands each command its own arguments


def console_of(ctx: click.Context) -> Console:
    """The console the root command made."""
    console = ctx.find_object(Console)
    assert console is not None
    return console


def spec_argument(function: F) -> F:
    """The `[SPEC]` argument: else $PTCTL_SPEC, else ./ptctl.yaml."""
    return click.argument("spec", required=False, type=click.Path(path_type=str))(function)


def spec_options(function: F) -> F:
    """`--env` and `--allow-exec`, for every command that reads a spec."""
    env = click.option("--env", metavar="NAME", help="Merge <spec>.NAME.yaml over the spec.")
    allow_exec = click.option("--allow-exec", is_flag=True, help="Let credential references run commands.")
    return env(allow_exec(function))


def load_or_fail(console: Console, argument: str | None, *, env: str | None, allow_exec: bool) -> "Spec":
    """The spec. Prints every finding to stderr and raises SpecError (exit 3) where it is invalid; warnings do not stop."""
    path = find(argument, os.environ)
    spec, found, texts = load(path, env=env, allow_exec=allow_exec, state=os.environ.get("PTCTL_STATE"))
    if len(found):
        from reconciler.rendering import diagnostics_text

        console.note(diagnostics_text.render(found, texts, color=console.color_err))
    if spec is None:
        raise SpecError(
            f"{Path(path).name} is invalid; nothing was done",
            diagnostics=found.sorted(),
            next_step=f"mend it, then ptctl validate {path}",
        )
    return spec


def check_addresses(spec: "Spec", names: tuple[str, ...], known: frozenset[str] = frozenset()) -> None:
    """Raises UsageError where `--only` or `--skip` names no DVR of the spec or the ledger."""
    candidates = sorted({*spec.dvrs, *known})
    for name in names:
        if name not in candidates:
            near = closest(name, candidates)
            hint = f'; did you mean "{near}"?' if near else ""
            raise UsageError(f'no DVR "{name}"{hint}', next_step=f"DVRs: {', '.join(candidates)}")
