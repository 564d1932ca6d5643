"""The plan: everything compared, sorted and counted, as one value. Pure, and nothing in it is random.

The order of work: targets from the new manifest, sightings in Plex, one comparison per DVR, the DVRs that leave, then
actions, costs, warnings, digests. The same inputs in any order give the same plan. What is needed to carry a plan out
and is not for reading (ledger, targets) is in `Planned` beside it. This module refuses to apply a rule of its own:
rules are in `safety` and `changes`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.lineups.model import Block, DvrTarget
from reconciler.planning.actions import dvr_actions, file_actions, leaving_actions
from reconciler.planning.allowances import Allowances, allowances
from reconciler.planning.changes import Comparison, Context, Steps, compare
from reconciler.planning.database import compare_database
from reconciler.planning.departures import departures, old_tuners, swap_told
from reconciler.planning.inputs import PlanInputs, World
from reconciler.planning.model import (
    Action,
    Change,
    ChangeKind,
    Counts,
    Digests,
    Plan,
    PlanWarning,
    Summary,
)
from reconciler.planning.order import in_order
from reconciler.planning.past import counts_of, rows_before
from reconciler.planning.renames import old_names
from reconciler.planning.sight import Sighting, foreign_dvrs, foreigners, look
from reconciler.planning.staleness import plex_digest, selection_digest, text_digest
from reconciler.planning.targets import Target, targets
from reconciler.planning.warnings import (
    catalog_warnings,
    damage_warnings,
    ended_warnings,
    group_warnings,
    unused_words,
)
from reconciler.plex.model import DatabaseView, Device, Dvr, Observed, Server, Unknown
from reconciler.wording import plural, some

__all__ = ["Planned", "compose", "summary"]

EXAMPLES: Final = 4


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and what carrying it out needs besides.

    `ledger` is what the ledger becomes before Plex is touched; `targets` by DVR name; `spends` are approvals to be noted
    as used when the run is complete.
    """

    plan: Plan
    ledger: Ledger
    targets: Mapping[str, Target]
    spends: tuple[str, ...] = ()


def compose(inputs: PlanInputs) -> Planned:
    """Compare everything. Costs time in proportion to channels; equal inputs give equal results."""
    world = inputs.world
    every = {target.dvr: target for target in targets(inputs)}
    observed = world.observed if isinstance(world.observed, Observed) else None
    allowed = allowances(world.allow, world.spec.approvals, spent=world.ledger.spent, today=world.today)
    warnings = [*inputs.judgement.warnings, *catalog_warnings(world)]
    warnings += [*ended_warnings(inputs), *damage_warnings(inputs)]
    if isinstance(world.observed, Unknown) and world.database is None:
        warnings.append(PlanWarning("W303", f"Plex could not be read: {world.observed.why}", "ptctl doctor"))
    if observed is not None and (strange := _of_other_server(every, observed)):
        every = {name: _unkeyed(t) if name in strange else t for name, t in every.items()}
        warnings.append(_other_server(strange, every))
    if world.database is not None and observed is None:
        staying = _from_database(inputs, every, world.database)
        warnings.append(
            PlanWarning(
                "W314", "Plex is stopped; only addresses in its database can be repaired", "start Plex"
            )
        )
    else:
        staying = _staying(inputs, every, observed, allowed)
    leaves = departures(inputs, observed)
    comparisons = (*staying, *leaves)
    going = old_tuners(inputs, observed)
    ledger = _ledger(inputs, staying, (*leaves, *going), observed)
    actions = _actions(inputs, (*comparisons, *going), ledger)
    changes = tuple(c.change for c in comparisons)
    used = sorted({*inputs.judgement.used, *(word for c in comparisons for word in c.used)})
    spends = sorted({*inputs.judgement.spends, *(mark for c in comparisons for mark in c.spends)})
    warnings += [warning for c in comparisons for warning in c.warnings]
    warnings += [*group_warnings(world, changes), *unused_words(world, used)]
    blocks = _blocks(inputs, changes)
    made = _plan(inputs, changes, actions, blocks)
    made = replace(
        made,
        drift=tuple(item for c in comparisons for item in c.drift),
        foreign=foreigners(observed, _device_ids(inputs)) if observed else (),
        warnings=_sorted(warnings),
        allowed=tuple(used),
        digests=_digests(inputs, comparisons, observed),
    )
    return Planned(
        plan=made,
        ledger=ledger,
        targets={c.target.dvr: c.target for c in staying if c.target is not None},
        spends=tuple(spends),
    )


