"""Programmes that are already as we would write them: recognised by one pattern and copied, without a parser.

Thirteen lineups want most of a large guide, and building a tree for each programme takes three times as long as all the
rest (performance.md G3). Most guides write most programmes in canonical form already: children in the DTD's order, no
unknown elements, nothing to escape. The pattern here accepts a subset of that form, so a match *is* the proof; the text
is copied with a new start tag, and an identity put in where `guide_programme.rendered` would put one. What does not
match goes to the parser. Whether a programme is copied depends on its own text alone, and tests hold both ways against
each other. This module refuses to mend anything.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from html import unescape
from typing import Final

from reconciler.catalog.guide_programme import (
    FILMS,
    Programme,
    day_and_time,
    episode_numbers,
    number_elements,
)
from reconciler.catalog.guide_times import time_value

__all__ = ["is_plain_text", "plain_lines", "plain_match", "plain_programme"]

# --- the pattern ---------------------------------------------------------------------------------------------

_S: Final = rb"\s*+"
_TEXT: Final = rb"[^<\s][^<]*+(?<!\s)"
_LINE: Final = rb"[^<\s][^<\t\r\n]*+(?<!\s)"
_VALUE: Final = rb'[^"<\s][^"<]*+(?<!\s)'
_LANG: Final = rb'(?: lang="[A-Za-z]{2,3}")?+'


def _worded(tag: bytes, content: bytes = _TEXT, attributes: bytes = _LANG) -> bytes:
    return b"<%b%b>%b</%b>%b" % (tag, attributes, content, tag, _S)


def _any(element: bytes) -> bytes:
    return b"(?:%b)*+" % element


def _maybe(element: bytes) -> bytes:
    return b"(?:%b)?+" % element


def _behind(letters: bytes, *elements: bytes) -> bytes:
    """Rare elements: only looked for when the next tag begins with one of the letters."""
    return b"(?:(?=<[%b])%b)?+" % (letters, b"".join(elements))


def _group(name: bytes, pattern: bytes) -> bytes:
    return b"(?P<%b>%b)" % (name, pattern)


_ICON: Final = rb'<icon src="%b"(?: width="\d++")?+(?: height="\d++")?+ ?+/>%b' % (_VALUE, _S)
_SYSTEM: Final = rb'(?: system="%b")?+' % _VALUE
_ROLES: Final = (
    b"writer",
    b"adapter",
    b"producer",
    b"composer",
    b"editor",
    b"presenter",
    b"commentator",
    b"guest",
)
_CREDITS: Final = b"<credits>%b(?!</credits>)%b%b%b</credits>%b" % (
    _S,
    _any(_worded(b"director", attributes=b"")),
    _any(_worded(b"actor", attributes=b'(?: role="%b")?+' % _VALUE)),
    _behind(b"wapceg", *(_any(_worded(role, attributes=b"")) for role in _ROLES)),
    _S,
)


def _rating(tag: bytes) -> bytes:
    value = _worded(b"value", attributes=b"")
    return b"<%b%b>%b%b%b</%b>%b" % (tag, _SYSTEM, _S, value, _any(_ICON), tag, _S)


_BODY: Final = b"".join(
    (
        _worded(b"title", _LINE),
        _any(_worded(b"title", _LINE)),
        _group(b"sub", _any(_worded(b"sub-title", _LINE))),
        _any(_worded(b"desc")),
        _maybe(_CREDITS),
        _group(b"date", _maybe(rb"<date>\d{4}(?:\d\d){0,2}+</date>" + _S)),
        _group(b"kinds", _any(_worded(b"category"))),
        _behind(
            b"klo",
            _any(_worded(b"keyword")),
            _maybe(_worded(b"language")),
            _maybe(_worded(b"orig-language")),
            _maybe(_worded(b"length", rb"\d++", rb' units="(?:seconds|minutes|hours)"')),
        ),
        _any(_ICON),
        _behind(b"uc", _any(_worded(b"url", attributes=_SYSTEM)), _any(_worded(b"country"))),
        _group(b"numbers", _any(_worded(b"episode-num", attributes=b' system="%b"' % _VALUE))),
        # `new` and `previously-shown` exclude each other: with both the parser's way decides.
        rb"(?:(?P<shown><previously-shown ?+/>)%b)?+" % _S,
        _maybe(rb"<premiere(?: ?+/>|>%b</premiere>)%b" % (_TEXT, _S)),
        _maybe(rb"(?(shown)(?!))<new ?+/>%b" % _S),
        _any(_rating(b"rating")),
        _behind(b"s", _any(_rating(b"star-rating"))),
    )
)
_TIME: Final = rb"\d{8}(?:[01]\d|2[0-3])[0-5]\d[0-5]\d [+-](?:0\d|1[0-4])[0-5]\d"
_PROGRAMME: Final = re.compile(
    rb'%b<programme(?:\s++channel="[^"<]*+")?+\s++start="(?P<start>%b)"\s++stop="(?P<stop>%b)"(?:\s++[a-z_-]++="[^"<]*+")*+\s*+>%b(?P<body>%b)</programme>'
    % (_S, _TIME, _TIME, _S, _BODY)
)
plain_match: Final = _PROGRAMME.match
"""Matches one programme, blanks before it included, if it is in canonical form. Only for `is_plain_text`."""

_ALLOWED: Final = bytes(
    0 if code < 9 or code in {11, 12, 127} or 13 < code < 32 else code or 1 for code in range(256)
)
_BEYOND: Final = re.compile(rb"\xc2[\x80-\x9f]|\xef\xbf[\xbe\xbf]")


def is_plain_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8 that XML allows, without control characters and entities but `&amp;` and `&lt;`."""
    if b"\0" in data.translate(_ALLOWED) or (b"]" in data and b"]]>" in data):
        return False
    if b"&" in data and not all(part.startswith((b"amp;", b"lt;")) for part in data.split(b"&")[1:]):
        return False
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return _BEYOND.search(data) is None


