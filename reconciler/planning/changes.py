"""One DVR compared: what is, what shall be, why it differs, what it takes, and what stands in the way.

The rules that need Plex's objects are here: S202 (a guide's location and a title are fixed at creation), S203, S302,
S401 and S501 of a replacement. A blocked part is taken out of the steps and the harmless rest of the DVR goes ahead
(design.md 4). Pure; `planning.actions` turns steps into actions. One DVR is one comparison whose rules
take steps from each other, hence the length. This module refuses to look at other DVRs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from reconciler.ledger.model import Applied
from reconciler.lineups.model import Block, Cause
from reconciler.planning.addresses import host_and_port, same_address
from reconciler.planning.allowances import Allowances, Lifted, lift
from reconciler.planning.diff import MapDiff, map_diff, map_digest
from reconciler.planning.drift import address_drift, guide_drift, map_drift, missing_drift, settings_drift
from reconciler.planning.inputs import Judgement, World
from reconciler.planning.model import (
    Action,
    Change,
    ChangeKind,
    Counts,
    DriftItem,
    FieldChange,
    Loss,
    PlanWarning,
)
from reconciler.planning.numbers import numbers_in, ranges
from reconciler.planning.safety import busy_block
from reconciler.planning.sight import Sighting, company, counts, shared
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Dvr, Observed, decode_until_stable
from reconciler.plex.requests import LINE_LIMIT_BYTES
from reconciler.wording import plural, some

__all__ = ["Comparison", "Context", "Steps", "compare"]

EXAMPLES: Final = 3
"""So many channels are named in a sentence."""
IN_DATABASE: Final = "pv:lineup of this DVR in Plex's database (plex.database); or replace it"
WAYS_OUT: Final[Mapping[Cause, str]] = {
    "spec": "ways out: let the old address answer as well (serve.also, or a name in advertise that can move); "
    f"plex.guide_location: file:… from the beginning; {IN_DATABASE}",
    "drift": f"ways out: {IN_DATABASE}",
}
OWN_WORDS: Final = "Plex cannot change {what} in place: DVR {key} is deleted and created again"


@dataclass(frozen=True, slots=True)
class Steps:
    """What has to be done in Plex for one DVR. `remove_dvr` is the key of a DVR to delete first (replacement)."""

    register: bool = False
    repair: bool = False
    settings: bool = False
    remove_dvr: str = ""
    create: bool = False
    load: bool = False
    enable: bool = False

    @property
    def any(self) -> bool:
        """Whether anything is to be written to Plex."""
        return self != Steps()

    @property
    def loads(self) -> int:
        """Guide loads that these steps start (plex-livetv.md 5)."""
        return int(self.create) + int(self.load) + int(self.enable)


@dataclass(frozen=True, slots=True)
class Context:
    """What is the same for all DVRs of a comparison.

    `foreign` are the numbers that DVRs of others have on, with those DVRs' keys. `applied_numbers` are the numbers last
    switched on, by DVR, where the generation's manifest is still known.
    """

    world: World
    observed: Observed
    allowed: Allowances
    judgement: Judgement
    foreign: Mapping[int, str] = field(default_factory=dict)
    applied_numbers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    old_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome for one DVR. `settled` is what the ledger may note as applied without any write, if anything."""

    change: Change
    steps: Steps = Steps()
    drift: tuple[DriftItem, ...] = ()
    warnings: tuple[PlanWarning, ...] = ()
    used: tuple[str, ...] = ()
    spends: tuple[str, ...] = ()
    settled: Applied | None = None
    target: Target | None = None
    sighting: Sighting | None = None
    database: Action | None = None