def _staying(
    inputs: PlanInputs, every: Mapping[str, Target], observed: Observed | None, allowed: Allowances
) -> tuple[Comparison, ...]:
    world = inputs.world
    was = old_names(world.desired.dvrs, world.ledger)
    context = None
    sightings: dict[str, Sighting] = {}
    if observed is not None:
        sightings = look(every.values(), world.ledger, observed)
        context = Context(
            world=world,
            observed=observed,
            allowed=allowed,
            judgement=inputs.judgement,
            foreign=_foreign_numbers(observed, _device_ids(inputs)),
            applied_numbers=_applied_numbers(inputs, every),
            old_names=was,
        )
    found = []
    every_row = {t.record.name: len(t.lineup.rows) for t in world.desired.dvrs}
    # The judgement's: channels that stay in a blocked DVR do not come to another one yet.
    for wanted in inputs.judgement.desired.dvrs:
        name = wanted.record.name
        target = every.get(name)
        if world.skipped(name):
            found.append(Comparison(_skipped(inputs, wanted), target=target))
            continue
        shown = counts_of(inputs, wanted, was[name])
        if name in inputs.judgement.carried and not inputs.judgement.blocks_of(name):
            # Nothing is left for it, and that was allowed: it stays as it is (S102), which is no change.
            shown = Counts(shown.before, shown.before)
        if context is not None and target is not None:
            compared = compare(target, sightings[name], context, shown)
        else:
            compared = Comparison(_files_only(inputs, wanted, shown, was[name]), target=target)
        change = _remarks(compared.change, wanted, waiting=every_row[name] - len(wanted.lineup.rows))
        change = swap_told(change, inputs, observed)
        found.append(replace(compared, change=change))
    return tuple(found)


def _from_database(
    inputs: PlanInputs, every: Mapping[str, Target], view: DatabaseView
) -> tuple[Comparison, ...]:
    """Plex is stopped: addresses alone, and only for DVRs that the ledger knows by key (design.md 4)."""
    found = []
    was = old_names(inputs.world.desired.dvrs, inputs.world.ledger)
    for wanted in inputs.world.desired.dvrs:
        name = wanted.record.name
        target = every.get(name)
        shown = counts_of(inputs, wanted, was[name])
        if inputs.world.skipped(name):
            found.append(Comparison(_skipped(inputs, wanted), target=target))
        elif target is None or not target.record.device_key:
            note = "waits for Plex, which is stopped"
            found.append(
                Comparison(Change("same", name, Counts(len(shown.added), len(shown.added)), note=note))
            )
        else:
            compared = compare_database(target, view, shown)
            found.append(Comparison(compared.change, target=target, database=compared.action))
    return tuple(found)


