"""`serve`: every declared tuner and the hub in one process, following the published generation.

One listener per DVR (layout `ports`) or all below the hub (layout `path`). New generations are noticed by a cheap look
once a second; listeners of new DVRs open and those of vanished ones close while everything else goes on (TUN-7).
Without artifacts it is alive and says 503. This module refuses to change anything outside the process.
"""

import gc
import logging
import socket
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import trio

from reconciler.errors import OperatorError, StateError
from reconciler.lineups.manifest import DvrManifest
from reconciler.serving.access import Access
from reconciler.serving.app import App
from reconciler.serving.attempt import Attempt
from reconciler.serving.blocks import Blocks
from reconciler.serving.dial import Names
from reconciler.serving.drift import DriftLog
from reconciler.serving.fetches import GuideFetches
from reconciler.serving.ffmpeg import find_ffmpeg
from reconciler.serving.front import Front
from reconciler.serving.generations import Live, Stamp, Tuner, current_stamp, load_generation, needs_muxer
from reconciler.serving.handover import Hypercorn
from reconciler.serving.health import Health
from reconciler.serving.leases import Leases
from reconciler.serving.listeners import Acceptor, bind, parse_address, raise_file_limit
from reconciler.serving.measures import Measures
from reconciler.serving.pages.site import Pages
from reconciler.serving.pool import Pool
from reconciler.serving.records import Records
from reconciler.serving.relay import Relay
from reconciler.serving.runs import Runs
from reconciler.serving.settings import ServeSettings
from reconciler.serving.suspending import SuspensionApi, Suspensions
from reconciler.serving.ways import CredentialReader
from reconciler.serving.wire import Wire
from reconciler.wording import plural

__all__ = ["Serving", "serve"]

log = logging.getLogger(__name__)

CURRENT_POLL_S: Final = 1.0
RETRY_BIND_S: Final = 10.0


class Serving:
    """A running server, as whoever started it sees it."""

    def __init__(
        self,
        live: Live,
        relay: Relay,
        fetches: GuideFetches,
        drift: DriftLog,
        runs: Runs,
        suspensions: Suspensions,
    ) -> None:
        self.live = live
        self.relay = relay
        self.fetches = fetches
        self.drift = drift
        self.runs = runs
        self.suspensions = suspensions
        self._bound: dict[str, list[tuple[str, int]]] = {}
        self._drain = trio.Event()

    @property
    def hub(self) -> tuple[str, int]:
        """Where the hub listens."""
        return self._bound[""][0]

    @property
    def dvrs(self) -> Mapping[str, tuple[str, int]]:
        """Where each DVR listens; in layout `path` nothing."""
        return {name: places[0] for name, places in self._bound.items() if name and places}

    def offered(self) -> list[Tuner]:
        """The tuners that discovery may tell of: none while draining, and none whose port is somebody else's."""
        generation = self.live.generation
        if generation is None or self.live.draining:
            return []
        return [tuner for name, tuner in generation.tuners.items() if name not in self.live.problems]

    def drain(self) -> None:
        """Take no new streams, let running ones end (at most `settings.drain_s`), then end."""
        self.live.draining = True
        self._drain.set()

    async def drained(self) -> None:
        """Wait for `drain` to be called."""
        await self._drain.wait()

    def note_bound(self, who: str, places: list[tuple[str, int]]) -> None:
        """Who listens where now; nowhere: forget."""
        if places:
            self._bound[who] = places
        else:
            self._bound.pop(who, None)


