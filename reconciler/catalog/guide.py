"""Reading a guide's table of contents in one pass: its channels, and how much it says of each.

    open_guide(path) -> iterator of plain bytes            (gzip, xz, zip; limited)
    index(chunks) -> GuideIndex                            channels, counts, damage
    coverage(chunks, questions) -> name -> id -> Coverage  programmes between two times, for `prune`

`guide_match.match` then says which channel is told by which guide, and `guide_write.write_guides` writes. Memory stays at a
few blocks of 4 MiB whatever the guide's size. This module refuses to fetch and to ask what time it is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Final

from lxml import etree

from reconciler.catalog.guide_bytes import GuideBytes, open_guide
from reconciler.catalog.guide_index import (
    Coverage,
    CoverageQuestion,
    GuideChannel,
    GuideIndex,
    unavailable_titles,
)
from reconciler.catalog.guide_split import PAIR, START, Splitter
from reconciler.catalog.guide_text import Element, elements, plain_text, recovered
from reconciler.catalog.guide_times import time_value

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


def _attribute_pattern(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"""%b(?:(?!\s+%b\s*=)%b)*+\s+%b\s*=\s*["']([^"']*)""" % (START, name, PAIR, name))


_BEGIN: Final = _attribute_pattern(b"start")
_STOP: Final = _attribute_pattern(b"stop")
_TITLE: Final = re.compile(rb"<title(?:\s[^<>]*)?>([^<]*)</title\s*>")


def index(chunks: Iterable[bytes]) -> GuideIndex:
    """The guide's channels and how many programmes it lists for each. One pass, no wait, bounded memory.

    Raises ProviderError where the content is no guide (empty, a web page, JSON) or tries to be a bomb. Damage that
    leaves something whole is in `notes`.
    """
    splitter = Splitter(chunks)
    channels: dict[str, GuideChannel] = {}
    counts: Counter[bytes] = Counter()
    for block in splitter.blocks():
        counts.update(block.ids)
        if block.channels:
            for element in _channel_elements(block.channels):
                _declare(channels, element)
    programmes = {xmltv_id.decode("utf-8", "replace"): count for xmltv_id, count in counts.items()}
    return GuideIndex(channels, programmes, tuple(splitter.notes), splitter.damaged)


def coverage(
    chunks: Iterable[bytes], questions: Mapping[str, CoverageQuestion], *, shift_s: float = 0
) -> dict[str, dict[str, Coverage]]:
    """For each named question and each XMLTV id: how many programmes lie between its times, even in part.

    Ids without any are left out. `shift_s` moves the guide as in the spec. One pass for all questions; about 1 µs a
    programme, three where titles have to be looked at. Raises what `index` raises.
    """
    asked = [
        (
            name,
            q.start - shift_s,
            q.end - shift_s,
            unavailable_titles(q.unavailable) if q.unavailable else None,
        )
        for name, q in questions.items()
    ]
    found: dict[str, dict[bytes, list[int]]] = {name: {} for name in questions}
    for block in Splitter(chunks, channels=False).blocks():
        text = block.text
        for xmltv_id, place, end in block.programmes():
            start, stop = _times(text, place)
            if start is None:
                continue
            for name, first, last, says_nothing in asked:
                if start < last and stop > first:
                    counts = found[name].setdefault(xmltv_id, [0, 0])
                    counts[
                        1 if says_nothing is not None and says_nothing(_title(text[place:end])) else 0
                    ] += 1
    return {
        name: {i.decode("utf-8", "replace"): Coverage(real, none) for i, (real, none) in by_id.items()}
        for name, by_id in found.items()
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