@dataclass(slots=True)
class _Draft:
    """A comparison in the making."""

    target: Target
    fields: list[FieldChange] = field(default_factory=list)
    drift: list[DriftItem] = field(default_factory=list)
    warnings: list[PlanWarning] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    causes: set[Cause] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    loses: list[Loss] = field(default_factory=list)
    steps: Steps = Steps()
    harmless: Steps = Steps()
    """What is left to do where a replacement is blocked."""
    left: tuple[str, ...] = ()
    """Numbers that are on and match nothing, adopted with their DVR."""
    content_only: bool = False
    undo: str = ""

    def note_drift(self, items: tuple[DriftItem, ...]) -> None:
        if items:
            self.drift += items
            self.causes.add("drift")


def compare(target: Target, sighting: Sighting, context: Context, shown: Counts) -> Comparison:
    """What Plex needs for this DVR. `shown` are the channels of the change, already compared."""
    if sighting.how == "device-id" and isinstance(sighting.dvr, Dvr):
        # Its title was fixed by whoever made it (3.3): it becomes the pinned one. What was applied to another DVR
        # says nothing of this one.
        title = target.title if target.explicit_title else sighting.dvr.title
        record = replace(target.record, title=title, adopted=True, applied=None)
        target = replace(target, title=title, record=record)
    draft = _Draft(target)
    for channels in (shown.added, shown.removed, shown.changed):
        draft.causes.update(channel.cause for channel in channels)
    if not target.numbers:
        # A DVR that never had channels is not made; one that had some keeps its files, so it has numbers (S102).
        text = f"{target.dvr}: no channel to switch on; it is not registered in Plex"
        draft.warnings.append(PlanWarning("W305", text, f"ptctl explain dvr {target.dvr}", target.dvr))
        return _finished(draft, sighting, context, shown, kind="same" if shown.before else "add")
    if sighting.unknown is not None:
        draft.blocks.append(Block("S401", target.dvr, f"unknown: {sighting.unknown.why}", "", "write"))
        kind: ChangeKind = "change" if target.record.applied or target.record.dvr_key else "add"
        return _finished(draft, sighting, context, shown, kind=kind)
    match sighting.device, sighting.dvr:
        case Device() as device, Dvr() as dvr:
            kind, settled = _existing(draft, device, dvr, sighting, context)
        case Device() as device, _:
            kind, settled = _without_dvr(draft, device, sighting), None
        case _:
            kind, settled = _absent(draft, sighting), None
    lifted = _guarded(draft, sighting, context)
    if draft.left:
        _reserved(draft, draft.left)
    done = _finished(draft, sighting, context, shown, kind=kind)
    return replace(
        done, used=lifted.used, spends=lifted.spends, settled=settled if not done.steps.any else None
    )


def _absent(draft: _Draft, sighting: Sighting) -> ChangeKind:
    target, record = draft.target, draft.target.record
    draft.steps = Steps(register=True, settings=True, create=True, enable=True)
    draft.undo = "delete the DVR and its tuner"
    known = bool(record.applied or record.dvr_key)
    if known:
        draft.note_drift(missing_drift(target, what="tuner"))
        draft.notes.append("gone from Plex: made anew")
    else:
        draft.causes.add("spec")
        draft.notes.append(f"new tuner on {host_and_port(target.uri)}")
        count = plural(len(target.numbers), "channel")
        draft.details.append(
            f"1 register tuner  2 create DVR  3 load guide  4 switch on {count} ({ranges(target.numbers)})"
        )
    _propose(draft, sighting)
    return "change" if known else "add"


def _without_dvr(draft: _Draft, device: Device, sighting: Sighting) -> ChangeKind:
    target, record = draft.target, draft.target.record
    draft.steps = Steps(settings=_settings_differ(target, device), create=True, enable=True)
    _address(draft, device)
    draft.undo = "delete the DVR"
    if record.applied:
        draft.note_drift(missing_drift(target, what="dvr"))
        draft.notes.append(f"DVR {record.dvr_key} is gone from Plex: made anew".replace("DVR  ", "DVR "))
        return "change"
    draft.causes.add("spec")
    if sighting.how == "device-id":
        _adopted(draft, f"tuner {device.key}, same DeviceID")
        return "adopt"
    draft.notes.append(f"tuner {device.key} is registered already")
    return "add"


