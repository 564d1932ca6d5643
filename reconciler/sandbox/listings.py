"""The guide of a simulated panel as XMLTV: files moved to today, or programmes made up.

Both are pure functions of the day, so asking twice gives the same bytes, and a programme at one moment is the same
programme whenever it is asked for. This module refuses to correct a guide: overlaps, gaps and odd elements of a
file stay as they are.
"""

import re
import zlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from reconciler.sandbox.loading import read_plain
from reconciler.sandbox.panel import Channel

__all__ = ["InventedGuide", "ShiftedGuide", "listings_of"]

DAY_S: Final = 86_400
HOUR: Final = timedelta(hours=1)
HEAD: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n<tv generator-info-name="sandbox">\n'
TAIL: Final = b"</tv>\n"
TIME: Final = re.compile(r"^(\d{12,14})(.*)$")
START_MARK: Final = b"@start@"
STOP_MARK: Final = b"@stop@"
PROGRAMME: Final = re.compile(rb"<programme\b[^>]*>.*?</programme>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Programme:
    """A programme with holes where its times were; the zone of a time is text and stays."""

    channel: str
    start: datetime
    start_zone: str
    stop: datetime | None
    stop_zone: str
    text: bytes


class ShiftedGuide:
    """XMLTV files as one guide, moved by whole days so that it begins yesterday; a channel whose programmes do not
    reach `days` days from today has them repeated. Files are read at the first request; an unreadable one raises OperatorError.
    """

    def __init__(self, paths: tuple[Path, ...], *, days: int = 3) -> None:
        self.paths = paths
        self.days = days
        self._read: tuple[bytes, tuple[_Programme, ...]] | None = None
        self._made: tuple[int, bytes] | None = None

    def document(self, now: float) -> bytes:
        """The guide of the day of `now`."""
        day = int(now // DAY_S)
        if self._made is None or self._made[0] != day:
            self._made = (day, self._render(day))
        return self._made[1]

    def _render(self, day: int) -> bytes:
        channels, programmes = self._read = self._read or self._load()
        if not programmes:
            return HEAD + channels + TAIL
        by_channel: dict[str, list[_Programme]] = defaultdict(list)
        for one in programmes:
            by_channel[one.channel].append(one)
        first = datetime.fromtimestamp((day - 1) * DAY_S, UTC).replace(tzinfo=None)
        last = first + timedelta(days=self.days + 1)
        shift = timedelta(days=(first.date() - min(p.start for p in programmes).date()).days)
        rows = [row for listed in by_channel.values() for row in _repeated(listed, shift, first, last)]
        return HEAD + channels + b"".join(rows) + TAIL

    def _load(self) -> tuple[bytes, tuple[_Programme, ...]]:
        channels: dict[str, bytes] = {}
        programmes: list[_Programme] = []
        for path in self.paths:
            parser = etree.XMLParser(recover=True, huge_tree=True, resolve_entities=False, no_network=True)
            root = etree.fromstring(read_plain(path).lstrip(), parser)
            for element in root.iter("channel", "programme"):
                element.tail = "\n"
                if element.tag == "channel":
                    channels.setdefault(element.get("id") or "", etree.tostring(element, encoding="utf-8"))
                elif (one := _programme(element)) is not None:
                    programmes.append(one)
        return b"".join(channels.values()), tuple(programmes)


def _repeated(listed: list[_Programme], shift: timedelta, first: datetime, last: datetime) -> list[bytes]:
    """One channel's programmes from `first` to `last`: moved by `shift`, and over again before and behind where they
    do not reach that far. Repetitions keep the minute, from a day's length on also the hour.
    """
    begin = min(p.start for p in listed)
    hours = -int((begin - max(p.stop or p.start + HOUR for p in listed)) // HOUR)
    period = timedelta(hours=max(1, hours if hours < 24 else -(-hours // 24) * 24))
    rows: list[tuple[datetime, bytes]] = []
    moved = shift - period * -(-(begin + shift - first) // period)
    while begin + moved < last:
        seam = begin + moved + period
        for one in listed:
            start = one.start + moved
            stop = one.stop + moved if one.stop is not None else None
            if start < last and (stop or start) > first:
                text = one.text.replace(START_MARK, _time(start, one.start_zone), 1)
                if stop is not None:
                    text = text.replace(STOP_MARK, _time(min(stop, seam), one.stop_zone), 1)
                rows.append((start, text))
        moved += period
    rows.sort(key=lambda row: row[0])
    return [text for _, text in rows]


def _programme(element: etree._Element) -> _Programme | None:
    start = _when(element.get("start") or "")
    stop = _when(element.get("stop") or "")
    if start is None:
        return None
    element.set("start", START_MARK.decode())
    if stop is not None:
        element.set("stop", STOP_MARK.decode())
    text = etree.tostring(element, encoding="utf-8")
    ended, zone = stop if stop is not None else (None, "")
    return _Programme(element.get("channel") or "", start[0], start[1], ended, zone, text)


def _when(text: str) -> tuple[datetime, str] | None:
    found = TIME.match(text.strip())
    if found is None:
        return None
    try:
        return datetime.strptime(found[1].ljust(14, "0"), "%Y%m%d%H%M%S"), found[2]  # noqa: DTZ007 - zone stays text
    except ValueError:
        return None


def _time(moment: datetime, zone: str) -> bytes:
    return (moment.strftime("%Y%m%d%H%M%S") + zone).encode()


WORDS: Final = (
    "Harbour",
    "Northern",
    "Second",
    "Silver",
    "Midnight",
    "Open",
    "Quiet",
    "Golden",
    "Borrowed",
    "Paper",
)
THINGS: Final = (
    "Road",
    "Kitchen",
    "Report",
    "Islands",
    "Family",
    "Garden",
    "Detective",
    "Journey",
    "Market",
    "Stories",
)
LENGTHS_MIN: Final = ((30, 30, 60), (60, 60), (30, 60, 30), (120,), (90, 30))


class InventedGuide:
    """Programmes for every channel with a guide id, from the day before `first_day` (days since 1970) or the day that
    is asked for, whichever comes later.
    """

    def __init__(self, channels: tuple[Channel, ...], *, first_day: int, days: int = 4) -> None:
        self.channels = channels
        self.first_day = first_day
        self.days = days
        self._made: tuple[int, bytes] | None = None

    def document(self, now: float) -> bytes:
        """The guide of the day of `now`."""
        day = max(int(now // DAY_S), self.first_day)
        if self._made is None or self._made[0] != day:
            self._made = (day, self._render(day))
        return self._made[1]

    def _render(self, day: int) -> bytes:
        named = {c.epg_id: c for c in reversed(self.channels) if c.epg_id}
        ordered = [named[c.epg_id] for c in self.channels if c.epg_id and named[c.epg_id] is c]
        parts = [HEAD]
        for channel in ordered:
            icon = f"<icon src={quoteattr(channel.logo)}/>" if channel.logo else ""
            name = escape(channel.name)
            parts.append(
                f"<channel id={quoteattr(channel.epg_id)}><display-name>{name}</display-name>{icon}</channel>\n".encode()
            )
        for channel in ordered:
            parts += [self._day(channel, d).encode() for d in range(day - 1, day + self.days)]
        return b"".join(parts) + TAIL

    def _day(self, channel: Channel, day: int) -> str:
        seed = zlib.crc32(channel.epg_id.encode())
        minute, place, rows = 0, 0, []
        while minute < 24 * 60:
            lengths = LENGTHS_MIN[(seed + place // 3) % len(LENGTHS_MIN)]
            length = min(lengths[place % len(lengths)], 24 * 60 - minute)
            rows.append(_invented(channel, seed, day, place=place, minute=minute, length=length))
            minute, place = minute + length, place + 1
        return "".join(rows)


def _invented(channel: Channel, seed: int, day: int, *, place: int, minute: int, length: int) -> str:
    title_seed = seed // 7 + place * 13  # the same show at the same hour every day, with the day's episode
    title = f"{WORDS[title_seed % len(WORDS)]} {THINGS[title_seed // 10 % len(THINGS)]}"
    begin = datetime.fromtimestamp(day * DAY_S, UTC) + timedelta(minutes=minute)
    end = begin + timedelta(minutes=length)
    head = (
        f'<programme start="{begin:%Y%m%d%H%M%S} +0000" stop="{end:%Y%m%d%H%M%S} +0000" '
        f"channel={quoteattr(channel.epg_id)}>"
    )
    if length >= 90:
        return (
            f"{head}<title>The {title}</title><desc>A film on {escape(channel.name)}.</desc>"
            f"<date>{1980 + title_seed % 44}</date><category>movie</category></programme>\n"
        )
    season, episode = day // 100 % 20 + 1, day % 100 + 1
    return (
        f"{head}<title>{title}</title><sub-title>Part {episode}</sub-title>"
        f"<desc>Episode {episode} of season {season}.</desc><category>series</category>"
        f'<episode-num system="xmltv_ns">{season - 1}.{episode - 1}.</episode-num>'
        f'<episode-num system="onscreen">S{season:02d}E{episode:02d}</episode-num></programme>\n'
    )


def listings_of(document: bytes, epg_id: str) -> list[dict[str, str]]:
    """Title, desc, start and stop (as in the guide) of one channel's programmes, for `get_short_epg`."""
    mark = b"channel=" + quoteattr(epg_id).encode()
    out = []
    for text in PROGRAMME.findall(document):
        if mark not in text[: text.index(b">")]:
            continue
        element = etree.fromstring(text)
        out.append(
            {
                "title": element.findtext("title") or "",
                "description": element.findtext("desc") or "",
                "start": element.get("start") or "",
                "stop": element.get("stop") or "",
            }
        )
    return out