def _files_only(inputs: PlanInputs, wanted: DvrTarget, shown: Counts, old: str) -> Change:
    """A change where Plex plays no part: none in the spec, unreadable, or a DVR whose making is blocked."""
    name = wanted.record.name
    blocks = inputs.judgement.blocks_of(name)
    published = {d.name for d in inputs.world.published.dvrs} if inputs.world.published else set()
    touched = bool(shown.added or shown.removed or shown.changed)
    kind: ChangeKind = "change" if touched or blocks else "same"
    note = ""
    if old != name:
        kind, note = "move", f'was "{old}"'
    elif name not in published and name not in inputs.world.ledger.dvrs:
        kind = "add"
    causes = {c.cause for cs in (shown.added, shown.removed, shown.changed) for c in cs}
    content = not touched and kind == "same" and _guide_moved(inputs, name)
    return Change(
        kind="change" if content else kind,
        dvr=name,
        counts=shown,
        causes=tuple(sorted(causes | ({"guide"} if content else set()))),
        blocks=blocks,
        note=note,
        content_only=content,
        undo="ptctl rollback",
    )


def _guide_moved(inputs: PlanInputs, name: str) -> bool:
    if inputs.world.published is None or inputs.generation == inputs.published_generation:
        return False
    digests = [
        {d.name: d.guide_digest for d in manifest.dvrs}.get(name)
        for manifest in (inputs.world.published, inputs.manifest)
    ]
    return digests[0] != digests[1]


def _skipped(inputs: PlanInputs, wanted: DvrTarget) -> Change:
    count = len(rows_before(inputs, wanted.record.name))
    return Change("same", wanted.record.name, Counts(count, count), note="left alone (--only, --skip)")


def _remarks(change: Change, wanted: DvrTarget, *, waiting: int = 0) -> Change:
    details = change.details
    for where, count in wanted.overflowed:
        went = f"went to {where}" if where else "is left out" if count == 1 else "are left out"
        details += (f"{plural(count, 'new channel')} found it full and {went}",)
    if waiting:
        word = plural(waiting, "channel waits", "channels wait")
        details += (f"{word} until what is blocked is decided",)
    if change.kind == "add" and not wanted.lineup.rows and not change.note:
        change = replace(change, note="no channel yet: not made in Plex")
    return replace(change, details=details, at=wanted.dvr.at)


def _actions(inputs: PlanInputs, comparisons: Iterable[Comparison], ledger: Ledger) -> tuple[Action, ...]:
    comparisons = tuple(comparisons)
    # With an unreadable Plex nothing is written at all (design.md 3, exit 1); with a stopped one, rows alone.
    if isinstance(inputs.world.observed, Unknown):
        return in_order(c.database for c in comparisons if c.database is not None)
    files = file_actions(
        ledger=ledger != inputs.world.ledger,
        generation=inputs.generation if inputs.generation != inputs.published_generation else "",
        previous=inputs.published_generation,
        files=len(inputs.files),
        touched=[c.change.dvr for c in comparisons if c.steps != Steps()],
    )
    last = tuple(a.id for a in files if a.kind == "await-serve")
    before = last or tuple(a.id for a in files)[-1:]
    found = [*files]
    for comparison in comparisons:
        change, sighting = comparison.change, comparison.sighting
        if change.kind == "delete" and not change.blocks and sighting is not None:
            dvr = sighting.dvr if isinstance(sighting.dvr, Dvr) else None
            device = sighting.device if isinstance(sighting.device, Device) else None
            found += leaving_actions(
                change.dvr,
                dvr_key=dvr.key if dvr else "",
                device_key=device.key if device else "",
                title=dvr.title if dvr else "",
                needs=before,
            )
        else:
            found += dvr_actions(comparison, needs=before)
    return in_order(found)


def _ledger(
    inputs: PlanInputs,
    staying: Iterable[Comparison],
    leaves: Iterable[Comparison],
    observed: Observed | None,
) -> Ledger:
    """The judgement's ledger with what Plex shows of our objects, and without those that are gone everywhere."""
    before, ledger = inputs.world.ledger, inputs.judgement.ledger
    if observed is None or isinstance(observed.server, Unknown):
        return ledger
    dvrs = dict(ledger.dvrs)
    for comparison in staying:
        name = comparison.change.dvr
        if comparison.target is None or comparison.sighting is None or name not in dvrs:
            continue
        dvrs[name] = _recorded(dvrs[name], comparison, observed.server, inputs.generation)
    for comparison in leaves:
        sighting = comparison.sighting
        gone = sighting is not None and sighting.device is None and sighting.dvr is None
        if comparison.change.kind == "delete" and not comparison.change.blocks and gone:
            dvrs.pop(comparison.change.dvr, None)
    changed = replace(ledger, dvrs=dict(sorted(dvrs.items())), serial=before.serial)
    if changed != replace(before, lineage=changed.lineage):
        changed = replace(changed, serial=before.serial + 1)
    return changed


