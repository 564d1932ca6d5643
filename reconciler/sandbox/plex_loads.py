"""Guide loads: the lineups read again, the guide fetched and indexed, in the background.

Started by DVR creation, channel map, reload and butler (plex-livetv.md 5). A load is visible as an activity, takes as
long as the options say, and publishes its result at its very end, so that the channel map stays empty until then (4.2).
Loads of one DVR wait for each other; those of several run side by side and are counted.
"""

import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Final

import httpx
import trio
from lxml import etree

from reconciler.sandbox.plex_activities import GUIDE_LOAD, Activities, Activity
from reconciler.sandbox.plex_channelmap import wanted_channels
from reconciler.sandbox.plex_database import DATABASES
from reconciler.sandbox.plex_faults import Behaviour
from reconciler.sandbox.plex_guide import GuideIndex, Wanted, guide_index, read_guide
from reconciler.sandbox.plex_probe import Unreachable, tuner_lineup
from reconciler.sandbox.plex_records import XMLTV, Device, Dvr, LineupEntry, lineup_parts
from reconciler.sandbox.plex_state import State
from reconciler.sandbox.plex_xmltv import NotXmltv

__all__ = ["GuideLoads", "Load", "Spawn"]

Spawn = Callable[[Callable[[], Awaitable[None]]], None]

PROGRESS_STEPS: Final = 5
PARSERS: Final = 2
SPOOL_BYTES: Final = 4 << 20


class _LoadFailed(Exception):
    """The guide could not be had; the message is for the record."""


@dataclass(slots=True)
class Load:
    """One guide load, from the request that started it to its end."""

    dvr: int
    activity: Activity
    why: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    outcome: str = "running"


