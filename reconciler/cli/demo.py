"""`ptctl demo`: the whole job in a minute, on loopback: provider, Plex, plan, apply, a tuned channel, what is on.

It calls what the commands call, with a spec of thirteen DVRs, and invents nothing of its own: what it prints is what
`plan` and `apply` print, and the numbers at the end are read from the simulated Plex. Nothing outside a temporary
directory and the cache of clips is touched.
"""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Final

import click
import httpx
import trio

from reconciler.cli.apply import run_once
from reconciler.cli.console import Console
from reconciler.cli.exits import Exit
from reconciler.cli.plan import make_plan
from reconciler.cli.planning import request_from, show
from reconciler.cli.run_report import report
from reconciler.cli.sandbox import Running, running
from reconciler.cli.serve import settings_of
from reconciler.cli.specs import console_of, load_or_fail
from reconciler.errors import OperatorError, PtctlError
from reconciler.ledger.lock import hold
from reconciler.pipeline import Request
from reconciler.rendering.ink import paint
from reconciler.serving.server import Serving
from reconciler.serving.server import serve as serve_forever
from reconciler.spec.model import Spec
from reconciler.tls import trusted
from reconciler.wording import plural

__all__ = ["demo"]

CHANNELS: Final = 130
DVR_PORTS: Final = 20
TUNE_BYTES: Final = 200_000
TUNE_LIMIT_S: Final = 30.0
ANSWER_LIMIT_S: Final = 30.0
TUNED_DVR: Final = "newsus"
ENDED: Final = "All of it ran on this machine and has ended. Without --once it stays up to be looked at."


@click.command()
@click.option("--once", is_flag=True, help="End after showing everything, instead of staying up to look at.")
@click.option(
    "--channels",
    default=CHANNELS,
    show_default=True,
    type=click.IntRange(40, 20_000),
    help="How many channels the provider has.",
)
@click.pass_context
def demo(ctx: click.Context, *, once: bool, channels: int) -> Exit:
    """See it work: provider, Plex, plan, apply, a tuned channel.

    Everything runs on this machine and ends with it; no account and no real Plex is needed.
    """
    console = console_of(ctx)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ptctl-demo-") as folder:
        return trio.run(partial(_demo, console, Path(folder), channels, once=once, began=began))


async def _demo(console: Console, folder: Path, channels: int, *, once: bool, began: float) -> Exit:
    async with running(folder / "plex", channels=channels) as servers:
        _title(
            console,
            f"A provider with {len(servers.provider.panel.channels)} entries on {len(servers.provider.urls)} hosts, and a Plex: both simulated, on loopback",
        )
        path = _write_spec(folder, servers)
        console.data(f"$ ptctl validate {path.name}")
        spec = load_or_fail(console, str(path), env="here", allow_exec=False)
        console.data(f"valid: {plural(len(spec.dvrs), 'DVR')}, {plural(len(spec.buckets), 'bucket')}\n")

        console.data(f"$ ptctl plan {path.name}")
        show(console, await make_plan(spec, _request()))
        _title(console, "ptctl serve: every tuner on a port of its own; it waits for what apply publishes")
        async with _serving(spec):
            console.data(f"$ ptctl apply {path.name} --yes")
            with hold(Path(spec.state), "demo", "ptctl demo", since="now"):
                settled = await run_once(console, spec, _request(), asked=True)
            code = report(console, settled, skip_blocked=False)
            if code is not Exit.DONE:
                return code
            console.data(f"\n$ ptctl plan {path.name}")
            show(console, await make_plan(spec, _request()))
            await _look(console, spec, servers)
            _title(console, f"Done in {time.monotonic() - began:.0f} s")
            console.data(ENDED if once else _where(spec, servers))
            if not once:
                await trio.sleep_forever()
            return Exit.DONE


@asynccontextmanager
async def _serving(spec: Spec) -> AsyncIterator[Serving]:
    async with trio.open_nursery() as nursery:
        settings = settings_of(spec, environ=os.environ)
        yield await nursery.start(partial(serve_forever, Path(spec.state), settings))
        nursery.cancel_scope.cancel()


def _request() -> Request:
    return request_from()


