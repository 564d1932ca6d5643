"""One stream after another on the same wire: what has to be true for a player to go on.

A player maps the streams it found at the start and follows no new PIDs (iptv-streams.md C4, measured). So the second
stream begins at a key frame, gets the first one's PAT and PMT, a mark of discontinuity on each PID, and, where its PIDs
differ, the first one's PIDs. Other codecs cannot be spliced: then another way must be found, or the stream ends. Pure;
this module refuses to read and to wait.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from reconciler.serving.packets import (
    NULL_PID,
    PACKET_BYTES,
    ElementaryStream,
    Psi,
    counters_before,
    discontinuity_packet,
    find_psi,
    first_key_frame,
    has_pid,
    last_counters,
    pid_at,
    psi_packets,
)

__all__ = ["Incompatible", "Splice", "plays_on"]

MOST_HELD_BYTES: Final = 2 << 20
MOST_LED_BYTES: Final = 4 << 20
"""So far into the second stream PIDs of the first are waited for: tables about services come every few seconds."""

Piece = bytes | memoryview


class Incompatible(Exception):
    """The second stream has other codecs than the first."""


class Splice:
    """Turns the beginning of a new stream into a continuation of `old`. Feed it until it passes pieces through.

    `before` is what went out last: its continuity counters are continued.
    """

    __slots__ = (
        "_before",
        "_counters",
        "_held",
        "_led_bytes",
        "_old",
        "_owed",
        "_pids",
        "_psi_pids",
        "ready",
    )

    def __init__(self, old: Psi | None, before: bytes) -> None:
        self._old = old
        self._before = before
        self._held = b""
        self._counters: dict[int, int] = {}
        self._pids: dict[int, int] | None = None
        self._psi_pids: frozenset[int] = frozenset()
        self._owed: set[int] = set()
        """PIDs of the first stream that have no mark yet, because the second one's beginning has none of them."""
        self._led_bytes = 0
        self.ready = old is None

    @property
    def transparent(self) -> bool:
        """Whether everything passes as it is from now on."""
        return self.ready and self._pids is None and not self._owed

    def feed(self, pieces: Sequence[Piece]) -> list[Piece]:
        """What may go out now. Raises Incompatible."""
        if self.ready:
            if self._pids is None:
                return self._led(pieces) if self._owed else list(pieces)
            return [self._remapped(bytes(piece)) for piece in pieces]
        self._held += b"".join(pieces)
        return self._begin(give_up=len(self._held) > MOST_HELD_BYTES)

    def give_up_waiting(self) -> list[Piece]:
        """Go on without a key frame: the deadline has come. What has no tables yet and none of the first stream's picture is held
        on to: no player could show it, and under its own PIDs it would stay strange to them.
        """
        if self.ready or self._is_strange():
            return []
        return self._begin(give_up=True)

    def _is_strange(self) -> bool:
        main = self._old.main if self._old is not None else None
        return main is not None and find_psi(self._held) is None and not has_pid(self._held, main.pid)

    def _begin(self, *, give_up: bool) -> list[Piece]:
        assert self._old is not None
        new = find_psi(self._held)
        if new is None:
            return self._pass(self._held) if give_up and self._held else []
        start = first_key_frame(self._held, new) if new.video else 0
        if start < 0:
            if not give_up:
                return []
            start = 0
        pids = _pid_map(self._old, new)
        self._pids = None if _is_identity(pids, self._old, new) else pids
        self._psi_pids = frozenset({0, new.pmt_pid})
        self._counters = last_counters(self._before)
        body = self._held[start:]
        follows = {**last_counters(self._held[:start]), **counters_before(body)}
        if self._pids is None:
            self._owed = set(self._counters) - follows.keys() - self._psi_pids
        opening = self._opening(follows, pids)
        if self._pids is not None:
            self._counters = last_counters(opening)
            body = self._remapped(body)
        return self._pass(opening + body)

    def _opening(self, follows: Mapping[int, int], pids: Mapping[int, int]) -> bytes:
        """Tables and marks that lead from the first stream's counters to the second's, which go on after `follows`.

        A mark has the counter before the second stream's first packet, because players compare that with the mark's
        (ffmpeg does), not with what came before the mark. Where the second stream's own tables follow, they are led to
        in the same way; tables of ours simply count on.
        """
        assert self._old is not None
        marked = {pids[pid]: counter for pid, counter in follows.items() if pid in pids}
        opening = b""
        if self._pids is None:
            marked = {pid: follows[pid] for pid in follows.keys() & self._counters.keys() - self._psi_pids}
            tables = last_counters(psi_packets(self._old, {0: 0, self._old.pmt_pid: 0}))
            for pid, count in sorted(tables.items()):  # as many packets as each table takes
                if pid in follows:
                    self._counters[pid] = follows[pid] - count & 0x0F
                    opening += discontinuity_packet(pid, self._counters[pid])
        opening += psi_packets(self._old, self._counters)
        for pid in sorted({s.pid for s in self._old.streams} | marked.keys()):
            opening += discontinuity_packet(pid, marked.get(pid, self._counters.get(pid, 0)))
        return opening

    def _led(self, pieces: Sequence[Piece]) -> list[Piece]:
        """The pieces, with a mark before the first packet of each PID that is owed one."""
        out: list[Piece] = []
        for piece in pieces:
            firsts = counters_before(bytes(piece))
            found = self._owed & firsts.keys()
            at = 0
            for start in range(0, len(piece), PACKET_BYTES) if found else ():
                pid = pid_at(piece, start)
                if pid in found:
                    out += [piece[at:start], discontinuity_packet(pid, firsts[pid])]
                    at = start
                    found.discard(pid)
                    self._owed.discard(pid)
            out.append(piece[at:] if at else piece)
            self._led_bytes += len(piece)
        if self._led_bytes > MOST_LED_BYTES:
            self._owed.clear()
        return [piece for piece in out if len(piece)]

    def _pass(self, data: bytes) -> list[Piece]:
        self.ready = True
        self._held = self._before = b""
        return [data]

    def _remapped(self, data: bytes) -> bytes:
        """Every packet under the first stream's PID; PAT and PMT replaced by the first stream's."""
        assert self._pids is not None
        assert self._old is not None
        out = bytearray(data)
        pids = self._pids
        for at in range(0, len(out), PACKET_BYTES):
            pid = (out[at + 1] & 0x1F) << 8 | out[at + 2]
            if pid in self._psi_pids:
                self._replace_psi(out, at, pid)
                continue
            new = pids.get(pid, NULL_PID)
            if new != pid:
                out[at + 1] = out[at + 1] & 0xE0 | new >> 8
                out[at + 2] = new & 0xFF
        return bytes(out)

    def _replace_psi(self, out: bytearray, at: int, pid: int) -> None:
        assert self._old is not None
        tables = psi_packets(self._old, self._counters)
        # Later packets of a long table, or a table of ours that needs several: the one at the switch has to do.
        if not out[at + 1] & 0x40 or len(tables) > 2 * PACKET_BYTES:
            out[at + 1] = out[at + 1] & 0xE0 | 0x1F
            out[at + 2] = 0xFF
            return
        wanted = tables[:PACKET_BYTES] if pid == 0 else tables[PACKET_BYTES : 2 * PACKET_BYTES]
        out[at : at + PACKET_BYTES] = wanted
        target = 0 if pid == 0 else self._old.pmt_pid
        self._counters[target] = self._counters.get(target, -1) + 1 & 0x0F


