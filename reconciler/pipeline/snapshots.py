"""Taking a snapshot of the world, and planning over one: without Plex, without providers, without a secret.

What leads to a stream or may hold somebody's token is taken out when the snapshot is made (`redaction`). Guides
themselves are not in a snapshot: a guide that only moved on is not seen. This module refuses to write and to publish.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from reconciler import __version__
from reconciler.catalog.entry import Catalog
from reconciler.ledger import generations
from reconciler.ledger.model import Ledger
from reconciler.lineups import artifacts
from reconciler.lineups.desired import compute
from reconciler.lineups.manifest import DvrManifest, Manifest, manifest_bytes
from reconciler.lineups.model import Desired
from reconciler.pipeline.gather import Request
from reconciler.pipeline.prepare import Prepared, arguments_of
from reconciler.pipeline.published import manifests_of, rows_of
from reconciler.pipeline.redaction import Pictures, public_entry, public_guide, public_plex, public_report
from reconciler.planning.authored import over_base, with_fields
from reconciler.planning.inputs import Judgement, PlanInputs, World
from reconciler.planning.model import Plan, PlanWarning
from reconciler.planning.plan import compose
from reconciler.planning.safety import judge
from reconciler.planning.world import Snapshot
from reconciler.plex.model import Observed
from reconciler.spec.model import Spec

__all__ = ["difference", "plan_over", "taken"]

_LOGO: Final = re.compile(rb'(tvg-logo=")([^"]*)"')


def taken(ready: Prepared) -> Snapshot:
    """The snapshot of a prepared run. Reads the published generation's files once."""
    spec, seen = ready.spec, ready.gathered
    folder = generations.current_path(Path(spec.state))
    shown = Pictures.of(spec, seen.catalog.entries)
    observed = seen.observed
    return Snapshot(
        made=ready.plan.made,
        version=__version__,
        spec_name=spec.name,
        ledger=seen.ledger,
        observed=public_plex(observed, spec, seen.published) if isinstance(observed, Observed) else observed,
        busy=seen.busy,
        generation=seen.generation,
        published=seen.published,
        rows={
            name: tuple(replace(row, logo=shown.public(row.logo)) for row in rows)
            for name, rows in rows_of(folder, seen.published).items()
        },
        manifests=manifests_of(Path(spec.state), seen.ledger),
        files=_digests(folder, shown),
        verdicts=ready.verdicts,
        reports={name: public_report(report) for name, report in seen.reports.items()},
        catalog=Catalog(
            tuple(public_entry(e, shown) for e in seen.catalog.entries),
            {name: public_report(report) for name, report in seen.catalog.reports.items()},
        ),
        guides={name: public_guide(guide, shown) for name, guide in seen.guides.items()},
        last_apply=ready.plan.last_apply,
    )


def plan_over(spec: Spec, snapshot: Snapshot, request: Request) -> Plan:
    """The plan that `spec` would have had at the moment of the snapshot. Pure; nothing can be applied with it."""
    desired = _desired(spec, snapshot, request, snapshot.ledger)
    world = _world(spec, desired, snapshot, request)
    judgement = judge(world)
    made = _Files.of(spec, judgement.desired, judgement.carried, snapshot)
    inputs = PlanInputs(
        world=world,
        judgement=judgement,
        manifest=made.manifest,
        generation=made.generation,
        published_generation=snapshot.generation,
        before=snapshot.rows,
        last_apply=snapshot.last_apply,
        manifests=snapshot.manifests,
        files=made.fresh,
        version=__version__,
        env=request.env,
        arguments=arguments_of(request),
        requests=getattr(snapshot.observed, "requests", 0),
        seconds=getattr(snapshot.observed, "seconds", 0.0),
    )
    plan = compose(inputs).plan
    return replace(plan, warnings=(*_remarks(spec, snapshot), *plan.warnings))


def difference(base: Spec, head: Spec, snapshot: Snapshot, request: Request) -> Plan:
    """What `head` changes against `base` over one selection of channels: neither news of sources nor drift shows."""
    before = _desired(base, snapshot, request, snapshot.ledger)
    # What a source lost before is not the author's doing: the loss of this change alone is judged.
    past = replace(
        before.ledger, dvrs={name: replace(record, peaks=()) for name, record in before.ledger.dvrs.items()}
    )
    judged = Judgement((), frozenset(), before, past)
    old = _Files.of(base, before, frozenset(), snapshot)
    desired = _desired(head, snapshot, request, past)
    world = replace(_world(head, desired, snapshot, request), reports={})
    world, rows = over_base(world, judged, old.manifest)
    judgement = judge(world)
    as_base = replace(snapshot, published=old.manifest, files=old.digests, generation=old.generation)
    new = _Files.of(head, judgement.desired, judgement.carried, as_base)
    inputs = PlanInputs(
        world=world,
        judgement=judgement,
        manifest=new.manifest,
        generation=new.generation,
        published_generation=old.generation,
        before=rows,
        files=new.fresh,
        version=__version__,
        env=request.env,
        arguments=arguments_of(request),
    )
    plan = with_fields(compose(inputs).plan, base, head)
    return replace(plan, warnings=(*_remarks(head, snapshot), *plan.warnings))


