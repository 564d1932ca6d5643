"""What the records of a panel's list say: `Entry` values from objects whose every type is doubted (iptv-streams.md B3).

`Rows.add` is the rule, one record at a time, whatever JSON holds. `Rows.extend` gives the same for records that msgspec has
decoded, a column at a time where a whole column is as it should be: four times the speed. Property tests hold the two
against each other. This module refuses to find records in a text: `panel_list` does.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Final, TypeVar

import msgspec

from reconciler.catalog.assembly import guide_ids, is_adult_group
from reconciler.catalog.entry import Entry, Kind
from reconciler.catalog.extinf import has_entity, tidy
from reconciler.catalog.loose_json import flag, identifier, integer, text

__all__ = ["Record", "Rows", "Scalar", "Whole"]

T = TypeVar("T")
Scalar = str | int | float | bool | None
"""What a panel may write for any of the fields that are read."""
# Any: a panel's JSON.
Json = Any

_ID_KEYS: Final[dict[Kind, tuple[str, ...]]] = {
    "live": ("stream_id", "id"),
    "vod": ("stream_id", "vod_id", "id"),
    "series": ("series_id", "id"),
}
_LONGEST_PLAIN_ID: Final = 18
_new: Final = tuple.__new__
_no_address: Final = repeat("")
_nothing: Final = repeat(())


class Record(msgspec.Struct, gc=False):
    """The fields that are read of every record. One that holds something else there than a scalar is no `Record`."""

    stream_id: Scalar = None
    series_id: Scalar = None
    name: Scalar = None
    num: Scalar = None
    stream_type: Scalar = None
    stream_icon: Scalar = None
    cover: Scalar = None
    epg_channel_id: Scalar = None
    is_adult: Scalar = None
    category_id: Scalar = None
    container_extension: Scalar = None


class Whole(Record, gc=False):
    """What is only looked at where a record lacks id, name or category: reading it always costs a tenth."""

    vod_id: Scalar = None
    id: Scalar = None
    title: Scalar = None
    category_ids: msgspec.Raw = msgspec.Raw()


class Rows:
    """What is read so far: entries, and the names of records without a usable id."""

    __slots__ = ("_adult", "_categories", "entries", "kind", "source", "without_id")

    def __init__(self, source: str, kind: Kind, categories: Mapping[str, str]) -> None:
        self.source = source
        self.kind: Kind = kind
        self._categories = categories
        self._adult: dict[str, bool] = {}
        self.entries: list[Entry] = []
        self.without_id: list[str] = []

    def add(self, record: Mapping[str, Json]) -> None:
        """One record of any shape."""
        said = record.get
        key = next((k for k in map(identifier, (said(n) for n in _ID_KEYS[self.kind])) if k), "")
        name = text(said("name")) or text(said("title"))
        if not key:
            self.without_id.append(name)
            return
        group = self._categories.get(
            self._category(said("category_id")) or _first_of(said("category_ids")), ""
        )
        (guide_id,) = guide_ids((text(said("epg_channel_id")),))
        self.entries.append(
            Entry(
                source=self.source,
                key=key,
                name=name or f"Stream {key}",
                kind=self.kind,
                guide_id=guide_id,
                group=group,
                logo=text(said("stream_icon")) or text(said("cover")),
                number=_channel_number(said("num")),
                extension=_extension(said("container_extension")) if self.kind != "live" else "",
                radio=_is_radio(said("stream_type")),
                adult=flag(said("is_adult")) or next(iter(self._adults([group]))),
            )
        )

    def extend(self, records: Sequence[Record], whole: Callable[[], Sequence[Whole]]) -> None:
        """`add` of each record, at a third of its cost.

        `whole` gives the same records with all their fields; what it raises is raised before anything is added.
        """
        said = dict(
            zip(
                Record.__struct_fields__,
                zip(*map(msgspec.structs.astuple, records), strict=True),
                strict=True,
            )
        )
        keys, names = _identifiers(said[_ID_KEYS[self.kind][0]]), _texts(said["name"])
        if not all(keys) or not all(names):
            for record in whole():
                self.add({**msgspec.structs.asdict(record), "category_ids": _value(record.category_ids)})
            return
        groups = self._groups(said["category_id"], whole)
        adult = self._adults(groups)
        if any(flags := _each(said["is_adult"], flag)):
            adult = [one or other for one, other in zip(flags, adult, strict=True)]
        logos = _texts(said["stream_icon"])
        if any(covers := _texts(said["cover"])):
            logos = [one or other for one, other in zip(logos, covers, strict=True)]
        live = self.kind == "live"
        fields = zip(
            repeat(self.source),
            keys,
            names,
            repeat(self.kind),
            guide_ids(_texts(said["epg_channel_id"])),
            groups,
            logos,
            _channel_numbers(said["num"]),
            _no_address,
            _nothing,
            _no_address if live else map(_extension, said["container_extension"]),
            _nothing,
            _no_address,
            _no_address,
            _each(said["stream_type"], _is_radio),
            adult,
            _no_address,
            repeat(0.0),
            strict=False,  # most of them have no end
        )
        self.entries.extend(map(_new, repeat(Entry), fields))

    def _groups(self, categories: Sequence[Scalar], whole: Callable[[], Sequence[Whole]]) -> list[str]:
        """The names of the records' categories, "" for one that has none."""
        groups = list(map(self._categories.get, categories))  # type: ignore[arg-type]  # what is no id is no key
        if None not in groups:
            return groups  # type: ignore[return-value]
        ids = _identifiers(categories)
        if not all(ids):
            ids = [
                one or self._category(record.category_id) or _first_of(_value(record.category_ids))
                for one, record in zip(ids, whole(), strict=True)
            ]
        return list(map(self._categories.get, ids, repeat("")))

    def _category(self, value: Json) -> str:
        """An id of a category: a number, or a word or zero that the list of categories has."""
        number = identifier(value)
        return number or (word if (word := text(value)) in self._categories else "")

    def _adults(self, groups: Sequence[str]) -> Iterable[bool]:
        """Whether each group's name says that it is for adults; each name is looked at once."""
        for group in set(groups).difference(self._adult):
            self._adult[group] = is_adult_group(group)
        return map(self._adult.__getitem__, groups)


