"""What is on: programmes read out of the published `guide.xml`, a few hours of one DVR at a time.

Our guides are sorted by number and time, one programme a line, without overlap (`catalog.guide_write`): so nothing is
indexed and nothing kept. A channel's window is found in the file by halving, some dozen reads of 4 KiB; memory holds the
answer alone, however large and however many the guides are. A file that is not of that form gives fewer programmes, never
another channel's: each line says whose it is. Files are read with `pread` and not mapped, because a file that
vanishes under a map ends the process, and with it every stream. This module refuses to parse a foreign guide.
"""

import logging
import os
import re
from calendar import timegm
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from errno import EIO
from functools import lru_cache
from html import unescape
from pathlib import Path
from time import gmtime, strftime
from types import MappingProxyType
from typing import Final, NamedTuple

import trio

from reconciler.serving.generations import Tuner

__all__ = ["Listings", "Programme", "Programmes", "read_listings", "read_logos"]

log = logging.getLogger(__name__)

READ_BYTES: Final = 4096
NEAR_BYTES: Final = 4096
"""What is looked through in order instead of being halved further."""
MOST_PROGRAMME_BYTES: Final = 256 * 1024
"""A longer one is passed over: no line of ours comes near."""
MOST_HEAD_BYTES: Final = 8 << 20
MOST_OF_A_CHANNEL: Final = 2000
HEADS_KEPT: Final = 64
READERS: Final = 2
"""Worker threads at once: reading a guide is for people, and must not take the machine from streams."""

_START: Final = b"<programme "
_HEAD: Final = re.compile(rb'<programme start="(\d{14}) \+0000" stop="(\d{14}) \+0000" channel="(\d{1,9})">')
_HEAD_BYTES: Final = 160
_END: Final = b"</programme>"
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]*)")
_SUB_TITLE: Final = re.compile(rb"<sub-title[^>]*>([^<]*)")
_ABOUT: Final = re.compile(rb"<desc[^>]*>([^<]*)")
_KIND: Final = re.compile(rb"<category[^>]*>([^<]*)")
_EPISODE: Final = re.compile(rb'<episode-num system="onscreen">(S\d{1,3}E\d{1,4})<')
_CHANNEL: Final = re.compile(rb'<channel id="(\d{1,9})">.*?(?:<icon src="([^"]*)"/>)?</channel>')
# Our writer makes an identity of the start where the guide has none; people need not read the time twice.
_MADE_UP: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")


class Programme(NamedTuple):
    """One airing. Times are seconds since 1970 UTC; texts are plain, "" where the guide says nothing."""

    start: int
    stop: int
    title: str
    sub_title: str = ""
    episode: str = ""
    """As people write it: S03E07."""
    kind: str = ""
    """The first category."""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Listings:
    """The programmes of some channels between two moments (seconds since 1970 UTC), even those only partly inside.

    `by_number` has a guide number only where there is a programme. `known` False: the guide could not be read, so
    nothing may be said about what is on.
    """

    begin: int
    end: int
    by_number: Mapping[str, tuple[Programme, ...]] = field(default_factory=lambda: MappingProxyType({}))
    known: bool = True

    def at(self, number: str, moment: float) -> Programme | None:
        """What runs at `moment`; None for nothing or not known."""
        return next((p for p in self.by_number.get(number, ()) if p.start <= moment < p.stop), None)

    def after(self, number: str, moment: float) -> Programme | None:
        """What begins next."""
        return next((p for p in self.by_number.get(number, ()) if p.start > moment), None)


class Programmes:
    """Asks for programmes from the loop: files are read in worker threads. Holds nothing but logos of recent guides."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(READERS)
        self._logos: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    async def listings(self, tuner: Tuner, numbers: Iterable[str], begin: int, end: int) -> Listings:
        """The programmes of `numbers`. Costs some 50 µs a channel. Never raises; see `Listings.known`."""
        path = tuner.directory / "guide.xml"
        wanted = tuple(numbers)
        return await trio.to_thread.run_sync(
            read_listings, path, wanted, begin, end, limiter=self._limiter, abandon_on_cancel=True
        )

    async def logos(self, tuner: Tuner) -> Mapping[str, str]:
        """Logo addresses by number. Kept per guide, so that a second page costs nothing."""
        key = tuner.dvr.guide_digest or str(tuner.directory)
        found = self._logos.get(key)
        if found is None:
            path = tuner.directory / "guide.xml"
            found = await trio.to_thread.run_sync(
                read_logos, path, limiter=self._limiter, abandon_on_cancel=True
            )
            self._logos[key] = found
            while len(self._logos) > HEADS_KEPT:
                self._logos.popitem(last=False)
        return found


def read_listings(path: Path, numbers: Iterable[str], begin: int, end: int) -> Listings:
    """The programmes of `numbers` (guide numbers as text, any order) in the guide at `path` from `begin` to `end`."""
    wanted = sorted({int(n) for n in numbers if n.isascii() and n.isdecimal()})
    found: dict[str, tuple[Programme, ...]] = {}
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        log.warning("cannot read %s: %s", path, error.strerror)
        return Listings(begin, end, known=False)
    try:
        file = _File(handle, os.fstat(handle).st_size)
        # Halving asks a cold disk for single blocks all over the file; in one sweep it is a second's work.
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        first, last = _text(begin), _text(end)
        place = 0
        for number in wanted:
            at = file.first_after(place, (number, first))
            if at is None:
                break
            place = at.offset
            programmes = _run(file, at, number, last)
            if programmes:
                found[str(number)] = programmes
    except OSError as error:
        log.warning("cannot read %s: %s", path, error.strerror)
        return Listings(begin, end, known=False)
    finally:
        os.close(handle)
    return Listings(begin, end, MappingProxyType(found))


def read_logos(path: Path) -> Mapping[str, str]:
    """Logo addresses by number, from the guide's list of channels; empty where it cannot be read."""
    logos: dict[str, str] = {}
    data = b""
    try:
        with path.open("rb") as file:
            while len(data) < MOST_HEAD_BYTES and (more := file.read(1 << 18)):
                data += more
                if _START in data:
                    break
    except OSError as error:
        log.warning("cannot read %s: %s", path, error.strerror)
    for match in _CHANNEL.finditer(data.partition(_START)[0]):
        if match[2]:
            logos[match[1].decode()] = _plain(match[2])
    return MappingProxyType(logos)