async def serve(
    state: Path,
    settings: ServeSettings,
    *,
    only: frozenset[str] | None = None,
    task_status: trio.TaskStatus[Serving] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `<state>/artifacts/current` until cancelled or drained. `task_status` gets the `Serving` once all listen.

    `only` serves these DVRs alone. Raises OperatorError when the hub's port is taken. A DVR's port that is taken, now or
    later, is logged, reported by /readyz, the page and `doctor`, and tried again: the other DVRs are served meanwhile.
    Cancelling closes everything at once.
    """
    live = Live()
    measures = Measures()
    fetches = GuideFetches()
    health = Health()
    pool = _pool(settings)
    attempt = Attempt(
        pool, Names(), CredentialReader(settings.base, allow_exec=settings.allow_exec), Blocks()
    )
    relay = Relay(live, attempt, health, settings.limits, measures)
    drift = DriftLog()
    suspensions = Suspensions(state)
    pages = Pages(live, relay, health, fetches, Records(state), drift, suspensions, plex=settings.plex)
    access = Access(settings.allow, settings.admin_token)
    leases = Leases(live, attempt.pool, access)
    runs = Runs(access, suspensions.current)
    hypercorn = Hypercorn(
        App(
            live,
            relay,
            fetches,
            pages=pages,
            measures=measures,
            leases=leases,
            runs=runs,
            suspension=SuspensionApi(access, suspensions),
            refused=access.refused,
        )
    )
    front = Front(live, access, relay, fetches, hypercorn.serve, by_path=settings.layout == "path")
    serving = Serving(live, relay, fetches, drift, runs, suspensions)
    doors = _Doors(settings, front, Acceptor(raise_file_limit()), serving)
    follower = _Follower(state, live, doors, only)
    taken: OperatorError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relay.run)
        nursery.start_soon(pool.run)
        try:
            await doors.open_hub(nursery)
            await follower.look()
            if live.generation is not None and needs_muxer(live.generation):
                find_ffmpeg()
            await doors.settle(nursery)
        except OperatorError as error:
            taken = error  # raised below, outside the nursery, so that it arrives alone and not in a group
            nursery.cancel_scope.cancel()
        else:
            task_status.started(serving)
            nursery.start_soon(_warm, hypercorn)
            nursery.start_soon(follower.run, nursery)
            nursery.start_soon(suspensions.watch)
            await serving.drained()
            with trio.move_on_after(settings.drain_s):
                await relay.idle()
            nursery.cancel_scope.cancel()
    if taken is not None:
        raise taken


def _pool(settings: ServeSettings) -> Pool:
    """Who counts the accounts' connections. Raises OperatorError where that needs what is not installed."""
    if settings.pool is None:
        return Pool()
    from reconciler.serving.budgets import Budgets  # only who shares accounts pays for it
    from reconciler.serving.shared_pool import SharedPool

    return SharedPool(Budgets(settings.pool, settings.scope))


async def _warm(hypercorn: Hypercorn) -> None:
    """Load the rest, then keep the collector off what is there to stay: looking through all of it holds streams up."""
    await hypercorn.warm()
    gc.freeze()
    try:
        await trio.sleep_forever()
    finally:
        gc.unfreeze()


class _Doors:
    """The listeners: who has which, and what has to be opened or closed to fit the generation."""

    def __init__(self, settings: ServeSettings, front: Front, acceptor: Acceptor, serving: Serving) -> None:
        self._settings = settings
        self._front = front
        self._acceptor = acceptor
        self._serving = serving
        self._open: dict[str, tuple[tuple[tuple[str, int], ...], trio.CancelScope]] = {}
        self._retry_at = 0.0

    async def open_hub(self, nursery: trio.Nursery) -> None:
        """Listen for the hub. Raises OperatorError."""
        host, port = self._settings.listen
        places = [(host, port), *(parse_address(text, host) for text in self._settings.also)]
        await self._listen(nursery, "", places, "the hub")

    def wanted(self) -> dict[str, list[tuple[str, int]]]:
        """Where each DVR of the generation is to listen."""
        generation = self._serving.live.generation
        if generation is None or self._settings.layout == "path":
            return {}
        return {name: self._places(tuner.dvr) for name, tuner in generation.tuners.items()}

    def _places(self, dvr: DvrManifest) -> list[tuple[str, int]]:
        host = self._settings.listen[0]
        places = [] if dvr.port is None else [(host, dvr.port)]
        return places + [parse_address(text, host) for text in dvr.also]

    async def settle(self, nursery: trio.Nursery) -> None:
        """Open and close listeners so that they fit. A taken port is a problem of its DVR alone, and waited for."""
        wanted = self.wanted()
        for name, (bound, scope) in list(self._open.items()):
            if name and list(bound) != wanted.get(name):
                scope.cancel()
                del self._open[name]
                self._serving.note_bound(name, [])
                log.info("%s no longer listens", name)
        problems = self._serving.live.problems
        for name in problems.keys() - wanted.keys() - {""}:
            del problems[name]
        for name, places in wanted.items():
            if name in self._open:
                continue
            try:
                await self._listen(nursery, name, places, f"dvr '{name}'")
                problems.pop(name, None)
            except OperatorError as error:
                if name not in problems:
                    log.warning("%s; tried again every %.0f s", error.message, RETRY_BIND_S)
                problems[name] = error.message

    async def _listen(
        self, nursery: trio.Nursery, name: str, places: list[tuple[str, int]], who: str
    ) -> None:
        sockets: list[socket.socket] = []
        try:
            for host, port in places:
                sockets.append(bind(host, port, who))
        except OperatorError:
            for sock in sockets:
                sock.close()
            raise
        scope: trio.CancelScope = await nursery.start(self._accept, name, sockets)
        self._open[name] = (tuple(places), scope)
        self._serving.note_bound(name, [sock.getsockname()[:2] for sock in sockets])

    async def _accept(
        self,
        name: str,
        sockets: list[socket.socket],
        *,
        task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        async def handle(wire: Wire) -> None:
            await self._front.connection(wire, name)

        # Closing a door must not cut those who came in by it: connections live in a nursery of their own.
        async with trio.open_nursery() as connections:
            with trio.CancelScope() as scope:
                task_status.started(scope)
                async with trio.open_nursery() as listening:
                    for sock in sockets:
                        listening.start_soon(self._acceptor.run, sock, handle, connections)


class _Follower:
    """Looks for a new generation and puts it in place."""

    def __init__(self, state: Path, live: Live, doors: _Doors, only: frozenset[str] | None) -> None:
        self._state = state
        self._live = live
        self._doors = doors
        self._only = only
        self._seen: Stamp | None = None

    async def run(self, nursery: trio.Nursery) -> None:
        """Look once a second until cancelled."""
        retry_at = 0.0
        while True:
            await trio.sleep(CURRENT_POLL_S)
            if await self.look() or (self._live.problems and trio.current_time() >= retry_at):
                await self._doors.settle(nursery)
                retry_at = trio.current_time() + RETRY_BIND_S

    async def look(self) -> bool:
        """Take in what is published now. True if it is another generation or other routes.

        Read in a worker thread: the routes of a hundred thousand films take seconds, in which every stream would stand
        still and be taken for dead. Cancelling leaves the old generation in place.
        """
        stamp = current_stamp(self._state)
        if stamp is None or stamp == self._seen:
            return False
        try:
            generation = await trio.to_thread.run_sync(
                partial(load_generation, self._state, stamp, only=self._only), abandon_on_cancel=True
            )
        except (StateError, TypeError, KeyError, ValueError) as error:
            # The old generation stays: half a generation is worse than an old one.
            if self._live.problems.get("") != str(error):
                log.warning("generation %s cannot be served: %s", stamp[0], error)
            self._live.problems[""] = str(error)
            return False
        self._live.problems.pop("", None)
        self._seen = stamp
        self._live.replace(generation)
        log.info("serving generation %s, %s", generation.id, plural(len(generation.tuners), "DVR"))
        return True
