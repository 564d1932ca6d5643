"""The last good copy of every list: what stands in when a provider has a bad day (design.md 1.7).

A copy is a small head (when, from where, what the server said about changes) and a file of columns, one per field of
an entry; columns of a hundred thousand entries are read back in a tenth of the time of the list itself. The head names the
columns' file and is replaced last, so a killed process leaves the old copy whole. Nothing here holds a credential:
entries carry placeholders before they arrive. This module refuses to judge whether a copy is too old.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from reconciler.catalog.entry import Dropped, Entry
from reconciler.catalog.pause import collector_paused
from reconciler.errors import StateError

__all__ = ["FORMAT", "UNFINISHED", "UNUSED_S", "Copies", "Head", "conditions", "write_file"]

FORMAT: Final = "ptctl-list/1"
UNFINISHED: Final = ".fetch-"
"""Beginning of the names of what is on its way into the cache; a day later nobody needs it."""
UNUSED_S: Final = 30 * 86400.0
"""After which a copy goes that no spec names: guides have up to gigabytes."""
_FIELDS: Final = tuple(f for f in Entry._fields if f != "source")
_DEFAULTS: Final = {f: Entry._field_defaults.get(f, "") for f in _FIELDS}
_new: Final = tuple.__new__


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a copy besides its entries.

    `of` tells lists apart: a copy of another address is no copy. `origin` is the call and host that gave it, for which
    `etag` and `modified` hold. `digest` is over the bytes as they came ("" for guides). `categories` are a panel's, by id.
    """

    of: str
    fetched_at: float
    count: int
    via: str = ""
    origin: str = ""
    etag: str = ""
    modified: str = ""
    digest: str = ""
    guide_urls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    categories: tuple[tuple[str, str], ...] = ()
    columns: str = ""


def conditions(head: Head) -> dict[str, str]:
    """Request headers that ask only for something newer than the copy."""
    asked = {}
    if head.etag:
        asked["If-None-Match"] = head.etag
    if head.modified:
        asked["If-Modified-Since"] = head.modified
    return asked


class Copies:
    """The copies below one directory (`<state>/cache/lists`). Files are readable by the owner alone."""

    __slots__ = ("_directory",)

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Where they lie; made when first asked for."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self._directory

    def head(self, name: str, of: str) -> Head | None:
        """What is known of a copy; None where there is none, or it is of another list, or it cannot be read."""
        try:
            raw: dict[str, Any] = json.loads((self._directory / f"{name}.json").read_bytes())
            if raw.pop("format") != FORMAT or raw["of"] != of:
                return None
            raw["dropped"] = tuple(Dropped(d[0], d[1], tuple(d[2])) for d in raw["dropped"])
            raw["categories"] = tuple((k, v) for k, v in raw["categories"])
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
            head = Head(**values)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return head if (self._directory / head.columns).is_file() else None

    def entries(self, head: Head, source: str) -> tuple[Entry, ...] | None:
        """The entries of a copy, None where its file is gone or broken."""
        try:
            data = (self._directory / head.columns).read_bytes()
            with collector_paused():
                found = _unpacked(msgspec.json.decode(data), source)
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        return found if len(found) == head.count else None

    def keep(self, name: str, head: Head, entries: Sequence[Entry]) -> None:
        """Make this the copy. Writes nothing where the entries are those of the copy there is but its head."""
        with collector_paused():
            data = msgspec.json.encode(_packed(entries))
        columns = f"{name}.{hashlib.sha256(data).hexdigest()[:16]}.columns"
        if not (self.directory / columns).is_file():
            write_file(self.directory / columns, data)
        self._write_head(name, head, columns)
        for old in self.directory.glob(f"{_escaped(name)}.*.columns"):
            if old.name != columns:
                old.unlink(missing_ok=True)

    def remember(self, name: str, facts: Mapping[str, object]) -> None:
        """Keep a few small facts (texts, numbers, tuples of them)."""
        text = json.dumps({"format": FORMAT, **facts}, ensure_ascii=False, sort_keys=True)
        path = self.directory / f"{name}.json"
        try:
            unchanged = path.read_text("utf-8") == text
        except (OSError, ValueError):
            unchanged = False
        if not unchanged:
            write_file(path, text.encode())

    def recall(self, name: str) -> dict[str, Any]:
        """The facts kept under a name, lists as tuples; none where there are none. Any: JSON."""
        try:
            raw = json.loads((self._directory / f"{name}.json").read_bytes())
            if raw.pop("format") != FORMAT:
                return {}
            return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}
        except (OSError, ValueError, KeyError, AttributeError):
            return {}

    def file(self, head: Head) -> Path:
        """The file that a head speaks of: for copies that are files as they came."""
        return self._directory / head.columns

    def keep_file(self, name: str, head: Head, path: Path) -> Head:
        """Move a file here as the copy. It must be on the same file system, as everything below the cache is."""
        data = f"{name}.{secrets.token_hex(8)}.data"  # never the name of the copy there is
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o600)
        path.replace(self.directory / data)
        self._write_head(name, head, data)
        for old in self.directory.glob(f"{_escaped(name)}.*.data"):
            if old.name != data:
                old.unlink(missing_ok=True)
        return replace(head, columns=data)

    def forget(self, used: Container[str], now: float) -> None:
        """Remove what belongs to sources that are not `used` any more and was not touched for `UNUSED_S`.

        Several environments may share a cache, so what one spec does not name is not useless yet. Errors are passed over.
        """
        owned: dict[str, list[Path]] = {}
        with suppress(OSError):
            for path in self._directory.iterdir():
                owned.setdefault(path.name.partition(".")[0], []).append(path)
        for owner, paths in owned.items():
            with suppress(OSError):
                if owner and owner not in used and max(p.stat().st_mtime for p in paths) < now - UNUSED_S:
                    for path in paths:
                        path.unlink()

    def confirm(self, name: str, head: Head) -> None:
        """Note that the copy was found to be current: only its head is written."""
        self._write_head(name, head, head.columns)

    def _write_head(self, name: str, head: Head, columns: str) -> None:
        raw = {f: getattr(head, f) for f in head.__slots__}
        raw["dropped"] = [[d.reason, d.count, d.examples] for d in head.dropped]
        raw["columns"] = columns
        text = json.dumps({"format": FORMAT, **raw}, ensure_ascii=False, sort_keys=True)
        write_file(self.directory / f"{name}.json", text.encode())