def _recorded(record: DvrRecord, comparison: Comparison, server: Server, generation: str) -> DvrRecord:
    target, sighting = comparison.target, comparison.sighting
    assert target is not None
    assert sighting is not None
    device, dvr = sighting.device, sighting.dvr
    if not isinstance(device, Device):
        return record
    record = replace(
        record,
        device_key=device.key,
        machine=server.machine,
        adopted=target.record.adopted,
        title=target.record.title,
    )
    if isinstance(dvr, Dvr):
        record = replace(record, dvr_key=dvr.key, dvr_uuid=dvr.uuid)
    if comparison.settled is not None:
        record = replace(record, applied=replace(comparison.settled, generation=generation))
    return record


def _plan(
    inputs: PlanInputs, changes: tuple[Change, ...], actions: tuple[Action, ...], blocks: tuple[Block, ...]
) -> Plan:
    world, spec = inputs.world, inputs.world.spec
    observed = world.observed
    server = observed.server if isinstance(observed, Observed) else None
    if world.database is not None:
        server = world.database.server
    known = server if isinstance(server, Server) else Server("", "")
    loads = sum(action.guide_loads for action in actions)
    writes = sum(bool(action.dvr) for action in actions)
    estimate = None
    if inputs.estimate is not None and spec.plex is not None and loads:
        rounds = math.ceil(loads / spec.plex.guide_loads)
        estimate = round(rounds * inputs.estimate.load_s + writes * spec.plex.pace_s, 1)
    return Plan(
        made=world.now,
        version=inputs.version,
        spec_name=spec.name,
        spec_files=spec.files,
        arguments=inputs.arguments,
        env=inputs.env,
        plex=_plex_state(world),
        plex_why=observed.why if isinstance(observed, Unknown) else "",
        server_name=known.name,
        server_machine=known.machine,
        server_version=known.version,
        ledger_lineage=world.ledger.lineage,
        ledger_serial=world.ledger.serial,
        digests=Digests("", "", {}, "", ""),
        sources=tuple(sorted(world.reports.values(), key=lambda r: (r.kind == "xmltv", r.name))),
        funnels=world.desired.funnels,
        entries=world.desired.entries,
        without_guide=world.desired.without_guide,
        filtered=world.desired.filtered,
        unbucketed=world.desired.unbucketed.groups,
        held=world.desired.held,
        drift=(),
        foreign=(),
        changes=changes,
        warnings=(),
        actions=actions,
        summary=summary(changes),
        files_written=tuple(sorted(inputs.files)) if any(a.kind == "publish" for a in actions) else (),
        guide_loads=loads,
        estimate_s=estimate,
        estimate_basis=inputs.estimate.basis if inputs.estimate and estimate is not None else "",
        requests=inputs.requests,
        seconds=inputs.seconds,
        blocks=blocks,
        base=inputs.base,
        last_apply=inputs.last_apply,
    )


def _plex_state(world: World) -> Literal["known", "absent", "unknown", "not-asked"]:
    if world.observed is None:
        return "absent" if world.spec.plex is None else "not-asked"
    return "unknown" if isinstance(world.observed, Unknown) and world.database is None else "known"


