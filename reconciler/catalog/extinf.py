"""One `#EXTINF` line: its attributes and the name behind the comma, however badly quoted.

Quotes are read first, then commas. Where the quotes do not pair up (354 lines of 305,128 in a survey), the places where
keys begin decide instead (iptv-streams.md A2). Pure functions over one line without its end; this module refuses to know
what an attribute means.
"""

import html
import re
from html.entities import html5
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
_KEY_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
_KNOWN_KEY: Final = re.compile(
    r"(?:tvg|group|channel|ch|catchup|http|user)-[a-z-]+|radio|timeshift", re.IGNORECASE
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
    clean = _CLEAN.fullmatch(text)
    if clean:
        pairs, name = _PAIR.findall(clean[1]), clean[2]
    else:
        pairs, name = _scan(text) or _by_boundaries(text)
    if "&" in text or not text.isprintable():
        return _collected([(k, tidy(v)) for k, v in pairs]), tidy(name)
    return _collected(pairs), name.strip()


def attributes(text: str) -> dict[str, str]:
    """The attributes in `text` (what follows `#EXTM3U`), keys in lower case, values tidied."""
    pairs, _ = _scan(" " + text) or _by_boundaries(text)
    return _collected([(k, tidy(v)) for k, v in pairs])


def _collected(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in pairs:
        lower = key.lower()
        if not found.get(lower):
            found[lower] = value.strip()
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
    before, *parts = text.split("=")
    keys: list[str] = []
    values: list[str] = []
    held = before
    for part in parts:
        rest = held.rstrip(_KEY_CHARACTERS)
        key = held[len(rest) :].lstrip("0123456789_-")
        begins = part[:1] in {'"', "'"} or _KNOWN_KEY.fullmatch(key)
        if key and begins and len(rest) + len(key) == len(held) and (not rest or rest[-1] in " \t\",'"):
            if keys:
                values.append(rest)
            keys.append(key)
            held = part
        else:
            held = f"{held}={part}"
    if not keys:
        return [], text.partition(",")[2]
    quote = held[:1] if held[:1] in {'"', "'"} else ""
    ends = held.find(quote + ",", len(quote)) if quote else -1
    if ends >= 0:
        last, name = held[: ends + 1], held[ends + 2 :]
    elif quote and (spaced := re.compile(rf"{quote}\s+,").search(held, 1)):
        last, name = held[: spaced.start() + 1], held[spaced.end() :]
    else:
        head, _, name = held[len(quote) :].partition(",")
        last = quote + head
    values.append(last)
    return list(zip(keys, map(_unquoted, values), strict=True)), name


def _unquoted(value: str) -> str:
    value = value.strip(" \t,")
    if value[:1] in {'"', "'"}:
        value = value[1:].removesuffix(value[0])
    return value.removesuffix('"') if value.count('"') == 1 else value