class _At(NamedTuple):
    """Where a programme stands in the file, and its place in the order: number and stop."""

    offset: int
    key: tuple[int, bytes]
    start: bytes


class _File:
    """A guide opened for reading at any place. Keeps the last block, because the next question is mostly about it."""

    __slots__ = ("_base", "_block", "_handle", "size")

    def __init__(self, handle: int, size: int) -> None:
        self._handle = handle
        self.size = size
        self._base = 0
        self._block = b""

    def first_after(self, place: int, key: tuple[int, bytes]) -> _At | None:
        """The first programme from `place` on that is beyond `key`; None where there is none.

        Steps double until one is beyond, then halve: a channel's neighbour is near.
        """
        low, step = place, NEAR_BYTES
        while (at := self.next(low + step)) is not None and at.key <= key:
            low = at.offset
            step *= 2
        high = self.size if at is None else at.offset
        while high - low > NEAR_BYTES:
            middle = (low + high) // 2
            at = self.next(middle)
            if at is None or at.offset >= high or at.key > key:
                high = middle
            else:
                low = at.offset
        at = self.next(low)
        while at is not None and at.key <= key:
            at = self.next(at.offset + 1)
        return at

    def next(self, place: int) -> _At | None:
        """The first programme that begins at `place` or behind it. What has another form is passed over."""
        while place < self.size:
            begin = self._seek(place, _HEAD_BYTES)
            found = self._block.find(_START, begin)
            if found < 0:
                place = self._base + max(begin + 1, len(self._block) - len(_START))
                continue
            at = self._base + found
            found = self._seek(at, _HEAD_BYTES)
            match = _HEAD.match(self._block, found)
            if match is not None:
                return _At(at, (int(match[3]), match[2]), match[1])
            place = at + len(_START)
        return None

    def whole(self, at: _At) -> bytes:
        """The programme at a place; b"" where it has no end within reason."""
        begin = self._seek(at.offset, _HEAD_BYTES)
        length = READ_BYTES
        while (end := self._block.find(_END, begin)) < 0:
            if length > MOST_PROGRAMME_BYTES or self._base + len(self._block) >= self.size:
                return b""
            self._read(at.offset, length)
            begin = 0
            length *= 4
        return self._block[begin:end]

    def _seek(self, place: int, length: int) -> int:
        """Where `place` is in the block, which then holds `length` bytes from there (fewer at the end of the file)."""
        begin = place - self._base
        if not (begin >= 0 and begin + length <= len(self._block)):
            self._read(place, READ_BYTES)
            return 0
        return begin

    def _read(self, place: int, length: int) -> None:
        self._block = os.pread(self._handle, length, place)
        self._base = place
        if not self._block:
            raise OSError(EIO, "the guide became shorter")


def _run(file: _File, at: _At | None, number: int, last: bytes) -> tuple[Programme, ...]:
    """The programmes of a channel from one on, as far as they begin before `last`."""
    programmes: list[Programme] = []
    while at is not None and at.key[0] == number and at.start < last:
        data = file.whole(at)
        programme = _programme(at, data) if data else None
        if programme is not None:
            programmes.append(programme)
        if len(programmes) >= MOST_OF_A_CHANNEL:
            break
        at = file.next(at.offset + max(1, len(data)))
    return tuple(programmes)


def _programme(at: _At, data: bytes) -> Programme | None:
    start, stop = _seconds(at.start), _seconds(at.key[1])
    if start is None or stop is None or stop <= start:
        return None
    sub_title = _first(_SUB_TITLE, data)
    return Programme(
        start,
        stop,
        _first(_TITLE, data),
        "" if _MADE_UP.fullmatch(sub_title) else sub_title,
        _first(_EPISODE, data),
        _first(_KIND, data),
        _first(_ABOUT, data),
    )


def _first(pattern: re.Pattern[bytes], data: bytes) -> str:
    match = pattern.search(data)
    return _plain(match[1]) if match else ""


def _plain(data: bytes) -> str:
    text = data.decode("utf-8", "replace")
    return unescape(text) if "&" in text else text


def _text(moment: int) -> bytes:
    return strftime("%Y%m%d%H%M%S", gmtime(moment)).encode()


def _seconds(text: bytes) -> int | None:
    midnight = _midnight(text[:8])
    if midnight is None:
        return None
    return midnight + int(text[8:10]) * 3600 + int(text[10:12]) * 60 + int(text[12:14])


@lru_cache(maxsize=64)
def _midnight(day: bytes) -> int | None:
    year, month, date = int(day[:4]), int(day[4:6]), int(day[6:8])
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and 1 <= date <= 31):
        return None
    return timegm((year, month, date, 0, 0, 0))
