"""Where the wanted programmes of each guide lie, so that channels can be written in another order than they came.

What is wanted of a large guide does not fit into memory (performance.md G3: 660 MB). Of a plain file only places are
kept and the file stays open; what is wanted of a packed or re-encoded one goes to a scratch file. This module refuses to
look into programmes.
"""

from array import array
from collections.abc import Container, Iterable
from contextlib import ExitStack
from typing import BinaryIO, Final

from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.catalog.guide_split import Block, Splitter

__all__ = ["CHANNEL_LIMIT_BYTES", "Gathered"]

CHANNEL_LIMIT_BYTES: Final = 32 << 20
"""The most one channel may bring along: thirty thousand programmes."""


class _Channel:
    """Pieces of one channel: pairs of place and length. Places in the source are even, in the scratch file odd."""

    __slots__ = ("count", "pieces", "size")

    def __init__(self) -> None:
        self.count = 0
        self.pieces: array[int] = array("Q")
        self.size = 0

    def add(self, place: int, length: int, count: int) -> None:
        self.count += count
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
        splitter = Splitter(chunks, channels=False)
        for block in splitter.blocks():
            if not wanted.isdisjoint(block.ids):
                self._take(guide, block, wanted, splitter, in_source=source is not None and block.offset >= 0)
        return splitter

    def _take(
        self, guide: str, block: Block, wanted: Container[bytes], splitter: Splitter, *, in_source: bool
    ) -> None:
        for span in block.spans(wanted):
            channel = self._channels.get((guide, span.id))
            if channel is None:
                channel = self._channels[guide, span.id] = _Channel()
            length = span.end - span.start
            if channel.size + length > CHANNEL_LIMIT_BYTES:
                name = span.id.decode("utf-8", "replace")
                note = f"channel {name!r} has more than {CHANNEL_LIMIT_BYTES >> 20} MiB of programmes: the rest is left out"
                if note not in splitter.notes:
                    splitter.notes.append(note)
            elif in_source:
                channel.add(2 * (block.offset + span.start), length, span.programmes)
            else:
                self._scratch.write(block.text[span.start : span.end])
                channel.add(2 * self._written + 1, length, span.programmes)
                self._written += length

    def raw(self, guide: str, xmltv_id: str) -> tuple[bytes, int]:
        """The channel's raw programmes, one behind the other, and how many they are."""
        channel = self._channels.get((guide, xmltv_id.encode()))
        if channel is None:
            return b"", 0
        parts: list[bytes] = []
        pieces = channel.pieces
        for place, length in zip(pieces[::2], pieces[1::2], strict=True):
            stream = self._scratch if place & 1 else self._sources[guide]
            stream.seek(place >> 1)
            parts.append(stream.read(length))
        return b"".join(parts), channel.count
