"""Where the wanted programmes of each guide lie, so that channels can be written in another order than they came.

What is wanted of a large guide does not fit into memory (performance.md G3: 660 MB). Of a plain file only places are
kept and the file stays open; what is wanted of a packed or re-encoded one goes to a scratch file. This module refuses to
look into programmes.
"""

from array import array
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import groupby
from typing import BinaryIO, Final

from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.catalog.guide_split import START, Block, Splitter

__all__ = ["CHANNEL_LIMIT_BYTES", "Gathered"]

CHANNEL_LIMIT_BYTES: Final = 32 << 20
"""The most one channel may bring along: thirty thousand programmes."""


class _Channel:
    """Pieces of one channel: pairs of place and length. Places in the source are even, in the scratch file odd."""

    __slots__ = ("pieces", "size")

    def __init__(self) -> None:
        self.pieces: array[int] = array("Q")
        self.size = 0

    def add(self, place: int, length: int) -> None:
        self.size += length
        pieces = self.pieces
        if pieces and pieces[-2] + 2 * pieces[-1] == place:  # right behind the last one
            pieces[-1] += length
        else:
            pieces.extend((place, length))


class Gathered:
    """Raw programmes by guide and channel. Files it keeps open are closed by `stack`."""

    def __init__(self, scratch: BinaryIO, stack: ExitStack) -> None:
        self._scratch = scratch
        self._written = 0
        self._stack = stack
        self._sources: dict[str, BinaryIO] = {}
        self._channels: dict[tuple[str, bytes], _Channel] = {}

    def gather(self, guide: str, chunks: Iterable[bytes], wanted: set[bytes]) -> Splitter:
        """Read the whole guide and remember where the wanted channels' programmes are; its splitter, for the notes."""
        source = chunks.hold() if isinstance(chunks, GuideBytes) else None
        if source is not None:
            self._sources[guide] = self._stack.enter_context(source)
        splitter = Splitter(chunks)
        for block in splitter.blocks():
            if not wanted.isdisjoint(block.ids):
                self._take(guide, block, wanted, splitter, in_source=source is not None and block.offset >= 0)
        return splitter

    def _take(
        self, guide: str, block: Block, wanted: set[bytes], splitter: Splitter, *, in_source: bool
    ) -> None:
        units = block.units
        parts: list[bytes] = []
        place = block.offset
        index = 0
        for xmltv_id, run in groupby(block.ids):
            first, index = index, index + len(list(run))
            if in_source:
                length = sum(map(len, units[first:index])) + (index - first) * len(START)
                start, place = 2 * place, place + length
            if xmltv_id not in wanted:
                continue
            channel = self._channels.get((guide, xmltv_id))
            if channel is None:
                channel = self._channels[guide, xmltv_id] = _Channel()
            if not in_source:
                parts += (START, START.join(units[first:index]))
                length = len(START) + len(parts[-1])
                start = 2 * self._written + 1
            if channel.size + length > CHANNEL_LIMIT_BYTES:
                del parts[-2:]
                name = xmltv_id.decode("utf-8", "replace")
                note = f"channel {name!r} has more than {CHANNEL_LIMIT_BYTES >> 20} MiB of programmes: the rest is left out"
                if note not in splitter.notes:
                    splitter.notes.append(note)
                continue
            channel.add(start, length)
            if not in_source:
                self._written += length
        self._scratch.writelines(parts)

    def raw(self, guide: str, xmltv_id: str) -> bytes:
        """The channel's raw programmes, one behind the other; empty when there are none."""
        channel = self._channels.get((guide, xmltv_id.encode()))
        if channel is None:
            return b""
        parts: list[bytes] = []
        pieces = channel.pieces
        for place, length in zip(pieces[::2], pieces[1::2], strict=True):
            stream = self._scratch if place & 1 else self._sources[guide]
            stream.seek(place >> 1)
            parts.append(stream.read(length))
        return b"".join(parts)
