"""A panel's list of streams, read in pieces: tens of thousands of JSON objects of the same shape.

`json.loads` of a whole list costs five times the memory of what is kept. So the objects are read one after the other,
and as long as they have the shape of those before, by one pattern learned from the list: keys in the same order, values
of the same types. Counting braces and separators proves that the pattern read a stretch whole (no brace outside a match,
nothing but separators between matches); any other stretch is decoded object by object. A property test holds both ways
against each other. This module refuses to know what calls a panel has.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any, Final

from reconciler.catalog.assembly import is_adult_group
from reconciler.catalog.entry import Entry, Kind
from reconciler.catalog.extinf import tidy
from reconciler.catalog.loose_json import NotJson, flag, identifier, integer, load, mapping, records, text
from reconciler.catalog.pause import collector_paused

__all__ = ["Rows", "read_rows"]

PIECE_BYTES: Final = 1 << 18
STRETCH_CHARS: Final = 1 << 14
OBJECT_LIMIT_CHARS: Final = 8 << 20
SAMPLE: Final = 24
LESSONS: Final = 8

_ID_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "live": ("stream_id", "id"),
    "vod": ("stream_id", "vod_id", "id"),
    "series": ("series_id", "id"),
}
_DECODER: Final = json.JSONDecoder(strict=False)
_PAIRS: Final = json.JSONDecoder(strict=False, object_pairs_hook=lambda pairs: pairs)
_BETWEEN: Final = re.compile(r"[\s,]*")
_SEPARATED: Final = re.compile(r"\}(\s*,\s*)\{")
_NUMBER: Final = r"-?(?:0|[1-9]\d*)(?:\.\d+)?"
_NOS: Final = frozenset({"", "0", '"0"', "null", '""', "false"})
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


class Rows:
    """What is read so far: entries, and how many records had no usable id."""

    __slots__ = ("_adult", "_categories", "_known", "entries", "kind", "source", "without_id")

    def __init__(self, source: str, kind: Kind, categories: Mapping[str, str]) -> None:
        self.source = source
        self.kind: Kind = kind
        self._categories = categories
        self._known: dict[str, str] = {}
        self._adult: dict[str, bool] = {}
        self.entries: list[Entry] = []
        self.without_id: list[str] = []

    def group(self, category: str) -> str:
        """The name of a category."""
        return self._categories.get(category, "")

    def adult(self, group: str) -> bool:
        """Whether a category's name says that it is for adults, remembered."""
        known = self._adult.get(group)
        if known is None:
            known = self._adult[group] = is_adult_group(group)
        return known

    def add(self, record: Mapping[str, Any]) -> None:
        """One record of any shape. Any: a panel's JSON."""
        said = record.get
        key = next((k for k in map(identifier, (said(n) for n in _ID_KEYS[self.kind])) if k), "")
        name = text(said("name")) or text(said("title"))
        if not key:
            self.without_id.append(name)
            return
        category = identifier(said("category_id")) or _first_of(said("category_ids"))
        guide_id = text(said("epg_channel_id"))
        group = self.group(category)
        number = integer(said("num"))
        self.entries.append(
            Entry(
                source=self.source,
                key=key,
                name=name or f"Stream {key}",
                kind=self.kind,
                guide_id="" if guide_id == "0" else guide_id,
                group=group,
                logo=text(said("stream_icon")) or text(said("cover")),
                number=number if number is not None and 0 < number < 1 << 31 else None,
                extension=text(said("container_extension")).lower() if self.kind != "live" else "",
                radio=text(said("stream_type")).startswith("radio"),
                adult=flag(said("is_adult")) or self.adult(group),
            )
        )


class _Shape:
    """The pattern of one kind of record and where its values are."""

    __slots__ = ("columns", "pattern", "safe_pattern", "separator")

    def __init__(self, fields: str, safe_fields: str, columns: tuple[str, ...], separator: str) -> None:
        self.pattern = re.compile(fields)
        self.safe_pattern = re.compile(safe_fields)
        self.columns = columns
        self.separator = separator


