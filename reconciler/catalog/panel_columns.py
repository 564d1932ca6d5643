"""Columns out of JSON records that all look alike: the pattern that finds them, and what their values mean.

A pattern is learned from the first records: the same keys in the same order with the same types. What it finds are the
values as they stand in the text, which is turned into texts, ids, numbers and yes or no a column at a time; the
converters of `loose_json` decide wherever a value is not plainly what it should be. This module refuses to find records.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, TypeVar

from reconciler.catalog.extinf import has_entity, tidy
from reconciler.catalog.loose_json import flag, identifier, integer, text

__all__ = ["Columns", "Shape", "channel_number", "first_of", "json_value", "says_yes", "shape_of"]

T = TypeVar("T")
REMEMBERED: Final = 10_000
_MARK: Final = "\x1f"
CONSTANT_SAMPLES: Final = 8
# Any: a panel's JSON, whose types are what is doubted here.
Json = Any

_DECODER: Final = json.JSONDecoder(strict=False)
_NUMBER: Final = r"-?(?:0|[1-9]\d*)(?:\.\d+)?"
_WHOLE: Final = r"-?\d++"
"""Lets leading zeros through, which JSON does not know: where they would matter, `identifier` decides."""
_USED: Final = frozenset(
    [
        "num",
        "name",
        "stream_type",
        "stream_id",
        "stream_icon",
        "epg_channel_id",
        "category_id",
        "category_ids",
        "is_adult",
        "container_extension",
        "series_id",
        "cover",
        "title",
        "vod_id",
        "id",
    ]
)
_MAY_BE_FIXED: Final = frozenset({"stream_type", "is_adult", "container_extension"})


class Shape:
    """The pattern of one kind of record and where its values are."""

    __slots__ = ("columns", "fixed", "left_out", "pattern", "safe_pattern", "separator")

    def __init__(
        self,
        fields: str,
        safe_fields: str,
        columns: Mapping[str, bool],
        separator: str,
        fixed: Mapping[str, str],
        left_out: frozenset[str],
    ) -> None:
        self.fixed = fixed
        self.left_out = left_out
        self.pattern = re.compile(fields)
        self.safe_pattern = re.compile(safe_fields)
        self.columns = columns
        self.separator = separator


class Columns:
    """The values of a stretch by key, as they stood in the text: texts without quotes where all are texts."""

    __slots__ = ("_count", "_fixed", "_known", "_left_out", "_quoted", "raw")

    def __init__(self, shape: Shape, found: list[tuple[str, ...]], known: dict[str, dict[str, Json]]) -> None:
        self._count = len(found)
        self._quoted = shape.columns
        self._fixed = shape.fixed
        self._left_out = shape.left_out
        self._known = known
        self.raw = dict(zip(shape.columns, zip(*found, strict=True), strict=True))

    def scalars(self, key: str) -> Sequence[str]:
        """Values as JSON spells them."""
        column = self.raw[key]
        return [f'"{value}"' for value in column] if self._quoted[key] else column

    def texts(self, key: str) -> list[str]:
        """Values as tidied text, "" where the list has no such key."""
        if key not in self.raw:
            return [""] * self._count
        column: Sequence[str] = self.raw[key]
        if not self._quoted[key]:
            column = [v[1:-1] if v[0] == '"' else "" if v == "null" else text(json_value(v)) for v in column]
        joined = "".join(column)
        if "\\" in joined:
            column = _unescaped(column, joined)
            joined = "".join(column)
        if not joined.isprintable() or ("&" in joined and has_entity(joined)):
            return list(map(tidy, column))
        return list(map(str.strip, column))

    def identifiers(self, key: str) -> list[str] | None:
        """Values as ids, None where one of them is not plainly one."""
        column = self.raw[key]
        joined = "".join(column)
        if not (joined.isascii() and joined.isdecimal() and all(column)):
            return None
        if any(map(str.startswith, column, repeat("0"))) or max(map(len, column)) > 18:
            return None
        return list(column)

    def left_out(self, key: str) -> bool:
        """Whether the records have a key whose values were not taken out."""
        return key in self._left_out

    def numbers(self, key: str) -> Iterable[int | None]:
        """Values as channel numbers."""
        if key not in self.raw:
            return repeat(None, self._count)
        joined = "".join(self.raw[key])
        if joined.isascii() and joined.isdecimal() and all(self.raw[key]):
            numbers = list(map(int, self.raw[key]))
            if min(numbers) > 0 and max(numbers) < 1 << 31:
                return numbers
        return [channel_number(json_value(value)) for value in self.scalars(key)]

    def each(self, key: str, read: Callable[[str], T]) -> list[T]:
        """`read` of every value's JSON, called once for each that is not known yet; an empty list without such a key."""
        if key in self._fixed:
            return [read(f'"{self._fixed[key]}"')] * self._count
        if key not in self.raw:
            return []
        column = self.raw[key]
        known: dict[str, T] = self._known.setdefault(key, {})
        if len(known) > REMEMBERED:
            known.clear()
        quote = '"' if self._quoted[key] else ""
        for value in set(column).difference(known):
            known[value] = read(f"{quote}{value}{quote}")
        return list(map(known.__getitem__, column))