def _write_spec(folder: Path, servers: Running) -> Path:
    """The demo's spec and, beside it, the overlay with this run's addresses and the files its references name."""
    path = folder / "demo.yaml"
    path.write_bytes(resources.files("reconciler.cli").joinpath("demo.yaml").read_bytes())
    hub, first, last = _free_ports(DVR_PORTS)
    for name, value in (
        ("panel-user", servers.account.username),
        ("panel-password", servers.account.password),
        ("plex-token", servers.token),
    ):
        secret = folder / name
        secret.touch(mode=0o600)
        secret.write_text(value, "utf-8")
    hosts = ", ".join(f'"{url}"' for url in servers.provider.urls)
    (folder / "demo.here.yaml").write_text(
        f"sources: {{panel: {{hosts: [{hosts}]}}}}\n"
        f'plex: {{url: "{servers.plex.url}"}}\n'
        f'serve: {{listen: "127.0.0.1:{hub}", advertise: "http://127.0.0.1:{hub}", ports: {first}-{last}}}\n',
        "utf-8",
    )
    return path


def _free_ports(count: int) -> tuple[int, int, int]:
    """A hub port and `count` further ports in a row that nobody uses now."""
    for hub in (5004, *range(15_004, 60_000, count + 7)):
        wanted = range(hub, hub + count + 1)
        if all(_is_free(port) for port in wanted):
            return hub, hub + 1, hub + count
    raise OperatorError(f"no {count} free ports in a row on 127.0.0.1", next_step="end what uses them")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def _look(console: Console, spec: Spec, servers: Running) -> None:
    """Tune one channel through Plex, and ask Plex what is on now."""
    headers = {
        "X-Plex-Token": servers.token,
        "Accept": "application/json",
        "X-Plex-Client-Identifier": "ptctl-demo",
    }
    async with httpx.AsyncClient(
        base_url=servers.plex.url, headers=headers, timeout=ANSWER_LIMIT_S, verify=trusted()
    ) as plex:
        dvrs = (await plex.get("/livetv/dvrs")).json()["MediaContainer"]["Dvr"]
        title = spec.dvrs[TUNED_DVR].title or TUNED_DVR
        dvr = next(d for d in dvrs if d.get("lineupTitle") == title)
        number = dvr["Device"][0]["ChannelMapping"][0]["channelKey"]
        _title(console, f"Plex tunes channel {number}")
        console.data(await _tuned(plex, servers, dvr["key"], number))
        _title(console, "On now, as Plex tells it")
        for entry in dvrs:
            console.data(await _on_now(plex, entry))


async def _tuned(plex: httpx.AsyncClient, servers: Running, dvr: str, number: str) -> str:
    began = trio.current_time()
    answer = await plex.post(f"/livetv/dvrs/{dvr}/channels/{number}/tune")
    if answer.status_code != 200:
        raise PtctlError(
            f"Plex could not tune {number}: {answer.status_code}", next_step="ptctl demo --traceback"
        )
    took = trio.current_time() - began
    grab = servers.plex.grabs[-1]
    with trio.move_on_after(TUNE_LIMIT_S):
        while grab.received_bytes < TUNE_BYTES:
            await grab.changed.wait()
    operation = answer.json()["MediaContainer"]["MediaSubscription"][0]["MediaGrabOperation"][0]["key"]
    await plex.delete(operation)
    return f"  {grab.received_bytes:,} bytes of MPEG-TS read from the tuner, session ready after {took:.2f} s"


async def _on_now(plex: httpx.AsyncClient, dvr: dict[str, Any]) -> str:  # Any: Plex's JSON
    provider = dvr["epgIdentifier"]
    channels = (
        (await plex.get(f"/{provider}/lineups/dvr/channels")).json()["MediaContainer"].get("Channel", [])
    )
    day = time.strftime("%Y-%m-%d", time.gmtime())
    now = time.time()
    for channel in channels:
        grid = await plex.get(f"/{provider}/grid", params={"channelGridKey": channel["gridKey"], "date": day})
        for item in grid.json()["MediaContainer"].get("Metadata", []):
            media = item["Media"][0]
            if media["beginsAt"] <= now < media["endsAt"]:
                name = item.get("grandparentTitle") or item["title"]
                return f"  {dvr['lineupTitle']:<26} {channel['title']:<34} {name}   ({plural(len(channels), 'channel')})"
    return f"  {dvr['lineupTitle']:<26} {plural(len(channels), 'channel')}, nothing in the guide now"


def _title(console: Console, text: str) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    console.data("\n" + paint(f"-- {text} ".ljust(width, "-"), "head", color=console.color_out))


def _where(spec: Spec, servers: Running) -> str:
    assert spec.serve.advertise is not None
    hub = spec.serve.advertise.viewers
    return "\n".join(
        [
            f"  tuners and lineups   {hub}/",
            f"  one playlist         {hub}/dvr-{TUNED_DVR}.m3u      (any player)",
            f"  the spec             {spec.files[0]}",
            f"  what Plex was asked  {servers.plex.url}/_sandbox/journal",
            f"  the provider         {servers.provider.control_url}/_sandbox/journal",
            "  Ctrl-C ends all of it",
        ]
    )