def _existing(
    draft: _Draft, device: Device, dvr: Dvr, sighting: Sighting, context: Context
) -> tuple[ChangeKind, Applied | None]:
    target = draft.target
    applied = target.record.applied
    kind: ChangeKind = "change"
    if sighting.how == "device-id":
        _adopted(draft, f"DVR {dvr.key}, same DeviceID")
        kind = "adopt"
    _address(draft, device)
    if _settings_differ(target, device):
        draft.steps = replace(draft.steps, settings=True)
        draft.note_drift(settings_drift(target, device))
    replaced = _fixed_at_creation(draft, dvr, context)
    found = map_diff(target.numbers, device.pairs)
    untouched = applied is not None and applied.map_digest == map_digest(device.pairs)
    if untouched and found.crossed:
        found = replace(found, crossed=())  # as Plex itself proposed them when they were applied
    left = tuple(number for number in found.extra if number in target.reserved)
    if left:
        found = replace(found, extra=tuple(number for number in found.extra if number not in target.reserved))
    # A map that is as it shall be is no drift, however it came to be so (a run that died after its last request).
    drifted = MapDiff((), (), ()) if untouched or not found else _map_drift(draft, device, found, context)
    _map(draft, found, drifted)
    # A tuner is called as its DVR is: while the new title is blocked both keep the old one.
    waits = _renamed(target, dvr) and device.state != "disabled"
    draft.harmless, draft.left = replace(draft.steps, settings=draft.steps.settings and not waits), left
    if replaced:
        draft.steps = replace(
            draft.steps, remove_dvr=dvr.key, create=True, enable=True, load=False, settings=True
        )
        draft.undo = ""
        kind = "replace"
        if applied is not None:
            # What is to be replaced is not as it shall be: noted as applied, drift would be forgotten.
            return kind, None
    return kind, _settle(draft, device, dvr, context)


def _reserved(draft: _Draft, numbers: tuple[str, ...]) -> None:
    name = draft.target.dvr
    count = plural(len(numbers), "adopted channel matches nothing", "adopted channels match nothing")
    one = len(numbers) == 1
    # A channel map replaces all of the one before (2.7), and what the tuner does not have is not in it.
    if draft.steps.enable:
        fate = "it goes off with this change" if one else "they go off with this change"
    else:
        fate = "it stays on until the map is sent" if one else "they stay on until the map is sent"
    kept = "its number is reserved" if one else "their numbers are reserved"
    text = f"{name}: {count} ({some(numbers, EXAMPLES)}); {fate}, {kept}"
    draft.warnings.append(PlanWarning("W315", text, f"ptctl explain dvr {name}", name))


def _address(draft: _Draft, device: Device) -> None:
    target, applied = draft.target, draft.target.record.applied
    if not same_address(device.uri, target.uri):
        drifted = applied is not None and not same_address(applied.tuner_uri, device.uri)
        if drifted:
            draft.note_drift(address_drift(target, device))
        if not drifted or (applied and not same_address(applied.tuner_uri, target.uri)):
            draft.causes.add("spec")
        cause: Cause = "drift" if drifted else "spec"
        draft.fields.append(FieldChange("tuner.uri", device.uri, target.uri, cause))
        draft.steps = replace(draft.steps, repair=True)
        draft.notes.append("tuner address")
        draft.undo = f"register the tuner at {device.uri} again"
    if device.tuners and device.tuners != target.tuners:
        # Plex caches the count from registration (6.2): the same call renews it.
        draft.fields.append(FieldChange("tuner.count", str(device.tuners), str(target.tuners)))
        draft.notes.append(f"{device.tuners} -> {target.tuners} tuners")
        draft.causes.add("spec")
        draft.steps = replace(draft.steps, repair=True)


