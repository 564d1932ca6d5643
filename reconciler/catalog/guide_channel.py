"""One channel's raw programmes as the lines of a DVR's guide.

Two ways that give the same: a copy where everything is in canonical form (`guide_plain`), else programme by programme, in
which only the odd ones see a parser. This module refuses to read guides and to know DVRs.
"""

from collections.abc import Callable
from typing import NamedTuple

from lxml import etree

from reconciler.catalog.guide_plain import is_plain_text, plain_lines, plain_match, plain_programme
from reconciler.catalog.guide_programme import Airing, Programme, airings, programme_of, rendered
from reconciler.catalog.guide_split import Splitter
from reconciler.catalog.guide_text import elements, recovered
from reconciler.catalog.guide_times import time_text

__all__ = ["ChannelLines", "Wish", "channel_airings", "channel_lines", "lines_of"]


class Wish(NamedTuple):
    """For which guide channel lines are written.

    `name` stands in for a missing title, `shift_s` moves the guide, `says_nothing` tells titles that count as no programme.
    """

    channel: str
    name: str
    shift_s: int = 0
    says_nothing: Callable[[str], bool] | None = None


class ChannelLines(NamedTuple):
    """The programmes of one channel as XML lines, and how many are real and how many say that there is none."""

    lines: bytes
    real: int
    unavailable: int


def channel_lines(data: bytes, count: int, wish: Wish, window: tuple[int, int]) -> ChannelLines:
    """The `count` programmes in `data` (raw, in any order) that lie in `window`, seconds since 1970 UTC, even in part.

    Costs 3 µs a programme in canonical form and UTC, 40 µs otherwise.
    """
    if wish.shift_s == 0:
        limits = time_text(window[0]).encode(), time_text(window[1]).encode()
        plain = plain_lines(data, count, wish.channel.encode(), limits, wish.says_nothing)
        if plain is not None:
            return ChannelLines(*plain)
    start, end = window[0] - wish.shift_s, window[1] - wish.shift_s
    return lines_of([a for a in channel_airings(data) if a.start < end and a.stop > start], wish)


def lines_of(inside: list[Airing], wish: Wish) -> ChannelLines:
    """The airings written out and counted."""
    nothing = (
        0 if wish.says_nothing is None else sum(1 for a in inside if wish.says_nothing(a.programme.title))
    )
    lines = "".join([rendered(airing, wish.channel, wish.name, wish.shift_s) for airing in inside])
    return ChannelLines(lines.encode(), len(inside) - nothing, nothing)


def channel_airings(data: bytes) -> list[Airing]:
    """The programmes in `data` by start, without overlap. What is no whole programme or has no start is left out."""
    if not data:
        return []
    found: list[Programme] = []
    odd: list[bytes] = []
    for block in Splitter([data]).blocks():
        for _, start, end in block.programmes():
            unit = block.text[start:end]
            match = plain_match(unit) if is_plain_text(unit) else None
            programme = plain_programme(match) if match else None
            if programme is None:
                odd.append(unit)
            else:
                found.append(programme)
    found += _parsed(odd)
    return airings(found)


def _parsed(units: list[bytes]) -> list[Programme]:
    """What lxml makes of the units: of all at once, or of each by itself where one is not well-formed."""
    if not units:
        return []
    try:
        read = elements(b"".join(units))
    except etree.XMLSyntaxError:
        read = []
        for unit in units:
            try:
                read += elements(unit)
            except etree.XMLSyntaxError:
                read += recovered(unit)
    programmes = [programme_of(element) for element in read if element.tag == "programme"]
    return [programme for programme in programmes if programme is not None]
