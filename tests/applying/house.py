"""A whole house for apply: state directory, a real `serve` over it, and the simulated Plex.

`lineups` are `{dvr: {number: name}}`. What a run needs of the stages before it (sources, lineups) is written here in its
simplest form; plan, apply, files, serve and Plex's requests are the real ones.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import trio

from reconciler.applying.context import ApplyContext
from reconciler.applying.events import Progress, RunResult
from reconciler.applying.executor import run
from reconciler.applying.serve import ServeClient, serve_client
from reconciler.applying.timing import Timing
from reconciler.catalog.entry import SourceReport
from reconciler.ledger import generations, store
from reconciler.ledger.journal import Journal
from reconciler.ledger.model import ChannelRecord, DvrRecord, Ledger, Retired
from reconciler.lineups.manifest import (
    DvrManifest,
    Manifest,
    Routes,
    manifest_bytes,
    read_manifest,
    routes_bytes,
)
from reconciler.lineups.model import Desired, DvrTarget, Lineup, Row, Unbucketed
from reconciler.planning.inputs import PlanInputs, World
from reconciler.planning.plan import Planned, compose
from reconciler.planning.safety import judge
from reconciler.plex.connection import Connection, connected
from reconciler.plex.model import Observed
from reconciler.plex.reader import observe
from reconciler.sandbox.plex import PlexHandle, PlexOptions, run_plex
from reconciler.secret import Secret
from reconciler.serving.server import Serving, serve
from reconciler.serving.settings import ServeSettings
from reconciler.spec import model as spec_model
from tests.planning.worlds import Lineups, channel, device_id, spec_of

TOKEN = "owner-token-77"
ONE = {"news": {1000: "BBC", 1001: "CNN", 1002: "Sky"}}
TWO = {**ONE, "sport": {1600: "ESPN", 1601: "DAZN"}}
NOW = "2026-03-01T04:12:40Z"
QUICK = Timing(
    pace_s=0.0,
    poll_s=0.02,
    ready_s=5.0,
    ready_poll_s=0.05,
    fetch_s=2.0,
    map_s=3.0,
    grace_s=0.3,
    load_s=5.0,
    slot_s=5.0,
    unknown_s=0.3,
    list_s=1.0,
)


@dataclass
class House:
    """What a test holds of it."""

    state: Path
    plex: PlexHandle
    serving: Serving
    connection: Connection
    client: ServeClient
    timing: Timing = QUICK
    spec: dict[str, Any] = field(default_factory=dict)
    dvr: dict[str, dict[str, Any]] = field(default_factory=dict)
    guide: str = "first"
    guide_holes: frozenset[int] = frozenset()
    """Numbers that the guide does not list: Plex cannot pair them."""
    now: str = NOW
    progress: list[Progress] = field(default_factory=list)
    use_serve: bool = True
    host: str = ""
    seen: Observed | None = None

    @property
    def hub(self) -> str:
        """The hub's address as Plex knows it."""
        if self.host:
            return self.host
        host, port = self.serving.hub
        return f"http://{host}:{port}"

    def ledger(self) -> Ledger:
        """The ledger on disk."""
        return store.load(self.state)

    async def world(self, lineups: Lineups, **changes: Any) -> World:
        """Everything observed now, and these lineups desired."""
        ledger = self.ledger()
        spec = spec_of(list(lineups), **self.spec)
        spec = replace(spec, dvrs={n: replace(d, **self.dvr.get(n, {})) for n, d in spec.dvrs.items()})
        busy = await self.client.busy() if self.use_serve else {}
        made = World(
            spec=spec,
            desired=self._desired(lineups, ledger),
            ledger=ledger,
            now=self.now,
            observed=changes.pop("observed") if "observed" in changes else await observe(self.connection),
            published=self.published(),
            reports={"main": SourceReport("main", "m3u", "fresh", 100)},
            busy=busy,
        )
        return replace(made, **changes)

    async def planned(self, lineups: Lineups, **changes: Any) -> Planned:
        """The plan, with the generation's files written where publishing takes them from."""
        world = await self.world(lineups, **changes)
        self.seen = world.observed if isinstance(world.observed, Observed) else None
        judgement = judge(world)
        manifest = self._stage(judgement.desired, judgement.carried, world)
        generation = generations.finish(self._staged)
        current = generations.current(self.state) or ""
        return compose(
            PlanInputs(
                world=world,
                judgement=judgement,
                manifest=manifest,
                generation=generation,
                published_generation=current,
                manifests={g: self._manifest(g) for g in generations.generations(self.state)},
            )
        )

    async def apply(self, lineups: Lineups, **changes: Any) -> RunResult:
        """Plan and carry out."""
        return await self.carry_out(await self.planned(lineups, **changes))

    async def carry_out(self, planned: Planned) -> RunResult:
        """Carry a plan out."""
        base = self.ledger()
        with Journal(self.state, "apply", lambda: self.now) as journal:
            context = ApplyContext(
                before=base,
                save_ledger=lambda ledger: store.save(self.state, ledger, base=base),
                publish=partial(self._publish, planned.plan.digests.generation),
                journal=journal,
                now=lambda: self.now,
                connection=self.connection,
                serve=self.client if self.use_serve else None,
                observed=self.seen,
                progress=self.progress.append,
                guide_loads=planned_loads(self.spec),
                timing=self.timing,
            )
            return await run(planned, context)

    def writes(self) -> list[str]:
        """Method and path of the writes that reached Plex."""
        return [f"{entry.method} {entry.target.partition('?')[0]}" for entry in self.plex.writes()]

    def tuned(self, name: str) -> DvrRecord:
        """The ledger's record."""
        return self.ledger().dvrs[name]

    @property
    def _staged(self) -> Path:
        return self.state / "cache" / "staging-test"

    def published(self) -> Manifest | None:
        """What is published now."""
        current = generations.current(self.state)
        return self._manifest(current) if current else None

    def _manifest(self, generation: str) -> Manifest:
        return read_manifest((self.state / "artifacts" / generation / "manifest.json").read_bytes())

    def _publish(self, generation: str) -> None:
        routes = routes_bytes(Routes(generation))
        generations.publish(self.state, self._staged, generation, routes)

    def _desired(self, lineups: Lineups, before: Ledger) -> Desired:
        targets, channels = [], {}
        for name, rows in lineups.items():
            record = before.dvrs.get(name) or DvrRecord(name, device_id(name), None, name, name, (1000, 1599))
            dvr = replace(spec_model.Dvr(name, name), **self.dvr.get(name, {}))
            lineup = Lineup(name, tuple(Row(n, channel(c)) for n, c in sorted(rows.items())))
            targets.append(DvrTarget(record, dvr, lineup, {}))
            for number, title in rows.items():
                channels[f"main/{title}"] = ChannelRecord(f"main/{title}", name, number, "main", name=title)
        gone = [r for r in before.channels.values() if r.id not in channels and r.dvr in lineups]
        ledger = replace(
            before,
            lineage="L1",
            dvrs={t.record.name: t.record for t in targets},
            channels=channels,
            retired=(
                *(r for r in before.retired if r.id not in channels),
                *(Retired(r.dvr, r.number, r.id, self.now[:10]) for r in gone),
            ),
        )
        return Desired(tuple(targets), (), ledger, (), (), (), Unbucketed(()))

    def _stage(self, desired: Desired, carried: frozenset[str], world: World) -> Manifest:
        generations.discard(self._staged)
        self._staged.mkdir(parents=True)
        dvrs = []
        old = {d.name: d for d in world.published.dvrs} if world.published else {}
        for target in desired.dvrs:
            name = target.record.name
            if name in carried or not target.lineup.rows:
                continue
            dvrs.append(self._files(target))
        for name in sorted(carried & old.keys()):
            generations.carry_over(self.state, self._staged, name)
            dvrs.append(old[name])
        manifest = Manifest("home", "path", tuple(sorted(dvrs, key=lambda d: d.name)))
        generations.write(self._staged, "manifest.json", manifest_bytes(manifest))
        return manifest

    def _files(self, target: DvrTarget) -> DvrManifest:
        name = target.record.name
        base = f"{self.hub}/{name}"
        rows = {row.number: row.channel.name for row in target.lineup.rows}
        lineup = json.dumps(
            [{"GuideNumber": str(n), "GuideName": c, "URL": f"{base}/auto/v{n}"} for n, c in rows.items()]
        ).encode()
        guide = guide_xml({n: c for n, c in rows.items() if n not in self.guide_holes}, self.guide)
        generations.write(self._staged, f"{name}/lineup.json", lineup)
        generations.write(self._staged, f"{name}/guide.xml", guide)
        generations.write(self._staged, f"{name}/playlist.m3u", b"#EXTM3U\n")
        return DvrManifest(
            name=name,
            slug=name,
            device_id=target.record.device_id,
            friendly_name=name,
            port=None,
            base_url=base,
            tuners=target.dvr.tuners,
            scan_possible=False,
            channels={str(row.number): row.channel.id for row in target.lineup.rows},
            guide_digest=hash_of(guide),
            lineup_digest=hash_of(lineup),
        )


