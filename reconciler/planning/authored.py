"""A plan of what an author changed: two specs over one selection of channels (`plan --base`, design.md 3).

The base spec is planned first, over the same catalogue and ledger; what it would make is then "before", and the other spec
is planned against that, without Plex. So neither the source's news nor drift shows, only the difference of the two specs.
This module refuses to read a snapshot: `pipeline` does.
"""

from dataclasses import replace

from reconciler.ledger.model import Ledger
from reconciler.lineups.manifest import Manifest
from reconciler.planning.fields import differences
from reconciler.planning.inputs import Judgement, PublishedRow, World
from reconciler.planning.model import Change, FieldChange, Plan
from reconciler.planning.plan import summary
from reconciler.spec.model import Spec

__all__ = ["over_base", "with_fields"]


def over_base(
    head: World, base: Judgement, base_manifest: Manifest
) -> tuple[World, dict[str, tuple[PublishedRow, ...]]]:
    """The head's world with the base's outcome as its past, and the base's rows for `PlanInputs.before`.

    `head.desired` must have been computed with `base.ledger`, so that what the base gave a number keeps it.
    """
    rows = {
        target.record.name: tuple(
            PublishedRow(
                row.number,
                row.channel.id,
                row.channel.name,
                row.channel.guide_id,
                row.channel.logo,
                off=row.off,
            )
            for row in target.lineup.rows
        )
        for target in base.desired.dvrs
    }
    ledger: Ledger = base.ledger
    return replace(head, ledger=ledger, published=base_manifest, observed=None), rows


def with_fields(plan: Plan, base: Spec, head: Spec) -> Plan:
    """The plan with what the spec says differently of each DVR (tuners, guide, title, …) beside its channels."""
    changes = []
    for change in plan.changes:
        before, after = base.dvrs.get(change.dvr), head.dvrs.get(change.dvr)
        fields = differences(before, after) if before is not None and after is not None else ()
        changes.append(_with(change, fields))
    made = replace(plan, changes=tuple(changes), actions=(), base=base.files[0] if base.files else base.name)
    return replace(made, summary=summary(made.changes))


def _with(change: Change, fields: tuple[FieldChange, ...]) -> Change:
    if not fields:
        return change
    kind = "change" if change.kind == "same" else change.kind
    causes = tuple(sorted({*change.causes, "spec"}))
    return replace(change, kind=kind, causes=causes, fields=(*change.fields, *fields))