def json_value(scalar: str) -> Json:
    """The value that JSON text spells."""
    return _DECODER.decode(scalar)


def says_yes(scalar: str) -> bool:
    """`flag` of JSON text."""
    return flag(json_value(scalar))


def _unescaped(column: Sequence[str], joined: str) -> Sequence[str]:
    """Texts with their escapes undone, all at once where no escape can spell the mark between them."""
    if _MARK in joined or "\\u001f" in joined.lower():
        return [str(json_value(f'"{value}"')) if "\\" in value else value for value in column]
    together = _MARK.join(column)
    if joined.count("\\") == joined.count("\\/") and "\\\\" not in joined:
        return together.replace("\\/", "/").split(_MARK)  # the only escape that PHP writes everywhere
    return str(json_value(f'"{together}"')).split(_MARK)


def first_of(ids: Json) -> str:
    """The first usable id of a list."""
    return next(filter(None, map(identifier, ids)), "") if isinstance(ids, list) else ""


def channel_number(value: Json) -> int | None:
    """A value as a channel number, None where it is none."""
    number = integer(value)
    return number if number is not None and 0 < number < 1 << 31 else None


def shape_of(
    samples: list[list[tuple[str, Json]]], separator: str, shown: str, *, constants: bool
) -> Shape | None:
    """The pattern for records like these (the keys of the first, in its order), None where a value is nested.

    `shown` is their text. With `constants`, what all of them have in common is expected of all further ones as well.
    """
    keys = [key for key, _ in samples[0]]
    alike = [dict(s) for s in samples if [k for k, _ in s] == keys]
    if len(set(keys)) < len(keys) or len(alike) < 3 or not {"name"} <= set(keys):
        return None
    if not any(k in keys for k in ("stream_id", "series_id")):
        return None
    fixed = {}
    if constants and len(alike) > CONSTANT_SAMPLES:
        fixed = {k: alike[0][k] for k in keys if k in _MAY_BE_FIXED or k not in _USED}
        fixed = {k: v for k, v in fixed.items() if isinstance(v, str) and all(s[k] == v for s in alike)}
        fixed = {k: v for k, v in fixed.items() if (v.isascii() and v.replace("_", "").isalnum()) or not v}
    used = _USED
    if all(identifier(s.get("category_id")) for s in alike):
        used = _USED - {"category_ids"}  # asked for only where the one category is missing
    columns = {k: all(isinstance(s[k], str) for s in alike) for k in keys if k in used and k not in fixed}
    for colon, comma in ((":", ","), (": ", ", ")):
        marks = (colon, comma, separator)
        quick = _fields(alike, '[^"]*', marks, fixed, used)
        if not quick:
            return None
        safe = _fields(alike, r'[^"\\]*(?:\\.[^"\\]*)*', marks, fixed, used)
        expected = {k: v for k, v in fixed.items() if k in _USED}
        shape = Shape(quick, safe, columns, separator, expected, (_USED - used).intersection(keys))
        if shape.safe_pattern.match(shown):
            return shape
    return None


def _fields(
    samples: list[dict[str, Json]],
    string: str,
    marks: tuple[str, str, str],
    fixed: Mapping[str, str],
    used: frozenset[str],
) -> str:
    colon, comma, separator = marks
    parts = []
    for key in samples[0]:
        if key in fixed:
            value = f'"{re.escape(fixed[key])}"'
        else:
            values = [s[key] for s in samples]
            if key in _USED - {"category_ids"} and any(isinstance(v, list) for v in values):
                return ""
            value = _value_pattern(values, string, captured=key in used)
            if not value:
                return ""
        parts.append(f'"{re.escape(key)}"{colon}{value}')
    return r"\{" + comma.join(parts) + rf"\}}(?={re.escape(separator)}\{{|\Z)"


def _value_pattern(values: list[Json], string: str, *, captured: bool) -> str:
    """What matches values like these and is JSON; "" where one of them is nested."""
    if all(isinstance(v, str) for v in values):
        return f'"({string})"' if captured else f'"{string}"'
    if any(isinstance(v, dict) or (isinstance(v, list) and _nested(v)) for v in values):
        return ""
    if any(isinstance(v, list) for v in values):
        if not all(v is None or isinstance(v, list) for v in values):
            return ""
        numbers = all(type(one) is int for v in values if v for one in v)
        one = _WHOLE if numbers else rf'(?:"{string}"|{_NUMBER})'
        value = rf"\[(?:{one}(?:,\s?{one})*)?\]"
        value = value if None not in values else f"(?:null|{value})"
    elif all(type(v) is int for v in values):
        value = _WHOLE
    elif all(v is None or isinstance(v, str) for v in values):
        value = f'(?:"{string}"|null)'
    else:
        value = rf'(?:"{string}"|{_NUMBER}|null|true|false)'
    return f"({value})" if captured else value


def _nested(values: list[Json]) -> bool:
    return any(isinstance(v, dict | list) for v in values)
