"""Transport-stream packets of a clip, prepared once so that it can be played for ever.

A clip of a few seconds is repeated without an end that a decoder could notice: time stamps go on rising and
continuity counters go on counting. Rewriting every counter of every packet of every repetition would cost more
than all the rest, so `normalised` splits a few packets until each PID has a multiple of sixteen of them: after
that a repetition needs no counter changed, and only the time stamps (about 75 a second) are patched while a
piece is cut out. This module refuses to make pictures, to wait and to know of channels.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["CLOCK_HZ", "PACKET_BYTES", "SPACINGS", "Clip", "corrupted", "normalised", "spaced"]

PACKET_BYTES: Final = 188
SPACINGS: Final = {"m2ts": 192, "parity": 204}
CLOCK_HZ: Final = 90_000
TIME_MASK: Final = (1 << 33) - 1
SYNC: Final = 0x47
PAT_PID: Final = 0
NULL_PID: Final = 0x1FFF
COUNTER_PERIOD: Final = 16
VIDEO_IDS: Final = range(0xE0, 0xF0)
NO_HEADER_IDS: Final = frozenset({0xBC, 0xBE, 0xBF, 0xF0, 0xF1, 0xF2, 0xF8, 0xFF})
PCR_KIND: Final = -1


@dataclass(frozen=True, slots=True)
class _Packet:
    """One packet, looked at. `payload` is its payload's offset inside the packet, 188 where it has none."""

    data: bytes
    pid: int
    starts: bool
    payload: int

    @property
    def counts(self) -> bool:
        """Whether it moves the continuity counter: only packets with a payload do (ISO 13818-1 2.4.3.3)."""
        return self.pid != NULL_PID and bool(self.data[3] & 0x10)

    @property
    def random_access(self) -> bool:
        return self.data[3] & 0x20 != 0 and self.data[4] > 0 and self.data[5] & 0x40 != 0

    @property
    def stream_id(self) -> int:
        """The PES stream id where a PES packet begins here, else 0."""
        at = self.payload
        return self.data[at + 3] if self.starts and self.data[at : at + 3] == b"\x00\x00\x01" else 0


def _packets(data: bytes) -> Iterator[_Packet]:
    for at in range(0, len(data) - PACKET_BYTES + 1, PACKET_BYTES):
        packet = bytes(data[at : at + PACKET_BYTES])
        if packet[0] != SYNC:
            raise ValueError(f"packet {at // PACKET_BYTES} does not begin with the sync byte")
        flags = packet[3]
        payload = PACKET_BYTES if not flags & 0x10 else 5 + packet[4] if flags & 0x20 else 4
        yield _Packet(packet, (packet[1] & 0x1F) << 8 | packet[2], bool(packet[1] & 0x40), payload)


def _pmt_pid(pat: _Packet) -> int:
    section = pat.payload + 1 + pat.data[pat.payload]
    for at in range(section + 8, PACKET_BYTES - 4, 4):
        if pat.data[at] << 8 | pat.data[at + 1]:
            return (pat.data[at + 2] & 0x1F) << 8 | pat.data[at + 3]
    raise ValueError("the PAT names no programme")


def _halves(packet: _Packet) -> tuple[_Packet, _Packet]:
    """Two packets that carry what one did, filled up with adaptation stuffing."""
    payload, half = packet.data[4:], (PACKET_BYTES - 4) // 2
    parts = []
    for starts, piece in ((packet.starts, payload[:half]), (False, payload[half:])):
        head = bytes([SYNC, (packet.data[1] & 0xBF) | (0x40 if starts else 0), packet.data[2], 0x30])
        stuffing = PACKET_BYTES - 4 - 2 - len(piece)
        data = head + bytes([stuffing + 1, 0]) + b"\xff" * stuffing + piece
        parts.append(_Packet(data, packet.pid, starts, PACKET_BYTES - len(piece)))
    return parts[0], parts[1]


