"""`ptctl renumber`: give every channel of one DVR a new number, in the order of its bucket. An apply with one wish more."""

import click

from reconciler.cli.apply import settle
from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from, show
from reconciler.cli.run_report import report
from reconciler.cli.runs import lock
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_options
from reconciler.errors import UsageError

__all__ = ["renumber"]


@click.command()
@click.argument("dvr")
@click.option("--spec", "spec_", type=click.Path(path_type=str), help="The spec, if it is not ./ptctl.yaml.")
@click.option("--allow", multiple=True, metavar="WORD", help="renumber:DVR lets the living numbers move.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--wait", metavar="DURATION", default="0s", help="Wait so long for another run to end, e.g. 10m."
)
@spec_options
@click.pass_context
def renumber(
    ctx: click.Context,
    *,
    dvr: str,
    spec_: str | None,
    allow: tuple[str, ...],
    yes: bool,
    format_: str,
    wait: str,
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """Give every channel of a DVR a new number, in the order its bucket sorts newcomers.

    Recordings and favourites follow numbers, so nothing moves without --allow renumber:DVR: without it the plan is shown
    and nothing is done. Other DVRs are left as they are.
    """
    console = console_of(ctx)
    spec = load_or_fail(console, spec_, env=env, allow_exec=allow_exec)
    check_addresses(spec, (dvr,))
    word = f"renumber:{dvr}"
    if word in allow and not yes and not console.terminal:
        raise UsageError(
            "there is no terminal to ask on", next_step=f"ptctl renumber {dvr} --allow {word} --yes"
        )
    with lock(console, spec, "renumber", wait):
        request = request_from(allow=allow, only=(dvr,), env=env, renumber=(dvr,), allow_exec=allow_exec)
        settled = settle(console, spec, request, asked=yes, command="renumber")
    if settled.blocked and format_ == "text":
        show(console, settled.plan, channels=dvr)
    return report(console, settled, skip_blocked=False, format_=format_)