# --- one programme -------------------------------------------------------------------------------------------

_NUMBER: Final = re.compile(rb'<episode-num system="([^"]*)">([^<]*)</episode-num>')
_CATEGORY: Final = re.compile(rb">([^<]*)</category>")
_TITLE: Final = re.compile(rb">([^<]*)</title>")
_FIGURE: Final = re.compile(rb"\d")


@lru_cache(maxsize=16384)
def _numbering(numbers: bytes, sub: bytes) -> tuple[bool, bytes | None]:
    """What the parser's way makes of the numbers: known or not, and their text, None where it is the same."""
    found = [(unescape(s.decode()), unescape(v.decode())) for s, v in _NUMBER.findall(numbers)]
    known, written = episode_numbers(found, sub.decode())
    same = re.sub(rb">\s+", b">", numbers).strip() == written.encode()
    return known, None if same else written.encode()


@lru_cache(maxsize=1024)
def _is_film(kinds: bytes) -> bool:
    return any(unescape(kind.decode()).casefold() in FILMS for kind in _CATEGORY.findall(kinds))


def plain_programme(found: re.Match[bytes]) -> Programme | None:
    """The programme as the parser would give it, but for blanks between elements; None where its start is no time."""
    start, stop = time_value(found["start"].decode()), time_value(found["stop"].decode())
    if start is None:
        return None
    known, numbers = _numbered(found["numbers"], found["sub"])
    whole, at = found.string, found.start
    return Programme(
        start=start,
        stop=stop if stop is not None and stop > start else None,
        title=_title(found),
        film=_is_film(found["kinds"]),
        numbered=known,
        titles=whole[at("body") : at("sub")].decode(),
        sub_titles=found["sub"].decode(),
        about=whole[found.end("sub") : at("date")].decode(),
        date=found["date"].decode(),
        kinds=whole[found.end("date") : at("numbers")].decode(),
        episodes=(found["numbers"] if numbers is None else numbers).decode(),
        tail=whole[found.end("numbers") : found.end("body")].decode(),
    )


