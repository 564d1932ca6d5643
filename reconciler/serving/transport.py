"""Bytes of a body turned into pieces of whole packets, without looking at each packet.

The steady path costs a slice and a look at a few sync bytes. Only where the grid is lost (damage, or something that is no transport stream any more) are bytes searched. M2TS and streams with parity
are cut down to 188 bytes. This module refuses to know of PIDs.
"""

import re
from typing import Final, Literal

from reconciler.serving.packets import PACKET_BYTES, SYNC
from reconciler.sources.classify import classify_response, find_grid

__all__ = ["Container", "NotTransport", "Packets", "Piece", "Whole"]

LOST_LIMIT_BYTES: Final = 64 * 1024
"""So many bytes without a grid are no damaged transport stream."""
JUDGED_BYTES: Final = 16 * 1024
WINDOW_BYTES: Final = 1024
PAGE_BYTES: Final = 16

_PAGE: Final = re.compile(rb"<!doctype html|<html[ >]|<head>|<body[ >]", re.IGNORECASE)

Piece = bytes | memoryview
Container = Literal["mpegts", "mp4", "aac", "mp3", "ac3"]
"""What a muxer is told its input is; the last three are sound without any."""


class NotTransport(Exception):
    """What comes is no transport stream. `cause` is the detector's."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


class Packets:
    """Cuts one body.

    What it keeps between calls is copied, so that a view given to `feed` is held by the returned pieces alone.
    """

    __slots__ = ("_grid", "_rest", "_skip")

    def __init__(self) -> None:
        self._rest = b""
        self._grid = 0
        """Packet length on the wire; 0: not known (any more)."""
        self._skip = 0
        """So many bytes are still to come between two packets."""

    @property
    def begun(self) -> bytes | None:
        """What has come of the next packet; None where packets are not simply one after the other."""
        return self._rest if self._grid == PACKET_BYTES else None

    @begun.setter
    def begun(self, rest: bytes) -> None:
        """Whole packets have passed by, and this has come of the next."""
        self._rest = rest

    def feed(self, data: Piece) -> list[Piece]:
        """The whole packets in what came so far and was not returned yet. Raises NotTransport."""
        pieces: list[Piece] = []
        todo: Piece | None = data
        while todo is not None:
            if self._grid == 0:
                todo = self._seek(todo)
                if todo is None:
                    break
            cut = self._cut if self._grid == PACKET_BYTES else self._cut_spaced
            more, todo = cut(todo)
            pieces += more
        return pieces

    def _cut(self, data: Piece) -> tuple[list[Piece], Piece | None]:
        """Packets on a grid of 188, and what is left where the grid was lost."""
        pieces: list[Piece] = []
        start = 0
        if self._rest:
            start = PACKET_BYTES - len(self._rest)
            joined = self._rest + data[:start]
            if len(joined) < PACKET_BYTES:
                self._rest = joined
                return pieces, None
            self._rest = b""
            if joined[0] != SYNC or (len(data) > start and data[start] != SYNC):
                return pieces, self._lose(joined + bytes(data[start:]))
            pieces.append(joined)
        count = (len(data) - start) // PACKET_BYTES
        end = start + count * PACKET_BYTES
        goes_on = end == len(data) or data[end] == SYNC
        if not (goes_on and (not count or _on_grid(data, start, end))):
            kept = start
            while kept < end and data[kept] == SYNC:
                kept += PACKET_BYTES
            kept = max(start, kept - PACKET_BYTES)  # the packet before the damage is the damaged one
            if kept > start:
                pieces.append(data[start:kept])
            return pieces, self._lose(data[kept:])
        if count:
            pieces.append(data if end - start == len(data) else memoryview(data)[start:end])
        self._rest = bytes(data[end:])
        return pieces, None

    def _cut_spaced(self, data: Piece) -> tuple[list[Piece], Piece | None]:
        """Packets of 192 or 204 bytes, cut to 188. `find_grid` gives the offset of the sync byte itself."""
        joined = self._rest + data[self._skip :]
        self._skip = max(0, self._skip - len(data))
        self._rest = b""
        # The last packet is whole without what lies before the next: a segment may end there.
        count = (len(joined) + self._grid - PACKET_BYTES) // self._grid
        if joined[: count * self._grid : self._grid].count(SYNC) != count:
            return [], self._lose(joined[1:])  # the same grid would be found again
        self._rest = joined[count * self._grid :]
        self._skip += max(0, count * self._grid - len(joined))
        steps = range(0, count * self._grid, self._grid)
        return ([b"".join(joined[at : at + PACKET_BYTES] for at in steps)] if count else []), None

    def _lose(self, data: Piece) -> Piece:
        """The grid does not hold at the beginning of `data`: look for another. A page is judged from its first byte."""
        self._grid = self._skip = 0
        return data

    def _seek(self, data: Piece) -> Piece | None:
        """What follows from the first packet on, or None: not found yet."""
        held = self._rest + data
        self._rest = b""
        spacing, offset = find_grid(held)
        if spacing:
            self._grid = spacing
            return held[offset:]
        page = _page_in(held)
        if len(held) >= LOST_LIMIT_BYTES or page >= 0:
            verdict = classify_response(200, {}, "", held[max(0, page) :][:JUDGED_BYTES])
            raise NotTransport(verdict.cause or "not-ts", verdict.detail or "no transport stream any more")
        self._rest = held
        return None


class Whole:
    """Takes the place of `Packets` where bytes are for a muxer: they pass as they are."""

    begun: bytes | None = None

    def feed(self, data: Piece) -> list[Piece]:
        """The bytes."""
        return [data] if data else []


def _on_grid(data: Piece, start: int, end: int) -> bool:
    """Whether packets begin where they should: looked at in five places, because a lost byte shifts all that follows."""
    last = end - PACKET_BYTES
    step = max(PACKET_BYTES, (end - start) // (4 * PACKET_BYTES) * PACKET_BYTES)
    return data[last] == SYNC and all(data[at] == SYNC for at in range(start, end, step))


def _page_in(data: bytes) -> int:
    """Where a page begins instead of packets, or -1: no need to wait for more of it. It may begin inside a packet."""
    if len(data) < PAGE_BYTES:
        return -1
    if classify_response(200, {}, "", data[: 2 * WINDOW_BYTES]).cause in {"html", "json", "limit"}:
        return 0
    found = _PAGE.search(data)
    return found.start() if found else -1