def _fixed_at_creation(draft: _Draft, dvr: Dvr, context: Context) -> bool:
    """Guide location and title: no documented call changes them (3.3, 3.7), so a difference means replacement."""
    target, applied = draft.target, draft.target.record.applied
    before = len(draft.fields)
    words = []
    if not same_address(dvr.guide, target.guide):
        cause: Cause = "drift" if applied and same_address(applied.guide_url, target.guide) else "spec"
        draft.fields.append(FieldChange("guide.url", dvr.guide, target.guide, cause, "replace"))
        words.append("guide URL")
        draft.causes.add(cause)
        draft.note_drift(guide_drift(target, dvr))
        draft.details.append(OWN_WORDS.format(what="a guide URL", key=dvr.key))
        draft.details.append(WAYS_OUT[cause])
    if _renamed(target, dvr):
        draft.fields.append(FieldChange("title", dvr.title, target.title, "spec", "replace"))
        words.append("title")
        draft.causes.add("spec")
        draft.details.append(OWN_WORDS.format(what="a DVR's title", key=dvr.key))
    if len(draft.fields) == before:
        return False
    text = f"replace ({', '.join(words)})"
    draft.blocks.append(Block("S202", target.dvr, text, f"replace:{target.dvr}", "replace"))
    was = context.old_names.get(target.dvr, target.dvr)
    before_record = context.world.ledger.dvrs.get(was)
    if before_record and before_record.protected:
        draft.blocks.append(
            Block(
                "S203",
                target.dvr,
                "protected: it is not replaced while the ledger protects it",
                "",
                "replace",
            )
        )
    busy = busy_block(context.world, target.dvr, "replace", was)
    if busy:
        draft.blocks.append(busy)
    draft.loses.append(Loss("recording rules", counts(context.observed.rules, dvr.key)))
    if others := company(dvr, target.device_id):
        draft.details.append(shared(dvr, others))
    return True


def _renamed(target: Target, dvr: Dvr) -> bool:
    return target.explicit_title and dvr.title != decode_until_stable(target.title)


def _map_drift(draft: _Draft, device: Device, found: MapDiff, context: Context) -> MapDiff:
    """Notes what changed in Plex since the last apply and gives that part of the difference."""
    applied = draft.target.record.applied
    if applied is None:
        return MapDiff((), (), ())
    items, drifted = map_drift(draft.target, device, found, context.applied_numbers.get(draft.target.dvr))
    draft.note_drift(items)
    return drifted


def _map(draft: _Draft, found: MapDiff, drifted: MapDiff) -> None:
    target, applied = draft.target, draft.target.record.applied
    # Of an adopted DVR the digests are not known: that is no reason to load.
    same_lineup = applied is not None and applied.lineup_digest in {"", target.lineup_digest}
    same_guide = applied is not None and applied.guide_digest in {"", target.guide_digest}
    unpaired = set(numbers_in(applied.unmatched)) if applied and same_lineup else set()
    missing = tuple(n for n in found.missing if n not in unpaired)
    alone = sorted(unpaired & set(found.missing))
    if alone:
        names = some([f"{n} {target.names.get(n, '')}".strip() for n in alone], EXAMPLES)
        text = f"{target.dvr}: Plex pairs nothing with {len(alone)} of its channels ({names})"
        draft.warnings.append(PlanWarning("W304", text, f"ptctl explain dvr {target.dvr}", target.dvr))
    fresh = set(missing) - set(drifted.missing)
    enable = bool(missing or found.extra or found.crossed)
    if enable and applied and not fresh and drifted.missing:
        draft.notes.append(f"{len(drifted.missing)} back on")
    if enable and not draft.causes:
        draft.causes.add("spec" if applied is None else "source")
    load = bool(fresh) or (applied is not None and not same_lineup and not enable)
    if load and applied is not None and not draft.causes:
        draft.causes.add("version")  # same channels, other bytes
    draft.steps = replace(draft.steps, load=load, enable=enable)
    if enable:
        draft.undo = draft.undo or "put the previous channel map back"
    if applied is None or same_guide or enable or load:
        return
    if _rules_edited(target, applied):
        draft.steps = replace(draft.steps, load=True)
        draft.causes.add("spec")
        draft.notes.append("its guide is made otherwise now: loaded again")
        return
    # Only the guide moved on: loaded at most so often, and no change for the exit code.
    draft.content_only = not draft.steps.any
    draft.causes.add("guide")


