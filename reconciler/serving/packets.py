"""MPEG transport stream packets, looked at only when somebody needs it: at a start, a join, a switch.

A million packets a second cannot be parsed in Python and need not be (performance.md 1). Everything here works on
pieces of whole 188-byte packets and finds what it seeks with strided slices, which run at the speed of memory. Pure
functions and values (ISO/IEC 13818-1); this module refuses to keep a stream's state and to know where bytes come from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "NULL_PACKET",
    "PACKET_BYTES",
    "PAT_PID",
    "SYNC",
    "ElementaryStream",
    "Psi",
    "counters_before",
    "crc32_mpeg",
    "discontinuity_packet",
    "find_pmt",
    "find_psi",
    "first_key_frame",
    "has_pid",
    "last_counters",
    "last_key_frame",
    "payload_at",
    "pid_at",
    "psi_packets",
    "start_of",
]

PACKET_BYTES: Final = 188
SYNC: Final = 0x47
PAT_PID: Final = 0
NULL_PID: Final = 0x1FFF
NULL_PACKET: Final = bytes((SYNC, 0x1F, 0xFF, 0x10)) + b"\xff" * 184
"""A well-formed null packet: the fourth byte is 0x10, not the reserved 0x00 (iptv-streams.md C1)."""

Codec = Literal["video", "audio", "other"]
_VIDEO_TYPES: Final = frozenset({0x01, 0x02, 0x10, 0x1B, 0x24, 0x33, 0x42, 0xD1, 0xEA})
_AUDIO_TYPES: Final = frozenset({0x03, 0x04, 0x0F, 0x11, 0x1C, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87})
_H264: Final = 0x1B
_HEVC: Final = 0x24
_MPEG_VIDEO: Final = frozenset({0x01, 0x02})
_PRIVATE_PES: Final = 0x06
_AC3_DESCRIPTORS: Final = frozenset({0x6A, 0x7A})


@dataclass(frozen=True, slots=True)
class ElementaryStream:
    """One stream of a programme. `descriptors` are the PMT's bytes about it."""

    pid: int
    type: int
    descriptors: bytes = b""

    @property
    def kind(self) -> Codec:
        """What it carries, as far as a player's mapping cares. DVB's AC-3 hides in private streams."""
        if self.type in _VIDEO_TYPES:
            return "video"
        if self.type in _AUDIO_TYPES or (self.type == _PRIVATE_PES and self._tags() & _AC3_DESCRIPTORS):
            return "audio"
        return "other"

    def _tags(self) -> set[int]:
        tags, at = set(), 0
        while at + 2 <= len(self.descriptors):
            tags.add(self.descriptors[at])
            at += 2 + self.descriptors[at + 1]
        return tags


@dataclass(frozen=True, slots=True)
class Psi:
    """What PAT and PMT say: the first programme of a stream."""

    program: int
    pmt_pid: int
    pcr_pid: int
    streams: tuple[ElementaryStream, ...]
    transport_id: int = 1
    version: int = 0

    @property
    def main(self) -> ElementaryStream | None:
        """The stream that is never missing for long: the video, or the sound of a radio."""
        return self.video or next(iter(self.streams), None)

    @property
    def video(self) -> ElementaryStream | None:
        """The first video stream, or None for radio."""
        return next((s for s in self.streams if s.kind == "video"), None)


