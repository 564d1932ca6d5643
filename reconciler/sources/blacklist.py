"""Files of streams that are known to be broken: written by people, or by other programs (PVL-2, PVL-3).

A file is JSON. Each item is an id (`main/40177`), a name with `*` and `?`, `host:NAME`, or an address, whose stream id or
path is what counts; or an object with one of these under `id`, `key`, `name`, `host` or `url` and a `reason`. Items may
stand in a list, or as the keys of an object whose values tell the reason, below `blacklist`, `streams`, `entries` or
`channels` or at the top, as the older tools wrote them. Such lists always win over probes and are never written to. This
module refuses to take only half of a file: what it cannot read is an error with its place.
"""

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler.catalog.address import host_of, panel_path
from reconciler.errors import OperatorError
from reconciler.lineups.manifest import Alternative, SourceRoute
from reconciler.sources.probe_outcome import Subject
from reconciler.sources.stream_addresses import addresses

__all__ = ["Blacklist", "load_blacklists"]

_WRAPPERS: Final = ("blacklist", "blacklisted", "streams", "entries", "channels", "items", "urls")
_KEYS: Final = ("url", "stream", "id", "channel", "key", "host", "name")
"""The first that is there counts: an address says best which stream is meant, a name least."""
_REASONS: Final = ("reason", "why", "error", "cause", "message", "note")

# Any: JSON that other programs and people wrote.
Json = Any


@dataclass(frozen=True, slots=True)
class Blacklist:
    """What all files say; values are reasons. Names are globs in lower case, paths are those of addresses."""

    ids: Mapping[str, str]
    names: Mapping[str, str]
    hosts: Mapping[str, str]
    keys: Mapping[str, str]
    paths: Mapping[str, str]

    def __len__(self) -> int:
        return sum(map(len, (self.ids, self.names, self.hosts, self.keys, self.paths)))

    def reason(self, subject: Subject, sources: Mapping[str, SourceRoute]) -> str | None:
        """Why a channel is listed, None where it is not. All of its alternatives have to be, unless id or name is."""
        if subject.channel in self.ids:
            return self.ids[subject.channel]
        for pattern, reason in self.names.items():
            if fnmatch.fnmatchcase(subject.name.lower(), pattern):
                return reason
        told = [self._alternative(a, sources.get(a.source)) for a in subject.alternatives]
        return told[0] if told and all(t is not None for t in told) else None

    def _alternative(self, alternative: Alternative, source: SourceRoute | None) -> str | None:
        if alternative.key:
            for name in (f"{alternative.source}/{alternative.key}", alternative.key):
                if name in self.ids:
                    return self.ids[name]
            if alternative.key in self.keys:
                return self.keys[alternative.key]
        urls = addresses(source, alternative) if source else (alternative.url,)
        told = [self._address(url) for url in urls if url]
        return told[0] if told and all(t is not None for t in told) else None

    def _address(self, url: str) -> str | None:
        host = host_of(url)
        for name in (host, host.rpartition(":")[0] or host):
            if name in self.hosts:
                return self.hosts[name]
        return self.paths.get(_place(url))

    def bad(self, subjects: Iterable[Subject], sources: Mapping[str, SourceRoute]) -> dict[str, str]:
        """Reasons by id of the channels that are listed."""
        found = ((s.channel, self.reason(s, sources)) for s in subjects)
        return {channel: reason for channel, reason in found if reason is not None}


def _place(url: str) -> str:
    """Host and path of an address without query: what stays when tokens change."""
    parts = urlsplit(url)
    return f"{host_of(url)}{parts.path}"


def load_blacklists(paths: Iterable[str]) -> Blacklist:
    """All files as one list. Raises OperatorError for a file that cannot be read or understood."""
    found = Blacklist({}, {}, {}, {}, {})
    for path in map(Path, paths):
        try:
            document = json.loads(path.read_text("utf-8-sig"))
        except OSError as error:
            reason = (error.strerror or "cannot be read").lower()
            raise OperatorError(
                f"blacklist {path}: {reason}", next_step="check the path in probes.blacklist"
            ) from None
        except ValueError as error:
            raise OperatorError(f"blacklist {path} is no JSON: {error}", next_step="mend the file") from None
        for item, said in _items(document, path):
            _take(found, item, said or f"listed in {path.name}", path)
    return found


def _items(document: Json, path: Path) -> Iterable[tuple[str, str]]:
    if isinstance(document, dict):
        inner = next((document[w] for w in _WRAPPERS if isinstance(document.get(w), list | dict)), None)
        if inner is not None:
            yield from _items(inner, path)
            return
        for key, value in document.items():
            if isinstance(value, dict):
                yield (key if "://" in key else _named(value) or key), _said(value)
            else:
                yield key, value if isinstance(value, str) else ""
        return
    if not isinstance(document, list):
        raise OperatorError(f"blacklist {path} holds neither a list nor an object", next_step="mend the file")
    for number, item in enumerate(document, 1):
        if isinstance(item, dict):
            name = _named(item)
            if not name:
                raise OperatorError(
                    f"blacklist {path}, item {number}: none of {', '.join(_KEYS)}", next_step="mend the file"
                )
            yield name, _said(item)
        elif isinstance(item, str | int) and not isinstance(item, bool):
            yield str(item), ""
        else:
            raise OperatorError(f"blacklist {path}, item {number} is no text", next_step="mend the file")


def _named(item: Mapping[str, Json]) -> str:
    for key in _KEYS:
        value = item.get(key)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            text = str(value).strip()
            return f"host:{text}" if key == "host" else f"name:{text}" if key == "name" else text
    return ""


def _said(item: Mapping[str, Json]) -> str:
    return next((str(item[k]) for k in _REASONS if isinstance(item.get(k), str) and item[k]), "")


def _take(into: Blacklist, item: str, reason: str, path: Path) -> None:
    text = item.strip()
    word, colon, rest = text.partition(":")
    if not text:
        raise OperatorError(f"blacklist {path} has an empty item", next_step="mend the file")
    if "://" in text:
        shape = panel_path(text)
        # an address names its account; only the stream id and the path are kept
        target, key = (_mutable(into.keys), shape.key) if shape else (_mutable(into.paths), _place(text))
        target.setdefault(key, reason)
    elif colon and word == "host":
        _mutable(into.hosts).setdefault(rest.strip().lower(), reason)
    elif colon and word == "name":
        _mutable(into.names).setdefault(rest.strip().lower(), reason)
    elif colon and word == "id":
        _mutable(into.ids).setdefault(rest.strip(), reason)
    elif text.isdigit():
        _mutable(into.keys).setdefault(text, reason)
    elif re.fullmatch(r"[A-Za-z0-9_.-]+/\S+", text) and "*" not in text:
        _mutable(into.ids).setdefault(text, reason)
    else:
        _mutable(into.names).setdefault(text.lower(), reason)


def _mutable(mapping: Mapping[str, str]) -> dict[str, str]:
    assert isinstance(mapping, dict)  # as `load_blacklists` made it
    return mapping
