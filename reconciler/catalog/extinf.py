"""One `#EXTINF` line: its attributes and the name behind the comma, however badly quoted.

Quotes are read first, then commas. Where the quotes do not pair up (354 lines of 305,128 in a survey), the places where
keys begin decide instead (iptv-streams.md A2). Pure functions over one line without its end; this module refuses to know
what an attribute means.
"""

import html
import re
from collections.abc import Mapping
from html.entities import html5
from types import MappingProxyType
from typing import Final, NamedTuple

__all__ = ["Said", "attributes", "has_entity", "read_extinf", "tidy"]

_CLEAN: Final = re.compile(
    r'(?:\s*+(?:[-+][\d.]*+|[\d.]++))?+((?:\s++[A-Za-z][A-Za-z0-9_-]*+="[^"]*")*+)\s*+,(?!\s*[A-Za-z][A-Za-z0-9_-]*=["\'])(.*)',
    re.DOTALL,
)
_PAIR: Final = re.compile(r'([A-Za-z][A-Za-z0-9_-]*)="([^"]*)"')
_DURATION: Final = re.compile(r"\s*[-+]?\d*(?:\.\d+)?(?=[\s,]|$)")
# A comma may stand between two attributes; it ends them only where no `key="` follows. Blanks around `=` are read where
# a quote follows them, before the comma: elsewhere `key = ` may as well be words.
_ITEM: Final = re.compile(
    r"""[ \t]*(?:,\s*(?=[A-Za-z][A-Za-z0-9_-]*=["']))?([A-Za-z][A-Za-z0-9_-]*)(?:[ \t]*=[ \t]*(?=["'])|=)
    (?:"([^"]*)"(?=[\s,]|$)|'([^"]*?)'(?=[\s,]|$)|(?!")([^\s,]*))""",
    re.VERBOSE,
)
_JUNK: Final = re.compile(r"\s*[^\s,]+")
_BOUNDARY: Final = re.compile(r"""[\s",']([A-Za-z][A-Za-z0-9_-]*+)[ \t]*+=[ \t]*+(?=["'])""")
_BARE_KEY: Final = re.compile(
    r"""[\s",']((?:tvg|group|channel|ch|catchup|http|user)-[a-z-]+|radio|timeshift)=""", re.IGNORECASE
)
_COMMON: Final = {"tvg-id": 0, "tvg-name": 1, "tvg-logo": 2, "group-title": 3}
_new: Final = tuple.__new__
_NOTHING_RARE: Final[Mapping[str, str]] = MappingProxyType({})
_ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
# surrogates come alone out of JSON escapes and cannot be written anywhere; the last two are no characters in XML
# (C1 moves a terminal's cursor, the separators of lines and paragraphs break a table)
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


def tidy(value: str) -> str:
    """A value as text: HTML entities undone once, control characters turned to blanks, ends stripped."""
    if "&" in value:
        value = _ENTITY.sub(_character, value)
    if not value.isprintable():
        value = _CONTROLS.sub(" ", value)
    return value.strip()


def has_entity(text: str) -> bool:
    """Whether `tidy` might find an HTML entity in a text."""
    return _ENTITY.search(text) is not None


def _character(found: re.Match[str]) -> str:
    # only whole entities: `&copy=1` in a logo's query is no copyright sign
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


class Said(NamedTuple):
    """What one `#EXTINF` line says. `rare` holds all attributes that are not among the common four."""

    guide_id: str
    guide_name: str
    logo: str
    group: str
    rare: Mapping[str, str]
    name: str


def read_extinf(text: str) -> Said:
    """Attributes (keys in lower case; of repeated ones the first that is not empty) and the name, "" without one.

    `text` is what follows `#EXTINF:`. Values and name are tidied.
    """
    clean = _CLEAN.fullmatch(text)
    if clean:
        pairs, name = _PAIR.findall(clean[1]), clean[2]
    elif text.count('"') % 2:
        pairs, name = _by_boundaries(text)
    else:
        pairs, name = _scan(text) or _by_boundaries(text)
    if "&" in text or not text.isprintable():
        pairs = [(k, v if v.isalnum() else tidy(v)) for k, v in pairs]
        name = tidy(name)
    common = ["", "", "", ""]
    rare: dict[str, str] | None = None
    for key, raw in pairs:
        place = _COMMON.get(key)
        if place is None and (place := _COMMON.get(key.lower())) is None:
            if value := raw.strip():
                rare = rare or {}
                rare.setdefault(key.lower(), value)
        elif not common[place]:
            common[place] = raw.strip()
    return _new(Said, (*common, rare or _NOTHING_RARE, name.strip()))


def attributes(text: str) -> dict[str, str]:
    """The attributes in `text` (what follows `#EXTM3U`), keys in lower case, values tidied."""
    pairs, _ = _scan(" " + text) or _by_boundaries(text)
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
            pairs.append((key, double if double is not None else single if single is not None else bare))
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
    pieces = iter(_BOUNDARY.split(text))
    before = next(pieces)
    found = _with_bare_keys("", before) if "=" in before else []
    for key, value in zip(pieces, pieces, strict=True):
        if "=" in value and _BARE_KEY.search(value):
            found += _with_bare_keys(key, value)
        else:
            found.append((key, value))
    if not found:
        return [], text.partition(",")[2]
    last_key, last = found.pop()
    quote = last[:1] if last[:1] in {'"', "'"} else ""
    ends = last.find(quote + ",", len(quote)) if quote else -1
    if ends >= 0:
        last, name = last[: ends + 1], last[ends + 2 :]
    elif quote and (spaced := re.compile(rf"{quote}\s+,").search(last, 1)):
        last, name = last[: spaced.start() + 1], last[spaced.end() :]
    else:
        head, _, name = last[len(quote) :].partition(",")
        last = quote + head
    found.append((last_key, last))
    return [
        # a quote at each end at most: nothing inside that could be lost
        (key, value.strip('" \t,') if value.count('"') < 3 and value[:1] == '"' else _unquoted(value))
        for key, value in found
    ], name


def _with_bare_keys(key: str, value: str) -> list[tuple[str, str]]:
    """A value in which well-known keys without quotes begin. `key` "": the value is what stands before all keys."""
    found: list[tuple[str, str]] = []
    while bare := _BARE_KEY.search(value):
        found.append((key, value[: bare.start()]))
        key, value = bare[1], value[bare.end() :]
    found.append((key, value))
    return found if found[0][0] else found[1:]


def _unquoted(value: str) -> str:
    value = value.strip(" \t,")
    if value[:1] in {'"', "'"}:
        value = value[1:].removesuffix(value[0])
    return value.removesuffix('"') if value.endswith('"') and value.count('"') == 1 else value
