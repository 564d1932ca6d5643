"""The children a programme may have, each read leniently and written as the DTD wants it.

Attributes outside the DTD go, as do values that it or a client would refuse; an element without its content is left
out. `KINDS` holds the DTD's order. This module refuses to look at more than one child at a time.
"""

import re
from collections.abc import Callable
from typing import Final

from reconciler.catalog.guide_text import Element, attribute, kept_text, plain_text, text
from reconciler.catalog.guide_times import time_text, time_value

__all__ = ["KINDS", "PLACES", "Kind", "content", "digits"]

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
_Attributes = tuple[tuple[str, Callable[[str], str]], ...]


def _language(value: str) -> str:
    return value if _LANGUAGE.fullmatch(value) else ""


def digits(value: str) -> str:
    """`value` if it is a plain number, else ""."""
    return value if value.isdecimal() and value.isascii() else ""


def _as_is(value: str) -> str:
    return value


def _one_of(*values: str) -> Callable[[str], str]:
    allowed = frozenset(values)
    return lambda value: value if value in allowed else ""


def _time(value: str) -> str:
    seconds = time_value(value)
    return "" if seconds is None else time_text(seconds) + " +0000"


_LANG: Final[_Attributes] = (("lang", _language),)
_CREDITS: Final = ("director", "actor", "writer", "adapter", "producer", "composer", "editor", "presenter", "commentator", "guest")  # fmt: skip


def content(element: Element) -> str:
    """All text in the element, without control characters and outer blanks."""
    return kept_text("".join(element.itertext()) if len(element) else element.text)  # type: ignore[arg-type]


def _attributes(element: Element, allowed: _Attributes) -> str:
    written = ""
    for name, check in allowed:
        value = element.get(name)
        if value is not None:
            value = check(plain_text(value))
            if value:
                written += f' {name}="{attribute(value)}"'
    return written


def _worded(element: Element, allowed: _Attributes = ()) -> str:
    """An element that is its text: nothing without text."""
    inner = content(element)
    if not inner:
        return ""
    tag = element.tag
    attributes = _attributes(element, allowed) if element.attrib else ""
    return f"<{tag}{attributes}>{text(inner)}</{tag}>"


def _line(element: Element) -> str:
    inner = plain_text(content(element))
    attributes = _attributes(element, _LANG) if element.attrib else ""
    return f"<{element.tag}{attributes}>{text(inner)}</{element.tag}>" if inner else ""


def _languaged(element: Element) -> str:
    return _worded(element, _LANG)


def _plain(element: Element) -> str:
    return _worded(element)


def _date(element: Element) -> str:
    """`YYYY`, `YYYYMM` or `YYYYMMDD`; dashes and times of day are left out."""
    found = re.match(r"(\d{4})(?:[-/.]?(\d\d)(?:[-/.]?(\d\d))?)?", content(element))
    return f"<date>{''.join(part or '' for part in found.groups())}</date>" if found else ""


def _length(element: Element) -> str:
    units = element.get("units")
    return _worded(element, (("units", _as_is),)) if units in {"seconds", "minutes", "hours"} else ""


def _icon(element: Element) -> str:
    written = _attributes(element, (("src", _as_is), ("width", digits), ("height", digits)))
    return f"<icon{written}/>" if written.startswith(" src=") else ""


def _url(element: Element) -> str:
    return _worded(element, (("system", _as_is),))


def _credits(element: Element) -> str:
    written: dict[str, str] = {}
    for child in element:
        tag = child.tag
        if isinstance(tag, str) and tag in _CREDITS:
            allowed: _Attributes = (
                (("role", _as_is), ("guest", _one_of("no", "yes"))) if tag == "actor" else ()
            )
            written[tag] = written.get(tag, "") + _worded(child, allowed)
    inner = "".join(written.get(tag, "") for tag in _CREDITS)
    return f"<credits>{inner}</credits>" if inner else ""


def _parts(*tags: str) -> Callable[[Element], str]:
    def render(element: Element) -> str:
        inner = "".join(_plain(child) for tag in tags for child in element.findall(tag)[:1])
        return f"<{element.tag}>{inner}</{element.tag}>" if inner else ""

    return render


def _rating(element: Element) -> str:
    value = element.find("value")
    inner = "" if value is None else _plain(value)
    if not inner:
        return ""
    inner += "".join(_icon(child) for child in element.findall("icon"))
    return f"<{element.tag}{_attributes(element, (('system', _as_is),))}>{inner}</{element.tag}>"


def _previously_shown(element: Element) -> str:
    # Its `channel` names a channel of the provider's guide, which ours does not have.
    return f"<previously-shown{_attributes(element, (('start', _time),))}/>"


def _premiere(element: Element) -> str:
    inner = content(element)
    return f"<{element.tag}>{text(inner)}</{element.tag}>" if inner else f"<{element.tag}/>"


def _new(_element: Element) -> str:
    return "<new/>"


def _subtitles(element: Element) -> str:
    language = element.find("language")
    inner = "" if language is None else _languaged(language)
    written = _attributes(element, (("type", _one_of("teletext", "onscreen", "deaf-signed")),))
    return f"<subtitles{written}>{inner}</subtitles>" if inner else f"<subtitles{written}/>"


def _review(element: Element) -> str:
    allowed: _Attributes = (("type", _as_is), ("source", _as_is), ("reviewer", _as_is), *_LANG)
    return _worded(element, allowed) if element.get("type") in {"text", "url"} else ""


def _image(element: Element) -> str:
    allowed: _Attributes = (
        ("type", _one_of("poster", "backdrop", "still", "person", "character")),
        ("size", _one_of("1", "2", "3")),
        ("orient", _one_of("P", "L")),
        ("system", _as_is),
    )
    return _worded(element, allowed)


Kind = tuple[int, bool, Callable[[Element], str]]
# place in the DTD's order, whether it may be there several times, how it is written
KINDS: Final[dict[str, Kind]] = {
    "title": (0, True, _line),
    "sub-title": (1, True, _line),
    "desc": (2, True, _languaged),
    "credits": (3, False, _credits),
    "date": (4, False, _date),
    "category": (5, True, _languaged),
    "keyword": (6, True, _languaged),
    "language": (7, False, _languaged),
    "orig-language": (8, False, _languaged),
    "length": (9, False, _length),
    "icon": (10, True, _icon),
    "url": (11, True, _url),
    "country": (12, True, _languaged),
    "episode-num": (13, True, _plain),
    "video": (14, False, _parts("present", "colour", "aspect", "quality")),
    "audio": (15, False, _parts("present", "stereo")),
    "previously-shown": (16, False, _previously_shown),
    "premiere": (17, False, _premiere),
    "last-chance": (18, False, _premiere),
    "new": (19, False, _new),
    "subtitles": (20, True, _subtitles),
    "rating": (21, True, _rating),
    "star-rating": (22, True, _rating),
    "review": (23, True, _review),
    "image": (24, True, _image),
}
PLACES: Final = 25
"""How many places the DTD's order has."""