def _value(raw: msgspec.Raw) -> Json:
    return json.loads(bytes(raw)) if raw else None


def _first_of(ids: Json) -> str:
    """The first usable id of a list."""
    return next(filter(None, map(identifier, ids)), "") if isinstance(ids, list) else ""


def _channel_number(value: Json) -> int | None:
    number = integer(value)
    return number if number is not None and 0 < number < 1 << 31 else None


def _extension(value: Json) -> str:
    return text(value).lower()


def _is_radio(value: Json) -> bool:
    return text(value).startswith("radio")


# --- columns ---------------------------------------------------------------------------------------------------


def _each(column: Sequence[Scalar], read: Callable[[Scalar], T]) -> list[T]:
    """`read` of every value, called once for those that are the same; 1, 1.0 and true must be the same to it."""
    answers = {value: read(value) for value in set(column)}
    return list(map(answers.__getitem__, column))


def _texts(column: Sequence[Scalar]) -> list[str]:
    """`text` of every value."""
    if column.count(None) == len(column):
        return [""] * len(column)
    try:
        texts = ["" if value is None else value for value in column] if None in column else column
        joined = "".join(texts)  # type: ignore[arg-type]  # what is no text ends here
    except TypeError:
        return list(map(text, column))
    if not joined.isprintable() or ("&" in joined and has_entity(joined)):
        return list(map(tidy, texts))  # type: ignore[arg-type]
    if " " not in joined:
        return list(texts)  # type: ignore[arg-type]
    return list(map(str.strip, texts))  # type: ignore[arg-type]


def _identifiers(column: Sequence[Scalar]) -> list[str]:
    """`identifier` of every value."""
    types = set(map(type, column))
    if types == {int} and min(column) > 0:  # type: ignore[type-var, operator]
        return list(map(str, column))
    if types == {str}:
        texts: list[str] = list(column)  # type: ignore[arg-type]
        joined = "".join(texts)
        if joined.isascii() and joined.isdecimal() and max(map(len, texts)) <= _LONGEST_PLAIN_ID:
            firsts = {value[:1] for value in texts}
            if firsts.isdisjoint(("", "0")):
                return texts
    return list(map(identifier, column))


def _channel_numbers(column: Sequence[Scalar]) -> Sequence[int | None]:
    """`_channel_number` of every value."""
    if set(map(type, column)) == {int} and min(column) > 0 and max(column) < 1 << 31:  # type: ignore[type-var, operator]
        return column  # type: ignore[return-value]
    return list(map(_channel_number, column))
