"""A lost ledger, made again from what is left of it: the published files and what Plex has.

The manifest of the published generation tells DVRs, ports and which channel has which number; Plex tells its keys and what
it was last made to be; the catalogue tells how to find channels again. What neither knows is gone: retired numbers,
approvals that were used, how large lineups were in the last week. Pure. This module refuses to guess a channel by its name:
DVRs without files are adopted (`planning.adoption`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.catalog.entry import Entry
from reconciler.catalog.names import normalise_name
from reconciler.ledger.model import Applied, ChannelRecord, DvrRecord, Ledger
from reconciler.lineups.devices import BLOCK, FIRST
from reconciler.lineups.identity import facts_of, identify
from reconciler.lineups.manifest import DvrManifest, Manifest
from reconciler.planning.diff import map_digest
from reconciler.planning.inputs import PublishedRow
from reconciler.planning.sight import look_for
from reconciler.plex.model import Device, Dvr, Observed, Server
from reconciler.spec.model import Spec

__all__ = ["rebuilt", "refined"]


def rebuilt(
    spec: Spec,
    entries: Iterable[Entry],
    manifest: Manifest,
    rows: Mapping[str, tuple[PublishedRow, ...]],
    observed: Observed | None,
    *,
    generation: str,
    now: str,
) -> Ledger:
    """The ledger of the published files. `observed` None: there is no Plex in the spec. `now` is an ISO second (UTC).

    Costs time in proportion to the entries; no lineage and serial 0.
    """
    blocks: list[tuple[int, int]] = []
    dvrs = {}
    for dvr in manifest.dvrs:
        block = _block(spec, dvr, blocks)
        blocks.append(block)
        dvrs[dvr.name] = _record(spec, dvr, block, observed, generation, now)
    facts = {item.id: (item.entry, facts_of(item.entry)) for item in identify(entries, Ledger())}
    channels = {}
    for dvr in manifest.dvrs:
        names = {row.id: row.name for row in rows.get(dvr.name, ())}
        for number, id_ in dvr.channels.items():
            source = id_.partition("/")[0]
            record = ChannelRecord(
                id_, dvr.name, int(number), source, name=normalise_name(names.get(id_, ""))
            )
            if id_ in facts:
                entry, fact = facts[id_]
                path = fact.path if "/~" in id_ else ""
                record = replace(record, guide_id=fact.guide_id, name=fact.name, path=path, group=entry.group)
            channels[id_] = record
    return Ledger(dvrs=dict(sorted(dvrs.items())), channels=dict(sorted(channels.items())))


def refined(ledger: Ledger, computed: Ledger) -> Ledger:
    """`ledger` with what computing over it found out about channels that stayed: aliases, groups, facts."""
    channels = {
        id_: found
        if (found := computed.channels.get(id_)) and (found.dvr, found.number) == (record.dvr, record.number)
        else record
        for id_, record in ledger.channels.items()
    }
    return replace(ledger, channels=channels, spec=computed.spec)


def _block(spec: Spec, dvr: DvrManifest, taken: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The spec's range, else the block of the usual size that the numbers lie in, else what they span."""
    declared = spec.dvrs.get(dvr.name)
    if declared is not None and declared.numbers:
        return declared.numbers
    numbers = [int(number) for number in dvr.channels] or [FIRST]
    first = FIRST + (min(numbers) - FIRST) // BLOCK * BLOCK
    usual = (first, first + BLOCK - 1)
    fits = max(numbers) <= usual[1] and first >= FIRST
    if fits and not any(low <= usual[1] and usual[0] <= high for low, high in taken):
        return usual
    return (min(numbers), max(numbers))


def _record(
    spec: Spec,
    dvr: DvrManifest,
    block: tuple[int, int],
    observed: Observed | None,
    generation: str,
    now: str,
) -> DvrRecord:
    declared = spec.dvrs.get(dvr.name)
    stem, _, part = dvr.name.rpartition("-")
    record = DvrRecord(
        name=dvr.name,
        device_id=dvr.device_id,
        port=dvr.port,
        slug=dvr.slug,
        title=dvr.friendly_name,
        block=block,
        guide_path=dvr.guide_path,
        protected=bool(declared and declared.protect),
        split_of=stem if declared is None and part.isdecimal() and stem in spec.dvrs else "",
        peaks=((now[:10], len(dvr.channels) - len(dvr.off)),),
    )
    sighting = look_for(dvr.device_id, None, observed) if observed is not None else None
    if observed is None or sighting is None or not isinstance(sighting.device, Device):
        return record
    device, held = sighting.device, sighting.dvr
    record = replace(
        record,
        device_key=device.key,
        machine=observed.server.machine if isinstance(observed.server, Server) else "",
        adopted=device.title not in {"", dvr.friendly_name},
    )
    if not isinstance(held, Dvr):
        return record
    shown = {pair.device for pair in device.enabled}
    as_published = shown == dvr.channels.keys() - set(dvr.off)
    applied = Applied(
        generation=generation if as_published else "",
        tuner_uri=device.uri,
        guide_url=held.guide,
        title=held.title,
        map_digest=map_digest(device.pairs),
        channels=len(shown),
        guide_digest=dvr.guide_digest if as_published else "",
        lineup_digest=dvr.lineup_digest if as_published else "",
        loaded_at=now,
    )
    return replace(record, dvr_key=held.key, dvr_uuid=held.uuid, applied=applied)