def planned_loads(spec: Mapping[str, Any]) -> int:
    """`plex.guide_loads` of a test's spec."""
    plex = spec.get("plex")
    return plex.guide_loads if plex else 3


async def until(condition: Callable[[], bool], *, limit_s: float = 10.0) -> None:
    """Wait for something that another task brings about."""
    for _ in range(int(limit_s / 0.01)):
        if condition():
            return
        await trio.sleep(0.01)
    raise AssertionError("what was waited for did not happen")


def hash_of(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()


def guide_xml(rows: Mapping[int, str], words: str) -> bytes:
    """A guide that lists these numbers, with one programme each."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<tv>"]
    for number, name in rows.items():
        lines.append(
            f'<channel id="{number}"><display-name>{number} {name}</display-name><display-name>{number}</display-name></channel>'
        )
    lines += [
        f'<programme start="20260301000000 +0000" stop="20260301060000 +0000" channel="{n}"><title>{words}</title></programme>'
        for n in rows
    ]
    return "\n".join([*lines, "</tv>", ""]).encode()


@asynccontextmanager
async def house(tmp_path: Path, *, options: PlexOptions | None = None, hub: int = 0) -> AsyncIterator[House]:
    """Everything running on loopback, ended at the end of the block. What an earlier house left in the directory is taken
    up; `hub` is the port that its addresses have.
    """
    state = tmp_path / "state"
    state.mkdir(parents=True, exist_ok=True)
    settings = ServeSettings(listen=("127.0.0.1", hub), layout="path", base=tmp_path)
    async with trio.open_nursery() as nursery:
        plex: PlexHandle = await nursery.start(
            partial(
                run_plex, tmp_path / "plex", token=TOKEN, options=options or PlexOptions(load_delay_s=0.05)
            )
        )
        serving: Serving = await nursery.start(serve, state, settings)
        host, port = serving.hub
        async with (
            connected(plex.url, Secret(TOKEN), client_id="ptctl-home") as connection,
            serve_client([f"http://{host}:{port}"], limit_s=2.0) as client,
        ):
            yield House(state, plex, serving, connection, client)
        nursery.cancel_scope.cancel()


def on(home: House, name: str) -> set[str]:
    """The channels that are on in the simulated Plex."""
    return {m.device for m in home.plex.device(home.tuned(name).device_id).enabled_mappings}


def without(rows: dict[int, str], *numbers: int) -> dict[int, str]:
    """The channels but for some numbers."""
    return {n: c for n, c in rows.items() if n not in numbers}
