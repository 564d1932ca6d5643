"""What a blocked DVR keeps: its files, its channels and numbers, its ledger entry, exactly as they were.

A lineup is carried over whole or not at all, so a channel that lives in a carried DVR cannot appear in another one at
the same time, and what a carried DVR would have gained waits. Pure. This module refuses to say which DVRs are carried.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.ledger.model import ChannelRecord, DvrRecord, Ledger, Retired
from reconciler.lineups.model import Desired, DvrTarget, Lineup
from reconciler.planning.inputs import World
from reconciler.planning.renames import old_names
from reconciler.planning.swaps import fresh_record, old_tuner

__all__ = ["Kept", "in_plex", "planned"]


@dataclass(frozen=True, slots=True)
class Kept:
    """`carried`: DVR names (new ones). `leaving`: names not in the spec any more, and whether they are only let go.

    `accepted`: DVRs whose loss was allowed by a word. `swapped`: the old records of DVRs that get another tuner now.
    """

    carried: frozenset[str]
    leaving: Mapping[str, bool]
    accepted: frozenset[str]
    swapped: Mapping[str, DvrRecord] = field(default_factory=dict)


def planned(
    world: World, peaks: Mapping[str, tuple[tuple[str, int], ...]], kept: Kept
) -> tuple[Desired, Ledger]:
    """The desired state to build, and the ledger to write before anything else is done."""
    before, desired = world.ledger, world.desired
    names = {old: new for new, old in old_names(desired.dvrs, before).items()}
    stay = {
        record.id: replace(record, dvr=names.get(record.dvr, record.dvr))
        for record in before.channels.values()
        if names.get(record.dvr, record.dvr) in kept.carried
    }
    targets = tuple(_without(target, stay, kept) for target in desired.dvrs)
    channels: dict[str, ChannelRecord] = {
        key: record
        for key, record in desired.ledger.channels.items()
        if record.dvr not in kept.carried and record.dvr not in kept.leaving and key not in stay
    }
    channels.update(stay)
    retired = _retired(world, channels, names, kept)
    dvrs = _records(world, peaks, names, kept)
    ledger = replace(
        desired.ledger,
        lineage=desired.ledger.lineage or before.lineage,
        dvrs=dict(sorted(dvrs.items())),
        channels=dict(sorted(channels.items())),
        retired=retired,
        spent=before.spent,
        serial=before.serial,
    )
    if stay and not (channels.keys() - stay.keys()):
        ledger = replace(ledger, spec=before.spec)  # nothing of the new spec took effect
    if ledger != replace(before, lineage=ledger.lineage):
        ledger = replace(ledger, serial=before.serial + 1)
    return replace(desired, dvrs=targets, ledger=ledger), ledger


def in_plex(world: World, record: DvrRecord) -> bool:
    """Whether Plex may have this DVR: there is a Plex, and the ledger knows that it was told."""
    return world.spec.plex is not None and bool(record.device_key or record.dvr_key or record.applied)


def _without(target: DvrTarget, stay: Mapping[str, ChannelRecord], kept: Kept) -> DvrTarget:
    if target.record.name in kept.carried or not stay:
        return target
    rows = tuple(row for row in target.lineup.rows if row.channel.id not in stay)
    if len(rows) == len(target.lineup.rows):
        return target
    return replace(target, lineup=Lineup(target.lineup.dvr, rows))


def _retired(
    world: World, channels: Mapping[str, ChannelRecord], names: Mapping[str, str], kept: Kept
) -> tuple[Retired, ...]:
    """Numbers kept free: the desired ones, the old ones of carried DVRs, and of channels that ended up nowhere."""
    before = world.ledger
    found = {
        (entry.dvr, entry.number): entry
        for entry in world.desired.ledger.retired
        if entry.dvr not in kept.carried and entry.dvr not in kept.leaving
    }
    for entry in before.retired:
        name = names.get(entry.dvr, entry.dvr)
        if name in kept.carried:
            found[name, entry.number] = replace(entry, dvr=name)
    taken = {(record.dvr, record.number) for record in channels.values()}
    listed = {entry.id for entry in found.values()} | {a for r in channels.values() for a in r.aliases}
    for record in before.channels.values():
        name = names.get(record.dvr, record.dvr)
        if record.id in channels or record.id in listed or name in kept.leaving:
            continue
        if (name, record.number) not in taken and (name, record.number) not in found:
            found[name, record.number] = replace(record, dvr=name).retired(world.today)
    return tuple(entry for _, entry in sorted(found.items()))


def _records(
    world: World,
    peaks: Mapping[str, tuple[tuple[str, int], ...]],
    names: Mapping[str, str],
    kept: Kept,
) -> dict[str, DvrRecord]:
    old = {
        names.get(name, name): replace(record, name=names.get(name, name))
        for name, record in world.ledger.dvrs.items()
    }
    found: dict[str, DvrRecord] = {}
    for target in world.desired.dvrs:
        name = target.record.name
        known = old.get(name)
        if name in kept.carried:
            if known is not None:
                found[name] = known
            continue
        protected = target.dvr.protect
        if protected is None:
            protected = known.protected if known else False
        record = replace(target.record, protected=protected, peaks=peaks.get(name, ()))
        swapped = kept.swapped.get(name)
        if swapped is not None:
            record = fresh_record(record)
            if in_plex(world, swapped):
                going = old_tuner(swapped)
                found[going.name] = going
        found[name] = record
    for name, keep in kept.leaving.items():
        # Let go: out of the ledger now. To be deleted: out when Plex has confirmed it; what was never there, at once.
        if name in kept.carried or not (keep or not in_plex(world, old[name])):
            found[name] = old[name]
    return found
