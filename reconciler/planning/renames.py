"""Which DVR of the ledger each DVR of the spec goes on with: by DeviceID, whatever either is called (design.md 1.6).

This module refuses to rename anything: `lineups.devices` does what `moved:` says.
"""

from collections.abc import Iterable

from reconciler.ledger.model import Ledger
from reconciler.lineups.model import DvrTarget

__all__ = ["old_names"]


def old_names(targets: Iterable[DvrTarget], ledger: Ledger) -> dict[str, str]:
    """By the name that each target has now: the ledger's name of its DVR; the same name where the ledger has none."""
    by_device = {record.device_id.casefold(): name for name, record in ledger.dvrs.items()}
    return {
        target.record.name: by_device.get(target.record.device_id.casefold(), target.record.name)
        for target in targets
    }
