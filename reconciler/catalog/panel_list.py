"""A panel's list of streams, read in pieces: tens of thousands of JSON objects of the same shape.

`json.loads` of a whole list costs five times the memory of what is kept. So the objects are read one after the other,
and as long as they have the shape of those before, by one pattern learned from the list: keys in the same order, values
of the same types. Counting braces proves that the pattern read a stretch whole; any other stretch is decoded object by object. A property test holds both ways
against each other. This module refuses to know what calls a panel has.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

from reconciler.catalog.assembly import is_adult_group
from reconciler.catalog.entry import Entry, Kind
from reconciler.catalog.loose_json import NotJson, flag, identifier, load, mapping, records, text
from reconciler.catalog.panel_columns import (
    Columns,
    Shape,
    channel_number,
    first_of,
    json_value,
    says_yes,
    shape_of,
)
from reconciler.catalog.pause import collector_paused

__all__ = ["Rows", "read_rows"]

PIECE_BYTES: Final = 1 << 18
LONGEST_STRETCH_CHARS: Final = 1 << 17
SHORTEST_STRETCH_CHARS: Final = 1 << 13
OBJECT_LIMIT_CHARS: Final = 8 << 20
DOCUMENT_LIMIT_CHARS: Final = 48 << 20
PREAMBLE_LIMIT_CHARS: Final = 1 << 20
SAMPLE: Final = 24
LESSONS: Final = 8

# Any: a panel's JSON.
Json = Any

_ID_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "live": ("stream_id", "id"),
    "vod": ("stream_id", "vod_id", "id"),
    "series": ("series_id", "id"),
}
_DECODER: Final = json.JSONDecoder(strict=False)
_PAIRS: Final = json.JSONDecoder(strict=False, object_pairs_hook=lambda pairs: pairs)
_BETWEEN: Final = re.compile(r"[\s,]*")
_SEPARATED: Final = re.compile(r"\}(\s*,\s*)\{")
_NO: Final = False
_new: Final = tuple.__new__


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

    def groups(self, categories: Iterable[str]) -> list[str]:
        """The names of categories, "" for one that has none."""
        return list(map(self._categories.get, categories, repeat("")))

    def adults(self, groups: Sequence[str]) -> Iterable[bool]:
        """Whether each group's name says that it is for adults; each name is looked at once."""
        for group in set(groups).difference(self._adult):
            self._adult[group] = is_adult_group(group)
        return map(self._adult.__getitem__, groups)

    def add(self, record: Mapping[str, Any]) -> None:
        """One record of any shape. Any: a panel's JSON."""
        said = record.get
        key = next((k for k in map(identifier, (said(n) for n in _ID_KEYS[self.kind])) if k), "")
        name = text(said("name")) or text(said("title"))
        if not key:
            self.without_id.append(name)
            return
        category = identifier(said("category_id")) or first_of(said("category_ids"))
        guide_id = text(said("epg_channel_id"))
        group = self._categories.get(category, "")
        self.entries.append(
            Entry(
                source=self.source,
                key=key,
                name=name or f"Stream {key}",
                kind=self.kind,
                guide_id="" if guide_id == "0" else guide_id,
                group=group,
                logo=text(said("stream_icon")) or text(said("cover")),
                number=channel_number(said("num")),
                extension=text(said("container_extension")).lower() if self.kind != "live" else "",
                radio=text(said("stream_type")).startswith("radio"),
                adult=flag(said("is_adult")) or next(iter(self.adults([group]))),
            )
        )


def read_rows(chunks: Iterable[bytes], rows: Rows, *, in_bulk: bool = True) -> None:
    """Read one list into `rows`. Nothing at all (`[]`, `{}`, `null`, `false`, an empty body) gives nothing.

    Raises NotJson where the text is no JSON or ends in the middle: half a list is no list.
    """
    with collector_paused():
        _List(rows, in_bulk=in_bulk).read(chunks)


