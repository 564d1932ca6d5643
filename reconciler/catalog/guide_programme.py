"""One programme: from whatever a guide wrote to the text every client reads.

Canonical form (iptv-streams.md D5): children in the order of the DTD, elements outside it dropped, `lang` only when known,
text without control characters and with single blanks, both `xmltv_ns` and `onscreen` where season and episode are known,
`new` and `previously-shown` exclusive. What has no identity gets one made of its start, because Plex otherwise takes it for a
film known by title alone and binds recordings to the title (plex-livetv.md 7.4). This module refuses to know
channels, windows and the present time.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from reconciler.catalog.guide_children import KINDS, PLACES, content, digits
from reconciler.catalog.guide_text import Element, attribute, plain_text, text
from reconciler.catalog.guide_times import time_text, time_value

__all__ = [
    "STOP_CAP_S",
    "Airing",
    "Programme",
    "airings",
    "day_and_time",
    "programme_of",
    "rendered",
]

STOP_CAP_S: Final = 6 * 3600
"""The longest a programme without `stop` is taken to last (iptv-streams.md D4)."""


class Programme(NamedTuple):
    """A programme as text in pieces, so that an identity can be put between them.

    Times are seconds since 1970 UTC, before any shift; `stop` None where the guide has none that makes sense.
    `title` is the first title (""), `film` whether its categories call it one, `numbered` whether season and episode are
    known. The other fields are rendered XML, "" for none, in DTD order.
    """

    start: int
    stop: int | None
    title: str
    film: bool
    numbered: bool
    titles: str
    sub_titles: str
    about: str
    date: str
    kinds: str
    episodes: str
    tail: str


class Airing(NamedTuple):
    """A programme with its place on the channel: no overlap with its neighbours, always with an end."""

    start: int
    stop: int
    programme: Programme


_TITLE, _SUB_TITLE, _CATEGORY, _LENGTH, _EPISODE = (
    KINDS[tag][0] for tag in ("title", "sub-title", "category", "length", "episode-num")
)
_SHOWN, _NEW = KINDS["previously-shown"][0], KINDS["new"][0]
FILMS: Final = frozenset(
    (
        "movie", "movies", "film", "films", "feature film", "tv movie", "movie / drama", "spielfilm", "fernsehfilm",
        "película", "películas", "cine", "cinema", "cinéma", "téléfilm", "filme", "filmes", "kino", "elokuva", "filmy",
    )
)  # fmt: skip
_LENGTH_UNITS: Final = {"seconds": 1, "minutes": 60, "hours": 3600}


def programme_of(element: Element) -> Programme | None:
    """The programme in a `<programme>` element, or None where it has no start that can be read."""
    start = time_value(element.get("start") or "")
    if start is None:
        return None
    stop = time_value(element.get("stop") or "") if element.get("stop") else None
    if stop is not None and stop <= start:
        stop = None
    rendered_at: list[str] = [""] * PLACES
    numbers: list[tuple[str, str]] = []
    title = ""
    film = False
    for child in element:
        tag = child.tag
        kind = KINDS.get(tag) if isinstance(tag, str) else None
        if kind is None:
            continue
        place, several, render = kind
        if place == _EPISODE:
            value = content(child)
            if value:
                numbers.append((plain_text(child.get("system")) or "onscreen", value))
            continue
        if rendered_at[place] and not several:
            continue
        if place == _TITLE and not title:
            title = plain_text(content(child))
        elif place == _CATEGORY and not film:
            film = content(child).casefold() in FILMS
        elif place == _LENGTH and stop is None:
            stop = _stop_by_length(start, child)
        rendered_at[place] += render(child)
    if rendered_at[_NEW]:
        rendered_at[_SHOWN] = ""  # mutually exclusive (D5); `new` is the one a provider has to say on purpose
    numbered, episodes = episode_numbers(numbers, rendered_at[_SUB_TITLE])
    return Programme(
        start,
        stop,
        title,
        film,
        numbered,
        rendered_at[0],
        rendered_at[1],
        rendered_at[2] + rendered_at[3],
        rendered_at[4],
        "".join(rendered_at[_CATEGORY:_EPISODE]),
        episodes,
        "".join(rendered_at[_EPISODE + 1 :]),
    )


def _stop_by_length(start: int, element: Element) -> int | None:
    unit = _LENGTH_UNITS.get(element.get("units") or "")
    value = content(element)
    if unit is None or not digits(value) or len(value) > 6:
        return None
    seconds = int(value) * unit
    return start + seconds if 0 < seconds <= 24 * 3600 else None


_NS: Final = re.compile(
    r"\s*+(?:(\d{1,5})\s*+(/\s*+\d++)?+|-\d++)?+\s*+\.\s*+(?:(\d{1,9})\s*+(/\s*+\d++)?+|-\d++)?+\s*+"
    r"(?:\.\s*+(\d++\s*+(?:/\s*+\d++)?+)?+\s*+)?+"
)
_ONSCREEN: Final = re.compile(
    r"\bS(?:eason)?\s*+(?:\.\s*+)?(\d{1,4})\s*+(?:[.,:x-]\s*+)?E(?:p(?:isode)?)?\s*+(?:\.\s*+)?(\d{1,5})\b"
    r"|\b(\d{1,3})x(\d{1,4})\b",
    re.IGNORECASE,
)


def episode_numbers(numbers: Sequence[tuple[str, str]], sub_titles: str) -> tuple[bool, str]:
    """From (system, value) pairs and the rendered sub-titles: whether season and episode are known, and the `episode-num` elements: then with both systems."""
    known: tuple[int, int] | None = None
    kept: dict[tuple[str, str], None] = {}
    for system, value in numbers:
        if system == "xmltv_ns":
            ns = _NS.fullmatch(value)
            if ns is None or ns[3] is None:
                continue  # says no episode: seen are "-1.-1.0" and "2025.-1.0"
            if ns[1] is not None:
                known = int(ns[1]) + 1, int(ns[3]) + 1
            kept[
                system, f"{ns[1] or ''}{ns[2] or ''}.{ns[3]}{ns[4] or ''}.{ns[5] or ''}".replace(" ", "")
            ] = None
        else:
            if system == "onscreen" and known is None:
                known = _season_and_episode(value)
            kept[system, value] = None
    if not kept and sub_titles:
        known = _season_and_episode(sub_titles)  # Samsung TV Plus has "S08 E05" as sub-title and nothing else
    written = "".join(
        f'<episode-num system="{attribute(system)}">{text(value)}</episode-num>' for system, value in kept
    )
    if known is None:
        return False, written
    return True, written + _number_elements(*known, without={system for system, _ in kept})


def _season_and_episode(value: str) -> tuple[int, int] | None:
    found = _ONSCREEN.search(value)
    if found is None:
        return None
    season, episode = int(found[1] or found[3]), int(found[2] or found[4])
    return (season, episode) if episode > 0 else None


def _number_elements(season: int, episode: int, *, without: Iterable[str] = ()) -> str:
    """The `episode-num` elements of a season and an episode, both counted from 1, in the systems not in `without`."""
    written = ""
    if (
        "xmltv_ns" not in without and season > 0
    ):  # the system counts from zero: season 0 (specials) has no number in it
        written += f'<episode-num system="xmltv_ns">{season - 1}.{episode - 1}.</episode-num>'
    if "onscreen" not in without:
        written += f'<episode-num system="onscreen">S{season:02d}E{episode:02d}</episode-num>'
    return written


def airings(programmes: Iterable[Programme]) -> list[Airing]:
    """The programmes of one channel by start, each with an end, none over the next one.

    Without a stop the next start ends it, after 6 h at most; of two that overlap the earlier is cut; of two with the
    same start the one that says more stays. Does not depend on the order of the input.
    """
    ordered = sorted(programmes, key=_by_start)
    result: list[Airing] = []
    following: int | None = None
    for programme in reversed(ordered):
        start = programme.start
        if start == following:
            continue
        stop = programme.stop if programme.stop is not None else start + STOP_CAP_S
        if following is not None and stop > following:
            stop = following
        result.append(Airing(start, stop, programme))
        following = start
    result.reverse()
    return result


def _by_start(programme: Programme) -> tuple[int, int, tuple[str, ...], int]:
    pieces = programme[5:]
    return programme.start, sum(map(len, pieces)), pieces, programme.stop or 0


def rendered(airing: Airing, channel: str, name: str, shift_s: int) -> str:
    """The airing as one line of XMLTV for `channel`, moved by `shift_s`; `name` stands in for a missing title.

    Where season and episode are not known an identity is made of the start: a `sub-title` that tells the day, `date` and
    `episode-num`, as far as they are missing. Not for films: those get a `date` at most, and one that has a date and
    neither sub-title nor number is taken for a film.
    """
    start, stop, programme = airing
    _, _, _, film, numbered, titles, sub_titles, about, date, kinds, episodes, tail = programme
    began = time_text(start + shift_s)
    if not titles:
        titles = f"<title>{text(name)}</title>"
    if not numbered and (sub_titles or episodes or not date):
        date = date or f"<date>{began[:8]}</date>"
        if not film:
            sub_titles = sub_titles or f"<sub-title>{day_and_time(began)}</sub-title>"
            episodes = episodes or airing_numbers(began)
    return (
        f'<programme start="{began} +0000" stop="{time_text(stop + shift_s)} +0000" channel="{channel}">'
        f"{titles}{sub_titles}{about}{date}{kinds}{episodes}{tail}</programme>\n"
    )


def airing_numbers(began: str) -> str:
    """The `episode-num` elements of what has no number, by its start as `time_text` writes it.

    Season = year, episode = month, day, hour and minute: the same for the same airing whoever computes it.
    """
    season, episode = began[:4], int(began[4:12])
    return (
        f'<episode-num system="xmltv_ns">{int(season) - 1}.{episode - 1}.</episode-num>'
        f'<episode-num system="onscreen">S{season}E{episode}</episode-num>'
    )


def day_and_time(began: str) -> str:
    """`YYYY-MM-DD hh:mm` of a time as `time_text` writes it."""
    return f"{began[:4]}-{began[4:6]}-{began[6:8]} {began[8:10]}:{began[10:12]}"