def _numbered(numbers: bytes, sub: bytes) -> tuple[bool, bytes | None]:
    if numbers:
        known, written = _numbering(numbers, b"")
        if written != b"":
            return known, written
    # Only a sub-title with a figure in it can hold season and episode; the others would fill the cache.
    return _numbering(numbers, sub) if _FIGURE.search(sub) else (False, b"")


# --- a whole channel -----------------------------------------------------------------------------------------

_UTC: Final = b" +0000"
_GROUPS: Final = tuple(_PROGRAMME.groupindex[name] for name in ("start", "stop", "body", "numbers"))


def plain_lines(
    data: bytes, channel: bytes, first: bytes, last: bytes, says_nothing: Callable[[str], bool] | None
) -> tuple[bytes, int, int] | None:
    """The lines of a whole channel, and how many programmes are real and unavailable; None where a parser must look.

    `data` is a run of raw programmes. Answers only if every one is in canonical form, in UTC, and they follow each other
    without overlap: then the lines are what `airings` and `rendered` would give. `first` and `last` bound the window as
    `YYYYMMDDhhmmss +0000`. `says_nothing` tells titles that count as no programme.
    """
    if not is_plain_text(data):
        return None
    lines: list[bytes] = []
    counts = [0, 0]
    middle, tail = b'" stop="', b'" channel="%b">' % channel
    position, end = 0, len(data.rstrip())
    before = day = b""
    while position < end:
        found = plain_match(data, position)
        if found is None:
            return None
        position = found.end()
        start, stop, body, numbers = found.group(*_GROUPS)
        if not before <= start < stop:
            return None
        before = stop
        if start[:8] != day or stop[:8] != day:
            day = stop[:8]
            if not (_is_day(start[:8]) and _is_day(day)):
                return None
        if start[14:] != _UTC or stop[14:] != _UTC:
            return None
        if stop <= first or start >= last:
            continue
        counts[1 if says_nothing is not None and says_nothing(_title(found)) else 0] += 1
        known, written = _numbering(numbers, b"") if numbers else _numbered(numbers, found["sub"])
        if written is not None or not known:
            body = _with_identity(found, start, known=known, written=written)
        lines += (_OPEN, start, middle, stop, tail, body, _CLOSE)
    return b"".join(lines), counts[0], counts[1]


_OPEN: Final = b'<programme start="'
_CLOSE: Final = b"</programme>\n"


def _is_day(digits: bytes) -> bool:
    return time_value(digits.decode()) is not None


def _title(found: re.Match[bytes]) -> str:
    title = _TITLE.search(found.string, found.start("body"))
    return unescape(title[1].decode()) if title else ""


def _with_identity(found: re.Match[bytes], start: bytes, *, known: bool, written: bytes | None) -> bytes:
    """The body with what `guide_programme.rendered` puts in: numbers, date and sub-title."""
    sub, date, numbers = found.group("sub", "date", "numbers")
    if written == b"" and numbers:
        known, written = _numbered(numbers, sub)
    numbers = numbers if written is None else written
    if not known and (sub or numbers or not date):
        date = date or b"<date>%b</date>" % start[:8]
        if not _is_film(found["kinds"]):
            began = start.decode()
            sub = sub or f"<sub-title>{day_and_time(began)}</sub-title>".encode()
            numbers = numbers or number_elements(int(began[:4]), int(began[4:12])).encode()
    whole, begin, finish = found.string, found.start, found.end
    return b"".join(
        (
            whole[begin("body") : begin("sub")],
            sub,
            whole[finish("sub") : begin("date")],
            date,
            whole[finish("date") : begin("numbers")],
            numbers,
            whole[finish("numbers") : finish("body")],
        )
    )