class _List:
    """The text not yet read, and the shapes learned."""

    __slots__ = (
        "_bulk",
        "_constant",
        "_known",
        "_lessons",
        "_position",
        "_rows",
        "_shape",
        "_stretch_chars",
        "_text",
    )

    def __init__(self, rows: Rows, *, in_bulk: bool) -> None:
        self._rows = rows
        self._bulk = in_bulk
        self._text = ""
        self._position = 0
        self._shape: Shape | None = None
        self._lessons = 0
        self._constant = True
        self._stretch_chars = LONGEST_STRETCH_CHARS
        self._known: dict[str, dict[str, Json]] = {}

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
            if begin:
                break
            if len(head) > PREAMBLE_LIMIT_CHARS:
                raise NotJson(head[:80])
        # an object of objects, a refusal, warnings before the list, or nothing: read as one document
        rest = [head]
        size = len(head)
        for piece in pieces:
            rest.append(piece)
            size += len(piece)
            if size > DOCUMENT_LIMIT_CHARS:
                raise NotJson(f"an answer of more than {DOCUMENT_LIMIT_CHARS >> 20} MiB that is no list")
        value = load("".join(rest).encode("utf-8", "replace"))
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
        except RecursionError:
            raise NotJson("an answer nested without end") from None
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
        cut = text_.find(joint, start + self._stretch_chars)
        if cut < 0:
            cut = text_.rfind(joint, start)
        if cut < 0:
            return False
        end = cut + 1
        found = self._matches(start, end)
        if found is None:
            self._shape, self._constant = None, False
            if self._learn():
                found = self._matches(start, end)
        if found is not None:
            self._take(found)
            self._position = end
            self._stretch_chars = min(2 * self._stretch_chars, LONGEST_STRETCH_CHARS)
            return True
        self._stretch_chars = max(self._stretch_chars // 4, SHORTEST_STRETCH_CHARS)
        end = min(end, start + self._stretch_chars)
        while self._position < end:
            between = _BETWEEN.match(text_, self._position)
            self._position = between.end() if between else self._position
            if text_[self._position : self._position + 1] != "{" or not self._one_object():
                break
        return self._position > start

    def _matches(self, start: int, end: int) -> list[tuple[str, ...]] | None:
        shape, text_ = self._shape, self._text
        assert shape is not None
        found: list[tuple[str, ...]] = shape.pattern.findall(text_, start, end)
        braces = text_.count("{", start, end)
        if len(found) != braces:
            # An escaped quote ends the quick pattern's texts too early, where nothing of it can go on.
            found = shape.safe_pattern.findall(text_, start, end)
        # Each match begins with a brace and is followed by the next object's or the end: as many braces as matches, the
        # first at the beginning, leave nothing between them.
        return found if found and braces == len(found) else None

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
        self._shape = shape_of(
            samples, separated[1], self._text[self._position : position], constants=self._constant
        )
        return self._shape is not None

    def _take(self, found: list[tuple[str, ...]]) -> None:
        assert self._shape is not None
        rows, count = self._rows, len(found)
        columns = Columns(self._shape, found, self._known)
        keys = columns.identifiers(next(k for k in _ID_KEYS[rows.kind] if k in columns.raw))
        names = columns.texts("name")
        if keys is None or not all(names):
            # one of them needs a second look: the record as a whole decides
            self._one_by_one(count)
            return
        groups = self._groups(columns, count)
        if groups is None:
            self._one_by_one(count)
            return
        adult: Iterable[bool] = rows.adults(groups)
        if any(said := columns.each("is_adult", says_yes)):
            adult = [one or other for one, other in zip(said, adult, strict=True)]
        guide_ids = columns.texts("epg_channel_id")
        if "0" in guide_ids:
            guide_ids = ["" if g == "0" else g for g in guide_ids]
        logos = columns.texts("stream_icon")
        if "cover" in columns.raw:
            logos = [one or other for one, other in zip(logos, columns.texts("cover"), strict=True)]
        extensions: Iterable[str] = repeat("", count)
        if rows.kind != "live":
            extensions = columns.each("container_extension", lambda v: text(json_value(v)).lower())
        radio = columns.each("stream_type", lambda v: text(json_value(v)).startswith("radio"))
        fields = zip(
            repeat(rows.source, count),
            keys,
            names,
            repeat(rows.kind, count),
            guide_ids,
            groups,
            logos,
            columns.numbers("num"),
            repeat("", count),
            repeat((), count),
            extensions,
            repeat((), count),
            repeat("", count),
            repeat("", count),
            radio if any(radio) else repeat(_NO, count),
            adult,
            repeat("", count),
            repeat(0.0, count),
            strict=True,
        )
        rows.entries.extend(map(_new, repeat(Entry), fields))

    def _groups(self, columns: Columns, count: int) -> list[str] | None:
        """The categories' names; None where one is only in a list that the pattern did not take out."""
        rows = self._rows
        categories = columns.each("category_id", lambda v: identifier(json_value(v))) or [""] * count
        if not all(categories):
            if columns.left_out("category_ids"):
                return None
            lists = columns.each("category_ids", lambda v: first_of(json_value(v))) or [""] * count
            categories = [one or other for one, other in zip(categories, lists, strict=True)]
        return rows.groups(categories)

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
