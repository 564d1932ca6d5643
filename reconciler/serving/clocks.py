"""When a segment begins by its own clock, in seconds: what ties pictures and sound of different playlists together.

Each input of a muxer begins at nought for it, so lips follow words only where the difference is known (iptv-streams.md
C2: the two playlists move on at their own times). Pure; None where a beginning does not say. This module refuses to
read anything but beginnings.
"""

from collections.abc import Iterator
from typing import Final

from reconciler.serving.packets import PACKET_BYTES, SYNC, payload_at

__all__ = ["begins_s", "offset_s"]

TS_HZ: Final = 90_000
WRAP_S: Final = (1 << 33) / TS_HZ
MOST_APART_S: Final = 60.0
"""Beginnings further apart are of clocks that have nothing to do with each other."""
OWNER: Final = b"com.apple.streaming.transportStreamTimestamp\0"
NESTED: Final = frozenset({b"moov", b"trak", b"mdia", b"moof", b"traf"})


def begins_s(data: bytes, head: bytes = b"") -> float | None:
    """The time of the first picture or sound in the beginning of a segment; `head` is the map of fragmented MP4."""
    if data[:3] == b"ID3":
        at = data.find(OWNER) + len(OWNER)
        return _seconds(data[at : at + 8]) if at > len(OWNER) and len(data) >= at + 8 else None
    if data[:1] == bytes((SYNC,)):
        return _of_packets(data)
    scale = next((_number(body, 20, 12) for kind, body in _boxes(head) if kind == b"mdhd"), 0)
    time = next((_number(body, 4, 4, wide=8) for kind, body in _boxes(data) if kind == b"tfdt"), None)
    return None if time is None or not scale else time / scale


def offset_s(pictures: float | None, sound: float | None) -> float:
    """How much later the sound begins than the pictures; nought where that cannot be known."""
    if pictures is None or sound is None:
        return 0.0
    apart = sound - pictures
    if abs(apart) > WRAP_S / 2:
        apart -= WRAP_S if apart > 0 else -WRAP_S
    return apart if abs(apart) <= MOST_APART_S else 0.0


def _seconds(value: bytes) -> float:
    return (int.from_bytes(value, "big") & (1 << 33) - 1) / TS_HZ


def _of_packets(data: bytes) -> float | None:
    for at in range(0, len(data) - PACKET_BYTES + 1, PACKET_BYTES):
        pes = data[payload_at(data, at) : at + PACKET_BYTES]
        if data[at + 1] & 0x40 and pes[:3] == b"\x00\x00\x01" and len(pes) >= 14 and pes[7] & 0x80:
            high, middle, low = (
                pes[9] >> 1 & 7,
                int.from_bytes(pes[10:12], "big"),
                int.from_bytes(pes[12:14], "big"),
            )
            return (high << 30 | middle >> 1 << 15 | low >> 1) / TS_HZ
    return None


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and contents of each box, what is in containers too; the last one may be cut off."""
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if size < 8:
            return
        body = data[at + 8 : at + size]
        yield kind, body
        if kind in NESTED:
            yield from _boxes(body)
        at += size


def _number(body: bytes, at_wide: int, at: int, *, wide: int = 4) -> int:
    """A field of a box whose version, its first byte, says how wide its times are."""
    return int.from_bytes(body[at_wide : at_wide + wide] if body[:1] == b"\1" else body[at : at + 4], "big")
