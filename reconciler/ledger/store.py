"""`<state>/ledger.json`: read, replaced in one step, migrated with a backup.

The caller holds the lock (`ledger.lock`). A ledger of another lineage, or one that moved under the caller's feet, is
never overwritten. This module refuses to decide what the ledger says.
"""

import secrets
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Final

from reconciler.errors import StalePlan, StateError
from reconciler.ledger import newest
from reconciler.ledger.atomic import disk_errors, replace_file
from reconciler.ledger.document import ReadLedger, read, text_of
from reconciler.ledger.model import FORMAT, Ledger

__all__ = ["LEDGER", "backup_path", "begun", "continued", "load", "refuse_other", "save", "stored"]

LEDGER: Final = "ledger.json"
LINEAGE_BYTES: Final = 8


def stored(state: Path) -> ReadLedger | None:
    """The ledger and the format it is kept in, or None before the first. Raises StateError if broken or newer."""
    path = state / LEDGER
    with disk_errors("read", path):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        return read(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise StateError(
            f"{path} is broken: it is no UTF-8 text",
            next_step="restore a copy of ledger.json, or rebuild it: ptctl adopt --rebuild",
        ) from error


def load(state: Path) -> Ledger:
    """The ledger, or an empty one without a lineage before the first was written. Reads both formats (design.md 5)."""
    found = stored(state)
    return found.ledger if found is not None else Ledger()


def backup_path(state: Path, found: ReadLedger) -> Path:
    """Where `save` keeps the text of an older format: `ledger.json.0-118.bak` (format 0, serial 118)."""
    return state / f"{LEDGER}.{found.format.partition('/')[2]}-{found.ledger.serial}.bak"


def save(state: Path, ledger: Ledger, *, base: Ledger) -> Ledger:
    """Write `ledger` and return it with its serial. `base` is the ledger as this run loaded it.

    The serial is one above the base's, however often one run saves; where nothing but the serial differs nothing is
    written and the base comes back. What was written is noted as the newest (`ledger.newest`). Raises StalePlan if the file is of another lineage or of another run by now, and
    StateError if it cannot be written; then the old one stands.
    """
    if not ledger.lineage:
        raise ValueError("a ledger without lineage has no history to belong to")
    found = stored(state)
    on_disk = found.ledger if found is not None else None
    _refuse_others(on_disk, ledger, base)
    raised = replace(ledger, serial=base.serial + 1)
    if replace(raised, serial=base.serial) == base:
        if found is None or (on_disk == base and found.format == FORMAT):
            return base
        if on_disk == base:
            raised = base  # only the format is old: the content, and so the serial, stay
    if found is not None and found.format != FORMAT:
        replace_file(backup_path(state, found), (state / LEDGER).read_bytes())
    replace_file(state / LEDGER, text_of(raised).encode())
    newest.note(state, raised)
    return raised


def _refuse_others(on_disk: Ledger | None, ledger: Ledger, base: Ledger) -> None:
    if on_disk is None:
        if base.serial:
            raise StalePlan(
                f"ledger.json is gone; this run began with serial {base.serial}", next_step="ptctl plan"
            )
        return
    if on_disk.lineage != ledger.lineage:
        raise StalePlan(
            f"ledger.json has another lineage: {on_disk.lineage}, not {ledger.lineage}",
            moved=("ledger lineage",),
            next_step="restore the right ledger.json, or ptctl adopt --rebuild",
        )
    if on_disk.serial not in {base.serial, base.serial + 1}:
        raise StalePlan(
            f"ledger.json is at serial {on_disk.serial}, this run began with {base.serial}",
            moved=("ledger serial",),
            next_step="ptctl plan",
        )


def begun(base: Ledger, name: str) -> Ledger:
    """The ledger that a run begins with: one without a history gets a lineage, and the name of its installation."""
    return base if base.lineage else replace(base, lineage=secrets.token_hex(LINEAGE_BYTES), name=name)


def continued(ledger: Ledger, base: Ledger, name: str) -> Ledger:
    """`ledger` as the next of `base`, under today's name of the installation; a ledger without a name stays without."""
    return replace(ledger, lineage=base.lineage, name=name if base.name else "")


def refuse_other(state: Path, ledger: Ledger, name: str, dvrs: Container[str]) -> None:
    """Raises StateError where the ledger is that of another installation, which `name` scopes (design.md 2).

    Two specs in one folder share its `.ptctl`: the second would take the DVRs of the first for removed. Another name with
    one of the ledger's DVRs among its own `dvrs` is the same installation under a new name.
    """
    if ledger.name and ledger.name != name and ledger.dvrs and not any(dvr in dvrs for dvr in ledger.dvrs):
        raise StateError(
            f'{state} is the state of "{ledger.name}", and this spec is "{name}" with other DVRs',
            next_step=f"give this spec a state of its own (state: .ptctl-{name}), or write  name: {ledger.name}",
        )
