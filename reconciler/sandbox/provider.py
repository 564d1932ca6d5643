"""A simulated IPTV provider: several hosts of one Xtream panel on loopback ports, with real streams.

`run_provider` is what tests and the sandbox start. The hosts share accounts, limits, tokens and clock, as the DNS names
of one panel do, so a client that goes from one to the other is counted once. Content (`Panel`), habits (`Manners`)
and failures (`Faults`) can be changed while it runs. This module refuses to be reachable from outside: addresses
other than loopback have to be asked for.
"""

import errno
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import trio

from reconciler.sandbox.control import control_answer
from reconciler.sandbox.documents import Address
from reconciler.sandbox.faults import Faults
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.origin import Origin
from reconciler.sandbox.panel import Panel
from reconciler.sandbox.routes import handle
from reconciler.sandbox.seats import Seat, Seats
from reconciler.sandbox.site import Site
from reconciler.sandbox.streams import StreamLibrary
from reconciler.sandbox.visits import Journal
from reconciler.sandbox.wire import Exchange, serve

__all__ = ["ProviderHandle", "run_provider"]

LOOPBACK: Final = "127.0.0.1"
PORT_BACK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ProviderHandle:
    """A running provider, for tests. Nothing here waits; all of it may be used at any time from the trio thread."""

    urls: tuple[str, ...]
    control_url: str
    _site: Site = field(repr=False)

    @property
    def faults(self) -> Faults:
        """The switchboard; changes act at once."""
        return self._site.faults

    @property
    def journal(self) -> Journal:
        """Everything that was asked."""
        return self._site.journal

    @property
    def panel(self) -> Panel:
        """The content now."""
        return self._site.panel

    @property
    def manners(self) -> Manners:
        """The habits now."""
        return self._site.manners

    def replace(self, panel: Panel) -> None:
        """Exchange the content. Running streams go on, new requests see only the new panel."""
        self._site.replace(panel)

    def behave(self, manners: Manners) -> None:
        """Exchange the habits. `numbered` and the window are read when the provider starts."""
        self._site.manners = manners

    def connections(self, username: str | None = None) -> list[Seat]:
        """Connections that count against a limit now, of one account or of all."""
        names = [username] if username is not None else [a.username for a in self.panel.accounts]
        manners = self.manners
        return [
            seat
            for name in names
            for seat in self._site.seats.held(name, notice=manners.notice, hold=manners.hls_hold)
        ]

    def sockets(self) -> int:
        """How many sockets a TS stream is being sent to, with or without an account."""
        return len([v for v in self.journal.open() if v.kind == "live" and v.status == 200])

    def peak(self, username: str = "demo") -> int:
        """The most connections of this account that counted at once."""
        return self._site.seats.peaks.get(username, 0)

    def refusals(self) -> int:
        """How many streams were refused for a limit."""
        return self._site.seats.refusals


async def run_provider(
    panel: Panel,
    *,
    hosts: int = 2,
    stream_cache: Path,
    faults: Faults | None = None,
    manners: Manners | None = None,
    ports: Sequence[int] | None = None,
    control_port: int = 0,
    address: str = LOOPBACK,
    clock: Callable[[], float] = time.time,
    task_status: trio.TaskStatus[ProviderHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status` gets the handle once all hosts listen.

    `ports` gives each host its port (then `hosts` is their number), otherwise the system chooses. `clock` (epoch
    seconds) decides the day of the guide and what is written to the journal; streams run on trio's clock.
    Raises OSError for a port in use; clips need ffmpeg at the first stream (500 with the reason without it).
    """
    manners = manners or Manners()
    wanted = list(ports) if ports is not None else [0] * hosts
    library = StreamLibrary(stream_cache)
    site = Site(
        panel=panel,
        manners=manners,
        faults=faults if faults is not None else Faults(),
        journal=Journal(clock),
        seats=Seats(),
        origin=Origin.starting_now(library, manners),
        clock=clock,
    )
    async with trio.open_nursery() as nursery:
        bound: list[int] = []
        for index, port in enumerate(wanted):
            bound.append(await nursery.start(_host, site, index, port, address))
            site.addresses = (*site.addresses, Address(address, bound[-1]))

        async def control(exchange: Exchange) -> None:
            said = control_answer(exchange.request, site)
            await exchange.respond(said.status, said.body, said.content_type, said.headers)

        controls: int = await nursery.start(partial(serve, control, host=address, port=control_port))
        urls = tuple(one.base for one in site.addresses)
        task_status.started(ProviderHandle(urls, f"http://{address}:{controls}", site))


async def _host(
    site: Site,
    index: int,
    port: int,
    address: str,
    *,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """One host for ever: listening, or with its port closed while a fault says so."""

    async def answer(exchange: Exchange) -> None:
        await handle(site, index, exchange)

    told = False
    while True:
        if site.faults.refused(index):
            # A bound socket that does not listen refuses connections and keeps the port for us.
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as closed:
                closed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                await _bound(closed, address, port)
                port = closed.getsockname()[1]
                if not told:
                    task_status.started(port)
                    told = True
                await _until(site.faults, index, refused=False)
            continue
        async with trio.open_nursery() as nursery:
            port = await nursery.start(partial(serve, answer, host=address, port=port))
            if not told:
                task_status.started(port)
                told = True
            await _until(site.faults, index, refused=True)
            nursery.cancel_scope.cancel()


async def _until(faults: Faults, index: int, *, refused: bool) -> None:
    while faults.refused(index) is not refused:
        changed = faults.changed
        with trio.move_on_at(faults.next_end()):
            await changed.wait()


async def _bound(closed: socket.socket, address: str, port: int) -> None:
    """Take the port back. For a moment it may belong to a connection that somebody opened from it."""
    with trio.move_on_after(PORT_BACK_S):
        while True:
            try:
                closed.bind((address, port))
                return
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                await trio.sleep(0.02)
    closed.bind((address, port))
