"""DeviceIDs: the checksum of the vendor's tools, and names as the only source."""

import pytest

from reconciler.lineups.device_ids import device_id

MAPPED = dict(zip("0123456789ABCDEF", "A5F67C1B928D43E0", strict=True))
"""The vendor's table (hdhomerun.md 4): digits in odd positions count as what they are mapped to."""


def is_valid(text: str) -> bool:
    """Whether the vendor's own tools take the id."""
    left = 0
    for odd, digit in zip((True, False) * 4, text, strict=True):
        left ^= int(MAPPED[digit] if odd else digit, 16)
    return left == 0 and text not in {"00000000", "FFFFFFFF"}


@pytest.mark.parametrize("known", ["12345674", "1040ABC5", "10439EFD", "124205A5", "1251E8E2"])
def test_known_ids_are_valid(known: str) -> None:
    """The worked examples and ids of real devices (hdhomerun.md 4): what the other test checks with is right."""
    assert is_valid(known)
    assert not is_valid(known[:-1] + ("0" if known[-1] != "0" else "1"))


@pytest.mark.accepts("TUN-1")
def test_ids_come_from_names_alone() -> None:
    """Equal names give equal ids, a taken one gives the next, and every one is valid and of no legacy prefix."""
    # Plex knows a tuner by its id: another recipe would make a new tuner of each that is not in a ledger yet.
    assert ["1068B0EF", "10435C7A"] == [device_id("home", name) for name in ("news", "dvr0")]
    assert "109EED71" == device_id("home", "dvr0", {"10435C7A"})
    assert "10ABB82C" == device_id("home", "dvr0", {"10435C7A", "109EED71"})
    ids = [device_id("home", f"dvr{i}") for i in range(200)]
    assert all(is_valid(i) for i in ids)
    assert {"104", "105", "106", "107", "108", "109", "10A", "10B"} == {i[:3] for i in ids}
    assert ids[0] == device_id("home", "dvr0")
    assert ids[0] != device_id("elsewhere", "dvr0")
    other = device_id("home", "dvr0", {ids[0]})
    assert is_valid(other)
    assert other != ids[0]
    assert device_id("home", "dvr0", {ids[0], other}) not in {ids[0], other}
