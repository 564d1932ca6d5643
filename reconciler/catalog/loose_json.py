"""JSON as panels write it: PHP warnings before it, garbage behind it, every type where another was promised.

One converter per type (iptv-streams.md B3): each takes whatever JSON can hold and gives the type or its "nothing". This
module refuses to raise for a wrong type; only text that is no JSON at all is an error.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from reconciler.catalog.extinf import tidy

__all__ = ["NotJson", "flag", "identifier", "integer", "load", "mapping", "records", "sequence", "text"]

ATTEMPTS: Final = 8
_DECODER: Final = json.JSONDecoder(strict=False)
_NOTHING: Final = frozenset({"", '""', "null", "false", "[]", "{}"})

# Any: the value of a JSON document can be anything, which is the point of this module.
Json = Any


class NotJson(ValueError):
    """The text is no JSON; `shown` is how it begins, at most 80 characters (it may hold secrets)."""

    def __init__(self, shown: str) -> None:
        super().__init__("the answer is no JSON")
        self.shown = shown


def load(body: bytes) -> Json:
    """The first JSON value in `body`; None for the many ways of saying nothing. Raises NotJson.

    Whatever stands before the first bracket (PHP warnings) and behind the value is ignored.
    """
    text_ = body.decode("utf-8-sig", "replace").strip()
    if text_ in _NOTHING:
        return None
    start = -1
    for _ in range(ATTEMPTS):
        starts = [i for i in (text_.find("{", start + 1), text_.find("[", start + 1)) if i >= 0]
        if not starts:
            break
        start = min(starts)
        try:
            return _DECODER.raw_decode(text_, start)[0]
        except (ValueError, RecursionError):
            continue
    raise NotJson(text_[:80])


def text(value: Json) -> str:
    """A value as tidied text; "" for null, booleans and everything that is no scalar."""
    if isinstance(value, str):
        return tidy(value)
    if isinstance(value, bool) or value is None or not isinstance(value, int | float):
        return ""
    if isinstance(value, float):
        return str(int(value)) if abs(value) < 1e18 and value.is_integer() else str(value)
    return str(value)


def integer(value: Json) -> int | None:
    """A value as a whole number, None where it is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if abs(value) < 1e18 else None
    if isinstance(value, str):
        digits = value.strip()
        if digits.removeprefix("-").isdecimal() and digits.isascii() and len(digits) < 20:
            return int(digits)
        try:
            return integer(float(digits)) if digits and len(digits) < 20 else None
        except ValueError:
            return None
    return None


def identifier(value: Json) -> str:
    """An id as the text of a positive number, "" where there is none. Ids beyond 2**31 occur."""
    number = None if isinstance(value, bool) else integer(value)
    return str(number) if number is not None and number > 0 else ""


def flag(value: Json) -> bool:
    """Whether a value says yes: 1, "1", true, "true", "yes"."""
    return value is True or (
        not isinstance(value, bool) and str(value).strip().lower() in {"1", "true", "yes", "1.0"}
    )


def mapping(value: Json) -> Mapping[str, Json]:
    """The value if it is an object, else an empty one (`[]` stands for an empty object in PHP)."""
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[Json]:
    """The value if it is a list, the values of an object, else an empty list."""
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, dict) else []


def records(value: Json) -> list[Mapping[str, Json]]:
    """The objects in a list, in an object of objects (some panels number their list), or in the one list of an object."""
    if isinstance(value, dict):
        lists = [item for item in value.values() if isinstance(item, list)]
        if len(lists) == 1 and not any(isinstance(item, dict) for item in value.values()):
            return records(lists[0])
    return [item for item in sequence(value) if isinstance(item, dict)]
