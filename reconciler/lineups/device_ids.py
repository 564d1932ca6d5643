"""DeviceIDs that the vendor's tools accept: eight hex digits with a valid checksum, from names alone.

The id is Plex's key for a tuner, so it comes from the installation's and the DVR's names, never from a position or
a random number (hdhomerun.md 4). This module refuses to know which ids exist: it is given them.
"""

import hashlib
from collections.abc import Container
from typing import Final

__all__ = ["device_id"]

_MAPPED: Final = (0xA, 0x5, 0xF, 0x6, 0x7, 0xC, 0x1, 0xB, 0x9, 0x2, 0x8, 0xD, 0x4, 0x3, 0xE, 0x0)
_THIRD: Final = "456789AB"  # 104 to 10B: prefixes that no library takes for hardware without HTTP


def device_id(installation: str, dvr: str, taken: Container[str] = ()) -> str:
    """The id for a DVR's name: the first of the recipe's ids (counter 0, 1, 2, …) that is not `taken`."""
    counter = 0
    while True:
        found = _candidate(installation, dvr, counter)
        if found not in taken:
            return found
        counter += 1


def _candidate(installation: str, dvr: str, counter: int) -> str:
    word = f"ptctl:{installation}:{dvr}" + (f":{counter}" if counter else "")
    digest = hashlib.sha256(word.encode()).digest()
    stem = f"10{_THIRD[digest[0] & 7]}{digest[1]:02X}{digest[2]:02X}"
    return f"{stem}{_running(stem + '0'):X}"


def _running(text: str) -> int:
    value = 0
    for position, digit in enumerate(text):
        number = int(digit, 16)
        value ^= _MAPPED[number] if position % 2 == 0 else number
    return value
