"""`ptctl serve`: every declared tuner, until told to end. SIGTERM drains, a second one or Ctrl-C ends at once."""

import logging
import os
import signal
import sys
from functools import partial
from pathlib import Path

import click
import trio

from reconciler.cli.console import Console
from reconciler.cli.reconciling import Reconciling
from reconciler.cli.specs import check_addresses, console_of, load_or_fail, spec_argument, spec_options
from reconciler.rendering.ink import harmless
from reconciler.secret import Secret
from reconciler.serving.access import Access
from reconciler.serving.discovery import Device, device_of, serve_discovery
from reconciler.serving.loop import Loop, Rhythm
from reconciler.serving.server import Serving
from reconciler.serving.server import serve as serve_forever
from reconciler.serving.service import Manager
from reconciler.serving.settings import ServeSettings
from reconciler.serving.ssdp import Announced, announced, serve_ssdp
from reconciler.serving.suspending import Suspensions
from reconciler.sources.credentials import pool_secret, token
from reconciler.spec.model import Spec

__all__ = ["serve", "settings_of"]

log = logging.getLogger(__name__)


class _Line(logging.Formatter):
    """A record as text that any terminal may show: streams and their servers have a say in it."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record), color=False)


@click.command()
@spec_argument
@click.option(
    "--only", multiple=True, metavar="DVR", help="Serve these DVRs alone (several pods may share a spec)."
)
@click.option("-v", "--verbose", is_flag=True, help="Log every request and every switch of a stream.")
@spec_options
@click.pass_context
def serve(
    ctx: click.Context,
    *,
    spec: str | None,
    only: tuple[str, ...],
    verbose: bool,
    env: str | None,
    allow_exec: bool,
) -> None:
    """Be every declared tuner.

    Serves what `apply` or `refresh` published and notices when they publish again. Without artifacts it waits for them.
    """
    console = console_of(ctx)
    loaded = load_or_fail(console, spec, env=env, allow_exec=allow_exec)
    check_addresses(loaded, only)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)-7s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.INFO)
    for noisy in ("httpx", "httpcore", "hypercorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    settings = settings_of(loaded, environ=os.environ, allow_exec=allow_exec)
    job = Reconciling(loaded, spec, env=env, allow_exec=allow_exec)
    manager = Manager(os.environ)
    trio.run(partial(_main, console, loaded, settings, job, frozenset(only) or None, manager))


def settings_of(
    spec: Spec, *, environ: os._Environ[str] | dict[str, str], allow_exec: bool = False
) -> ServeSettings:
    """What the server is told. Raises CredentialError where a reference of `serve` leads nowhere."""
    access = spec.serve.access
    admin: Secret | None = None
    if access.admin:
        admin = token(
            spec.credentials[access.admin], environ=environ, base=Path(spec.base), allow_exec=allow_exec
        )
    return ServeSettings(
        listen=spec.serve.listen,
        layout=spec.serve.layout,
        also=spec.serve.also,
        allow=access.allow,
        admin_token=admin,
        drain_s=spec.serve.drain_s,
        base=Path(spec.base),
        allow_exec=allow_exec,
        notify=spec.notify,
        pool=pool_secret(spec, environ=environ, allow_exec=allow_exec),
        scope=spec.name,
        plex=spec.plex is not None,
    )


async def _main(
    console: Console,
    spec: Spec,
    settings: ServeSettings,
    job: Reconciling,
    only: frozenset[str] | None,
    manager: Manager,
) -> None:
    async with trio.open_nursery() as nursery:

        async def until_drained(*, task_status: trio.TaskStatus[Serving]) -> None:
            await serve_forever(Path(spec.state), settings, only=only, task_status=task_status)
            nursery.cancel_scope.cancel()

        serving: Serving = await nursery.start(until_drained)
        console.note(_where(spec, serving))
        job.seen = serving.drift.note
        job.ended = serving.live.note_run
        await _make_known(nursery, spec, serving, Access(settings.allow, None))
        rhythm = Rhythm(spec.serve.refresh_every_s, spec.serve.refresh_jitter_s)
        loop = Loop(job.run, rhythm, held=serving.suspensions.why)
        serving.runs.ask = loop.ask
        nursery.start_soon(loop.run)
        # Started, not only begun: until the receivers are there a signal would end the process on the spot.
        await nursery.start(_ask_on_hangup, loop, serving.suspensions)
        await nursery.start(_drain_on_term, serving, nursery, console, manager)
        if serving.live.generation is None:
            loop.ask("no artifacts yet")
        manager.tell("READY=1", f"STATUS=serving {spec.name}")
        nursery.start_soon(manager.beat)


async def _make_known(nursery: trio.Nursery, spec: Spec, serving: Serving, access: Access) -> None:
    """Start what `serve.discovery` says. Raises OperatorError where a port is taken."""
    host = spec.serve.listen[0]
    if spec.serve.discovery != "none":

        def devices() -> list[Device]:
            return [
                device
                for tuner in serving.offered()
                if (device := device_of(tuner.dvr, serving.relay.busy(tuner))) is not None
            ]

        await nursery.start(partial(serve_discovery, host, devices, access.admits))
    if spec.serve.discovery == "udp+ssdp":

        def roots() -> list[Announced]:
            return [announced(tuner.dvr) for tuner in serving.offered()]

        await nursery.start(partial(serve_ssdp, host, roots, access.admits))


async def _ask_on_hangup(loop: Loop, suspensions: Suspensions, *, task_status: trio.TaskStatus[None]) -> None:
    """SIGHUP asks for a run now; while runs are suspended the log says why there is none."""
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _ in signals:
            if why := suspensions.why():
                log.warning("SIGHUP asks for a run; none begins, %s", why)
            else:
                loop.ask("SIGHUP")


async def _drain_on_term(
    serving: Serving,
    nursery: trio.Nursery,
    console: Console,
    manager: Manager,
    *,
    task_status: trio.TaskStatus[None],
) -> None:
    """SIGTERM drains, the second one ends at once. Ctrl-C is trio's own business: it interrupts."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        task_status.started()
        asked = False
        async for _ in signals:
            if asked:
                nursery.cancel_scope.cancel()
                return
            asked = True
            manager.tell("STOPPING=1", "STATUS=draining")
            console.note("draining: no new streams; running ones may end by themselves")
            serving.drain()


def _where(spec: Spec, serving: Serving) -> str:
    host, port = serving.hub
    lines = [f"hub      http://{host}:{port}/"]
    lines += [f"{name:<8} http://{address[0]}:{address[1]}" for name, address in serving.dvrs.items()]
    lines += [f"{name:<8} {what}" for name, what in serving.live.problems.items() if name]
    if serving.live.generation is None:
        lines.append(
            "no artifacts yet: tuners answer 503 until  ptctl apply  or  ptctl refresh  has published them"
        )
    return "\n".join(lines) + (f"\nserving {spec.name}; Ctrl-C ends")
