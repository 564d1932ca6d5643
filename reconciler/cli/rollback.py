"""`ptctl rollback`: publish an earlier generation at once; `--hold` keeps it there over the next refreshes."""

from pathlib import Path

import click

from reconciler.cli.runs import lock
from reconciler.cli.specs import console_of, load_or_fail, spec_options
from reconciler.errors import UsageError
from reconciler.ledger import generations

__all__ = ["rollback"]


@click.command()
@click.argument("generation", required=False, default="")
@click.option("--spec", "spec_", type=click.Path(path_type=str), help="The spec, if it is not ./ptctl.yaml.")
@click.option("--hold", is_flag=True, help="Let no refresh replace it until --release.")
@click.option("--release", is_flag=True, help="End a hold; the next refresh publishes again.")
@click.option("--list", "list_", is_flag=True, help="List the generations that are kept.")
@spec_options
@click.pass_context
def rollback(
    ctx: click.Context,
    *,
    generation: str,
    spec_: str | None,
    hold: bool,
    release: bool,
    list_: bool,
    env: str | None,
    allow_exec: bool,
) -> None:
    """Publish an earlier GENERATION at once; without one named, the one before the current.

    Tuners, lineups and guides follow within a second. Plex is not told: the next `apply` does that.
    """
    if release and (hold or generation):
        raise UsageError("--release ends a hold, so it goes alone", next_step="ptctl rollback --release")
    console = console_of(ctx)
    spec = load_or_fail(console, spec_, env=env, allow_exec=allow_exec)
    state = Path(spec.state)
    if list_:
        now, kept = generations.current(state), generations.held(state)
        for name in generations.generations(state):
            marks = [word for word, yes in (("current", name == now), ("held", name == kept)) if yes]
            console.data(f"{name}  {', '.join(marks)}".rstrip())
        return
    with lock(console, spec, "rollback"):
        if release:
            ended = generations.release(state)
            console.data("released: the next refresh publishes again" if ended else "nothing was held")
            return
        done = generations.rollback(state, generation, hold=hold)
    word = "is current already" if not done.changed else f"is current again, was {done.previous}"
    console.data(
        f"generation {done.generation} {word}"
        + ("; held until  ptctl rollback --release" if done.held else "")
    )
