"""Every DVR's `guide.xml` from all guides: each guide is read once, however many DVRs want some of it.

    write_guides(guides, wanted, dvrs, scratch) -> GuideReport

First it is noted where the wanted programmes lie, by channel; then each DVR is written channel by channel in the order of its
numbers, which no guide has. Memory holds one channel at a time. What is written follows iptv-streams.md D5 and
design.md 5: the channel id is the guide number, so that Plex pairs it by itself (plex-livetv.md 6.4). Equal content gives equal
bytes whatever the order of the input. This module refuses to ask what time it is: the window comes in.
"""

import gc
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from reconciler.catalog.guide_channel import Wish, channel_lines, lines_of
from reconciler.catalog.guide_gather import Gathered
from reconciler.catalog.guide_index import Coverage, unavailable_titles
from reconciler.catalog.guide_places import Places
from reconciler.catalog.guide_programme import Airing, Programme, day_and_time
from reconciler.catalog.guide_text import attribute, plain_text, text
from reconciler.catalog.guide_times import time_text, time_value

__all__ = ["DvrGuide", "GuideInput", "GuideReport", "GuideWanted", "write_guides"]

_TIME: Final = re.compile(rb"""st(?:art|op)\s*=\s*["']([^"'<>]*)""")


@dataclass(frozen=True, slots=True)
class GuideInput:
    """A guide to read. `chunks` opens it (`lambda: open_guide(path)`); `shift_s` is the spec's `shift`.

    `places` are those of the guide's index, if it was made in this process: then only what is wanted is read.
    """

    name: str
    chunks: Callable[[], Iterable[bytes]]
    shift_s: float = 0.0
    places: Places | None = None


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

    Filler counts as nothing. `ended` has the channels whose every programme was over before the window: when the newest
    ended, seconds since 1970. `notes` are per guide, short sentences about damage and about what was left out.
    """

    size_bytes: Mapping[str, int]
    rows: Mapping[str, Mapping[int, Coverage]]
    ended: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write_guides(
    guides: Sequence[GuideInput], wanted: Iterable[GuideWanted], dvrs: Sequence[DvrGuide], scratch: BinaryIO
) -> GuideReport:
    """Write the guide of every DVR; each holds exactly the rows wanted for it. `scratch` is an empty file of ours.

    Raises ProviderError as `guide.index` does; the outputs are then unfinished and must be thrown away. Cost: one pass
    over each guide that is wanted (1 µs a programme) and what `guide_channel` says per programme kept; scratch space
    as large as what is kept of packed guides. Garbage collection rests meanwhile.
    """
    rows: dict[str, list[GuideWanted]] = {dvr.name: [] for dvr in dvrs}
    needed: dict[str, set[bytes]] = {guide.name: set() for guide in guides}
    for row in wanted:
        rows[row.dvr].append(row)
        if row.guide in needed and row.xmltv_id and not row.off:
            needed[row.guide].add(row.xmltv_id.encode())
    notes: dict[str, tuple[str, ...]] = {}
    sizes: dict[str, int] = {}
    covered: dict[str, Mapping[int, Coverage]] = {}
    ended: dict[str, Mapping[int, int]] = {}
    shifts = {guide.name: guide.shift_s for guide in guides}
    with ExitStack() as stack:
        if gc.isenabled():
            gc.disable()
            stack.callback(gc.enable)
        gathered = Gathered(scratch, stack)
        for guide in guides:
            if needed[guide.name]:
                notes[guide.name] = gathered.gather(
                    guide.name, guide.chunks(), needed[guide.name], guide.places
                )
        for dvr in dvrs:
            of_dvr = sorted(rows[dvr.name], key=lambda row: row.number)
            sizes[dvr.name], covered[dvr.name], ended[dvr.name] = _write_one(dvr, of_dvr, shifts, gathered)
    return GuideReport(sizes, covered, ended, notes)


def _write_one(
    dvr: DvrGuide, rows: Sequence[GuideWanted], shifts: Mapping[str, float], gathered: Gathered
) -> tuple[int, dict[int, Coverage], dict[int, int]]:
    size = dvr.out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n<tv generator-info-name="ptctl">\n')
    size += dvr.out.write("".join(map(_channel, rows)).encode())
    says_nothing = unavailable_titles(dvr.unavailable) if dvr.unavailable else None
    covered: dict[int, Coverage] = {}
    ended: dict[int, int] = {}
    for row in rows:
        shift_s = round(row.shift_s + shifts.get(row.guide, 0.0))
        wish = Wish(str(row.number), _shown(row), shift_s, says_nothing)
        data, count = (b"", 0) if row.off else gathered.raw(row.guide, row.xmltv_id)
        written = channel_lines(data, count, wish, dvr.window)
        covered[row.number] = Coverage(written.real, written.unavailable)
        newest = _newest(data) if count and not written.lines else None
        if newest is not None and newest + shift_s <= dvr.window[0]:
            ended[row.number] = newest + shift_s
        if not written.lines and dvr.filler_s and not row.off:
            written = lines_of(
                list(_filler(row, dvr.window, round(dvr.filler_s))), Wish(wish.channel, wish.name)
            )
        size += dvr.out.write(written.lines)
    size += dvr.out.write(b"</tv>\n")
    return size, covered, ended


def _newest(data: bytes) -> int | None:
    """The latest time that raw programmes name; None where none can be read."""
    times = (time_value(text.decode("utf-8", "replace")) for text in set(_TIME.findall(data)))
    return max((t for t in times if t is not None), default=None)


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