def crc32_mpeg(data: bytes) -> int:
    """The CRC of PSI sections: polynomial 04C11DB7, most significant bit first, nothing inverted at the end."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        crc = index << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        table.append(crc)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def _packets_of(data: bytes, pid: int) -> Iterator[int]:
    """Offsets of the packets of one PID in a piece of whole packets."""
    low = data[2::PACKET_BYTES]
    wanted, high = pid & 0xFF, pid >> 8
    index = low.find(wanted)
    while index >= 0:
        at = index * PACKET_BYTES
        if data[at + 1] & 0x1F == high and data[at] == SYNC:
            yield at
        index = low.find(wanted, index + 1)


def pid_at(data: bytes | memoryview, at: int) -> int:
    """The PID of the packet at an offset."""
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]


def has_pid(data: bytes, pid: int) -> bool:
    """Whether a piece of whole packets has one of this PID."""
    return next(_packets_of(data, pid), None) is not None


def start_of(data: bytes, pid: int) -> int:
    """Offset of the first packet of a PID that begins a section or a PES in a piece of whole packets, or -1. Fast."""
    head = bytes((SYNC, 0x40 | pid >> 8, pid & 0xFF))
    at = data.find(head)
    while at >= 0 and at % PACKET_BYTES:
        at = data.find(head, at + 1)
    return at


def payload_at(data: bytes, at: int) -> int:
    """Offset of the payload inside the packet at `at`; its end where it has none."""
    flags = data[at + 3]
    if not flags & 0x10:
        return at + PACKET_BYTES
    if not flags & 0x20:
        return at + 4
    return min(at + 5 + data[at + 4], at + PACKET_BYTES)


def _section(data: bytes, pid: int, table: int) -> bytes | None:
    """The first whole, intact section of a table on one PID."""
    held: bytearray | None = None
    for at in _packets_of(data, pid):
        begin = payload_at(data, at)
        end = at + PACKET_BYTES
        if begin >= end:
            continue
        if data[at + 1] & 0x40:
            begin += 1 + data[begin]
            held = bytearray(data[begin:end])
        elif held is not None:
            held += data[begin:end]
        if held is None or len(held) < 3:
            continue
        length = 3 + ((held[1] & 0x0F) << 8 | held[2])
        if len(held) < length:
            continue
        section = bytes(held[:length])
        held = None
        if section[0] == table and length >= 12 and crc32_mpeg(section) == 0:
            return section
    return None


def find_psi(data: bytes) -> Psi | None:
    """PAT and PMT in a piece of whole packets, or None where they are not both in it. The first programme counts."""
    pat = _section(data, PAT_PID, 0x00)
    if pat is None:
        return None
    for at in range(8, len(pat) - 4, 4):
        program = pat[at] << 8 | pat[at + 1]
        pmt_pid = (pat[at + 2] & 0x1F) << 8 | pat[at + 3]
        if program == 0:
            continue
        pmt = _section(data, pmt_pid, 0x02)
        if pmt is not None:
            return _read_pmt(pmt, program, pmt_pid, pat[3] << 8 | pat[4])
    return None


def find_pmt(data: bytes, psi: Psi) -> Psi | None:
    """What the PMT of the same programme says in a piece of whole packets, or None where it is not in it."""
    pmt = _section(data, psi.pmt_pid, 0x02)
    if pmt is None or not pmt[5] & 1 or pmt[3] << 8 | pmt[4] != psi.program:  # not yet in force, or another's
        return None
    return _read_pmt(pmt, psi.program, psi.pmt_pid, psi.transport_id)


def _read_pmt(pmt: bytes, program: int, pmt_pid: int, transport_id: int) -> Psi:
    streams = []
    at = 12 + ((pmt[10] & 0x0F) << 8 | pmt[11])
    while at + 5 <= len(pmt) - 4:
        length = (pmt[at + 3] & 0x0F) << 8 | pmt[at + 4]
        pid = (pmt[at + 1] & 0x1F) << 8 | pmt[at + 2]
        streams.append(ElementaryStream(pid, pmt[at], pmt[at + 5 : at + 5 + length]))
        at += 5 + length
    pcr_pid = (pmt[8] & 0x1F) << 8 | pmt[9]
    return Psi(program, pmt_pid, pcr_pid, tuple(streams), transport_id, pmt[5] >> 1 & 0x1F)


def psi_packets(psi: Psi, counters: Mapping[int, int] | None = None) -> bytes:
    """PAT and PMT as packets, their continuity counters following `counters` (last value by PID)."""
    pat = _finish(
        0x00, psi.transport_id, 0, psi.program.to_bytes(2, "big") + (0xE000 | psi.pmt_pid).to_bytes(2, "big")
    )
    body = (0xE000 | psi.pcr_pid).to_bytes(2, "big") + b"\xf0\x00"
    for stream in psi.streams:
        body += bytes((stream.type,)) + (0xE000 | stream.pid).to_bytes(2, "big")
        body += (0xF000 | len(stream.descriptors)).to_bytes(2, "big") + stream.descriptors
    pmt = _finish(0x02, psi.program, psi.version, body)
    last = counters or {}
    return _packed(pat, PAT_PID, last.get(PAT_PID, -1)) + _packed(pmt, psi.pmt_pid, last.get(psi.pmt_pid, -1))


def _finish(table: int, extension: int, version: int, body: bytes) -> bytes:
    length = 5 + len(body) + 4
    head = bytes((table,)) + (0xB000 | length).to_bytes(2, "big") + extension.to_bytes(2, "big")
    section = head + bytes((0xC1 | version << 1, 0, 0)) + body
    return section + crc32_mpeg(section).to_bytes(4, "big")


def _packed(section: bytes, pid: int, counter: int) -> bytes:
    out = b""
    payload = b"\x00" + section
    for index, at in enumerate(range(0, len(payload), 184)):
        start = 0x40 if index == 0 else 0
        counter = counter + 1 & 0x0F
        head = bytes((SYNC, start | pid >> 8, pid & 0xFF, 0x10 | counter))
        out += head + payload[at : at + 184].ljust(184, b"\xff")
    return out


def _is_key_frame(data: bytes, at: int, stream_type: int) -> bool:
    """Whether a picture that can be decoded alone begins in the packet at `at` (which starts a PES packet)."""
    flags = data[at + 3]
    if flags & 0x20 and data[at + 4] and data[at + 5] & 0x40:
        return True  # the random access indicator says so
    payload = data[payload_at(data, at) : at + PACKET_BYTES]
    if payload[:3] != b"\x00\x00\x01" or len(payload) < 9:
        return False
    body = payload[9 + payload[8] :]
    position = body.find(b"\x00\x00\x01")
    while 0 <= position < len(body) - 3:
        nal = body[position + 3]
        if stream_type == _H264 and nal & 0x1F in {5, 7}:
            return True
        if stream_type == _HEVC and nal >> 1 & 0x3F in {16, 17, 18, 19, 20, 21, 32, 33}:
            return True
        if stream_type in _MPEG_VIDEO and nal == 0xB3:
            return True
        position = body.find(b"\x00\x00\x01", position + 3)
    return False


def _key_frames(data: bytes, psi: Psi) -> Iterator[int]:
    video = psi.video
    if video is None:
        return
    for at in _packets_of(data, video.pid):
        if data[at + 1] & 0x40 and _is_key_frame(data, at, video.type):
            yield at


def first_key_frame(data: bytes, psi: Psi) -> int:
    """Offset of the first key frame in a piece of whole packets, or -1."""
    return next(_key_frames(data, psi), -1)


def last_key_frame(data: bytes, psi: Psi) -> int:
    """Offset of the last key frame in a piece of whole packets, or -1."""
    found = -1
    for found in _key_frames(data, psi):  # noqa: B007 - the last one is wanted
        pass
    return found


def last_counters(data: bytes) -> dict[int, int]:
    """The last continuity counter of each PID in a piece of whole packets. About 0.3 µs a packet."""
    last: dict[int, int] = {}
    for high, low, flags in zip(
        data[1::PACKET_BYTES], data[2::PACKET_BYTES], data[3::PACKET_BYTES], strict=True
    ):
        last[(high & 0x1F) << 8 | low] = flags & 0x0F
    last.pop(NULL_PID, None)
    return last


def counters_before(data: bytes) -> dict[int, int]:
    """The continuity counter that each PID must have had before a piece of whole packets. About 0.3 µs a packet."""
    first: dict[int, int] = {}
    rows = zip(data[1::PACKET_BYTES], data[2::PACKET_BYTES], data[3::PACKET_BYTES], strict=True)
    for high, low, flags in rows:
        pid = (high & 0x1F) << 8 | low
        if pid not in first:
            first[pid] = flags - (flags >> 4 & 1) & 0x0F  # only packets with payload count
    return first


def discontinuity_packet(pid: int, counter: int) -> bytes:
    """A packet without payload that says "time and counters of this PID begin anew". Its counter does not advance."""
    head = bytes((SYNC, pid >> 8, pid & 0xFF, 0x20 | counter & 0x0F, 183, 0x80))
    return head + b"\xff" * 182
