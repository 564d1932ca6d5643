"""DeviceIDs: the checksum of the vendor's tools, and names as the only source."""

import pytest

from reconciler.lineups.device_ids import device_id, is_valid


@pytest.mark.parametrize("known", ["12345674", "1040ABC5", "10439EFD", "124205A5", "1251E8E2"])
def test_known_ids_are_valid(known: str) -> None:
    """The worked examples and ids of real devices (hdhomerun.md 4)."""
    assert is_valid(known)
    assert not is_valid(known[:-1] + ("0" if known[-1] != "0" else "1"))


@pytest.mark.accepts("TUN-1")
def test_ids_come_from_names_alone() -> None:
    """Equal names give equal ids, a taken one gives the next, and every one is valid and of no legacy prefix."""
    ids = [device_id("home", f"dvr{i}") for i in range(200)]
    assert all(is_valid(i) for i in ids)
    assert {"104", "105", "106", "107", "108", "109", "10A", "10B"} == {i[:3] for i in ids}
    assert ids[0] == device_id("home", "dvr0")
    assert ids[0] != device_id("elsewhere", "dvr0")
    other = device_id("home", "dvr0", {ids[0]})
    assert is_valid(other)
    assert other != ids[0]
