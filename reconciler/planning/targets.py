"""What Plex shall have for one DVR, in the terms in which Plex keeps it. Used by diff and by apply alike.

A title is fixed when a DVR is created (plex-livetv.md 3.3), so the default title is pinned in the ledger and only a
title that the spec spells out can ask for another. This module refuses to look at what Plex has.
"""

import hashlib
from dataclasses import dataclass

from reconciler.ledger.model import DvrRecord
from reconciler.lineups.manifest import DvrManifest
from reconciler.planning.addresses import guide_location
from reconciler.planning.adoption import is_unmatched
from reconciler.planning.inputs import PlanInputs
from reconciler.plex.requests import channel_map_line_bytes, lineup_uri
from reconciler.spec.model import Dvr, Spec

__all__ = ["Target", "targets"]


@dataclass(frozen=True, slots=True)
class Target:
    """One DVR of ours as it shall be.

    `numbers` are those to switch on, ascending; `names` by number. `explicit_title`: the spec spells the title out.
    `content_age_s`: how often a guide that only moved on may be loaded. `reserved`: numbers that were on when it was
    adopted and that no channel matches; they are left alone.
    """

    dvr: str
    record: DvrRecord
    device_id: str
    uri: str
    guide: str
    title: str
    explicit_title: bool
    tuners: int
    numbers: tuple[int, ...]
    names: dict[int, str]
    lineup_digest: str
    guide_digest: str
    guide_rules: str
    guide_path: str
    content_age_s: float
    reserved: frozenset[str] = frozenset()

    @property
    def lineup(self) -> str:
        """The lineup URI to create a DVR with."""
        return lineup_uri(self.guide, self.title)

    @property
    def map_bytes(self) -> int:
        """Bytes of the request line that switches everything on; 0 for nothing."""
        if not self.numbers:
            return 0
        return channel_map_line_bytes(self.numbers, device_key=self.record.device_key or "0000")


def targets(inputs: PlanInputs) -> tuple[Target, ...]:
    """The targets of all DVRs that the new generation serves, in the order of the spec, carried ones of gone DVRs last."""
    order = {t.record.name: i for i, t in enumerate(inputs.world.desired.dvrs)}
    manifests = sorted(inputs.manifest.dvrs, key=lambda m: (order.get(m.name, len(order)), m.name))
    return tuple(
        _target(inputs, manifest, inputs.judgement.ledger.dvrs[manifest.name])
        for manifest in manifests
        if manifest.name in inputs.judgement.ledger.dvrs
    )


def _target(inputs: PlanInputs, manifest: DvrManifest, record: DvrRecord) -> Target:
    spec = inputs.world.spec
    wanted = next((t for t in inputs.world.desired.dvrs if t.record.name == manifest.name), None)
    explicit = wanted.dvr.title if wanted else None
    off = set(manifest.off)
    names = _names(inputs, manifest, record)
    return Target(
        dvr=manifest.name,
        record=record,
        device_id=manifest.device_id,
        uri=manifest.base_url,
        guide=guide_location(spec, manifest),
        title=explicit or record.title or manifest.friendly_name,
        explicit_title=explicit is not None,
        tuners=manifest.tuners,
        numbers=tuple(sorted(int(n) for n in manifest.channels if n not in off)),
        names=names,
        lineup_digest=manifest.lineup_digest,
        guide_digest=manifest.guide_digest,
        guide_rules=_guide_rules(spec, wanted.dvr) if wanted else "",
        guide_path=manifest.guide_path,
        content_age_s=spec.serve.guide_reload_s,
        reserved=frozenset(
            str(entry.number)
            for entry in inputs.judgement.ledger.retired
            if entry.dvr == manifest.name and is_unmatched(entry)
        ),
    )


def _guide_rules(spec: Spec, dvr: Dvr) -> str:
    """Digest of all in the spec that makes this DVR's guide of what the sources say."""
    said = (spec.guides, spec.filters, spec.overrides, dvr.guide)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _names(inputs: PlanInputs, manifest: DvrManifest, record: DvrRecord) -> dict[int, str]:
    found = {row.number: row.name for row in inputs.before.get(record.name, ())}
    for target in inputs.world.desired.dvrs:
        if target.record.name == manifest.name and manifest.name not in inputs.judgement.carried:
            found.update({row.number: row.channel.name for row in target.lineup.rows})
    return {int(number): found.get(int(number), channel) for number, channel in manifest.channels.items()}