def plays_on(old: Psi, new: Psi) -> bool:
    """Whether a player that mapped the first picture and sound of `old` finds them in `new`, or nothing of their kind."""
    for kind in ("video", "audio"):
        first = next((s for s in old.streams if s.kind == kind), None)
        there = [(s.pid, s.type) for s in new.streams if s.kind == kind]
        if first is not None and there and (first.pid, first.type) not in there:
            return False
    return True


def _pairs(old: Psi, new: Psi) -> list[tuple[ElementaryStream, ElementaryStream]]:
    """Streams of the same type in order. Raises Incompatible where picture or sound has changed its codec."""
    pairs = []
    for kind in ("video", "audio", "other"):
        have = [s for s in old.streams if s.kind == kind]
        free = [s for s in new.streams if s.kind == kind]
        for first in have:
            match = next((s for s in free if s.type == first.type), None)
            if match is not None:
                free.remove(match)
                pairs.append((first, match))
            elif kind != "other" and first is have[0]:
                raise Incompatible(f"the {kind} of the other stream has another codec")
    return pairs


def _pid_map(old: Psi, new: Psi) -> dict[int, int]:
    pids = {second.pid: first.pid for first, second in _pairs(old, new)}
    pids.setdefault(new.pcr_pid, old.pcr_pid)
    return pids


def _is_identity(pids: dict[int, int], old: Psi, new: Psi) -> bool:
    """Whether the second stream may pass as it is: same PIDs, same tables."""
    same = replace(new, version=old.version, transport_id=old.transport_id, streams=()) == replace(
        old, streams=()
    )
    return same and all(a == b for a, b in pids.items()) and len(old.streams) == len(new.streams)
