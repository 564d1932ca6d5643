"""One `#EXTINF` line: its attributes and the name behind the comma, however badly quoted.

Quotes are read first, then commas. Where the quotes do not pair up (354 lines of 305,128 in a survey), the places where
keys begin decide instead (iptv-streams.md A2). Pure functions over one line without its end; this module refuses to know
what an attribute means.
"""

import html
import re
from html.entities import html5
from itertools import pairwise
from typing import Final

__all__ = ["attributes", "read_extinf", "tidy"]

_CLEAN: Final = re.compile(
    r'\s*[-+]?[\d.]*((?:\s+[A-Za-z][A-Za-z0-9_-]*="[^"]*")*)\s*,(?!\s*[A-Za-z][A-Za-z0-9_-]*=["\'])(.*)',
    re.DOTALL,
)
_PAIR: Final = re.compile(r'([A-Za-z][A-Za-z0-9_-]*)="([^"]*)"')
_DURATION: Final = re.compile(r"\s*[-+]?\d*(?:\.\d+)?(?=[\s,]|$)")
# A comma may stand between two attributes; it ends them only where no `key="` follows.
_ITEM: Final = re.compile(
    r"""[ \t]*(?:,\s*(?=[A-Za-z][A-Za-z0-9_-]*=["']))?([A-Za-z][A-Za-z0-9_-]*)=
    (?:"([^"]*)"(?=[\s,]|$)|'([^"]*?)'(?=[\s,]|$)|(?!")([^\s,]*))""",
    re.VERBOSE,
)
_JUNK: Final = re.compile(r"\s*[^\s,]+")
_BOUNDARY: Final = re.compile(
    r"(?:^|(?<=[\s\",']))([A-Za-z][A-Za-z0-9_-]*)=(?=[\"'])"
    r"|(?<=[\s\",'])((?:tvg|group|channel|ch|catchup|http|user)-[A-Za-z-]+|radio|timeshift)=",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# surrogates come alone out of JSON escapes and cannot be written anywhere; the last two are no characters in XML
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")


def tidy(value: str) -> str:
    """A value as text: HTML entities undone once, control characters turned to blanks, ends stripped."""
    if "&" in value:
        value = _ENTITY.sub(_character, value)
    if not value.isprintable():
        value = _CONTROLS.sub(" ", value)
    return value.strip()


def _character(found: re.Match[str]) -> str:
    # only whole entities: `&copy=1` in a logo's query is no copyright sign
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def read_extinf(text: str) -> tuple[dict[str, str], str]:
    """Attributes (keys in lower case; of repeated ones the first that is not empty) and the name, "" without one.

    `text` is what follows `#EXTINF:`. Values and name are tidied.
    """
    if clean := _CLEAN.fullmatch(text):
        pairs, name = _PAIR.findall(clean[1]), clean[2]
    else:
        pairs, name = _scan(text) or _by_boundaries(text)
    return _collected(pairs), tidy(name)


def attributes(text: str) -> dict[str, str]:
    """The attributes in `text` (what follows `#EXTM3U`), keys in lower case, values tidied."""
    pairs, _ = _scan(" " + text) or _by_boundaries(text)
    return _collected(pairs)


def _collected(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in pairs:
        if not found.get(key.lower()):
            found[key.lower()] = tidy(value)
    return found


def _scan(text: str) -> tuple[list[tuple[str, str]], str] | None:
    """Quotes first, then commas; None where the quotes do not pair up before the name."""
    duration = _DURATION.match(text)
    position = duration.end() if duration else 0
    pairs: list[tuple[str, str]] = []
    while True:
        if item := _ITEM.match(text, position):
            key, double, single, bare = item.groups()
            pairs.append((key, next(v for v in (double, single, bare) if v is not None)))
            position = item.end()
            continue
        rest = text[position:].lstrip()
        if rest[:1] in {"", ","}:
            return pairs, rest[1:]
        junk = _JUNK.match(text, position)
        if junk is None or '"' in junk[0]:
            return None
        position = junk.end()


def _by_boundaries(text: str) -> tuple[list[tuple[str, str]], str]:
    """Each value reaches to where the next key begins; the last one ends at `",`, else at a comma."""
    keys = list(_BOUNDARY.finditer(text))
    if not keys:
        return [], text.partition(",")[2]
    pairs = []
    for key, after in pairwise(keys):
        pairs.append((key[1] or key[2], _unquoted(text[key.end() : after.start()])))
    last = text[keys[-1].end() :]
    quote = last[:1] if last[:1] in {'"', "'"} else ""
    ends = re.compile(rf"{quote}\s*,").search(last, len(quote)) or re.compile(",").search(last, len(quote))
    value, name = (last[: ends.start()], last[ends.end() :]) if ends else (last, "")
    pairs.append((keys[-1][1] or keys[-1][2], _unquoted(value)))
    return pairs, name


def _unquoted(value: str) -> str:
    value = value.strip(" \t,")
    if value[:1] in {'"', "'"}:
        value = value[1:].removesuffix(value[0])
    return value.removesuffix('"') if value.count('"') == 1 else value
