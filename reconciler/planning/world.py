"""`ptctl-world/1`: everything a plan looks at, as one document, so that a plan can be made where there are no secrets.

A job that reviews somebody's change has neither the provider's credentials nor Plex's token; this file stands in for
both (design.md 3). It is as public as the ledger: no secret and no stream's address is in it, which whoever takes the
snapshot sees to. Entries and guide channels take one line each, so that two snapshots can be compared. Equal snapshots
are equal bytes. This module refuses to touch files and to look at anything.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from reconciler.catalog.entry import Catalog, Entry, SourceReport
from reconciler.catalog.guide_index import GuideChannel, GuideIndex
from reconciler.errors import StateError
from reconciler.ledger.model import Ledger
from reconciler.lineups.manifest import Manifest
from reconciler.lineups.model import Verdict
from reconciler.planning.codec import CodecError, decode, encode
from reconciler.planning.inputs import PublishedRow
from reconciler.planning.model import LastApply
from reconciler.plex.model import Observed, Unknown

__all__ = ["FORMAT", "Snapshot", "dump", "load"]

FORMAT: Final = "ptctl-world/1"

_NO_ENTRIES: Final = Catalog((), MappingProxyType({}))
_DEFAULTS: Final[Mapping[str, object]] = Entry._field_defaults
_NEXT: Final = "ptctl snapshot --out FILE"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment. `made` is an ISO second (UTC), `spec_name` the installation it was taken of.

    `reports` are of sources by name, and of guides by "guide NAME". `rows` are the published lineups by DVR name,
    `manifests` those of generations the ledger names, `files` the SHA-256 of the published generation's files by name.
    `verdicts` are what probes, lists and empty guides said, by channel id.
    """

    made: str
    version: str
    spec_name: str
    ledger: Ledger
    observed: Observed | Unknown | None
    busy: Mapping[str, int] | Unknown
    generation: str
    published: Manifest | None
    rows: Mapping[str, tuple[PublishedRow, ...]]
    manifests: Mapping[str, Manifest]
    files: Mapping[str, str]
    verdicts: Mapping[str, Verdict]
    reports: Mapping[str, SourceReport]
    catalog: Catalog = field(default=_NO_ENTRIES)
    guides: Mapping[str, GuideIndex] = field(default_factory=dict)
    last_apply: LastApply | None = None


def dump(snapshot: Snapshot) -> str:
    """The document. Costs about a second per 100,000 entries."""
    return "".join(_lines(snapshot))


def load(text: str | bytes) -> Snapshot:
    """The snapshot in a document. Raises StateError for another format or a broken file."""
    try:
        raw: Any = json.loads(text)  # Any: JSON
    except (ValueError, RecursionError):
        raise StateError("the snapshot is not JSON", next_step=_NEXT) from None
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != FORMAT:
        raise StateError(
            f"the snapshot has format {str(found)[:40]!r}, this version reads {FORMAT!r}", next_step=_NEXT
        )
    try:
        catalog = Catalog(tuple(_entries(raw)), decode(dict[str, SourceReport], raw["catalog_reports"]))
        guides = {str(name): _guide(value) for name, value in raw["guides"].items()}
        rest = {k: v for k, v in raw.items() if k not in {"catalog", "guides"}}
        return replace(decode(Snapshot, rest, path="snapshot"), catalog=catalog, guides=guides)
    except CodecError as error:
        raise StateError(f"the snapshot is broken: {error}", next_step=_NEXT) from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StateError(f"the snapshot is broken: {type(error).__name__}", next_step=_NEXT) from None


def _lines(snapshot: Snapshot) -> Iterator[str]:
    document = encode(replace(snapshot, catalog=_NO_ENTRIES, guides={}))
    del document["catalog"], document["guides"]
    document["catalog_reports"] = encode(snapshot.catalog.reports)
    yield f'{{"format": {json.dumps(FORMAT)},\n'
    for key, value in document.items():
        yield f"{json.dumps(key)}: {_text(value)},\n"
    yield f'"columns": {_text(list(Entry._fields))},\n'
    yield from _list("entries", (_row(entry) for entry in snapshot.catalog.entries))
    yield ',\n"guides": {'
    for place, (name, guide) in enumerate(sorted(snapshot.guides.items())):
        yield ("," if place else "") + f"\n{json.dumps(name, ensure_ascii=False)}: {{\n"
        yield f'"notes": {_text(list(guide.notes))}, "damaged": {_text(guide.damaged)},\n'
        yield f'"programmes": {_text(encode(guide.programmes))},\n'
        yield from _list(
            "channels", ([c.id, list(c.names), *filter(None, (c.icon,))] for c in guide.channels.values())
        )
        yield "}"
    yield "}}\n"


def _list(name: str, rows: Iterator[list[object]]) -> Iterator[str]:
    yield f"{json.dumps(name)}: ["
    for place, row in enumerate(rows):
        yield (",\n" if place else "\n") + _text(row)
    yield "]"


def _row(entry: Entry) -> list[object]:
    """The entry's values without the defaults at its end: most entries say little."""
    values: list[object] = [encode(value) for value in entry]
    for name in reversed(Entry._fields):
        if name not in _DEFAULTS or getattr(entry, name) != _DEFAULTS[name]:
            break
        values.pop()
    return values


def _entries(raw: Mapping[str, Any]) -> Iterator[Entry]:
    names = raw["columns"]
    for place, row in enumerate(raw["entries"]):
        given = dict(zip(names, row, strict=False))
        yield decode(Entry, given, path=f"entries[{place}]")


def _guide(raw: Mapping[str, Any]) -> GuideIndex:
    channels = {
        str(id_): GuideChannel(str(id_), tuple(map(str, names)), *map(str, icon))
        for id_, names, *icon in raw["channels"]
    }
    programmes = {str(id_): int(count) for id_, count in raw["programmes"].items()}
    return GuideIndex(channels, programmes, tuple(map(str, raw["notes"])), bool(raw["damaged"]))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