def read_rows(chunks: Iterable[bytes], rows: Rows, *, in_bulk: bool = True) -> None:
    """Read one list into `rows`. Nothing at all (`[]`, `{}`, `null`, `false`, an empty body) gives nothing.

    Raises NotJson where the text is no JSON or ends in the middle: half a list is no list.
    """
    with collector_paused():
        _List(rows, in_bulk=in_bulk).read(chunks)


class _List:
    """The text not yet read, and the shapes learned."""

    __slots__ = ("_bulk", "_lessons", "_position", "_rows", "_shape", "_text")

    def __init__(self, rows: Rows, *, in_bulk: bool) -> None:
        self._rows = rows
        self._bulk = in_bulk
        self._text = ""
        self._position = 0
        self._shape: _Shape | None = None
        self._lessons = 0

    def read(self, chunks: Iterable[bytes]) -> None:
        pieces = _decoded(chunks)
        head = ""
        for piece in pieces:
            head += piece
            begin = re.search(r"[\[{]", head)
            if begin and begin[0] == "[" and "<" not in head[: begin.start()]:
                self._text, self._position = head, begin.end()
                self._read_array(pieces)
                return
            if begin or len(head) > OBJECT_LIMIT_CHARS:
                break
        # an object of objects, a refusal, warnings before the list, or nothing: read as one document
        document = (head + "".join(pieces)).encode("utf-8", "replace")
        value = load(document)
        if isinstance(value, dict) and {"user_info", "server_info"} & value.keys():
            raise NotJson("the login answer instead of a list")
        for record in records(value):
            self._rows.add(record)

    def _read_array(self, pieces: Iterator[str]) -> None:
        wanted = 0
        while True:
            if self._advance():
                return
            unread = len(self._text) - self._position
            if unread > OBJECT_LIMIT_CHARS:
                raise NotJson(f"an object of more than {OBJECT_LIMIT_CHARS >> 20} MiB")
            # a broken list must not be decoded anew for every piece
            wanted = max(PIECE_BYTES, 2 * unread if unread > PIECE_BYTES else 0)
            fresh = []
            size = 0
            for piece in pieces:
                fresh.append(piece)
                size += len(piece)
                if size >= wanted:
                    break
            if not fresh:
                raise NotJson(f"the list ends in the middle, after {len(self._rows.entries)} streams")
            self._text = self._text[self._position :] + "".join(fresh)
            self._position = 0

    def _advance(self) -> bool:
        """Read what is there. True: the list's end was reached; False: more text is needed."""
        while True:
            between = _BETWEEN.match(self._text, self._position)
            assert between is not None  # it may match nothing
            self._position = between.end()
            mark = self._text[self._position : self._position + 1]
            if mark == "]":
                return True
            if not mark:
                return False
            if mark != "{":
                if not self._skip_scalar():
                    return False
                continue
            if self._bulk and self._stretch():
                continue
            if not self._one_object():
                return False

    def _skip_scalar(self) -> bool:
        """Something in the list that is no object: `null`, `[]`, a number, text."""
        try:
            _, end = _DECODER.raw_decode(self._text, self._position)
        except ValueError:
            return False
        if end == len(self._text):
            return False  # a number may go on
        self._position = end
        return True

    def _one_object(self) -> bool:
        try:
            record, self._position = _DECODER.raw_decode(self._text, self._position)
        except (ValueError, RecursionError):
            return False
        self._rows.add(mapping(record))
        return True

    def _stretch(self) -> bool:
        """Read a stretch of objects by the pattern, if it proves that it read all of it; else the objects in it one
        by one, so that the pattern is asked anew only behind them.
        """
        text_, start = self._text, self._position
        if self._shape is None and not self._learn():
            self._bulk = self._lessons < LESSONS
            return False
        assert self._shape is not None
        joint = "}" + self._shape.separator + "{"
        cut = text_.find(joint, start + STRETCH_CHARS)
        if cut < 0:
            cut = text_.rfind(joint, start)
        if cut < 0:
            return False
        end = cut + 1
        found = self._matches(start, end, joint)
        if found is None:
            self._shape = None
            if self._learn():
                found = self._matches(start, end, joint)
        if found is not None:
            self._take(found)
            self._position = end
            return True
        while self._position < end:
            between = _BETWEEN.match(text_, self._position)
            self._position = between.end() if between else self._position
            if text_[self._position : self._position + 1] != "{" or not self._one_object():
                break
        return self._position > start

    def _matches(self, start: int, end: int, joint: str) -> list[tuple[str, ...]] | None:
        shape, text_ = self._shape, self._text
        assert shape is not None
        pattern = shape.safe_pattern if text_.find('\\"', start, end) >= 0 else shape.pattern
        found: list[tuple[str, ...]] = pattern.findall(text_, start, end)
        count = len(found)
        whole = (
            text_.count("{", start, end) == count
            and text_.count("}", start, end) == count
            and text_.count(joint, start, end) == count - 1
        )
        return found if whole and count else None

    def _learn(self) -> bool:
        """Make a pattern from the next objects. False: they have no common flat shape."""
        self._lessons += 1
        if self._lessons > LESSONS:
            return False
        samples: list[list[tuple[str, Any]]] = []
        position = self._position
        while len(samples) < SAMPLE:
            try:
                pairs, end = _PAIRS.raw_decode(self._text, position)
            except (ValueError, RecursionError):
                break
            if isinstance(pairs, list) and all(isinstance(p, tuple) for p in pairs):
                samples.append(pairs)
            between = _BETWEEN.match(self._text, end)
            position = between.end() if between else end
        separated = _SEPARATED.search(self._text, self._position)
        if len(samples) < 3 or separated is None:
            return False
        self._shape = _shape_of(samples, separated[1], self._text[self._position : position])
        return self._shape is not None

    def _take(self, found: list[tuple[str, ...]]) -> None:
        assert self._shape is not None
        rows = self._rows
        columns = dict(zip(self._shape.columns, zip(*found, strict=True), strict=True))
        count = len(found)
        empty = ("",) * count

        def plain(key: str) -> list[str]:
            return _plain(columns[key]) if key in columns else list(empty)

        keys = [_id(v) for v in next(columns[k] for k in _ID_KEYS[rows.kind] if k in columns)]
        names = plain("name")
        categories = [_id(v) for v in columns.get("category_id", empty)]
        if not all(keys) or not all(names):
            # one of them needs a second look: the record as a whole decides
            self._one_by_one(count)
            return
        if not all(categories) and "category_ids" in columns:
            categories = [c or _first(v) for c, v in zip(categories, columns["category_ids"], strict=True)]
        known = {c: rows.group(c) for c in set(categories)}
        groups = [known[c] for c in categories]
        adult = columns.get("is_adult", empty)
        grown = {g: rows.adult(g) for g in known.values()}
        logos = plain("stream_icon")
        if "cover" in columns:
            logos = [a or b for a, b in zip(logos, plain("cover"), strict=True)]
        extensions = [e.lower() for e in plain("container_extension")] if rows.kind != "live" else list(empty)
        rows.entries.extend(
            map(
                Entry._make,
                zip(
                    repeat(rows.source, count),
                    keys,
                    names,
                    repeat(rows.kind),
                    ["" if g == "0" else g for g in plain("epg_channel_id")],
                    groups,
                    logos,
                    [_number(v) for v in columns.get("num", empty)],
                    repeat(""),
                    repeat(()),
                    extensions,
                    repeat(()),
                    repeat(""),
                    repeat(""),
                    [t.startswith("radio") for t in plain("stream_type")],
                    [
                        grown[g] or (a not in _NOS and flag(_value(a)))
                        for a, g in zip(adult, groups, strict=True)
                    ],
                    repeat(""),
                    repeat(0.0),
                    strict=False,
                ),
            )
        )

    def _one_by_one(self, count: int) -> None:
        position = self._position
        for _ in range(count):
            record, end = _DECODER.raw_decode(self._text, position)
            self._rows.add(mapping(record))
            between = _BETWEEN.match(self._text, end)
            position = between.end() if between else end


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield decoder.decode(chunk[start : start + PIECE_BYTES])
    yield decoder.decode(b"", final=True)