def _escaped(name: str) -> str:
    return name.replace("[", "[[]")


def write_file(path: Path, data: bytes) -> None:
    """Make a file of the cache hold `data`, whole or not at all, readable by the owner alone. Raises StateError."""
    # Random, because a process id is not enough: containers that share a volume are all process 1.
    temporary = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        reason = (error.strerror or "cannot be written").lower()
        raise StateError(f"{path}: {reason}", next_step="make room, or check permissions") from error


def _packed(entries: Sequence[Entry]) -> dict[str, object]:
    """Columns by field: left out where all have the default, numbered where few values repeat."""
    packed: dict[str, object] = {"count": len(entries)}
    if not entries:
        return packed
    for field, column in zip(Entry._fields, zip(*entries, strict=True), strict=True):
        if field == "source":
            continue
        distinct = dict.fromkeys(column)
        if len(distinct) == 1 and column[0] == _DEFAULTS[field]:
            continue
        if len(distinct) * 4 <= len(column):
            places = {value: place for place, value in enumerate(distinct)}
            packed[field] = {"values": list(distinct), "at": [places[value] for value in column]}
        else:
            packed[field] = column
    return packed


def _unpacked(packed: dict[str, Any], source: str) -> tuple[Entry, ...]:
    # Any: JSON as it comes; whatever does not fit raises and counts as no copy
    count = int(packed["count"])
    columns: list[Any] = [repeat(source, count)]
    for field in _FIELDS:
        column = packed.get(field)
        if column is None:
            columns.append(repeat(_DEFAULTS[field], count))
            continue
        if isinstance(column, dict):
            values = [_frozen(field, v) for v in column["values"]]
            columns.append([values[place] for place in column["at"]])
        elif field in {"more_urls", "headers"}:
            columns.append([_frozen(field, v) for v in column])
        else:
            columns.append(column)
    return tuple(map(_new, repeat(Entry), zip(*columns, strict=True)))


def _frozen(field: str, value: object) -> object:
    if field == "more_urls":
        return tuple(cast("list[str]", value))
    if field == "headers":
        return tuple((k, v) for k, v in cast("list[list[str]]", value))
    return value
