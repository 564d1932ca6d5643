"""A stretch of a guide's text, and where the programmes in it are.

Places are found only when somebody asks for them, and only those of the channels that are wanted. This module refuses
to cut text: `guide_split` does.
"""

import re
from collections.abc import Container, Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

__all__ = ["START", "Block", "Span"]

START: Final = b"<programme"


class Span(NamedTuple):
    """Neighbouring programmes of one channel: `text[start:end]` of their block holds so many and no others."""

    id: bytes
    start: int
    end: int
    programmes: int


class Block:
    """What one block of the guide gave.

    `ids` are the channels of its programmes, in order, as UTF-8 with entities resolved and outer blanks removed.
    `text[:end]` holds the programmes; rubbish may stand between them.
    `channels` are raw `<channel` elements. `offset` is where `text` lies in the source, -1 where it is not the source's own.
    """

    __slots__ = ("_ends", "_search", "_starts", "channels", "end", "ids", "offset", "text")

    def __init__(
        self,
        text: bytes,
        ids: list[bytes],
        *,
        end: int | None = None,
        search: re.Pattern[bytes] | None = None,
        starts: list[int] | None = None,
        ends: list[int] | None = None,
        channels: list[bytes] | None = None,
    ) -> None:
        self.text = text
        self.end = len(text) if end is None else end
        self.ids = ids
        self.channels = channels or []
        self.offset = -1
        self._search = search
        self._starts = starts
        self._ends = ends

    def programmes(self) -> Iterator[tuple[bytes, int, int]]:
        """Channel, start and end of each."""
        starts = self._all_starts()
        ends = self._ends or [*starts[1:], self.end][: len(starts)]
        return zip(self.ids, starts, ends, strict=True)

    def spans(self, wanted: Container[bytes] | None = None) -> Iterator[Span]:
        """The runs of wanted programmes, or all."""
        runs = [(xmltv_id, len(list(run))) for xmltv_id, run in groupby(self.ids)]
        order = {xmltv_id: number for number, (xmltv_id, _) in enumerate(runs)}
        if self._starts is None and len(order) < len(runs):  # a channel that comes back
            self._all_starts()
        index = place = 0
        for number, (xmltv_id, count) in enumerate(runs):
            first, index = index, index + count
            if wanted is None or xmltv_id in wanted:
                start = self._run_start(number, first, order, place)
                if self._ends is not None:
                    place = self._ends[index - 1]
                else:
                    place = self._run_start(number + 1, index, order, start)
                yield Span(xmltv_id, start, place, count)

    def _all_starts(self) -> list[int]:
        if self._starts is None:
            found = self._search.finditer(self.text, 0, self.end) if self._search else ()
            self._starts = [one.start() for one in found]
        return self._starts

    def _run_start(self, number: int, index: int, order: Mapping[bytes, int], place: int) -> int:
        """Where the run of that number starts, its first programme being `ids[index]`; it is not before `place`.

        Eight looks at programmes in the middle of what is left cost less than noting the place of every programme.
        """
        if index == len(self.ids):
            return self.end
        if self._starts is not None or self._search is None:
            return self._all_starts()[index]
        text, search = self.text, self._search
        low, best = place, self.end
        while low < best:
            half = (low + best) // 2
            middle = text.find(START, half, best)
            if middle < 0:
                middle = text.rfind(START, low, half + len(START) - 1)
            if middle < 0:
                break
            tag = search.match(text, middle)
            if tag is not None and order[tag[1]] >= number:
                best = middle
            else:
                low = middle + 1
        return best
