"""DVRs that keep their name and get another DeviceID: for Plex another tuner, hence another DVR (plex-livetv.md 6.3).

The old tuner and its DVR stay ours under a name of their own until Plex has confirmed that they are gone, so that a run
that dies in between leaves nothing behind that nobody owns. This module refuses to judge.
"""

from dataclasses import replace
from typing import Final

from reconciler.ledger.model import DvrRecord
from reconciler.planning.inputs import World

__all__ = ["fresh_record", "is_old_tuner", "old_tuner", "swapped"]

_MARK: Final = "@"
"""No DVR of a spec can have it in its name."""


def swapped(world: World) -> dict[str, DvrRecord]:
    """The ledger's records of such DVRs, by name."""
    staying = {target.record.device_id.casefold() for target in world.desired.dvrs}
    found = {}
    for target in world.desired.dvrs:
        old = world.ledger.dvrs.get(target.record.name)
        if old is not None and old.device_id.casefold() not in staying:
            found[old.name] = old
    return found


def old_tuner(record: DvrRecord) -> DvrRecord:
    """The record of the tuner that goes, under the name it has until it is gone."""
    return replace(record, name=f"{record.name}{_MARK}{record.device_id}", split_of="", protected=False)


def is_old_tuner(name: str) -> bool:
    """Whether a name of the ledger is that of a tuner whose DVR goes on with another one."""
    return _MARK in name


def fresh_record(record: DvrRecord) -> DvrRecord:
    """The record of the tuner that comes: nothing of it is in Plex yet."""
    return replace(record, device_key="", dvr_key="", dvr_uuid="", machine="", adopted=False, applied=None)
