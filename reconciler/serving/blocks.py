"""Memory that streams are read into, used again and again.

A fresh piece of memory per read costs more than the copying into it: the kernel has to find and clear its pages (14 %
of a core against 7 % for 200 streams, measured). Blocks are mapped, not allocated, so that they leave the process when
they are let go. A block is free again when no view of it exists: a map with views refuses to change its size, and that
refusal is the question asked here, so nobody has to give blocks back and nobody can give one back too early. This
module refuses to know what is in a block.
"""

import mmap
from collections import deque
from typing import Final

__all__ = ["LARGE_BYTES", "SMALL_BYTES", "Blocks"]

SMALL_BYTES: Final = 256 * 1024
"""More than is gathered between two wake-ups of a paced stream. Only what is written to counts as memory."""
LARGE_BYTES: Final = 1 << 20
LOOKS: Final = 3


class Blocks:
    """The process's blocks, in two sizes. Synchronous and for one thread."""

    def __init__(self) -> None:
        self._all: dict[int, deque[mmap.mmap]] = {SMALL_BYTES: deque(), LARGE_BYTES: deque()}

    def take(self, size_bytes: int) -> mmap.mmap:
        """A block of one of the sizes, without a view. Make one before the next call, or it may be given out twice."""
        blocks = self._all[size_bytes]
        for _ in range(min(LOOKS, len(blocks))):
            block = blocks[0]
            if _is_free(block):
                return block
            blocks.rotate(-1)
        block = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        blocks.appendleft(block)
        return block

    def thin(self) -> None:
        """Let free blocks go but one of each size. For a clock that ticks now and then; about 1 µs a block."""
        for size, blocks in self._all.items():
            free = [block for block in blocks if _is_free(block)][1:]
            if free:
                gone = {id(block) for block in free}
                self._all[size] = deque(block for block in blocks if id(block) not in gone)


def _is_free(block: mmap.mmap) -> bool:
    try:
        block.resize(len(block))
    except BufferError:  # somebody has a view
        return False
    return True
