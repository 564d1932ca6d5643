"""The wanted programmes of all guides, so that channels can be written in another order than they came.

What is wanted of a large guide does not fit into memory (performance.md G3: 660 MB). Of a plain file only places are
kept and the file stays open; what is wanted of a packed or re-encoded one goes to a scratch file. This module refuses to
look into programmes.
"""

from collections.abc import Container, Iterable
from contextlib import ExitStack
from typing import BinaryIO, Final

from reconciler.catalog.guide_block import Block
from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.catalog.guide_places import CHANNEL_LIMIT_BYTES, Pieces, Places
from reconciler.catalog.guide_split import Splitter

__all__ = ["Gathered"]


class Gathered:
    """Raw programmes by guide and channel. Files it keeps open are closed by `stack`."""

    def __init__(self, scratch: BinaryIO, stack: ExitStack) -> None:
        self._scratch = scratch
        self._written = 0
        self._stack = stack
        self._sources: dict[str, BinaryIO] = {}
        self._channels: dict[tuple[str, bytes], Pieces] = {}

    def gather(
        self, guide: str, chunks: Iterable[bytes], wanted: set[bytes], known: Places | None = None
    ) -> tuple[str, ...]:
        """Find the wanted channels' programmes: by the places noted in `known` if they are of this very file.

        Otherwise the whole guide is read. Gives what was wrong with it, in short sentences.
        """
        placed = (
            isinstance(chunks, GuideBytes)
            and known is not None
            and known.complete
            and chunks.stamp == known.stamp
        )
        source = chunks.hold() if isinstance(chunks, GuideBytes) else None
        if source is not None:
            self._sources[guide] = self._stack.enter_context(source)
        notes: tuple[str, ...] = ()
        if placed and known is not None:
            for xmltv_id in wanted & known.channels.keys():
                self._channels[guide, xmltv_id] = known.channels[xmltv_id]
        else:
            splitter = Splitter(chunks, channels=False)
            for block in splitter.blocks():
                if not wanted.isdisjoint(block.ids):
                    self._take(guide, block, wanted, in_source=source is not None and block.offset >= 0)
            notes = tuple(splitter.notes)
        full = sorted(i for i in wanted if (guide, i) in self._channels and self._channels[guide, i].full)
        return (*notes, *map(_too_much, full))

    def _take(self, guide: str, block: Block, wanted: Container[bytes], *, in_source: bool) -> None:
        for span in block.spans(wanted):
            channel = self._channels.get((guide, span.id))
            if channel is None:
                channel = self._channels[guide, span.id] = Pieces()
            length = span.end - span.start
            if in_source:
                channel.add(block.offset + span.start, length, span.programmes)
            else:
                # Places in the scratch file are told from those in the source by the highest bit.
                channel.add(_SCRATCH + self._written, length, span.programmes)
                if not channel.full:
                    self._scratch.write(block.text[span.start : span.end])
                    self._written += length

    def raw(self, guide: str, xmltv_id: str) -> tuple[bytes, int]:
        """The channel's raw programmes, one behind the other, and how many they are."""
        channel = self._channels.get((guide, xmltv_id.encode()))
        if channel is None:
            return b"", 0
        parts: list[bytes] = []
        pieces = channel.pieces
        for place, length in zip(pieces[::2], pieces[1::2], strict=True):
            stream = self._scratch if place & _SCRATCH else self._sources[guide]
            stream.seek(place & ~_SCRATCH)
            parts.append(stream.read(length))
        return b"".join(parts), channel.programmes


_SCRATCH: Final = 1 << 63


def _too_much(xmltv_id: bytes) -> str:
    name = xmltv_id.decode("utf-8", "replace")
    return (
        f"channel {name!r} has more than {CHANNEL_LIMIT_BYTES >> 20} MiB of programmes: the rest is left out"
    )