def normalised(data: bytes) -> bytes:
    """`data` with PAT and PMT before every key frame and counters that survive endless repetition.

    Raises ValueError where `data` is no transport stream with one programme.
    """
    packets = [p for p in _packets(data) if p.pid != NULL_PID]
    pat = next((p for p in packets if p.pid == PAT_PID and p.starts), None)
    if pat is None:
        raise ValueError("no PAT in the clip")
    pmt_pid = _pmt_pid(pat)
    pmt = next((p for p in packets if p.pid == pmt_pid and p.starts), None)
    if pmt is None:
        raise ValueError("no PMT in the clip")
    video = any(p.stream_id in VIDEO_IDS for p in packets)
    # The muxer's own tables come at its pace; ours stand where a reader may join.
    laid: list[_Packet] = []
    for packet in packets:
        if packet.pid in (PAT_PID, pmt_pid):
            continue
        if packet.stream_id and (
            packet.random_access and packet.stream_id in VIDEO_IDS if video else len(laid) % 64 < 3
        ):
            laid += (pat, pmt)
        laid.append(packet)
    if laid[0].pid != PAT_PID:
        laid[:0] = (pat, pmt)
    return _counted(_evened(laid))


def _evened(packets: list[_Packet]) -> list[_Packet]:
    """As many packets on each PID as make a multiple of sixteen."""
    totals: dict[int, int] = defaultdict(int)
    for packet in packets:
        totals[packet.pid] += packet.counts
    missing = {pid: -total % COUNTER_PERIOD for pid, total in totals.items()}
    tables: dict[int, _Packet] = {}
    out: list[_Packet] = []
    for packet in packets:
        if packet.starts and packet.stream_id == 0:
            tables[packet.pid] = packet
        elif missing[packet.pid] and packet.data[3] & 0x30 == 0x10:
            out += _halves(packet)
            missing[packet.pid] -= 1
            continue
        out.append(packet)
    for (
        pid,
        table,
    ) in tables.items():  # a table once more is harmless, at the end of the clip it is in nobody's way
        out += [table] * missing[pid]
        missing[pid] = 0
    if any(missing.values()):
        raise ValueError("the clip is too short to be repeated")
    return out


def _counted(packets: list[_Packet]) -> bytes:
    counters: dict[int, int] = defaultdict(lambda: COUNTER_PERIOD - 1)
    out = bytearray()
    for packet in packets:
        if packet.counts:
            counters[packet.pid] = (counters[packet.pid] + 1) % COUNTER_PERIOD
        data = bytearray(packet.data)
        data[3] = data[3] & 0xF0 | counters[packet.pid] % COUNTER_PERIOD
        out += data
    return bytes(out)


def spaced(data: bytes, spacing: int) -> bytes:
    """Packets with a time code before each (192 bytes), or parity behind it (204)."""
    before, after = (
        (b"\x01\x02\x03\x04", b"") if spacing == 192 else (b"", b"\x55" * (spacing - PACKET_BYTES))
    )
    return b"".join(before + data[at : at + PACKET_BYTES] + after for at in range(0, len(data), PACKET_BYTES))