def _bare(scalar: str) -> str:
    """A scalar, given as it stood in the text, as text."""
    if scalar[:1] == '"':
        return _unescaped(scalar[1:-1])
    return scalar if scalar.isdecimal() else text(_value(scalar))


def _value(scalar: str) -> str | int | float | bool | None:
    decoded: str | int | float | bool | None = _DECODER.decode(scalar) if scalar else None
    return decoded


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    decoded: str = _DECODER.decode(f'"{value}"')
    return decoded


def _id(scalar: str) -> str:
    bare = _bare(scalar)
    return (
        bare
        if bare.isdecimal() and bare.isascii() and bare[0] != "0" and len(bare) < 20
        else identifier(bare)
    )


def _first_of(ids: Any) -> str:  # Any: `category_ids` of a panel's JSON
    return next(filter(None, map(identifier, ids)), "") if isinstance(ids, list) else ""


def _first(scalar: str) -> str:
    return _first_of(_DECODER.decode(scalar))


def _number(scalar: str) -> int | None:
    number = integer(_value(scalar))
    return number if number is not None and 0 < number < 1 << 31 else None


def _plain(column: tuple[str, ...]) -> list[str]:
    """A column of texts, tidied; the common case is that none needs it."""
    values = list(map(_bare, column))
    joined = "".join(values)
    if "&" in joined or not joined.isprintable():
        return [tidy(v) for v in values]
    return list(map(str.strip, values))


