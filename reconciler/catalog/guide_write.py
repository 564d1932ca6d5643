"""Every DVR's `guide.xml` from all guides: each guide is read once, however many DVRs want some of it.

    write_guides(guides, wanted, dvrs, scratch) -> GuideReport

First the wanted programmes go, raw and by channel, to a scratch file; then each DVR is written channel by channel in the order
of its numbers, which no guide has. Memory holds one channel at a time. What is written follows iptv-streams.md D5 and
design.md 5: the channel id is the guide number, so that Plex pairs it by itself (plex-livetv.md 6.4). Equal content gives equal
bytes whatever the order of the input. This module refuses to ask what time it is: the window comes in.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import BinaryIO, Final

from reconciler.catalog.guide_index import Coverage, unavailable_titles
from reconciler.catalog.guide_programme import (
    Airing,
    Programme,
    airings,
    day_and_time,
    programmes_in,
    rendered,
)
from reconciler.catalog.guide_split import Splitter
from reconciler.catalog.guide_text import attribute, plain_text, text
from reconciler.catalog.guide_times import time_text

__all__ = ["DvrGuide", "GuideInput", "GuideReport", "GuideWanted", "write_guides"]

CHANNEL_LIMIT_BYTES: Final = 32 << 20
"""The most one channel may bring along: thirty thousand programmes."""
_GATHER_BYTES: Final = 6 << 20
_END: Final = b"</programme>"


@dataclass(frozen=True, slots=True)
class GuideInput:
    """A guide to read. `chunks` opens it (`lambda: open_guide(path)`); `shift_s` is the spec's `shift`."""

    name: str
    chunks: Callable[[], Iterable[bytes]]
    shift_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GuideWanted:
    """A row of a lineup. `guide` and `xmltv_id` are "" where no guide knows it; `off` rows get no programmes.

    `shift_s` is the channel's own (`tvg-shift`), on top of the guide's.
    """

    dvr: str
    number: int
    name: str
    logo: str = ""
    guide: str = ""
    xmltv_id: str = ""
    shift_s: float = 0.0
    off: bool = False


@dataclass(frozen=True, slots=True)
class DvrGuide:
    """Where one DVR's guide goes and what it holds.

    `out` is open for writing bytes. `window` in seconds since 1970 UTC (`guide_times.day_window`): programmes that lie in
    it, even in part. `filler_s` is the length of placeholders for channels without any programme, None for none.
    `unavailable` are title globs that count as no programme.
    """

    name: str
    out: BinaryIO
    window: tuple[int, int]
    filler_s: float | None = None
    unavailable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuideReport:
    """What was written: per DVR the bytes, and per number what its guide said inside the window.

    Filler counts as nothing. `notes` are per guide, short sentences about damage; `damaged` are the guides whose end is
    missing.
    """

    size_bytes: Mapping[str, int]
    rows: Mapping[str, Mapping[int, Coverage]]
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()

    def empty(self, dvr: str) -> tuple[int, ...]:
        """Numbers without a single programme, unavailable ones included."""
        return tuple(n for n, c in self.rows[dvr].items() if not c.programmes and not c.unavailable)

    def unavailable_only(self, dvr: str) -> tuple[int, ...]:
        """Numbers whose every programme says that there is none."""
        return tuple(n for n, c in self.rows[dvr].items() if not c.programmes and c.unavailable)


def write_guides(
    guides: Sequence[GuideInput], wanted: Iterable[GuideWanted], dvrs: Sequence[DvrGuide], scratch: BinaryIO
) -> GuideReport:
    """Write the guide of every DVR; each holds exactly the rows wanted for it. `scratch` is an empty file of ours.

    Raises ProviderError as `guide.index` does; the outputs are then unfinished and must be thrown away. Cost: one pass
    over each guide that is wanted, about 40 µs per programme kept, scratch space as large as what is kept.
    """
    rows: dict[str, list[GuideWanted]] = {dvr.name: [] for dvr in dvrs}
    for row in wanted:
        rows[row.dvr].append(row)
    needed: dict[str, set[bytes]] = defaultdict(set)
    for row in (row for of_dvr in rows.values() for row in of_dvr):
        if row.guide and row.xmltv_id and not row.off:
            needed[row.guide].add(row.xmltv_id.encode())
    gathered = _Gathered(scratch)
    notes: dict[str, tuple[str, ...]] = {}
    damaged: list[str] = []
    shifts = {guide.name: guide.shift_s for guide in guides}
    for guide in guides:
        if needed[guide.name]:
            splitter = Splitter(guide.chunks())
            gathered.gather(guide.name, splitter, needed[guide.name])
            notes[guide.name] = tuple(splitter.notes)
            if splitter.damaged:
                damaged.append(guide.name)
    sizes: dict[str, int] = {}
    covered: dict[str, Mapping[int, Coverage]] = {}
    for dvr in dvrs:
        of_dvr = sorted(rows[dvr.name], key=lambda row: row.number)
        sizes[dvr.name], covered[dvr.name] = _write_one(dvr, of_dvr, shifts, gathered)
    return GuideReport(sizes, covered, notes, tuple(damaged))


