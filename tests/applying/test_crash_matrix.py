"""Killed after every write to Plex and every record on disk: the next run ends as an undisturbed one.

The kill is an exception after which nothing more has an effect: the journal, the ledger, the files and Plex get nothing
from the dead run, exactly as after `kill -9`. Dying before a step is dying after the one before it, and reads are no place
to die: in between nothing has changed.
"""

import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.applying.context import ApplyContext
from reconciler.applying.executor import run as carry_out
from reconciler.ledger import store
from reconciler.ledger.journal import Journal, Outcome
from reconciler.ledger.model import Ledger
from reconciler.planning.plan import Planned
from reconciler.plex.connection import Connection, Reply
from reconciler.plex.requests import Request
from reconciler.sandbox.plex import PlexOptions
from reconciler.spec.model import Removed
from tests.applying.house import House, house
from tests.planning.worlds import Lineups
from tests.ports import free_port

THREE: Lineups = {
    "news": {1000: "BBC", 1001: "CNN"},
    "sport": {1600: "ESPN", 1601: "DAZN"},
    "docs": {2200: "Doc"},
}
GROWN: Lineups = {
    "news": {1000: "BBC", 1002: "Arte"},
    "sport": {1600: "ESPN", 1601: "DAZN", 1602: "Sky"},
    "docs": {2200: "Doc"},
}

SHARES = 3
"""The steps are dealt out to so many tests, which run at the same time."""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Switch:
    """Kills at the `at`-th step; after that every step is refused."""

    at: int
    count: int = 0
    dead: bool = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """One more step around what has an effect; the last one for a process that dies here."""
        if self.dead:
            raise Killed
        yield
        if self.dead:
            raise Killed
        self.count += 1
        if self.count == self.at:
            self.dead = True
            raise Killed


class MortalJournal(Journal):
    """A journal whose process may die after a line."""

    switch: Switch

    def intent(self, id_: str, kind: str, dvr: str = "", args: Mapping[str, str] | None = None) -> None:
        """As the journal does."""
        with self.switch.step():
            super().intent(id_, kind, dvr, args)

    def outcome(self, id_: str, outcome: Outcome, detail: str = "", seconds: float = 0.0) -> None:
        """As the journal does."""
        with self.switch.step():
            super().outcome(id_, outcome, detail, seconds)


class MortalConnection(Connection):
    """A connection whose process may die after a write took effect."""

    __slots__ = ("switch",)

    def __init__(self, living: Connection, switch: Switch) -> None:
        super().__init__(living._client, living._prefix)
        self.switch = switch

    async def send(self, request: Request) -> Reply:
        """As the connection does."""
        if self.switch.dead:
            raise Killed
        if not request.writes:
            return await super().send(request)
        with self.switch.step():
            return await super().send(request)


async def run_until_killed(home: House, planned: Planned, switch: Switch) -> None:
    """Carry the plan out with a process that dies at the switch's step."""
    base = home.ledger()

    def save(ledger: Ledger) -> Ledger:
        with switch.step():
            return store.save(home.state, ledger, base=base)

    publish = partial(home._publish, planned.plan.digests.generation)

    def mortal_publish() -> None:
        with switch.step():
            publish()

    with MortalJournal(home.state, "apply", lambda: home.now) as journal:
        journal.switch = switch
        context = ApplyContext(
            before=base,
            save_ledger=save,
            publish=mortal_publish,
            journal=journal,
            now=lambda: home.now,
            connection=MortalConnection(home.connection, switch),
            serve=home.client,
            guide_loads=3,
            timing=home.timing,
        )
        try:
            await carry_out(planned, context)
        except* Killed:
            pass


def end_state(home: House) -> dict[str, Any]:
    """What must be equal in the end, without keys and ports: Plex, the ledger, what is published."""
    ledger = home.ledger()
    text = re.sub(r"127\.0\.0\.1(:|%3A|%253A)\d+", "HOST", home.plex.state_text(keys=False))
    return {
        "plex": json.loads(text),
        "channels": dict(ledger.channels),
        "retired": ledger.retired,
        "spent": ledger.spent,
        "dvrs": {
            name: replace(
                record,
                device_key="",
                dvr_key="",
                dvr_uuid="",
                machine="",
                applied=replace(
                    record.applied,
                    generation="",
                    tuner_uri="",
                    guide_url="",
                    lineup_digest="",
                    guide_digest="",
                )
                if record.applied
                else None,
            )
            for name, record in ledger.dvrs.items()
        },
        "files": sorted(p.name for p in (home.state / "artifacts" / "current").rglob("*")),
    }


async def settled(home: House, lineups: Lineups) -> dict[str, Any]:
    """Run again as a person would, and prove that nothing is left."""
    result = await home.apply(lineups)
    assert result.complete, result.outcomes
    planned = await home.planned(lineups)
    assert (planned.plan.empty, planned.plan.actions) == (True, ())
    await home.plex.loads_done()
    return end_state(home)


async def matrix(
    tmp_path: Path, first: Lineups, then: Lineups, removed: tuple[Removed, ...], share: int
) -> int:
    """Go from `first` to `then`, dying at every step of one share until a run survives; how many deaths there were."""
    hub = free_port()

    @asynccontextmanager
    async def house_in(folder: Path) -> AsyncIterator[House]:
        async with house(folder, options=PlexOptions(load_delay_s=0.02), hub=hub) as home:
            home.timing = replace(home.timing, grace_s=0.1, poll_s=0.01, ready_poll_s=0.02)
            yield home

    async with house_in(tmp_path / "before") as home:
        home.plex.add_foreign_dvr()
        if first:
            assert (await home.apply(first)).complete
        await home.plex.loads_done()

    async def house_at(name: str, switch: Switch | None) -> dict[str, Any]:
        copied = shutil.copytree(tmp_path / "before", tmp_path / name, symlinks=True)
        async with house_in(copied) as home:
            home.spec = {"removed": removed}
            foreign = [d for d in home.plex.state()["devices"] if d["deviceId"] == "10ABCDEF"]
            if switch is not None:
                await run_until_killed(home, await home.planned(then), switch)
            found = await settled(home, then)
            assert foreign == [d for d in home.plex.state()["devices"] if d["deviceId"] == "10ABCDEF"]
            return found

    expected = await house_at("undisturbed", None)
    for deaths in count():
        switch = Switch(1 + share + deaths * SHARES)
        found = await house_at(f"death-{switch.at}", switch)
        assert found == expected, f"after dying at step {switch.at}"
        if not switch.dead:
            return deaths
    raise AssertionError


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.accepts("APP-1", "MUL-2")
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize(
    ("first", "then", "removed"),
    [
        ({}, THREE, ()),
        (THREE, GROWN, ()),
        (THREE, {"news": THREE["news"], "sport": THREE["sport"]}, (Removed("docs"),)),
    ],
    ids=["from nothing", "channels come and go", "a DVR leaves"],
)
def test_killed_anywhere_the_next_run_finishes(
    tmp_path: Path, first: Lineups, then: Lineups, removed: tuple[Removed, ...], share: int
) -> None:
    """Every step of the run was once the last one; Plex, ledger and files end the same, nothing is doubled."""

    async def main() -> None:
        with trio.fail_after(800):
            assert await matrix(tmp_path, first, then, removed, share) > 3

    trio.run(main)