class GuideLoads:
    """All loads since the start and what they found."""

    def __init__(
        self,
        *,
        state: State,
        directory: Path,
        client: httpx.AsyncClient,
        activities: Activities,
        behaviour: Behaviour,
        spawn: Spawn,
    ) -> None:
        self.history: list[Load] = []
        self.running: list[Load] = []
        self.max_concurrent = 0
        self.indexes: dict[int, GuideIndex] = {}
        self._state = state
        self._directory = directory
        self._client = client
        self._activities = activities
        self._behaviour = behaviour
        self._spawn = spawn
        self._turns: dict[int, trio.Lock] = {}
        self._parsers = trio.CapacityLimiter(PARSERS)
        self._ended = trio.Event()
        self._fetching = 0
        for dvr in state.dvrs.values():
            if dvr.provider == XMLTV and (index := guide_index(self.database(dvr))) is not None:
                self.indexes[dvr.key] = index

    def database(self, dvr: Dvr) -> Path:
        """The guide database of a DVR: named after provider and DVR uuid (8.1)."""
        return self._directory / DATABASES / f"{dvr.provider}-{dvr.uuid}.db"

    def start(self, dvr: Dvr, why: str, *, silent: bool = False) -> str:
        """Begin a load and return the uuid of its activity, which a silent one never shows."""
        activity = Activity(GUIDE_LOAD, "Refreshing EPG", "Downloading guide")
        load = Load(dvr.key, activity, why)
        self.history.append(load)
        self.running.append(load)
        self.max_concurrent = max(self.max_concurrent, len(self.running))
        if not silent:
            self._activities.begin(activity)
        self._spawn(partial(self._run, load))
        return activity.uuid

    def cancel(self, dvr: int) -> bool:
        """Stop the loads of a DVR; False if there was none."""
        mine = [load for load in self.running if load.dvr == dvr]
        for load in mine:
            load.outcome = "cancelled"
            load.scope.cancel()
            self._end(load)
        return bool(mine)

    def forget(self, dvr: Dvr) -> None:
        """Stop what loads for a DVR and delete its guide."""
        self.cancel(dvr.key)
        self.indexes.pop(dvr.key, None)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.database(dvr)}{suffix}").unlink(missing_ok=True)

    async def idle(self) -> None:
        """Wait until nothing loads; returns at once if nothing does."""
        while self.running:
            await self._ended.wait()

    async def fetched(self) -> None:
        """Wait until no guide is being fetched."""
        while self._fetching:
            await self._ended.wait()

    def _end(self, load: Load) -> None:
        if load in self.running:
            self.running.remove(load)
        self._activities.end(load.activity)
        self._tell()

    def _tell(self) -> None:
        self._ended.set()
        self._ended = trio.Event()

    async def _run(self, load: Load) -> None:
        try:
            with load.scope:
                async with self._turns.setdefault(load.dvr, trio.Lock()):
                    await self._load(load)
                load.outcome = "done"
        except _LoadFailed as problem:
            load.outcome = f"failed: {problem}"
            dvr = self._state.dvrs.get(load.dvr)
            if dvr is not None and load.why == "create" and self._behaviour.options.ghost_on_failed_load:
                dvr.hidden = True  # its rows stay (3.2)
        finally:
            self._end(load)

    async def _load(self, load: Load) -> None:
        options = self._behaviour.options
        dvr = self._state.dvrs.get(load.dvr)
        if dvr is None:
            return
        if options.stuck_load:
            load.activity.progress = 50
            await trio.sleep_forever()
        if options.failing_load:
            await trio.sleep(options.load_delay_s)
            raise _LoadFailed("the sandbox lets loads fail")
        lineups = [(d, await self._lineup(d)) for d in self._state.devices_of(dvr.key)]
        for device, lineup in lineups:
            if lineup is not None and not options.lineup_needs_scan:
                device.lineup = lineup
        index = (
            await self._guide(dvr, wanted_channels([device for device, _ in lineups]))
            if dvr.lineups
            else None
        )
        for step in range(PROGRESS_STEPS):
            load.activity.progress = 100 * step // PROGRESS_STEPS
            load.activity.subtitle = f"Downloaded {index.programmes if index else 0} airings"
            await trio.sleep(options.load_delay_s / PROGRESS_STEPS)
        self._publish(dvr, [device for device, lineup in lineups if lineup is not None], index)

    def _publish(self, dvr: Dvr, read: list[Device], index: GuideIndex | None) -> None:
        if index is not None:
            self.indexes[dvr.key] = index
        for device in read:
            if device.key not in self._state.devices:
                continue
            if not device.lineup and not self._behaviour.options.lineup_needs_scan:
                device.mappings = ()  # an emptied lineup collapses the live DVR (6.3)
            self._state.save_device(device)
        if not self._behaviour.options.stale_refreshed_at:
            dvr.refreshed_at = int(time.time())
            self._state.save_dvr(dvr)

    async def _lineup(self, device: Device) -> tuple[LineupEntry, ...] | None:
        timeout = self._behaviour.options.probe_timeout_s
        try:
            lineup = await tuner_lineup(self._client, device.uri, device.device_id, timeout_s=timeout)
        except Unreachable:
            lineup = None
        device.alive = lineup is not None
        if device.alive:
            device.last_seen_at = int(time.time())
        return lineup

    async def _guide(self, dvr: Dvr, wanted: list[Wanted]) -> GuideIndex | None:
        """Fetch and index all XMLTV lineups of a DVR; None for a guide that comes from elsewhere."""
        locations = [
            location for provider, location, _ in map(lineup_parts, dvr.lineups) if provider == XMLTV
        ]
        if not locations:
            return None
        with ExitStack() as files:
            try:
                self._fetching += 1
                try:
                    sources = [await self._source(location, files) for location in locations]
                finally:
                    self._fetching -= 1
                    self._tell()
                read = partial(read_guide, sources, self.database(dvr), wanted)
                return await trio.to_thread.run_sync(read, limiter=self._parsers)
            except (
                httpx.HTTPError,
                httpx.InvalidURL,
                OSError,
                etree.XMLSyntaxError,
                NotXmltv,
                sqlite3.Error,
            ) as problem:
                raise _LoadFailed(f"{locations}: {problem}") from problem
            except trio.TooSlowError as problem:
                raise _LoadFailed(f"{locations}: not in time") from problem

    async def _source(self, location: str, files: ExitStack) -> IO[bytes]:
        if "://" not in location:
            return files.enter_context(await trio.to_thread.run_sync(Path(location).open, "rb"))
        spool = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 - closed by the stack
        files.push(spool)
        limit = self._behaviour.options.load_timeout_s
        with trio.fail_after(limit):
            async with self._client.stream("GET", location, timeout=limit) as answer:
                answer.raise_for_status()
                async for chunk in answer.aiter_bytes():
                    spool.write(chunk)
        spool.seek(0)
        return spool