def summary(changes: Iterable[Change]) -> Summary:
    """How many changes of each kind; a guide that only moved on is none."""
    kinds: dict[str, int] = {}
    for change in changes:
        kind = "blocked" if change.blocks else "same" if change.content_only else change.kind
        kinds[kind] = kinds.get(kind, 0) + 1
    return Summary(**kinds)


def _blocks(inputs: PlanInputs, changes: Iterable[Change]) -> tuple[Block, ...]:
    found = {*inputs.judgement.blocks, *(b for change in changes for b in change.blocks)}
    if isinstance(inputs.world.observed, Unknown) and inputs.world.database is None:
        text = f"unknown: Plex could not be read: {inputs.world.observed.why}"
        found.add(Block("S401", "", text, "", "write"))
    return tuple(sorted(found, key=lambda b: (b.code, b.dvr, b.message)))


def _digests(inputs: PlanInputs, comparisons: Iterable[Comparison], observed: Observed | None) -> Digests:
    world = inputs.world
    sightings = {c.change.dvr: c.sighting for c in comparisons if c.sighting is not None}
    foreign = foreign_dvrs(observed, _device_ids(inputs)) if observed else ()
    return Digests(
        spec=world.spec.digest,
        selection=selection_digest(world.desired.dvrs),
        plex=plex_digest(sightings, foreign) if observed else _row_digests(comparisons),
        arguments=text_digest(
            [inputs.arguments, sorted(world.allow), sorted(world.only), sorted(world.skip)]
        ),
        generation=inputs.generation,
    )


def _row_digests(comparisons: Iterable[Comparison]) -> dict[str, str]:
    """What a plan for a stopped Plex rests on: the values of the rows it changes."""
    return {
        c.change.dvr: text_digest(dict(c.database.args or {})) for c in comparisons if c.database is not None
    }


def _applied_numbers(inputs: PlanInputs, every: Mapping[str, Target]) -> dict[str, frozenset[str]]:
    found = {}
    for name, target in every.items():
        applied = target.record.applied
        manifest = inputs.manifests.get(applied.generation) if applied else None
        if manifest is None:
            continue
        for dvr in manifest.dvrs:
            if dvr.device_id.casefold() == target.device_id.casefold():
                found[name] = frozenset(dvr.channels.keys() - set(dvr.off))
    return found


def _foreign_numbers(observed: Observed, ours: Iterable[str]) -> dict[int, str]:
    return {
        int(text): dvr.key
        for dvr in foreign_dvrs(observed, ours)
        for device in dvr.devices
        for pair in device.enabled
        for text in (pair.device, pair.lineup)
        if text.isdecimal()
    }


def _device_ids(inputs: PlanInputs) -> set[str]:
    ledgers = (inputs.world.ledger, inputs.judgement.ledger)
    return {record.device_id for ledger in ledgers for record in ledger.dvrs.values()}


def _of_other_server(every: Mapping[str, Target], observed: Observed) -> frozenset[str]:
    """The DVRs whose keys are another server's: after a move that `--only` did in part, some and not all."""
    if isinstance(observed.server, Unknown):
        return frozenset()
    here = {"", observed.server.machine}
    return frozenset(name for name, target in every.items() if target.record.machine not in here)


def _other_server(strange: frozenset[str], every: Mapping[str, Target]) -> PlanWarning:
    named = "its DVRs" if strange == every.keys() else some(sorted(strange), EXAMPLES)
    which = "they are" if named == "its DVRs" or len(strange) > 1 else "it is"
    text = f"the ledger knows {named} from another Plex server; here {which} looked for by DeviceID alone"
    return PlanWarning("W312", text, "check plex.url")


def _unkeyed(target: Target) -> Target:
    record = replace(target.record, device_key="", dvr_key="", dvr_uuid="", title_refused="", applied=None)
    return replace(target, record=record)


def _sorted(warnings: Iterable[PlanWarning]) -> tuple[PlanWarning, ...]:
    return tuple(sorted(set(warnings), key=lambda w: (w.code, w.dvr, w.message)))
