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
    airing_numbers,
    day_and_time,
    episode_numbers,
)
from reconciler.catalog.guide_split import has_markup
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

# The same once more for whole channels: UTC, one common layout, each element eating the `<` of the next so that an absent
# one costs a look at one letter. Whatever this one matches, the one above matches too.
_GAP: Final = rb"\n?+ *+<"


# An address or a word: ASCII without blanks, quotes and angle brackets.
_TOKEN: Final = rb"[!#-;=-~]++"


def _next(tag: bytes, content: bytes = _TEXT, attributes: bytes = rb'(?: lang="[A-Za-z]{2,3}"|)') -> bytes:
    return b"%b%b>%b</%b>%b" % (tag, attributes, content, tag, _GAP)


def _once(element: bytes) -> bytes:
    return b"(?:%b|)" % element


def _upto(times: int, element: bytes) -> bytes:
    nested = b""
    for _ in range(times):
        nested = b"(?:%b%b|)" % (element, nested)
    return nested


_DAY: Final = (
    rb"\d{4}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])(?:29|30)|(?:0[13578]|1[02])31)"
)
_CLOCK: Final = rb"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d"
_RUN: Final = re.compile(
    b"".join(
        (
            rb'<programme(?: channel="[^"<]*+"|) start="(%b%b) \+0000" stop="(%b%b) \+0000"'
            % (_DAY, _CLOCK, _DAY, _CLOCK),
            rb'(?: [a-z_-]++="[^"<]*+")*+>\n?+ *+(<',
            _next(b"title", _LINE),
            b"(%b)" % _once(_next(b"sub-title", _LINE)),
            _once(_next(b"desc")),
            _once(
                b"credits>%b(?!/)%b%b/credits>%b"
                % (
                    _GAP,
                    _upto(2, _next(b"director", attributes=b"")),
                    _upto(6, _next(b"actor", attributes=b"")),
                    _GAP,
                )
            ),
            rb"(%b)" % _once(rb"date>\d{4}(?:\d\d)?+(?:\d\d)?+</date>" + _GAP),
            rb"(%b)" % _upto(4, _next(b"category")),
            _upto(2, rb'icon src="%b"(?: width="\d++"|)(?: height="\d++"|) ?+/>%b' % (_TOKEN, _GAP)),
            _once(_next(b"country")),
            rb"(%b)" % _upto(4, rb'episode-num system="%b">%b</episode-num>%b' % (_TOKEN, _TEXT, _GAP)),
            _once(rb"(?:previously-shown|new) ?+/>" + _GAP),
            _once(
                rb'rating(?: system="%b"|)>%b%b/rating>%b'
                % (_TOKEN, _GAP, _next(b"value", attributes=b""), _GAP)
            ),
            _once(
                rb'star-rating(?: system="%b"|)>%b%b/star-rating>%b'
                % (_TOKEN, _GAP, _next(b"value", attributes=b""), _GAP)
            ),
            rb"/programme>)",
        )
    )
)

_ALLOWED: Final = bytes(
    0 if code < 9 or code in {11, 12, 127} or 13 < code < 32 else code or 1 for code in range(256)
)
_BEYOND: Final = re.compile(rb"\xc2[\x80-\x9f]|\xef\xbf[\xbe\xbf]")


def is_plain_text(data: bytes) -> bool:
    """Whether the bytes are UTF-8 that XML allows, without control characters and entities but `&amp;` and `&lt;`."""
    if b"\0" in data.translate(_ALLOWED) or (b"]" in data and b"]]>" in data):
        return False
    place = data.find(b"&")
    while place >= 0:
        if not data.startswith((b"amp;", b"lt;"), place + 1):
            return False
        place = data.find(b"&", place + 1)
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    # C1 controls and non-characters, by their first bytes: those are rare, the whole is long
    return not ((b"\xc2" in data or b"\xef" in data) and _BEYOND.search(data))


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
        title=_title(found["body"]),
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


def _title(body: bytes) -> str:
    title = _TITLE.search(body)
    return unescape(title[1].decode()) if title else ""


