"""A plan while Plex is stopped: what its database holds of our DVRs, and the two kinds of change that are safe there.

The tuner's address is `uri` of its row; the guide's location is `pv:lineup` of the DVR's row, with the provider's `uri`
only where one was set (plex-livetv.md 8.2, 8.5). Rows are found by the ledger's keys and checked by DeviceID and uuid;
one that is missing is said, never made. Everything else waits for Plex. Pure.
"""

from dataclasses import dataclass
from typing import Final

from reconciler.lineups.model import Block
from reconciler.planning.addresses import same_address
from reconciler.planning.model import Action, Change, Counts, FieldChange
from reconciler.planning.targets import Target
from reconciler.plex.model import DEVICE, HARVESTER, PROVIDER, DatabaseRow, DatabaseView, Dvr

__all__ = ["DatabaseComparison", "compare_database"]

NOTE: Final = "Plex is stopped: from its database"


@dataclass(frozen=True, slots=True)
class DatabaseComparison:
    """The change of one DVR and the action that makes it, None when there is nothing to do or no row for it."""

    change: Change
    action: Action | None = None


def compare_database(target: Target, view: DatabaseView, shown: Counts) -> DatabaseComparison:
    """What the database needs for this DVR. `shown` are the channels of its lineup, which cannot be changed there."""
    record = target.record
    device = _row(view, record.device_key, DEVICE)
    dvr = _row(view, record.dvr_key, HARVESTER)
    wrong = _wrong(target, device, dvr, view)
    if wrong:
        block = Block("S401", target.dvr, f"unknown: {wrong}", "", "write")
        return DatabaseComparison(Change("change", target.dvr, shown, ("spec",), blocks=(block,), note=NOTE))
    assert device is not None
    assert dvr is not None
    fields: list[FieldChange] = []
    args: dict[str, str] = {}
    if not same_address(device.uri, target.uri):
        fields.append(FieldChange("tuner.uri", device.uri, target.uri))
        _note(args, "device", device, device.uri, target.uri)
    lineup = dvr.extra.get("pv:lineup", "")
    held = Dvr("", "", lineup, lineup_title=dvr.extra.get("pv:lineupTitle", ""))
    if not same_address(held.guide, target.guide):
        fields.append(FieldChange("guide.url", held.guide, target.guide))
        # The title stays as it was made: it is no part of the location.
        wanted = target.lineup.partition("#")[0] + "#" + held.fragment
        _note(args, "lineup", dvr, lineup, wanted)
        provider = next((r for r in view.rows if r.type == PROVIDER and r.parent == dvr.id), None)
        if provider is not None and provider.uri:
            _note(args, "provider", provider, provider.uri, target.guide)
    if not fields:
        return DatabaseComparison(Change("same", target.dvr, shown, note=NOTE))
    change = Change(
        "change",
        target.dvr,
        shown,
        ("spec",),
        fields=tuple(fields),
        note=NOTE,
        undo="put the copy of the database back",
        details=tuple(
            f"row {args[f'{name}.row']}: {args[f'{name}.before']} -> {args[f'{name}.after']}"
            for name in ("device", "lineup", "provider")
            if f"{name}.row" in args
        ),
    )
    action = Action(
        f"database-update:{target.dvr}",
        "database-update",
        target.dvr,
        args=args,
        reason="Plex does not answer, and its rows point to an address that is no longer ours",
        precondition="plex.url refuses connections and nobody has the database open",
        effect=f"{len(args) // 4} values of this DVR's rows are changed, after a copy",
        risk="Plex must stay stopped meanwhile",
        undo="put the copy of the database back",
    )
    return DatabaseComparison(change, action)


def _row(view: DatabaseView, key: str, kind: int) -> DatabaseRow | None:
    return next((row for row in view.rows if str(row.id) == key and row.type == kind), None)


def _wrong(target: Target, device: DatabaseRow | None, dvr: DatabaseRow | None, view: DatabaseView) -> str:
    record = target.record
    if record.machine and record.machine != view.server.machine:
        return "the database is of another Plex server than the one it was made on (plex.database.path)"
    if record.machine and not (device or dvr):
        return f"Plex's database has no row {record.device_key or '?'} (tuner) and no row {record.dvr_key or '?'} (DVR) for it"
    if device is None:
        return f"Plex's database has no tuner row {record.device_key}".rstrip()
    if dvr is None:
        return f"Plex's database has no DVR row {record.dvr_key}".rstrip()
    found = device.extra.get("at:deviceId") or device.uuid.rpartition("/")[2]
    if found.casefold() != target.device_id.casefold():
        return f"row {device.id} is another tuner ({found})"
    if record.dvr_uuid and dvr.uuid != record.dvr_uuid:
        return f"row {dvr.id} is another DVR"
    if device.parent != dvr.id:
        return f"tuner row {device.id} is not in DVR row {dvr.id}"
    others = [str(r.id) for r in view.rows if r.type == DEVICE and r.parent == dvr.id and r.id != device.id]
    if others:  # its guide is theirs too
        return f"DVR row {dvr.id} also holds tuner row {', '.join(others)}, which is not ours"
    return ""


def _note(args: dict[str, str], name: str, row: DatabaseRow, before: str, after: str) -> None:
    args.update(
        {
            f"{name}.row": str(row.id),
            f"{name}.uuid": row.uuid,
            f"{name}.before": before,
            f"{name}.after": after,
        }
    )