def _rules_edited(target: Target, applied: Applied) -> bool:
    return bool(applied.guide_rules and target.guide_rules) and applied.guide_rules != target.guide_rules


def _due(draft: _Draft, now: str) -> bool:
    applied = draft.target.record.applied
    if applied is None or not applied.loaded_at:
        return True
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(applied.loaded_at)
    # A moment to come was noted by a clock that was wrong: waiting for it could take years.
    return abs(passed.total_seconds()) >= draft.target.content_age_s


def _settle(draft: _Draft, device: Device, dvr: Dvr, context: Context) -> Applied | None:
    """What may be noted as applied when everything is in place already: adoption, or a run that died at the end."""
    target, kept = draft.target, draft.target.record.applied
    if kept is not None and not kept.lineup_digest:
        kept = None  # of a version that did not note what it applied
    digest = map_digest(device.pairs)
    # Edited without an effect on this guide: noted, so that its next moving on is no edit's doing.
    noted = kept is not None and target.guide_digest == kept.guide_digest and _rules_edited(target, kept)
    if (
        kept
        and not noted
        and (digest, device.uri, dvr.guide) == (kept.map_digest, kept.tuner_uri, kept.guide_url)
    ):
        return None
    return Applied(
        generation="",
        tuner_uri=device.uri,
        guide_url=dvr.guide,
        title=dvr.title,
        map_digest=digest,
        channels=len(device.enabled),
        guide_digest=kept.guide_digest if kept else target.guide_digest,
        loaded_at=kept.loaded_at if kept else context.world.now,
        lineup_digest=kept.lineup_digest if kept else target.lineup_digest,
        unmatched=kept.unmatched if kept else "",
        guide_rules=kept.guide_rules if kept and not noted else target.guide_rules,
    )


def _guarded(draft: _Draft, sighting: Sighting, context: Context) -> Lifted:
    """Blocks after lifting; what stays blocked is taken out of the steps."""
    target = draft.target
    on = {p.device for p in sighting.device.enabled} if isinstance(sighting.device, Device) else set()
    if draft.steps.enable or draft.steps.create:
        clash = [n for n in target.numbers if str(n) not in on and n in context.foreign]
        if clash:
            keys = sorted({context.foreign[n] for n in clash})
            place = f"DVR {keys[0]}, which is" if len(keys) == 1 else f"DVRs {', '.join(keys)}, which are"
            on_there = "1 of its numbers is on" if len(clash) == 1 else f"{len(clash)} of its numbers are on"
            text = f"overlap: {on_there} in {place} not ours ({ranges(clash)})"
            draft.blocks.append(Block("S302", target.dvr, text, f"overlap:{target.dvr}", "write"))
    if draft.steps.enable and target.map_bytes > LINE_LIMIT_BYTES:
        text = f"size: the map of {len(target.numbers)} channels needs {target.map_bytes} bytes, {LINE_LIMIT_BYTES} are allowed"
        draft.blocks.append(Block("S301", target.dvr, text, "", "write"))
    lifted = lift(draft.blocks, context.allowed)
    draft.blocks = list(lifted.blocks)
    stopped = {block.what for block in lifted.blocks}
    if "replace" not in stopped:
        draft.details = [d for d in draft.details if d not in WAYS_OUT.values()]  # it is decided
    else:
        # A guide that may be gone from where Plex looks is not loaded without need: its DVR might vanish (3.2).
        draft.steps = replace(draft.harmless, load=draft.harmless.load and draft.harmless.enable)
    if "write" in stopped:
        keep = draft.steps
        draft.steps = Steps(
            repair=keep.repair and not keep.create, settings=keep.settings and not keep.register
        )
    return lifted