def _numbered(numbers: bytes, sub: bytes) -> tuple[bool, bytes | None]:
    if numbers:
        known, written = _numbering(numbers, b"")
        if written != b"":
            return known, written
    # Only a sub-title with a figure in it can hold season and episode; the others would fill the cache.
    return _numbering(numbers, sub) if _FIGURE.search(sub) else (False, b"")


# --- a whole channel -----------------------------------------------------------------------------------------


def plain_lines(
    data: bytes,
    count: int,
    channel: bytes,
    window: tuple[bytes, bytes],
    says_nothing: Callable[[str], bool] | None,
) -> tuple[bytes, int, int] | None:
    """The lines of a whole channel, and how many programmes are real and unavailable; None where a closer look is needed.

    `data` holds `count` raw programmes. Answers only if every one is in canonical form, in UTC, and they follow each
    other without overlap: then the lines are what `airings` and `rendered` would give. `window` bounds them as
    `YYYYMMDDhhmmss`. `says_nothing` tells titles that count as no programme.
    """
    if not is_plain_text(data) or has_markup(data):
        return None
    first, last = window
    middle, tail = b' +0000" stop="', b' +0000" channel="%b">' % channel
    lines: list[bytes] = []
    before = b""
    matched = nothing = 0
    for found in _RUN.finditer(data):
        start, stop, body, numbers = found.group(1, 2, 3, 7)
        if not before <= start < stop:
            return None
        before = stop
        matched += 1
        if stop <= first or start >= last:
            continue
        if says_nothing is not None and says_nothing(_title(body)):
            nothing += 1
        if numbers:
            change = _change(numbers)
            if change is None:
                body = _with_identity(found)
            elif change:
                at = found.start(7) - found.start(3) - 1
                body = b"%b%b%b" % (body[:at], change, body[at + len(numbers) :])
        elif found[4] or not found[5]:  # a date and no sub-title: a film, which needs nothing
            body = _with_identity(found)
        lines += (_OPEN, start, middle, stop, tail, body, b"\n")
    return (b"".join(lines), len(lines) // 7 - nothing, nothing) if matched == count else None


_OPEN: Final = b'<programme start="'


@lru_cache(maxsize=16384)
def _change(numbers: bytes) -> bytes | None:
    """What to write for the numbers as `_RUN` finds them: b"" for the same, None where they leave the episode open."""
    known, written = _numbering(b"<" + numbers[:-1], b"")
    return (written or b"") if known else None


@lru_cache(maxsize=8192)
def _made(start: bytes) -> tuple[bytes, bytes, bytes]:
    """Sub-title, date and numbers of what has none, by its start: few times of day have many programmes."""
    began = start.decode()
    sub = f"<sub-title>{day_and_time(began)}</sub-title>"
    return sub.encode(), b"<date>%b</date>" % start[:8], airing_numbers(began).encode()


def _with_identity(found: re.Match[bytes]) -> bytes:
    """The body with what `guide_programme.rendered` puts in: numbers, date and sub-title."""
    whole = found.string
    # Groups begin behind the `<` of their first element and end behind that of the next.
    sub_at, sub_end = found.span(4)
    date_at, date_end = found.span(5)
    numbers_at, numbers_end = found.span(7)
    sub, date = whole[sub_at - 1 : sub_end - 1], whole[date_at - 1 : date_end - 1]
    numbers = whole[numbers_at - 1 : numbers_end - 1]
    known, written = _numbered(numbers, sub)
    if written is not None:
        numbers = written
    if not known and (sub or numbers or not date):
        made_sub, made_date, made_numbers = _made(found[1])
        date = date or made_date
        if not _is_film(found[6]):
            sub, numbers = sub or made_sub, numbers or made_numbers
    return b"%b%b%b%b%b%b%b" % (
        whole[found.start(3) : sub_at - 1],
        sub,
        whole[sub_end - 1 : date_at - 1],
        date,
        whole[date_end - 1 : numbers_at - 1],
        numbers,
        whole[numbers_end - 1 : found.end(3)],
    )
