"""What `plan`, `apply`, `refresh` and `demo` share: the options, a `Request` from them, and showing a plan."""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.planning.document import dump, load
from reconciler.planning.model import Plan
from reconciler.rendering import plan_rows, plan_text
from reconciler.sources.progress import Progress, silent

if TYPE_CHECKING:
    from reconciler.pipeline import Request

__all__ = ["exit_of", "request_from", "selection_options", "show"]

F = TypeVar("F", bound=Callable[..., Any])  # Any: click hands each command its own arguments


def selection_options(function: F) -> F:
    """`--allow`, `--only`, `--skip`."""
    allow = click.option(
        "--allow", multiple=True, metavar="WORD", help="Lift one block, e.g. shrink:moviesprem."
    )
    only = click.option("--only", multiple=True, metavar="DVR", help="Leave every other DVR as it is.")
    skip = click.option("--skip", multiple=True, metavar="DVR", help="Leave this DVR as it is.")
    return allow(only(skip(function)))


def request_from(
    *,
    allow: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    env: str | None = None,
    cached: bool = False,
    plex: bool = True,
    ignore_pin: bool = False,
    renumber: tuple[str, ...] = (),
    allow_exec: bool = False,
    progress: Progress = silent,
    now: float | None = None,
) -> "Request":
    """The request of this command line, at this moment, or at the one that the command began with."""
    from reconciler.pipeline import Request  # half of what a refresh with nothing to do would load

    return Request(
        now=time.time() if now is None else now,
        environ=dict(os.environ),
        allow=tuple(sorted(set(allow))),
        only=only,
        skip=skip,
        env=env or "",
        cached=cached,
        plex=plex,
        ignore_pin=ignore_pin,
        renumber=frozenset(renumber),
        allow_exec=allow_exec,
        progress=progress,
    )


def show(
    console: Console,
    plan: Plan,
    *,
    format_: str = "text",
    channels: str | None = None,
    saved: plan_text.Saved | None = None,
    actions: bool = False,
    asking: bool = False,
) -> None:
    """Print a plan. Every human view is made from the JSON document alone, so the two cannot differ.

    `asking`: a question about it follows.
    """
    document = dump(plan)
    if format_ == "json":
        console.data(document)
        return
    plan = load(document)
    if format_ == "markdown":
        from reconciler.rendering import plan_markdown

        console.data(plan_markdown.render(plan))
    elif channels:
        console.data(plan_rows.render_channels(plan, channels, color=console.color_out))
    else:
        console.data(
            plan_text.render(plan, color=console.color_out, saved=saved, actions=actions, asking=asking)
        )


def exit_of(plan: Plan, *, count_content: bool = False) -> Exit:
    """`plan --exit-code`: 0 nothing to change, 2 changes that are all allowed, 4 something is blocked.

    A Plex that does not answer is 1, as for `apply`: nothing of it can be compared (design.md 3).
    """
    if plan.plex == "unknown":
        return Exit.FAILED
    if plan.blocks or any(change.blocks for change in plan.changes):
        return Exit.REFUSED
    if not plan.empty:
        return Exit.CHANGES
    return (
        Exit.CHANGES if count_content and any(change.content_only for change in plan.changes) else Exit.DONE
    )