def _write_one(
    dvr: DvrGuide, rows: Sequence[GuideWanted], shifts: Mapping[str, float], gathered: "_Gathered"
) -> tuple[int, dict[int, Coverage]]:
    size = dvr.out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<tv generator-info-name="ptctl">\n')
    size += dvr.out.write("".join(map(_channel, rows)).encode())
    says_nothing = unavailable_titles(dvr.unavailable)
    covered: dict[int, Coverage] = {}
    for row in rows:
        shift_s = round(row.shift_s + shifts.get(row.guide, 0.0))
        first, last = dvr.window[0] - shift_s, dvr.window[1] - shift_s
        inside: list[Airing] = []
        if row.guide and row.xmltv_id and not row.off:
            inside = [
                a for a in gathered.airings(row.guide, row.xmltv_id) if a.start < last and a.stop > first
            ]
        nothing = (
            sum(1 for airing in inside if says_nothing(airing.programme.title)) if dvr.unavailable else 0
        )
        covered[row.number] = Coverage(len(inside) - nothing, nothing)
        if not inside and dvr.filler_s and not row.off:
            inside, shift_s = list(_filler(row, dvr.window, round(dvr.filler_s))), 0
        number, name = str(row.number), _shown(row)
        lines = "".join([rendered(airing, number, name, shift_s) for airing in inside])
        size += dvr.out.write(lines.encode())
    size += dvr.out.write(b"</tv>\n")
    return size, covered


def _shown(row: GuideWanted) -> str:
    return plain_text(row.name) or str(row.number)


def _channel(row: GuideWanted) -> str:
    # Three display-names, so that Plex finds the number whichever way it looks (plex-livetv.md 6.4).
    name = text(_shown(row))
    logo = plain_text(row.logo)
    icon = f'<icon src="{attribute(logo)}"/>' if logo else ""
    return (
        f'<channel id="{row.number}"><display-name>{row.number} {name}</display-name>'
        f"<display-name>{row.number}</display-name><display-name>{name}</display-name>{icon}</channel>\n"
    )


def _filler(row: GuideWanted, window: tuple[int, int], length_s: int) -> Iterator[Airing]:
    """Placeholders aligned to the clock in UTC: the same whenever they are made (iptv-streams.md D7)."""
    title = f"<title>{text(_shown(row))}</title>"
    start = window[0] - window[0] % length_s
    while start < window[1]:
        began = time_text(start)
        # No episode number, so that nobody records it as a series, but a day and a time each: Plex shows neighbours of
        # equal identity as one (plex-livetv.md 7.4).
        programme = Programme(
            start=start,
            stop=start + length_s,
            title="",
            film=True,
            numbered=False,
            titles=title,
            sub_titles=f"<sub-title>{day_and_time(began)}</sub-title>",
            about="<desc>No guide data</desc>",
            date=f"<date>{began[:8]}</date>",
            kinds="",
            episodes="",
            tail="",
        )
        yield Airing(start, start + length_s, programme)
        start += length_s


class _Gathered:
    """Raw programmes by guide and channel, in a scratch file."""

    def __init__(self, scratch: BinaryIO) -> None:
        self._scratch = scratch
        self._size = 0
        self._extents: dict[tuple[str, bytes], array[int]] = {}
        self._last: tuple[tuple[str, str], list[Airing]] | None = None

    def gather(self, guide: str, splitter: Splitter, wanted: set[bytes]) -> None:
        """Read the whole guide and keep the wanted channels' programmes."""
        waiting: dict[bytes, list[bytes]] = defaultdict(list)
        size = 0
        for block in splitter.blocks():
            mask = list(map(wanted.__contains__, block.ids))
            for xmltv_id, unit in zip(compress(block.ids, mask), compress(block.units, mask), strict=True):
                waiting[xmltv_id].append(unit)
                size += len(unit)
            if size > _GATHER_BYTES:
                self._flush(guide, waiting, splitter)
                size = 0
        self._flush(guide, waiting, splitter)

    def _flush(self, guide: str, waiting: dict[bytes, list[bytes]], splitter: Splitter) -> None:
        parts: list[bytes] = []
        for xmltv_id, units in waiting.items():
            units.append(b"")
            data = _END.join(units)
            extents = self._extents.setdefault((guide, xmltv_id), array("Q"))
            if sum(extents[1::2]) + len(data) > CHANNEL_LIMIT_BYTES:
                note = f"channel {xmltv_id.decode('utf-8', 'replace')!r} has more than {CHANNEL_LIMIT_BYTES >> 20} MiB of programmes: the rest is left out"
                if note not in splitter.notes:
                    splitter.notes.append(note)
                continue
            extents.extend((self._size, len(data)))
            self._size += len(data)
            parts.append(data)
        self._scratch.writelines(parts)
        waiting.clear()

    def airings(self, guide: str, xmltv_id: str) -> list[Airing]:
        """The channel's programmes, ordered and without overlaps. The last answer is kept: variants lie side by side."""
        key = guide, xmltv_id
        if self._last is None or self._last[0] != key:
            self._last = key, airings(self._programmes(guide, xmltv_id.encode()))
        return self._last[1]

    def _programmes(self, guide: str, xmltv_id: bytes) -> list[Programme]:
        extents = self._extents.get((guide, xmltv_id), array("Q"))
        parts: list[bytes] = []
        for offset, length in zip(extents[::2], extents[1::2], strict=True):
            self._scratch.seek(offset)
            parts.append(self._scratch.read(length))
        data = b"".join(parts)
        if not data:
            return []
        found, _ = programmes_in(data, lambda: _apart(data))
        return found


def _apart(data: bytes) -> Iterator[bytes]:
    """The elements of a run in which one is damaged, one by one."""
    for block in Splitter([data], quick=False).blocks():
        for unit in block.units:
            yield unit + _END
