"""What the simulated Plex remembers: devices, DVRs with their guide provider, recording rules.

Kept in memory from the start and written through to the database, as Plex does (plex-livetv.md 8.6: edits of the
file are seen after a restart only). Keys are row ids of one shared counter (3.1). This module knows objects and rows;
it makes no requests and gives no answers.
"""

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.sandbox.plex_database import Database, Rule
from reconciler.sandbox.plex_records import DEVICE_ROW, DVR_ROW, PROVIDER_ROW, Device, Dvr, Mapping

__all__ = ["State"]


class State:
    """All objects by key, and the database below. Every change is written before the method returns."""

    def __init__(self, database: Database, machine: str) -> None:
        """Read what the database has. `machine` makes the uuids of this server repeatable."""
        self.devices: dict[int, Device] = {}
        self.dvrs: dict[int, Dvr] = {}
        self.rules: dict[int, Rule] = {rule.id: rule for rule in database.rules()}
        self._database = database
        self._machine = machine
        rows = database.rows()
        providers = {r.parent_id: r for r in rows if r.type == PROVIDER_ROW}
        for row in rows:
            if row.type == DVR_ROW:
                self.dvrs[row.id] = Dvr.from_rows(row, providers.get(row.id))
            elif row.type == DEVICE_ROW:
                self.devices[row.id] = Device.from_row(row)

    def listed(self) -> list[Dvr]:
        """The DVRs a list shows."""
        return [dvr for dvr in self.dvrs.values() if not dvr.hidden]

    def devices_of(self, dvr: int) -> list[Device]:
        """The devices of a DVR, by key."""
        return [device for device in self.devices.values() if device.parent == dvr]

    def device_by_uuid(self, uuid_uri: str) -> Device | None:
        """The device with this uuid; DeviceIDs are compared without case (2.4)."""
        wanted = uuid_uri.casefold()
        return next((d for d in self.devices.values() if d.uuid.casefold() == wanted), None)

    def add_device(self, device: Device) -> Device:
        """A new row for a device."""
        device.key = self._database.insert(device.row())
        self.devices[device.key] = device
        return device

    def save_device(self, device: Device) -> None:
        """Write a changed device."""
        self._database.update(device.row())

    def drop_device(self, device: Device) -> None:
        """Remove a device along with its channel map (2.9)."""
        del self.devices[device.key]
        self._database.delete(device.key)

    def add_dvr(self, dvr: Dvr) -> Dvr:
        """A new DVR: its row first, then the provider's, as keys 135 and 136 of 8.2 show."""
        own, below = dvr.rows()
        dvr.key = self._database.insert(own)
        dvr.uuid = dvr.uuid or self._uuid("dvr", dvr.key)
        dvr.provider_uuid = dvr.provider_uuid or self._uuid("provider", dvr.key)
        below.parent_id, below.uuid = dvr.key, dvr.provider_uuid
        dvr.provider_key = self._database.insert(below)
        self._database.update(dvr.rows()[0])
        self.dvrs[dvr.key] = dvr
        return dvr

    def save_dvr(self, dvr: Dvr) -> None:
        """Write a changed DVR and its provider."""
        for row in dvr.rows():
            if row.id:
                self._database.update(row)

    def drop_dvr(self, dvr: Dvr) -> None:
        """Remove a DVR, its provider and its rules; its devices stay, in no DVR (3.4)."""
        del self.dvrs[dvr.key]
        self._database.delete(dvr.key, dvr.provider_key)
        lost = [rule.id for rule in self.rules.values() if rule.dvr == dvr.key]
        self.drop_rules(*lost)
        for device in self.devices_of(dvr.key):
            device.parent = None
            self.save_device(device)

    def add_rule(self, *, kind: int, dvr: Dvr, title: str, guid: str, section: str, prefs: Iterable[tuple[str, str]]) -> Rule:  # fmt: skip
        """A new recording rule of this DVR's guide."""
        draft = Rule(0, kind, dvr.key, title, guid, section, int(time.time()), tuple(prefs))
        rule = self._database.add_rule(draft)
        self.rules[rule.id] = rule
        return rule

    def drop_rules(self, *ids: int) -> None:
        """Remove recording rules."""
        for key in ids:
            self.rules.pop(key, None)
        self._database.delete_rules(*ids)

    def dump(self, *, keys: bool = True) -> dict[str, Any]:  # Any: JSON
        """Everything that lasts, in a fixed order, without times and liveness: for comparing before and after.

        Without `keys` the row ids and uuids are left out and objects are named by DeviceID and title, so that two
        servers that took different ways to the same end compare equal.
        """
        devices = sorted(self.devices.values(), key=lambda d: (d.device_id, d.key))
        dvrs = sorted(self.dvrs.values(), key=lambda d: (d.title, d.lineups, d.key))
        names = {dvr.key: dvr.key if keys else dvr.title for dvr in dvrs}
        return {
            "devices": [_device_dump(d, names.get(d.parent or 0, ""), keys=keys) for d in devices],
            "dvrs": [_dvr_dump(d, self.devices_of(d.key), keys=keys) for d in dvrs],
            "rules": sorted(
                [
                    {
                        "dvr": names.get(r.dvr, ""),
                        "guid": r.guid,
                        "title": r.title,
                        "type": r.type,
                        "prefs": dict(r.prefs),
                    }
                    for r in self.rules.values()
                ],
                key=lambda rule: json.dumps(rule, sort_keys=True),
            ),
        }

    def _uuid(self, kind: str, key: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._machine}/{kind}/{key}"))


def _device_dump(device: Device, dvr: int | str, *, keys: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "deviceId": device.device_id,
        "dvr": dvr,
        "enabled": device.enabled,
        "map": _map_dump(device.mappings),
        "make": device.make,
        "model": device.model,
        "prefs": dict(sorted(device.prefs.items())),
        "title": device.title,
        "tuners": device.tuners,
        "uri": device.uri,
        "uuid": device.uuid,
    }
    return {"key": device.key, **shown} if keys else shown


def _dvr_dump(dvr: Dvr, devices: Sequence[Device], *, keys: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "country": dvr.country,
        "devices": sorted(d.device_id for d in devices),
        "language": dvr.language,
        "lineups": list(dvr.lineups),
        "prefs": dict(sorted(dvr.prefs.items())),
        "provider": dvr.provider,
        "title": dvr.title,
    }
    return {"key": dvr.key, "provider_key": dvr.provider_key, "uuid": dvr.uuid, **shown} if keys else shown


def _map_dump(mappings: Iterable[Mapping]) -> list[list[Any]]:
    return sorted([m.device, m.lineup, m.key, m.enabled] for m in mappings)
