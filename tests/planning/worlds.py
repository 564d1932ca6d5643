"""Worlds to plan for, built from a few words: lineups before and after, what Plex has, what the ledger says.

Channels are `{number: name}` by DVR; the id of a channel is `main/<name>`. Every builder gives a world in which
everything is in place; tests change what they are about.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.catalog.entry import Entry, SourceReport
from reconciler.ledger.model import Applied, ChannelRecord, DvrRecord, Ledger, Retired
from reconciler.lineups.manifest import DvrManifest, Manifest
from reconciler.lineups.model import (
    Block,
    Channel,
    Desired,
    DvrTarget,
    Lineup,
    Row,
    Unbucketed,
)
from reconciler.planning.diff import map_digest
from reconciler.planning.inputs import PlanInputs, PublishedRow, World
from reconciler.planning.plan import Planned, compose
from reconciler.planning.safety import judge
from reconciler.plex.model import ChannelPair, Device, Dvr, Observed, Server, Unknown
from reconciler.plex.requests import lineup_uri
from reconciler.spec import model as spec_model

Lineups = Mapping[str, Mapping[int, str]]

NOW = "2026-03-01T04:12:40Z"
MACHINE = "b4e0"
HOST = "http://ptctl"


def device_id(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8].upper()


def port(name: str) -> int:
    return 5005 + int(device_id(name), 16) % 900


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def pairs(numbers: Mapping[int, str] | list[int]) -> tuple[ChannelPair, ...]:
    return tuple(ChannelPair(str(n), str(n), str(n)) for n in sorted(numbers))


def spec_of(names: list[str], **changes: Any) -> spec_model.Spec:
    made = spec_model.Spec(
        name="home",
        sources={"main": spec_model.Source("main", "m3u")},
        guides={},
        filters=(),
        buckets=tuple(spec_model.Bucket(name) for name in names),
        dvrs={name: spec_model.Dvr(name, name) for name in names},
        plex=spec_model.Plex("http://plex:32400", "plex"),
        digest="spec-1",
    )
    return replace(made, **changes)


def channel(key: str, source: str = "main", **changes: Any) -> Channel:
    entry = Entry(source, key, key)
    made = Channel(id=f"{source}/{key}", name=key, source=source, members=(entry,))
    return replace(made, **changes)


def manifest_of(lineups: Lineups, *, guide: str = "g1", host: str = HOST, **off: tuple[str, ...]) -> Manifest:
    dvrs = tuple(
        DvrManifest(
            name=name,
            slug=name,
            device_id=device_id(name),
            friendly_name=name,
            port=port(name),
            base_url=f"{host}:{port(name)}",
            tuners=2,
            scan_possible=False,
            channels={str(n): f"main/{c}" for n, c in rows.items()},
            guide_digest=digest(guide, sorted(rows.items())),
            lineup_digest=digest(sorted(rows.items()), host),
            off=off.get(name, ()),
        )
        for name, rows in lineups.items()
    )
    return Manifest("home", "ports", dvrs)


def generation_of(manifest: Manifest) -> str:
    return digest(manifest)


def record_of(name: str, key: int, *, block: tuple[int, int] = (1000, 1599), **changes: Any) -> DvrRecord:
    made = DvrRecord(
        name=name,
        device_id=device_id(name),
        port=port(name),
        slug=name,
        title=name,
        block=block,
        device_key=str(key),
        dvr_key=str(key + 1),
        dvr_uuid=f"uuid-{key + 1}",
        machine=MACHINE,
    )
    return replace(made, **changes)


@dataclass
class Home:
    """Lineups before and after, and everything that follows from them while nobody interfered."""

    before: Lineups
    after: Lineups
    guide_before: str = "g1"
    guide_after: str = "g1"
    host_before: str = HOST
    host_after: str = HOST
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields of the world."""
    spec: dict[str, Any] = field(default_factory=dict)
    dvr: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of the spec's DVRs."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Fields of the ledger's records."""
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    plex_dvrs: dict[str, dict[str, Any]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    """DVRs that Plex does not have although the ledger does."""
    foreign: tuple[Dvr, ...] = ()
    rules: Mapping[str, int] | Unknown = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    causes: dict[str, dict[str, Any]] = field(default_factory=dict)
    old_names: dict[str, str] = field(default_factory=dict)
    """New name of a DVR to the name the ledger has."""
    inputs: dict[str, Any] = field(default_factory=dict)

    def old(self, name: str) -> str:
        """The ledger's name of a DVR."""
        return self.old_names.get(name, name)

    @property
    def published(self) -> Manifest | None:
        """The manifest of the current generation."""
        return (
            manifest_of(self.before, guide=self.guide_before, host=self.host_before) if self.before else None
        )

    @property
    def keys(self) -> dict[str, int]:
        """Plex's device keys; the DVR's is one higher."""
        return {name: 17 + 3 * i for i, name in enumerate(self.before)}

    def ledger(self) -> Ledger:
        """The ledger after the last apply."""
        published = self.published
        dvrs, channels = {}, {}
        for name, rows in self.before.items():
            assert published is not None
            public = next(d for d in published.dvrs if d.name == name)
            applied = Applied(
                generation=generation_of(published),
                tuner_uri=public.base_url,
                guide_url=f"{public.base_url}/guide.xml",
                title=name,
                map_digest=map_digest(pairs(dict(rows))),
                channels=len(rows),
                guide_digest=public.guide_digest,
                lineup_digest=public.lineup_digest,
                loaded_at="2026-03-01T00:00:00Z",
            )
            record = record_of(name, self.keys[name], applied=applied)
            dvrs[name] = replace(record, **self.records.get(name, {}))
            for number, title in rows.items():
                channels[f"main/{title}"] = ChannelRecord(f"main/{title}", name, number, "main", name=title)
        lineage = "L1" if dvrs else ""
        return Ledger(lineage, 7 if dvrs else 0, dvrs, channels, spec="spec-1" if dvrs else "")

    def observed(self) -> Observed:
        """Plex as the last apply left it, with this home's changes."""
        devices, dvrs = [], []
        for name, rows in self.before.items():
            if name in self.absent:
                continue
            key = self.keys[name]
            base = f"{self.host_before}:{port(name)}"
            device = Device(
                key=str(key),
                uuid=f"device://tv.plex.grabbers.hdhomerun/{device_id(name)}",
                device_id=device_id(name),
                uri=base,
                title=name,
                make="Silicondust",
                model=name,
                tuners=2,
                status="alive",
                state="enabled",
                parent=str(key + 1),
                pairs=pairs(dict(rows)),
            )
            device = replace(device, **self.devices.get(name, {}))
            dvr = Dvr(
                key=str(key + 1),
                uuid=f"uuid-{key + 1}",
                lineup=lineup_uri(f"{base}/guide.xml", name),
                lineup_title=name,
                epg_identifier=f"tv.plex.providers.epg.xmltv:{key + 1}",
                devices=(device,),
            )
            devices.append(device)
            if device.parent:
                dvrs.append(replace(dvr, **self.plex_dvrs.get(name, {})))
        devices += [d for dvr in self.foreign for d in dvr.devices]
        every = (*dvrs, *self.foreign)
        return Observed(
            server=Server(MACHINE, "1.43.2", "plex.home"),
            devices=tuple(devices),
            dvrs=every,
            details={dvr.key: dvr for dvr in every},
            activities=(),
            rules=self.rules,
        )

    def desired(self) -> Desired:
        """What the spec and the sources ask for now."""
        before = self.ledger()
        targets, channels = [], {}
        for name, rows in self.after.items():
            old = before.dvrs.get(self.old(name))
            record = (
                replace(old, name=name)
                if old
                else record_of(name, 0, device_key="", dvr_key="", dvr_uuid="", machine="")
            )
            dvr = replace(spec_model.Dvr(name, name), **self.dvr.get(name, {}))
            lineup = Lineup(name, tuple(Row(n, channel(c)) for n, c in sorted(rows.items())))
            targets.append(DvrTarget(record, dvr, lineup, self.causes.get(name, {})))
            for number, title in rows.items():
                channels[f"main/{title}"] = ChannelRecord(f"main/{title}", name, number, "main", name=title)
        gone = [
            r
            for r in before.channels.values()
            if r.id not in channels and r.dvr in {self.old(n) for n in self.after}
        ]
        ledger = replace(
            before,
            lineage=before.lineage or "L1",
            dvrs={t.record.name: t.record for t in targets},
            channels=channels,
            retired=tuple(Retired(r.dvr, r.number, r.id, NOW[:10]) for r in gone),
            spec="spec-1",
        )
        return Desired(
            dvrs=tuple(targets),
            exports=(),
            ledger=ledger,
            funnels=(),
            filtered=(),
            held=(),
            unbucketed=Unbucketed(()),
            blocks=self.blocks,
        )

    def world(self) -> World:
        """Everything before judging."""
        spec = spec_of(list(self.after), **self.spec)
        spec = replace(spec, dvrs={n: replace(d, **self.dvr.get(n, {})) for n, d in spec.dvrs.items()})
        made = World(
            spec=spec,
            desired=self.desired(),
            ledger=self.ledger(),
            now=NOW,
            observed=self.observed(),
            published=self.published,
            reports={"main": SourceReport("main", "m3u", "fresh", 100)},
            busy={},
        )
        return replace(made, **self.changes)

    def plan_inputs(self) -> PlanInputs:
        """A judged world with its artifacts."""
        world = self.world()
        judgement = judge(world)
        public = {d.name: d for d in self.published.dvrs} if self.published else {}
        lineups = {
            t.record.name: {row.number: row.channel.name for row in t.lineup.rows}
            for t in judgement.desired.dvrs
            if t.record.name not in judgement.carried
        }
        fresh = manifest_of(lineups, guide=self.guide_after, host=self.host_after)
        old = [
            replace(public[self.old(n)], name=n) for n in sorted(judgement.carried) if self.old(n) in public
        ]
        dvrs = tuple(
            replace(d, device_id=judgement.ledger.dvrs[d.name].device_id) for d in (*fresh.dvrs, *old)
        )
        dvrs = tuple(
            replace(d, base_url=f"{self.host_after}:{port(self.old(d.name))}", port=port(self.old(d.name)))
            if d in fresh.dvrs or self.old(d.name) != d.name
            else d
            for d in dvrs
        )
        manifest = replace(fresh, dvrs=dvrs)
        if self.published and {d.name: d for d in dvrs} == public:
            manifest = self.published
        was = generation_of(self.published) if self.published else ""
        made = PlanInputs(
            world=world,
            judgement=judgement,
            manifest=manifest,
            generation=generation_of(manifest),
            published_generation=was,
            before={
                n: tuple(PublishedRow(k, f"main/{c}", c) for k, c in rows.items())
                for n, rows in self.before.items()
            },
            manifests={was: self.published} if self.published else {},
            version="0.1.0",
        )
        return replace(made, **self.inputs)

    def planned(self) -> Planned:
        """The plan and what belongs to it."""
        return compose(self.plan_inputs())