def _desired(spec: Spec, snapshot: Snapshot, request: Request, ledger: Ledger) -> Desired:
    mine = Catalog(
        tuple(e for e in snapshot.catalog.entries if e.source in spec.sources), snapshot.catalog.reports
    )
    return compute(
        spec,
        mine,
        {name: guide for name, guide in snapshot.guides.items() if name in spec.guides},
        ledger,
        today=date.fromisoformat(snapshot.made[:10]),
        allow=frozenset(request.allow),
        verdicts=snapshot.verdicts,
        renumber=request.renumber,
    )


def _world(spec: Spec, desired: Desired, snapshot: Snapshot, request: Request) -> World:
    wanted = {*spec.sources, *(f"guide {name}" for name in spec.guides)}
    return World(
        spec=spec,
        desired=desired,
        ledger=snapshot.ledger,
        now=snapshot.made,
        observed=snapshot.observed if spec.plex is not None else None,
        published=snapshot.published,
        reports={name: report for name, report in snapshot.reports.items() if name in wanted},
        allow=request.allow,
        only=request.only,
        skip=request.skip,
        busy=snapshot.busy,
    )


def _remarks(spec: Spec, snapshot: Snapshot) -> tuple[PlanWarning, ...]:
    """What of the spec the snapshot cannot know."""
    found = []
    if spec.name != snapshot.spec_name:
        text = f'the snapshot was taken of "{snapshot.spec_name}", this is "{spec.name}"'
        found.append(PlanWarning("W316", text, "take one with this spec: ptctl snapshot --out FILE"))
    missing = [name for name in spec.sources if name not in snapshot.reports]
    missing += [f"guide {name}" for name in spec.guides if f"guide {name}" not in snapshot.reports]
    found += [
        PlanWarning("W316", f'the snapshot has nothing of "{name}"', "ptctl snapshot --out FILE")
        for name in missing
    ]
    if spec.plex is not None and snapshot.observed is None:
        text = "the snapshot has nothing of Plex: the spec it was taken of has no plex section"
        found.append(PlanWarning("W316", text, "ptctl snapshot --out FILE"))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Files:
    """What would be published, by digest alone. A guide's digest changes with its DVR's lineup and not otherwise."""

    manifest: Manifest
    generation: str
    digests: Mapping[str, str]
    fresh: tuple[str, ...]

    @staticmethod
    def of(spec: Spec, desired: Desired, carried: frozenset[str], snapshot: Snapshot) -> "_Files":
        published = snapshot.published.dvrs if snapshot.published else ()
        kept = {dvr.name: dvr for dvr in published if dvr.name in carried}
        digests = {name: _sha256(data) for name, data in artifacts.files(spec, desired).items()}
        old = {dvr.device_id.casefold(): dvr for dvr in published}
        guides = {}
        for target in artifacts.served(desired):
            slug = target.record.slug
            was = old.get(target.record.device_id.casefold())
            guides[target.record.name] = _guide_digest(slug, was, digests, snapshot)
        for dvr in kept.values():
            digests.update(
                {n: d for n, d in snapshot.files.items() if n.startswith(f"{dvr.slug}/")},
            )
        made = artifacts.manifest(spec, desired, guides, kept)
        digests.update({f"{d.slug}/guide.xml": d.guide_digest for d in made.dvrs})
        digests["manifest.json"] = _sha256(manifest_bytes(made))
        generation = _sha256(repr(sorted(digests.items())).encode())[:16]
        if digests == snapshot.files:
            generation = snapshot.generation
        fresh = tuple(sorted(n for n, d in digests.items() if snapshot.files.get(n) != d))
        return _Files(made, generation, digests, fresh)


def _guide_digest(slug: str, was: DvrManifest | None, digests: Mapping[str, str], snapshot: Snapshot) -> str:
    names = (f"{slug}/lineup.json", f"{slug}/playlist.m3u")
    if was is not None and all(snapshot.files.get(name) == digests.get(name) for name in names):
        return was.guide_digest
    return _sha256(repr([digests.get(name) for name in names]).encode())


def _digests(folder: Path | None, shown: Pictures) -> dict[str, str]:
    """The published files' digests, playlists as they would be with the snapshot's pictures."""
    if folder is None:
        return {}
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".m3u":
            data = _LOGO.sub(lambda m: m[1] + shown.public(m[2].decode()).encode() + b'"', data)
        found[path.relative_to(folder).as_posix()] = _sha256(data)
    return found


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
