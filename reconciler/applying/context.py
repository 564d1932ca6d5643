"""What a run works with: connections, files as functions, clock, and the state that its actions share.

Files are functions here (`save_ledger`, `publish`) and the open journal, so that the executor has no paths: the caller
holds the lock and knows the directory. They are synchronous and must be on disk when they return, because a record
behind an `await` is lost when the scope is cancelled (style.md 3). This module refuses to decide.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from reconciler.applying.events import Progress
from reconciler.applying.loads import Loads
from reconciler.applying.serve import ServeClient
from reconciler.applying.timing import Timing
from reconciler.ledger.journal import Journal
from reconciler.ledger.model import Applied, DvrRecord, Ledger
from reconciler.planning.model import Action
from reconciler.planning.plan import Planned
from reconciler.planning.targets import Target
from reconciler.plex.connection import Connection
from reconciler.plex.model import Observed
from reconciler.plex.writer import PlexWriter

__all__ = ["ApplyContext", "PlexDatabase", "Run"]


@dataclass(frozen=True, slots=True)
class PlexDatabase:
    """Plex's data directory, the address at which it must not answer, and where copies go."""

    data: Path
    url: str
    copies: Path


@dataclass(frozen=True, slots=True)
class ApplyContext:
    """Everything a run is given. The caller holds the lock.

    `connection` None: the plan has no action for Plex. `before` is the ledger on disk. `save_ledger` gives it back with
    its serial. `publish` makes the new generation current and is run in a thread; it must be atomic and harmless twice.
    `observed` is what the plan saw, to prove afterwards that others' maps are as before. `now` gives the ISO second, UTC.
    """

    before: Ledger
    save_ledger: Callable[[Ledger], Ledger]
    publish: Callable[[], object]
    journal: Journal
    now: Callable[[], str]
    connection: Connection | None = None
    serve: ServeClient | None = None
    observed: Observed | None = None
    database: PlexDatabase | None = None
    progress: Callable[[Progress], None] = lambda _: None
    guide_loads: int = 3
    timing: Timing = field(default_factory=Timing)


@dataclass(slots=True)
class Run:
    """The state that the actions of one run share."""

    planned: Planned
    context: ApplyContext
    ledger: Ledger
    loads: Loads | None
    _writing: trio.Lock = field(default_factory=trio.Lock)
    _wrote: float = float("-inf")
    maps: dict[str, str] = field(default_factory=dict)
    """Digest of the map last read back, by DVR name."""
    loaded: set[str] = field(default_factory=set)
    """DVRs whose guide Plex loaded in this run."""
    unmatched: dict[str, str] = field(default_factory=dict)
    """Ranges of numbers that Plex does not pair, by DVR name."""
    copied: Path | None = None
    """Where this run copied Plex's database to."""
    turns: dict[str, trio.Event] = field(default_factory=dict)
    """Set once a DVR has had its first turn to write, or needs none."""

    @property
    def timing(self) -> Timing:
        """The waits of this run."""
        return self.context.timing

    @property
    def targets(self) -> Mapping[str, Target]:
        """What each DVR shall be."""
        return self.planned.targets

    @property
    def connection(self) -> Connection:
        """The connection to Plex."""
        assert self.context.connection is not None, "an action for Plex without a connection"
        return self.context.connection

    @property
    def watch(self) -> Loads:
        """The guide loads."""
        assert self.loads is not None, "an action for Plex without a connection"
        return self.loads

    def record(self, dvr: str) -> DvrRecord:
        """The ledger's entry as it is now."""
        return self.ledger.dvrs[dvr]

    def save(self, ledger: Ledger) -> None:
        """Keep a changed ledger. The serial rises once per run (design.md 5), which is the store's care."""
        if ledger != self.ledger:
            self.ledger = self.context.save_ledger(ledger)

    def keep(self, dvr: str, **changes: object) -> None:
        """Change fields of a DVR's record."""
        record = replace(self.record(dvr), **changes)  # type: ignore[arg-type]  # names are checked by replace
        self.save(replace(self.ledger, dvrs={**self.ledger.dvrs, dvr: record}))

    def drop(self, dvr: str) -> None:
        """Take a DVR out of the ledger."""
        rest = {name: record for name, record in self.ledger.dvrs.items() if name != dvr}
        self.save(replace(self.ledger, dvrs=rest))

    def tell(self, action: Action, text: str, *, began: float, done: int = 0, expected: int = 0) -> None:
        """Say what is waited for."""
        seconds = trio.current_time() - began
        self.context.progress(
            Progress(action.id, action.kind, action.dvr, "running", text, seconds, done, expected)
        )

    def turn(self, dvr: str) -> trio.Event:
        """The event of a DVR's first turn."""
        return self.turns.setdefault(dvr, trio.Event())

    @asynccontextmanager
    async def writing(self, dvr: str) -> AsyncIterator[PlexWriter]:
        """The turn to write: one write at a time, `pace_s` after the one before."""
        async with self._writing:
            await trio.sleep(max(0.0, self._wrote + self.timing.pace_s - trio.current_time()))
            try:
                yield PlexWriter(self.connection)
            finally:
                self._wrote = trio.current_time()
                self.turn(dvr).set()

    @asynccontextmanager
    async def writing_when(
        self, action: Action, *, none_at_all: bool = False, no_earlier: bool = False
    ) -> AsyncIterator[PlexWriter]:
        """The turn to start a load (or, `none_at_all`, to delete): waits without the lock, looks again under it.

        `no_earlier`: what was loading before this run has ended first, as for `Loads.wait_for_slot`.
        """
        began = trio.current_time()
        while True:
            await self.watch.wait_for_slot(
                none_at_all=none_at_all,
                no_earlier=no_earlier,
                tell=lambda text: self.tell(action, text, began=began),
            )
            async with self.writing(action.dvr) as writer:
                if await self.watch.free(none_at_all=none_at_all, no_earlier=no_earlier):
                    yield writer
                    return

    def applied(
        self, dvr: str, *, uri: str, guide: str, title: str, map_digest: str, channels: int
    ) -> Applied:
        """What the ledger shall note for a DVR that is now as planned."""
        target = self.targets[dvr]
        old = self.record(dvr).applied
        fresh = dvr in self.loaded or old is None
        return Applied(
            generation=self.planned.plan.digests.generation,
            tuner_uri=uri,
            guide_url=guide,
            title=title,
            map_digest=map_digest,
            channels=channels,
            guide_digest=target.guide_digest if fresh or old is None else old.guide_digest,
            loaded_at=self.context.now() if fresh or old is None else old.loaded_at,
            lineup_digest=target.lineup_digest if fresh or old is None else old.lineup_digest,
            guide_rules=target.guide_rules if fresh or old is None else old.guide_rules,
            unmatched=self.unmatched.get(dvr, old.unmatched if old else ""),
        )
