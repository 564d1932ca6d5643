"""Where the programmes of each channel lie in a file.

Two notes are kept per run of programmes, so a guide of a gigabyte takes a few megabytes; whoever wants a channel reads
it from there instead of the whole guide. Light on purpose, like `guide_index`. This module refuses to open files.
"""

from array import array
from typing import Final, NamedTuple

__all__ = ["CHANNEL_LIMIT_BYTES", "Pieces", "Places", "Stamp"]

CHANNEL_LIMIT_BYTES: Final = 32 << 20
"""The most one channel may bring along: thirty thousand programmes."""
_PIECES_LIMIT: Final = 400_000


class Stamp(NamedTuple):
    """Which file it was: two equal ones hold the same bytes."""

    device: int
    inode: int
    size: int
    changed_ns: int


class Pieces:
    """One channel: pairs of place and length, and how many programmes they hold."""

    __slots__ = ("full", "pieces", "programmes", "size")

    def __init__(self) -> None:
        self.programmes = 0
        self.pieces: array[int] = array("Q")
        self.size = 0
        self.full = False

    def add(self, place: int, length: int, programmes: int) -> bool:
        """Note one more run; False where it is new and not right behind the last one.

        Beyond `CHANNEL_LIMIT_BYTES` nothing is added and `full` is set.
        """
        if self.full or self.size + length > CHANNEL_LIMIT_BYTES:
            self.full = True
            return True
        self.programmes += programmes
        self.size += length
        pieces = self.pieces
        if pieces and pieces[-2] + pieces[-1] == place:
            pieces[-1] += length
            return True
        pieces.extend((place, length))
        return False


class Places:
    """All channels of one file. `complete` is False once it would take too much memory: then it is of no use."""

    __slots__ = ("_count", "channels", "complete", "stamp")

    def __init__(self, stamp: Stamp) -> None:
        self.stamp = stamp
        self.channels: dict[bytes, Pieces] = {}
        self.complete = True
        self._count = 0

    def add(self, xmltv_id: bytes, place: int, length: int, programmes: int) -> None:
        """Note one more run of a channel."""
        pieces = self.channels.get(xmltv_id)
        if pieces is None:
            pieces = self.channels[xmltv_id] = Pieces()
        if not pieces.add(place, length, programmes):
            self._count += 1
            if self._count > _PIECES_LIMIT:  # a guide ordered by time: one piece for each programme
                self.give_up()

    def give_up(self) -> None:
        """Some programmes lie nowhere in the file as they should be read."""
        self.complete = False
        self.channels = {}
