"""`ptctl status`: what the running `serve` is doing. Asks the hub; changes nothing."""

import json
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import click
import trio

from reconciler.applying.serve import serve_client
from reconciler.cli.exits import Exit
from reconciler.cli.specs import console_of, load_or_fail, spec_argument, spec_options
from reconciler.ledger import generations, store
from reconciler.ledger.journal import read_run, run_numbers
from reconciler.pipeline.published import tuners_of
from reconciler.plex.model import Unknown
from reconciler.rendering.status_text import render_away, render_status
from reconciler.spec.model import Spec

__all__ = ["asked_status", "hub_addresses", "status"]

ANSWER_S: Final = 5.0


@click.command()
@spec_argument
@click.option(
    "--busy",
    is_flag=True,
    help="Print nothing; exit 0: nobody watches, 2: somebody does, 1: cannot be known.",
)
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@spec_options
@click.pass_context
def status(
    ctx: click.Context,
    *,
    spec: str | None,
    busy: bool,
    format_: str,
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """What the running serve does: DVRs, tuners in use, streams, sources, the last run, drift.

    Exits 1 where serve does not answer. --busy is for scripts that must not disturb anybody.
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    if busy:
        watched = trio.run(partial(_busy, loaded))
        if isinstance(watched, Unknown):
            console.note(f"whether anybody watches cannot be known: {watched.why}")
            return Exit.FAILED
        return Exit.CHANGES if watched else Exit.DONE
    found = _ours(trio.run(partial(asked_status, loaded)), loaded)
    if isinstance(found, Unknown):
        local = _local(Path(loaded.state))
        if format_ == "json":
            away = {"format": "ptctl-status/1", "answers": False, "why": found.why, "local": local}
            console.data(json.dumps(away, indent=1))
        else:
            console.data(render_away(found.why, local, color=console.color_out))
        return Exit.FAILED
    if format_ == "json":
        console.data(json.dumps({**found, "answers": True}, indent=1))
    else:
        console.data(render_status(found, color=console.color_out))
    return Exit.DONE


async def asked_status(spec: Spec) -> dict[str, Any] | Unknown:  # Any: JSON
    """The hub's status, or why there is none. Never raises."""
    async with serve_client(hub_addresses(spec), limit_s=ANSWER_S) as client:
        return await client.status()


def _ours(found: dict[str, Any] | Unknown, spec: Spec) -> dict[str, Any] | Unknown:  # Any: JSON
    # the usual port of this machine is asked as well, and another installation may have it;
    # who has published nothing yet has no name to tell
    if isinstance(found, Unknown) or found["name"] in {"", spec.name}:
        return found
    return Unknown(f'what answers serves "{found["name"]}" and not "{spec.name}"')


async def _busy(spec: Spec) -> dict[str, int] | Unknown:
    """Who watches, whichever process serves the DVR. Never raises."""
    tuners = tuners_of(Path(spec.state))
    async with serve_client(hub_addresses(spec), limit_s=ANSWER_S, tuners=tuners) as client:
        found = _ours(await client.status(), spec)
        return found if isinstance(found, Unknown) else await client.busy()


def hub_addresses(spec: Spec) -> tuple[str, ...]:
    """Where the hub should answer: as advertised, else on this machine."""
    host, port = spec.serve.listen
    try:
        address = ip_address(host)
    except ValueError:
        place = host  # a name
    else:
        # who listens everywhere is found on loopback
        place = f"[{address}]" if address.version == 6 else str(address)
        if address.is_unspecified:
            place = "[::1]" if address.version == 6 else "127.0.0.1"
    here = f"http://{place}:{port}"
    advertise = spec.serve.advertise
    return (here,) if advertise is None else (advertise.plex, advertise.viewers, here)


def _local(state: Path) -> dict[str, Any]:
    """What the state directory tells by itself."""
    ledger = store.load(state)
    numbers = run_numbers(state)
    run = read_run(state, numbers[-1]) if numbers else None
    return {
        "generation": generations.current(state) or "",
        "serial": ledger.serial,
        "dvrs": len(ledger.dvrs),
        "run": run and {"number": run.number, "command": run.command, "began": run.began, "exit": run.exit},
    }
