"""DVRs of ours that the spec no longer has: deleted with their word or by `removed:`, or only let go.

What is lost with them is said; what Plex no longer has is no action. This module refuses to lift a block.
"""

from collections.abc import Iterator
from dataclasses import replace

from reconciler.planning.carry import in_plex
from reconciler.planning.changes import Comparison
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.model import Change, Counts, FieldChange, Loss, NamedChannel
from reconciler.planning.past import rows_before
from reconciler.planning.safety import Leaving, leaving
from reconciler.planning.sight import company, counts, look_for, shared
from reconciler.planning.swaps import is_old_tuner, old_tuner, swapped
from reconciler.plex.model import Dvr, Observed

__all__ = ["departures", "old_tuners", "swap_told"]


def departures(inputs: PlanInputs, observed: Observed | None) -> tuple[Comparison, ...]:
    """One comparison for each DVR that leaves, by name."""
    return tuple(_leave(inputs, item, observed) for item in leaving(inputs.world))


def old_tuners(inputs: PlanInputs, observed: Observed | None) -> tuple[Comparison, ...]:
    """One comparison for each tuner that goes because its DVR gets another one now, by name."""
    found = []
    for name, record in sorted(swapped(inputs.world).items()):
        going = old_tuner(record)
        if going.name not in inputs.judgement.ledger.dvrs:
            continue
        sighting = look_for(record.device_id, record, observed) if observed else None
        note = f"the tuner that {name} had"
        found.append(
            Comparison(Change("delete", going.name, Counts(0, 0), ("spec",), note=note), sighting=sighting)
        )
    return tuple(found)


def swap_told(change: Change, inputs: PlanInputs, observed: Observed | None) -> Change:
    """The change of a DVR that shall have another tuner, done now or blocked: what differs and what is lost."""
    old = swapped(inputs.world).get(change.dvr)
    if old is None or observed is None or not in_plex(inputs.world, old):
        return change
    device_id = next(t.record.device_id for t in inputs.world.desired.dvrs if t.record.name == change.dvr)
    field = FieldChange("device_id", old.device_id, device_id, "spec", "replace")
    what = "A DeviceID is the tuner's identity in Plex: tuner and DVR are deleted and made anew"
    loses = (Loss("recording rules", counts(observed.rules, old.dvr_key)),) if old.dvr_key else ()
    return replace(
        change,
        kind="replace",
        fields=(field, *change.fields),
        causes=tuple(sorted({*change.causes, "spec"})),
        details=(what, *change.details),
        loses=(*loses, *change.loses),
        undo="",
    )


def _leave(inputs: PlanInputs, item: Leaving, observed: Observed | None) -> Comparison:
    world, name = inputs.world, item.record.name
    rows = rows_before(inputs, name)
    blocks = inputs.judgement.blocks_of(name)
    if world.skipped(name):
        return Comparison(
            Change("same", name, Counts(len(rows), len(rows)), note="left alone (--only, --skip)")
        )
    if observed is None and name in inputs.judgement.carried and not blocks:
        kept = Counts(len(rows), len(rows))
        return Comparison(Change("same", name, kept, note="leaves with the next apply"))
    if item.keep:
        note = "let go: out of the ledger, left in Plex as it is"
        kept = Counts(len(rows), len(rows))
        return Comparison(
            Change(
                "disown",
                name,
                kept,
                ("spec",),
                blocks=blocks,
                note=note,
                undo=f"ptctl adopt {name} --plex KEY",
            )
        )
    gone = tuple(
        NamedChannel(r.number, r.name, r.id, "spec", why="its DVR leaves the spec")
        for r in sorted(rows, key=lambda r: r.number)
    )
    sighting = look_for(item.record.device_id, item.record, observed) if observed else None
    dvr = sighting.dvr if sighting and isinstance(sighting.dvr, Dvr) else None
    loses = (Loss("recording rules", counts(observed.rules, dvr.key)),) if observed and dvr else ()
    change = Change(
        "delete",
        name,
        Counts(len(rows), 0, removed=gone),
        ("spec",),
        blocks=blocks,
        loses=loses,
        note=_why(item),
        details=(*_renamed(inputs, item, gone), *_shared(dvr, item.record.device_id)),
    )
    return Comparison(change, sighting=sighting)


def _renamed(inputs: PlanInputs, item: Leaving, gone: tuple[NamedChannel, ...]) -> Iterator[str]:
    """A new DVR that would take most of the channels is probably this one under another name."""
    if item.intended or not gone:
        return
    ids = {channel.id for channel in gone}
    for target in inputs.world.desired.dvrs:
        name = target.record.name
        taken = sum(not ids.isdisjoint((r.channel.id, *r.channel.aliases)) for r in target.lineup.rows)
        if name not in inputs.world.ledger.dvrs and 2 * taken > len(gone):
            yield f"was it renamed? it keeps everything with  moved: [{{dvr: {item.record.name}, to: {name}}}]"


def _shared(dvr: Dvr | None, device_id: str) -> Iterator[str]:
    if dvr is not None and (others := company(dvr, device_id)):
        yield shared(dvr, others)


def _why(item: Leaving) -> str:
    if is_old_tuner(item.record.name):
        return "its DVR has another tuner"
    return "removed by the spec" if item.intended else "not in the spec"