def _shape_of(samples: list[list[tuple[str, Any]]], separator: str, shown: str) -> _Shape | None:
    """The pattern for records like these (the keys of the first, in its order), None where a value is nested."""
    keys = [key for key, _ in samples[0]]
    alike = [dict(s) for s in samples if [k for k, _ in s] == keys]
    if len(set(keys)) < len(keys) or len(alike) < 3 or not {"name"} <= set(keys):
        return None
    if not any(k in keys for k in ("stream_id", "series_id")):
        return None
    for colon, comma in ((":", ","), (": ", ", ")):
        quick = _fields(keys, alike, '[^"]*', colon, comma)
        if not quick:
            return None
        safe = _fields(keys, alike, r'[^"\\]*(?:\\.[^"\\]*)*', colon, comma)
        shape = _Shape(quick, safe, tuple(k for k in keys if k in _USED), separator)
        if shape.safe_pattern.match(shown):
            return shape
    return None


def _fields(keys: list[str], samples: list[dict[str, Any]], string: str, colon: str, comma: str) -> str:
    parts = []
    for key in keys:
        values = [s[key] for s in samples]
        if any(isinstance(v, list) for v in values):
            if not all(
                v is None or (isinstance(v, list) and not _nested(v)) for v in values
            ) or key in _USED - {"category_ids"}:
                return ""
            one = rf'(?:"{string}"|{_NUMBER})'
            value = rf"(?:null|\[(?:{one}(?:,\s?{one})*)?\])"
            parts.append(rf'"{re.escape(key)}"{colon}' + (f"({value})" if key in _USED else value))
            continue
        kinds = {_kind(v) for v in values}
        if "" in kinds:
            return ""
        if kinds == {"text"}:
            value = f'"{string}"'
        elif kinds == {"integer"}:
            value = _NUMBER
        else:
            value = rf'(?:"{string}"|{_NUMBER}|null|true|false)'
        parts.append(rf'"{re.escape(key)}"{colon}' + (f"({value})" if key in _USED else value))
    return r"\{" + comma.join(parts) + r"\}"


def _nested(values: list[Any]) -> bool:
    return any(isinstance(v, dict | list) for v in values)


def _kind(value: Any) -> str:  # Any: one value of a panel's JSON
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return "other"
    return "integer" if isinstance(value, int) else ""