def _finished(
    draft: _Draft, sighting: Sighting, context: Context, shown: Counts, *, kind: ChangeKind
) -> Comparison:
    target = draft.target
    blocks = (*context.judgement.blocks_of(target.dvr), *draft.blocks)
    if draft.content_only and not blocks:
        if _due(draft, context.world.now):
            draft.steps = replace(draft.steps, load=True, enable=_retries(draft, sighting))
        else:
            draft.content_only = False
            draft.notes.append("guide moved on; loaded again after guide_reload")
    elif draft.content_only:
        draft.content_only = False
    touched = bool(shown.added or shown.removed or shown.changed)
    if draft.steps == Steps(load=True) and not (touched or draft.content_only or draft.notes):
        draft.notes.append("the same channels, but other addresses or names in the lineup: loaded again")
    old = context.old_names.get(target.dvr, target.dvr)
    if old != target.dvr:
        kind = "move" if kind in {"change", "same"} else kind
        draft.notes.insert(
            0, f'was "{old}"' + (f"; DVR {target.record.dvr_key} is kept" if target.record.dvr_key else "")
        )
        if not target.explicit_title and target.title != target.dvr:
            draft.details.append(f'title in Plex stays "{target.title}": it is fixed when a DVR is created')
    if kind == "change" and not (draft.steps.any or touched or blocks or draft.fields):
        kind = "same"
    if kind == "same" and (touched or blocks):
        kind = "change"
    change = Change(
        kind=kind,
        dvr=target.dvr,
        counts=shown,
        causes=tuple(sorted(draft.causes)),
        fields=tuple(draft.fields),
        map_bytes=target.map_bytes,
        blocks=blocks,
        loses=tuple(draft.loses),
        note="; ".join(draft.notes),
        guide_loads=draft.steps.loads,
        content_only=draft.content_only and not touched,
        undo=draft.undo,
        details=tuple(draft.details),
    )
    return Comparison(
        change, draft.steps, tuple(draft.drift), tuple(draft.warnings), target=target, sighting=sighting
    )


def _retries(draft: _Draft, sighting: Sighting) -> bool:
    applied = draft.target.record.applied
    return bool(applied and applied.unmatched) and isinstance(sighting.dvr, Dvr)


def _settings_differ(target: Target, device: Device) -> bool:
    # After an API add the title is empty until it is set, and a disabled device is not used (2.2, 2.5). An adopted
    # tuner keeps the name it has.
    # What Plex did not take once is not sent again.
    refused = target.record.title_refused == target.title
    named = device.title == target.title or refused or (target.record.adopted and device.title)
    return not named or device.state == "disabled"


def _adopted(draft: _Draft, note: str) -> None:
    draft.notes.append(note)
    draft.causes.add("spec")
    text = f"{draft.target.dvr}: {note}: it is adopted and from now on kept as the spec says"
    draft.warnings.append(
        PlanWarning("W301", text, f"ptctl explain dvr {draft.target.dvr}", draft.target.dvr)
    )


def _propose(draft: _Draft, sighting: Sighting) -> None:
    name = draft.target.dvr
    if len(sighting.proposed) == 1:
        text = f"{name}: DVR {sighting.proposed[0]} in Plex has the same guide; it can be adopted instead of made anew"
        draft.warnings.append(
            PlanWarning("W302", text, f"ptctl adopt {name} --plex {sighting.proposed[0]}", name)
        )
    elif sighting.proposed:
        keys = ", ".join(sighting.proposed)
        why = f"unknown: DVRs {keys} in Plex all have its guide; adopt one of them (ptctl adopt {name} --plex KEY)"
        draft.blocks.append(Block("S401", name, why, "", "write"))
