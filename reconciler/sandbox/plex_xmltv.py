"""XMLTV as the simulated Plex reads it: a stream of channels and programmes, and what a programme is to Plex.

Identity follows plex-livetv.md 7.4: without sub-title, date or episode number a programme is a movie by its title.
Reads a stream in constant memory; knows no database.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import IO, Final
from urllib.parse import quote

from lxml import etree

__all__ = [
    "EPISODE",
    "MOVIE",
    "SEASON",
    "SHOW",
    "GuideChannel",
    "NotXmltv",
    "Programme",
    "epoch",
    "guide_channel",
    "guide_elements",
    "guide_programme",
]

MOVIE, SHOW, SEASON, EPISODE = 1, 2, 3, 4
ONSCREEN: Final = re.compile(r"S(\d+)\s*E(\d+)", re.IGNORECASE)
TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?\s*(?:([+-])(\d\d):?(\d\d))?")


class NotXmltv(ValueError):
    """A guide whose root is something else."""


@dataclass(frozen=True, slots=True)
class GuideChannel:
    """One `<channel>`: id, display-names in order, logo."""

    id: str
    names: tuple[str, ...]
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Programme:
    """What one `<programme>` is to Plex; `type` is one of the metadata types."""

    type: int
    guid: str
    title: str
    summary: str
    subtitle: str
    season: int | None
    episode: int | None
    released: str


def guide_elements(source: IO[bytes]) -> Iterator[etree._Element]:
    """The channels and programmes of a guide, each valid until the next is asked for.

    Raises NotXmltv at the end if the root was something else.
    """
    found = etree.iterparse(
        source,
        events=("end",),
        tag=("channel", "programme"),
        huge_tree=True,
        resolve_entities=False,
        no_network=True,
    )
    for _, element in found:
        yield element
        element.clear()
        while element.getprevious() is not None:
            parent = element.getparent()
            assert parent is not None
            del parent[0]
    root = found.root
    if root is None or root.tag != "tv":
        raise NotXmltv("not an XMLTV document")


def guide_channel(element: etree._Element) -> GuideChannel:
    """A `<channel>`."""
    icon = element.find("icon")
    names = tuple(name.text.strip() for name in element.findall("display-name") if name.text)
    return GuideChannel(element.get("id", ""), names, icon.get("src", "") if icon is not None else "")


def guide_programme(element: etree._Element) -> Programme:
    """A `<programme>` with the identity it gets."""
    title, subtitle = _text(element, "title"), _text(element, "sub-title")
    released = _text(element, "date")
    season, episode, number = _numbers(element)
    if not subtitle and not released and not number:
        # 7.4: such programmes are movies by title alone, and recordings bind to the title
        guid = f"tv.plex.xmltv://movie/{_quoted(title)}"
        return Programme(MOVIE, guid, title, _text(element, "desc"), "", None, None, "")
    identity = number or subtitle or released
    guid = f"tv.plex.xmltv://episode/{_quoted(title)}/{_quoted(identity)}"
    if not number and released:
        guid += f"/{_quoted(released)}"
    day = f"{released[:4]}-{released[4:6]}-{released[6:8]}" if len(released) >= 8 else released
    return Programme(EPISODE, guid, title, _text(element, "desc"), subtitle, season, episode, day)


def _numbers(element: etree._Element) -> tuple[int | None, int | None, str]:
    """Season and episode, and the text that identifies the episode. `xmltv_ns` (zero-based) is preferred (7.4)."""
    numbers = {n.get("system", ""): (n.text or "").strip() for n in element.findall("episode-num")}
    parts = numbers.get("xmltv_ns", "").split(".")
    if len(parts) >= 2 and (first := _count(parts[0])) is not None:
        return first, _count(parts[1]), numbers["xmltv_ns"].replace(" ", "")
    if hit := ONSCREEN.search(numbers.get("onscreen", "")):
        return int(hit[1]), int(hit[2]), hit[0].upper()
    return None, None, next(filter(None, numbers.values()), "")


def _count(part: str) -> int | None:
    head = part.partition("/")[0].strip()
    return int(head) + 1 if head.isdigit() else None


def _text(element: etree._Element, name: str) -> str:
    found = element.find(name)
    return (found.text or "").strip() if found is not None else ""


@lru_cache(maxsize=1 << 14)
def _quoted(text: str) -> str:
    return quote(text, safe="")


@lru_cache(maxsize=1 << 16)
def epoch(text: str) -> int | None:
    """Epoch seconds of an XMLTV time, None for what is none. Without an offset it is UTC."""
    hit = TIME.match(text)
    if hit is None:
        return None
    year, month, day, hour, minute = (int(hit[i]) for i in range(1, 6))
    try:
        moment = calendar.timegm(
            datetime(year, month, day, hour, minute, int(hit[6] or 0), tzinfo=UTC).timetuple()
        )
    except ValueError:
        return None
    offset = (int(hit[8]) * 60 + int(hit[9])) * 60 if hit[7] else 0
    return moment - offset if hit[7] != "-" else moment + offset