def corrupted(data: bytes) -> bytes:
    """`data` as it comes over a bad line: every 40th packet is lost, every 25th has half its payload overwritten.

    Tables are spared, since a stream without them is another fault.
    """
    out = bytearray()
    for number in range(len(data) // PACKET_BYTES):
        packet = data[number * PACKET_BYTES : (number + 1) * PACKET_BYTES]
        table = packet[1] & 0x40 and packet[4:7] != b"\x00\x00\x01" and not packet[3] & 0x20
        if table or number % 40 != 39:
            out += packet[:100] + b"\x5a" * 88 if number % 25 == 24 and not table else packet
    return bytes(out)


@dataclass(frozen=True, slots=True)
class Clip:
    """A normalised clip with an index: `frames` slots of `ticks` (90 kHz) that can be cut out for any repetition."""

    body: memoryview
    frames: int
    ticks: int
    _cuts: tuple[int, ...]
    _stamps: tuple[tuple[tuple[int, int, int], ...], ...]

    @classmethod
    def of(cls, body: memoryview, *, frames: int, ticks: int) -> "Clip":
        """Index what `normalised` gave. One pass; about 5 ms per megabyte.

        A slot begins with the first packet of its video frame (or of the audio due in it, without video), tables
        in front included.
        """
        stamps: list[tuple[int, int, int]] = []
        video: list[int] = []
        audio: list[tuple[int, int]] = []
        pending: int | None = None
        for number, packet in enumerate(_packets(bytes(body))):
            at = number * PACKET_BYTES
            if packet.data[3] & 0x20 and packet.data[4] >= 7 and packet.data[5] & 0x10:
                stamps.append((at + 6, PCR_KIND, _pcr(packet.data)))
            if packet.pid == PAT_PID and pending is None:
                pending = at
            stream_id = packet.stream_id
            if stream_id and stream_id not in NO_HEADER_IDS:
                due = _pes_stamps(packet, at, stamps)
                if stream_id in VIDEO_IDS:
                    video.append(at if pending is None else pending)
                elif due is not None:
                    audio.append((at if pending is None else pending, due))
                pending = None
        cuts = video[:frames] if video else _audio_cuts(audio, frames, ticks)
        if len(cuts) != frames:
            raise ValueError(f"the clip has {len(cuts)} frames, not {frames}")
        edges = (0, *cuts[1:], len(body))
        slots: list[tuple[tuple[int, int, int], ...]] = []
        cursor = 0
        for start, end in pairwise(edges):
            first = cursor
            while cursor < len(stamps) and stamps[cursor][0] < end:
                cursor += 1
            slots.append(tuple((at - start, kind, value) for at, kind, value in stamps[first:cursor]))
        return cls(body, frames, ticks, edges, tuple(slots))

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return len(self.body) * CLOCK_HZ / (self.frames * self.ticks)

    def span(self, first: int, count: int) -> bytes:
        """The slots `first` to `first + count`, counted from the beginning of time, time stamps in place."""
        pieces = []
        while count > 0:
            turn, slot = divmod(first, self.frames)
            here = min(count, self.frames - slot)
            pieces.append(self._within(turn, slot, here))
            first, count = first + here, count - here
        return b"".join(pieces)

    def _within(self, turn: int, slot: int, count: int) -> bytes:
        start = self._cuts[slot]
        piece = bytearray(self.body[start : self._cuts[slot + count]])
        shift = turn * self.frames * self.ticks
        for number in range(slot, slot + count):
            base = self._cuts[number] - start
            for at, kind, value in self._stamps[number]:
                moved = (value + shift) & TIME_MASK
                where = base + at
                if kind == PCR_KIND:
                    piece[where : where + 4] = (moved >> 1).to_bytes(4, "big")
                    piece[where + 4] = piece[where + 4] & 0x7F | (moved & 1) << 7
                else:
                    piece[where] = kind | moved >> 29 & 0x0E | 1
                    piece[where + 1] = moved >> 22 & 0xFF
                    piece[where + 2] = moved >> 14 & 0xFE | 1
                    piece[where + 3] = moved >> 7 & 0xFF
                    piece[where + 4] = moved << 1 & 0xFE | 1
        return bytes(piece)


def _pcr(data: bytes) -> int:
    return int.from_bytes(data[6:10], "big") << 1 | data[10] >> 7


def _stamp(data: bytes, at: int) -> int:
    return (
        (data[at] & 0x0E) << 29
        | data[at + 1] << 22
        | (data[at + 2] & 0xFE) << 14
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )


def _pes_stamps(packet: _Packet, at: int, stamps: list[tuple[int, int, int]]) -> int | None:
    """Note PTS and DTS of the PES header in `packet`; the time it is due, or None without one."""
    head = packet.payload
    flags = packet.data[head + 7] >> 6
    due = None
    for field in range((0, 0, 1, 2)[flags]):
        where = head + 9 + 5 * field
        due = _stamp(packet.data, where)
        stamps.append((at + where, packet.data[where] & 0xF0, due))
    return due


def _audio_cuts(audio: list[tuple[int, int]], frames: int, ticks: int) -> list[int]:
    """Where each slot begins when there is only sound: at the first PES due in it or later."""
    cuts, cursor = [], 0
    for number in range(frames):
        while cursor < len(audio) - 1 and audio[cursor][1] < audio[0][1] + number * ticks:
            cursor += 1
        cuts.append(audio[cursor][0])
    return cuts
