"""`ptctl probe`: try the streams of the lineups, remember which do not play. Changes no lineup: the next plan does.

Takes the channels from the last fetch. A running `serve` lends it connections, one by one, and takes one back when a viewer
needs it; without the admin token it is only asked who watches, and probing ends within a second when a viewer comes. What it
finds is kept in `state.db` with its time; `plan` shows what that would remove before anything is removed (PVL-5).
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import click
import httpx
import trio

from reconciler.cli.exits import Exit
from reconciler.cli.planning import request_from
from reconciler.cli.progress import fetching
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_argument, spec_options
from reconciler.errors import OperatorError
from reconciler.lineups.desired import compute
from reconciler.lineups.routes import routes
from reconciler.pipeline import Request
from reconciler.pipeline.gather import gather
from reconciler.rendering.ink import cut, pad
from reconciler.sources.credentials import token
from reconciler.sources.lending import Lender, lender
from reconciler.sources.probe_store import forget, load_probes, save_probes
from reconciler.sources.probes import ProbeRun, subjects_of
from reconciler.sources.probes import probe as try_streams
from reconciler.spec.model import Spec
from reconciler.tls import trusted
from reconciler.wording import plural

__all__ = ["probe"]

LOOK_S: Final = 0.3
"""How often `serve` is asked whether somebody came: a viewer gets the slot within a second (STM-2)."""
ANSWER_S: Final = 2.0
KEPT_S: Final = 60 * 86400.0


@click.command()
@spec_argument
@click.option("--dvr", multiple=True, metavar="DVR", help="Only the channels of this DVR.")
@click.option("--every", is_flag=True, help="Also channels that were tried lately.")
@click.option("--list", "list_", is_flag=True, help="Only list the streams that are known to be bad.")
@click.option("-f", "--format", "format_", type=click.Choice(["text", "json"]), default="text")
@spec_options
@click.pass_context
def probe(
    ctx: click.Context,
    *,
    spec: str | None,
    dvr: tuple[str, ...],
    every: bool,
    list_: bool,
    format_: str,
    env: str | None,
    allow_exec: bool,
) -> Exit:
    """Try streams, and remember which do not play.

    New channels, changed ones, and those whose last try is older than `probes.every`. Never takes the last connection of
    an account, and makes way when a viewer needs one. Exit 1 where so many failed that nothing is believed (the breaker).
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    check_addresses(loaded, dvr)
    state = Path(loaded.state)
    if list_:
        bad = [k for k in load_probes(state).values() if k.outcome == "bad"]
        if format_ == "json":
            console.data(json.dumps({"format": "ptctl-probes/1", "bad": [asdict(k) for k in bad]}, indent=1))
        else:
            lines = [
                f"{pad(cut(k.channel, 40), 40)} since {_day(k.first_bad)}, last {_day(k.last_bad)}  {k.detail or k.cause}"
                for k in bad
            ]
            console.data("\n".join(lines) or "no stream is known to be bad")
        return Exit.DONE
    if loaded.probes.mode == "off":
        raise OperatorError(
            "probes are off in the spec", next_step="write  probes: {mode: smoke}  to try streams"
        )
    with fetching(console) as progress:
        request = request_from(env=env, cached=True, plex=False, allow_exec=allow_exec, progress=progress)
        run = trio.run(partial(_probed, loaded, request, dvr, every=every))
    if format_ == "json":
        console.data(json.dumps({"format": "ptctl-probe-run/1", **asdict(run)}, indent=1))
    else:
        console.data(_told(run))
    return Exit.FAILED if run.stopped == "breaker" else Exit.DONE


async def _probed(spec: Spec, request: Request, dvrs: tuple[str, ...], *, every: bool) -> ProbeRun:
    """Try what is due and keep what was found."""
    seen = await gather(spec, request)
    today = datetime.fromtimestamp(request.now, UTC).date()
    # Without what earlier probes took out: a stream that plays again must be found again (PVL-1).
    desired = compute(spec, seen.catalog, seen.guides, seen.ledger, today=today)
    names = {
        row.channel.id: row.channel.name
        for target in desired.dvrs
        if not dvrs or target.record.name in dvrs
        for row in target.lineup.rows
    }
    ways = routes(spec, desired, seen.catalog)
    state = Path(spec.state)
    subjects = subjects_of(ways, names)
    async with _shared(spec, request) as (viewers, stop, lending):
        run = await try_streams(
            spec,
            ways,
            subjects,
            load_probes(state),
            now=request.now,
            viewers=viewers,
            environ=request.environ,
            allow_exec=request.allow_exec,
            every=every,
            stop=stop,
            lender=lending,
            progress=request.progress,
        )
    save_probes(state, run.found)
    forget(state, before=request.now - KEPT_S)
    return run


@asynccontextmanager
async def _shared(
    spec: Spec, request: Request
) -> AsyncIterator[tuple[Mapping[str, int] | None, trio.Event, Lender | None]]:
    """How connections are shared with viewers: in use by source (None: `serve` does not say), the event that rings when more
    come, and `serve` as lender, where it answers and the admin token is known. With a lender the event never rings.
    """
    stop = trio.Event()
    advertise = spec.serve.advertise
    if advertise is None:
        yield None, stop, None
        return
    async with httpx.AsyncClient(
        base_url=advertise.plex, timeout=ANSWER_S, trust_env=False, verify=trusted()
    ) as client:
        first = await _in_use(client)
        admin = spec.serve.access.admin
        if first is not None and admin:
            secret = token(
                spec.credentials[admin],
                environ=request.environ,
                base=Path(spec.base),
                allow_exec=request.allow_exec,
            )
            async with lender(advertise.plex, secret) as lending:
                yield {}, stop, lending
            return

        async def watch(before: Mapping[str, int]) -> None:
            while True:
                await trio.sleep(LOOK_S)
                now = await _in_use(client)
                if now is not None and any(now[source] > before.get(source, 0) for source in now):
                    stop.set()
                    return

        async with trio.open_nursery() as nursery:
            if first is not None:
                nursery.start_soon(watch, first)
            yield first, stop, None
            nursery.cancel_scope.cancel()


async def _in_use(client: httpx.AsyncClient) -> Counter[str] | None:
    try:
        answer = await client.get("/api/v1/streams")
        return Counter(str(row.get("source", "")) for row in answer.json()["streams"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):  # also another program's JSON
        return None


def _told(run: ProbeRun) -> str:
    lines = [
        f"{plural(run.tried, 'channel')} tried: {run.good} play, {run.bad} do not, {run.inconclusive} undecided"
    ]
    match run.stopped:
        case "breaker":
            lines.append("so many failed that an outage is likelier: nothing is remembered of this run")
        case "budget":
            lines.append(f"the time was up: {plural(run.waiting, 'channel')} wait for the next run")
        case "asked":
            lines.append(f"a viewer came: {plural(run.waiting, 'channel')} wait for the next run")
    lines += run.notes
    lines += [
        f"  bad  {pad(cut(k.channel, 40), 40)} {k.detail or k.cause}" for k in run.found if k.outcome == "bad"
    ]
    if run.bad and run.stopped != "breaker":
        lines.append("Next:  ptctl plan   shows what that would take out of which DVR")
    return "\n".join(lines)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds)) if seconds else "-"
