"""Reading a guide's table of contents in one pass: its channels, and how much it says of each.

    open_guide(path) -> iterator of plain bytes            (gzip, xz, bzip2, zip; limited)
    index(chunks) -> GuideIndex                            channels, counts, damage
    coverage(chunks, questions) -> name -> id -> Coverage  programmes between two times, for `prune`

`guide_match.match` then says which channel is told by which guide, and `guide_write.write_guides` writes. Memory stays at a
few blocks of 4 MiB whatever the guide's size. This module refuses to fetch and to ask what time it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from html import unescape
from itertools import islice
from typing import Final

from lxml import etree

from reconciler.catalog.guide_block import START, Block
from reconciler.catalog.guide_bytes import GuideBytes, open_guide
from reconciler.catalog.guide_index import (
    Coverage,
    CoverageQuestion,
    GuideChannel,
    GuideIndex,
    unavailable_titles,
)
from reconciler.catalog.guide_places import Places
from reconciler.catalog.guide_split import PAIR, Splitter
from reconciler.catalog.guide_text import Element, elements, plain_text, recovered
from reconciler.catalog.guide_times import time_text, time_value

__all__ = [
    "Coverage",
    "CoverageQuestion",
    "GuideBytes",
    "GuideChannel",
    "GuideIndex",
    "coverage",
    "index",
    "open_guide",
]


TIMES_READ: Final = 20
"""So many starts of a block are read to see whether a guide writes times at all."""


def _attribute_pattern(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"""%b(?:(?!\s+%b\s*=)%b)*+\s+%b\s*=\s*["']([^"']*)""" % (START, name, PAIR, name))


_BEGIN: Final = _attribute_pattern(b"start")
_STOP: Final = _attribute_pattern(b"stop")
_UTC: Final = re.compile(
    START + rb'(?:\s+channel="[^"]*")?\s+start="(\d{14}) \+0000"\s+stop="(\d{14}) \+0000"'
)
_TITLE: Final = re.compile(rb"<title(?:\s[^<>]*)?>([^<]*)</title\s*>")


def index(chunks: Iterable[bytes]) -> GuideIndex:
    """The guide's channels and how many programmes it lists for each. One pass, no wait, bounded memory.

    Raises ProviderError where the content is no guide (empty, a web page, JSON) or tries to be a bomb. Damage that
    leaves something whole is in `notes`.
    """
    splitter = Splitter(chunks)
    channels: dict[str, GuideChannel] = {}
    stamp = chunks.stamp if isinstance(chunks, GuideBytes) else None
    places = Places(stamp) if stamp else None
    counts: Counter[bytes] = Counter()
    odd_time, readable = "", False
    for block in splitter.blocks():
        counts.update(block.ids)
        if not readable:
            odd_time, readable = _first_times(block, odd_time)
        if places is not None and places.complete:
            _note_places(places, block)
        if block.channels:
            for element in _channel_elements(block.channels):
                _declare(channels, element)
    programmes = {xmltv_id.decode("utf-8", "replace"): count for xmltv_id, count in counts.items()}
    notes = list(splitter.notes)
    if odd_time and not readable:
        notes.append(f"the times of its programmes cannot be read ({odd_time[:40]})")
    # a guide without a time that can be read must not count against channels either
    damaged = splitter.damaged or (bool(odd_time) and not readable)
    return GuideIndex(channels, programmes, tuple(notes), damaged, places)


def _first_times(block: Block, odd: str) -> tuple[str, bool]:
    """The first start in the guide that is no time, and whether there is one that is: a few of each block are read."""
    for found in islice(_BEGIN.finditer(block.text), TIMES_READ):
        written = found[1].decode("utf-8", "replace")
        if time_value(written) is not None:
            return odd, True
        odd = odd or written or "empty"
    return odd, False


def coverage(
    chunks: Iterable[bytes], questions: Mapping[str, CoverageQuestion], *, shift_s: float = 0
) -> dict[str, dict[str, Coverage]]:
    """For each named question and each XMLTV id: how many programmes lie between its times, even in part.

    Ids without any are left out. `shift_s` moves the guide as in the spec. One pass for all questions, and equal ones are
    asked once; about 1 µs a programme in UTC, more where titles have to be looked at. Raises what `index` raises.
    """
    asked = [_Asked(question, shift_s) for question in dict.fromkeys(questions.values())]
    for block in Splitter(chunks, channels=False).blocks():
        text = block.text
        for xmltv_id, place, end in block.programmes():
            plain = _UTC.match(text, place)
            if plain is not None:
                start, stop = plain.groups()
                if start < stop:
                    for one in asked:
                        if start < one.last_text and stop > one.first_text:
                            one.count(xmltv_id, text, place, end)
                    continue
            began, ended = _times(text, place)
            if began is not None:
                for one in asked:
                    if began < one.last and ended > one.first:
                        one.count(xmltv_id, text, place, end)
    answers = {one.question: one.answer() for one in asked}
    return {name: answers[question] for name, question in questions.items()}


class _Asked:
    """A question with its bounds in both forms, and what was counted so far."""

    __slots__ = ("_counts", "_says_nothing", "first", "first_text", "last", "last_text", "question")

    def __init__(self, question: CoverageQuestion, shift_s: float) -> None:
        self.question = question
        self.first, self.last = round(question.start - shift_s), round(question.end - shift_s)
        self.first_text, self.last_text = time_text(self.first).encode(), time_text(self.last).encode()
        self._says_nothing = unavailable_titles(question.unavailable) if question.unavailable else None
        self._counts: dict[bytes, list[int]] = {}

    def count(self, xmltv_id: bytes, text: bytes, place: int, end: int) -> None:
        counts = self._counts.get(xmltv_id)
        if counts is None:
            counts = self._counts[xmltv_id] = [0, 0]
        says_nothing = self._says_nothing
        counts[1 if says_nothing is not None and says_nothing(_title(text[place:end])) else 0] += 1

    def answer(self) -> dict[str, Coverage]:
        return {
            i.decode("utf-8", "replace"): Coverage(real, none) for i, (real, none) in self._counts.items()
        }


def _times(text: bytes, place: int) -> tuple[int | None, int]:
    start = _BEGIN.match(text, place)
    began = time_value(start[1].decode("utf-8", "replace")) if start else None
    if began is None:
        return None, 0
    stop = _STOP.match(text, place)
    ended = time_value(stop[1].decode("utf-8", "replace")) if stop else None
    return began, ended if ended is not None and ended > began else began + 1


def _title(unit: bytes) -> str:
    found = _TITLE.search(unit) if b"<!" not in unit else None
    if found is not None:
        return plain_text(unescape(found[1].decode("utf-8", "replace")))
    for element in recovered(unit[: unit.rfind(b">") + 1]):
        return plain_text(element.findtext("title"))
    return ""


def _note_places(places: Places, block: Block) -> None:
    if block.offset < 0:
        if block.ids:
            places.give_up()
        return
    for span in block.spans():
        places.add(span.id, block.offset + span.start, span.end - span.start, span.programmes)


def _channel_elements(raw: list[bytes]) -> list[Element]:
    try:
        return elements(b"".join(raw))
    except etree.XMLSyntaxError:
        return [element for one in raw for element in recovered(one)]


def _declare(channels: dict[str, GuideChannel], element: Element) -> None:
    xmltv_id = plain_text(element.get("id"))
    if element.tag != "channel" or not xmltv_id:
        return
    known = channels.get(xmltv_id, GuideChannel(xmltv_id))
    names = dict.fromkeys(
        (*known.names, *(plain_text(name.text) for name in element.iterfind("display-name")))
    )
    names.pop("", None)
    icon = element.find("icon")
    channels[xmltv_id] = GuideChannel(
        xmltv_id, tuple(names), known.icon or (plain_text(icon.get("src")) if icon is not None else "")
    )
