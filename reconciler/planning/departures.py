"""DVRs of ours that the spec no longer has: deleted with their word or by `removed:`, or only let go.

What is lost with them is said; what Plex no longer has is no action. This module refuses to lift a block.
"""

from reconciler.planning.changes import Comparison
from reconciler.planning.inputs import PlanInputs
from reconciler.planning.model import Change, Counts, Loss, NamedChannel
from reconciler.planning.past import rows_before
from reconciler.planning.safety import Leaving, leaving
from reconciler.planning.sight import counts, look_for
from reconciler.plex.model import Dvr, Observed

__all__ = ["departures"]


def departures(inputs: PlanInputs, observed: Observed | None) -> tuple[Comparison, ...]:
    """One comparison for each DVR that leaves, by name."""
    return tuple(_leave(inputs, item, observed) for item in leaving(inputs.world))


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
        note="not in the spec" if not item.intended else "removed by the spec",
    )
    return Comparison(change, sighting=sighting)
