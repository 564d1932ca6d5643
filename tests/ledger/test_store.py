"""The ledger on disk: written only when something changed, never over somebody else's."""

import errno
import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.errors import StalePlan, StateError
from reconciler.ledger.atomic import disk_step
from reconciler.ledger.document import text_of
from reconciler.ledger.model import Ledger, Retired
from reconciler.ledger.store import LEDGER, load, save

ONE = Retired("news", 1000, "main/1", "2026-03-01")


def test_absent_is_empty_and_first_save_is_serial_one(tmp_path: Path) -> None:
    """Before the first run there is an empty ledger; the first one written has serial 1."""
    base = load(tmp_path)
    assert Ledger() == base
    saved = save(tmp_path, replace(base, lineage="x"), base=base)
    assert 1 == saved.serial
    assert saved == load(tmp_path)


def test_unchanged_touches_nothing_and_a_run_raises_the_serial_once(tmp_path: Path) -> None:
    """Equal content is not written again; two saves of one run share a serial."""
    base = save(tmp_path, Ledger(lineage="x"), base=Ledger())
    stamp = (tmp_path / LEDGER).stat()
    assert base is save(tmp_path, replace(base, serial=7), base=base)
    after = (tmp_path / LEDGER).stat()
    assert (stamp.st_ino, stamp.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    first = save(tmp_path, replace(base, spent=("a",)), base=base)
    second = save(tmp_path, replace(base, spent=("a", "b")), base=base)
    assert (2, 2) == (first.serial, second.serial)
    assert 2 == load(tmp_path).serial
    assert {LEDGER, "state.db"} == {p.name for p in tmp_path.iterdir()}


def test_another_lineage_or_an_older_copy_is_stale(tmp_path: Path) -> None:
    """A restored copy or somebody else's ledger is never overwritten (exit 5)."""
    base = save(tmp_path, Ledger(lineage="x"), base=Ledger())
    with pytest.raises(StalePlan, match="another lineage"):
        save(tmp_path, Ledger(lineage="y", retired=(ONE,)), base=Ledger())
    later = save(tmp_path, replace(base, retired=(ONE,)), base=base)
    later = save(tmp_path, replace(later, spent=("a",)), base=later)
    (tmp_path / LEDGER).write_text(text_of(base))
    with pytest.raises(StalePlan, match="serial 1, this run began with 3"):
        save(tmp_path, replace(later, spent=("b",)), base=later)
    (tmp_path / LEDGER).unlink()
    with pytest.raises(StalePlan, match="is gone"):
        save(tmp_path, later, base=later)


@pytest.mark.accepts("UPG-1")
def test_migration_leaves_a_backup(tmp_path: Path) -> None:
    """A ledger of the previous format is kept beside the new one, also when nothing else changed."""
    old = '{"format": "ptctl-ledger/0", "lineage": "x", "serial": 4, "dvrs": {}, "channels": {}}'
    (tmp_path / LEDGER).write_text(old)
    base = load(tmp_path)
    assert base == save(tmp_path, base, base=base)
    assert old == (tmp_path / "ledger.json.0-4.bak").read_text()
    assert text_of(base) == (tmp_path / LEDGER).read_text()


def test_full_disk_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is an error with its reason; the old ledger stands and nothing lies about."""
    if os.geteuid() == 0 and not Path("/dev/full").exists():
        pytest.skip("no way to refuse a write here")
    base = save(tmp_path, Ledger(lineage="x"), base=Ledger())
    blocked = tmp_path / f".ptctl-tmp-{bytes(8).hex()}"
    blocked.symlink_to("/dev/full")
    monkeypatch.setattr(os, "urandom", bytes)
    with pytest.raises(StateError, match="no space left on device"):
        save(tmp_path, replace(base, retired=(ONE,)), base=base)
    assert base == load(tmp_path)
    assert {LEDGER, "state.db"} == {p.name for p in tmp_path.iterdir()}


def test_a_place_of_somebody_else_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo ptctl apply` once, `ptctl plan` later: whose the directory is says what to do."""
    refused = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(os, "geteuid", lambda: 1 + tmp_path.stat().st_uid + (1 << 22))
    step = disk_step(refused, tmp_path / "cache" / "new") or ""
    owner = pwd.getpwuid(tmp_path.stat().st_uid).pw_name
    assert step.startswith(f"it belongs to {owner} and this is uid ")
    assert f"run as {owner}, or name a state directory of your own with $PTCTL_STATE" in step
    assert disk_step(OSError(errno.EIO, "I/O error"), tmp_path) is None
