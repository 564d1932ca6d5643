"""Which of Plex's devices and DVRs are ours, and which are not.

Ownership is what the ledger says: by key on the same server, checked against the DeviceID, or by DeviceID where the key
was never learned (a run died after the request). A DeviceID that matches without being in the ledger is adopted with
notice; a guide that matches by location is only proposed (design.md 4). Everything else is not ours. Pure.
This module refuses to compare attributes: `planning.changes` does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from reconciler.ledger.model import DvrRecord, Ledger
from reconciler.planning.addresses import normal_address
from reconciler.planning.model import Foreign
from reconciler.planning.targets import Target
from reconciler.plex.model import Device, Dvr, Observed, Unknown

__all__ = ["Sighting", "company", "foreign_dvrs", "foreigners", "look", "look_for", "shared"]

How = Literal["ledger", "device-id", "none"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What Plex has of one DVR. None is absent, `Unknown` is unknown.

    `how` says by what it was found; "device-id" for one that the ledger did not have yet. `proposed` are keys of DVRs
    that use the same guide and could be adopted by command.
    """

    device: Device | Unknown | None
    dvr: Dvr | Unknown | None
    how: How = "none"
    proposed: tuple[str, ...] = ()

    @property
    def unknown(self) -> Unknown | None:
        """The part that could not be read, if any."""
        if isinstance(self.device, Unknown):
            return self.device
        return self.dvr if isinstance(self.dvr, Unknown) else None


def look(targets: Iterable[Target], ledger: Ledger, observed: Observed) -> dict[str, Sighting]:
    """A sighting for every target, by DVR name. `ledger` is the one before this run."""
    by_device = {record.device_id.casefold(): record for record in ledger.dvrs.values()}
    known = {record.device_id.casefold() for record in ledger.dvrs.values()}
    found: dict[str, Sighting] = {}
    for target in targets:
        record = by_device.get(target.device_id.casefold())
        sighting = look_for(target.device_id, record, observed)
        if sighting.device is None and not isinstance(observed.dvrs, Unknown):
            same = tuple(
                dvr.key
                for dvr in observed.dvrs
                if normal_address(dvr.guide) == normal_address(target.guide)
                and not any(device.device_id.casefold() in known for device in dvr.devices)
            )
            sighting = Sighting(sighting.device, sighting.dvr, sighting.how, same)
        found[target.dvr] = sighting
    return found


def look_for(device_id: str, record: DvrRecord | None, observed: Observed) -> Sighting:
    """What Plex has of the tuner with this DeviceID. `record` is the ledger's entry, None when it has none."""
    if isinstance(observed.devices, Unknown):
        return Sighting(observed.devices, observed.devices)
    if isinstance(observed.dvrs, Unknown):
        return Sighting(observed.dvrs, observed.dvrs)
    matches = [d for d in observed.devices if d.device_id.casefold() == device_id.casefold()]
    if len(matches) > 1:
        # Two tuners with one DeviceID flip the stored address (plex-livetv.md 2.5): writing to either is a guess.
        why = f"devices {', '.join(d.key for d in matches)} all have DeviceID {device_id}"
        return Sighting(Unknown(why), None, "ledger" if record else "device-id")
    if not matches:
        return Sighting(None, None)
    device = matches[0]
    how: How = "ledger" if record is not None else "device-id"
    parent = device.parent or _holder(device, observed.dvrs)
    if not parent:
        return Sighting(device, None, how)
    if record is not None and record.dvr_key and record.dvr_key != parent and _same_server(record, observed):
        how = "device-id"  # the DVR we made is gone, and our tuner is in one that somebody else made
    listed = next((dvr for dvr in observed.dvrs if dvr.key == parent), None)
    dvr: Dvr | Unknown = observed.details.get(
        parent,
        # One whose guide did not load may vanish so, and be there again after a restart (3.2).
        listed or Unknown(f"device {device.key} is in DVR {parent}, which Plex does not list; restart Plex"),
    )
    if isinstance(dvr, Dvr):
        own = next((d for d in dvr.devices if d.key == device.key), None)
        if own is not None:  # the single-DVR call carries the true map (3.1)
            device = own
    return Sighting(device, dvr, how)


def company(dvr: Dvr, device_id: str) -> tuple[str, ...]:
    """The tuners that are in a DVR beside the one with this DeviceID: a DVR that has any is never deleted (3.5)."""
    return tuple(d.device_id or d.uri for d in dvr.devices if d.device_id.casefold() != device_id.casefold())


def shared(dvr: Dvr, others: Iterable[str]) -> str:
    """The remark for a DVR of ours that somebody put a tuner into and that is to be deleted."""
    return (
        f"DVR {dvr.key} also holds {', '.join(others)}, which is not ours: take it out of the DVR in Plex first, "
        "or the delete is refused"
    )


def foreign_dvrs(observed: Observed, ours: Iterable[str]) -> tuple[Dvr, ...]:
    """The DVRs that hold none of our tuners, by key. `ours` are DeviceIDs."""
    mine = {device_id.casefold() for device_id in ours}
    if isinstance(observed.dvrs, Unknown):
        return ()
    return tuple(dvr for dvr in observed.dvrs if not any(d.device_id.casefold() in mine for d in dvr.devices))


def foreigners(observed: Observed, ours: Iterable[str]) -> tuple[Foreign, ...]:
    """Everything that is not ours, DVRs first, then tuners in no DVR."""
    mine = {device_id.casefold() for device_id in ours}
    found = [
        Foreign(
            key=dvr.key,
            title=dvr.title,
            device=", ".join(_named(d) for d in dvr.devices),
            channels=sum(len(d.enabled) for d in dvr.devices),
        )
        for dvr in foreign_dvrs(observed, mine)
    ]
    held = (
        {d.key for dvr in observed.dvrs for d in dvr.devices} if isinstance(observed.dvrs, tuple) else set()
    )
    if not isinstance(observed.devices, Unknown):
        found += [
            Foreign(key=d.key, title=d.title or d.model, device=_named(d), channels=0, kind="tuner")
            for d in observed.devices
            if d.device_id.casefold() not in mine and d.key not in held and not d.parent
        ]
    return tuple(found)


def _holder(device: Device, dvrs: Iterable[Dvr]) -> str:
    return next((dvr.key for dvr in dvrs if any(d.key == device.key for d in dvr.devices)), "")


def _same_server(record: DvrRecord, observed: Observed) -> bool:
    return isinstance(observed.server, Unknown) or record.machine in {"", observed.server.machine}


def _named(device: Device) -> str:
    maker = device.make.partition(" ")[0] if device.make else "tuner"
    return f"{maker} {device.device_id}".strip()


def counts(rules: Mapping[str, int] | Unknown, key: str) -> int:
    """Recording rules of a DVR; -1 where it cannot be told."""
    if isinstance(rules, Unknown) or rules.get("", 0):
        return -1
    return rules.get(key, 0)
