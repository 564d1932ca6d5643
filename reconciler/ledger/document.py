"""The ledger as text and back: sorted, one entry a line, so that a diff in git reads like a list of changes.

`read` takes this format and the one before; a newer one is refused with the version that it needs (design.md 5). An
unknown field of the same format is ignored, so that a patch release may add one. This module refuses to touch files.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

from reconciler.errors import StateError
from reconciler.ledger.model import (
    FORMAT,
    Applied,
    ChannelRecord,
    DvrRecord,
    Ledger,
    MemberFacts,
    Retired,
)

__all__ = ["OLDEST", "ReadLedger", "read", "text_of"]

OLDEST: Final = "ptctl-ledger/0"
_NEXT_STEP: Final = "restore a copy of ledger.json, or rebuild it: ptctl adopt --rebuild"

T = TypeVar("T")


class ReadLedger(NamedTuple):
    """A ledger, and the format it was found in."""

    ledger: Ledger
    format: str


def text_of(ledger: Ledger) -> str:
    """The ledger as JSON text, one DVR, channel or retired number a line. Equal ledgers give equal text."""
    head = {"format": FORMAT, "lineage": ledger.lineage, "serial": ledger.serial, "spec": ledger.spec}
    if ledger.name:
        head["name"] = ledger.name
    parts = [f'"{key}": {_json(value)}' for key, value in head.items()]
    parts.append(_lines("dvrs", (_plain(ledger.dvrs[n]) for n in sorted(ledger.dvrs))))
    parts.append(_lines("channels", (_plain(ledger.channels[i]) for i in sorted(ledger.channels))))
    retired = sorted(ledger.retired, key=lambda r: (r.dvr, r.number, r.id, r.day))
    parts.append(_lines("retired", map(_plain, retired)))
    parts.append(_lines("spent", sorted(ledger.spent)))
    return "{\n" + ",\n".join(parts) + "\n}\n"


def read(text: str) -> ReadLedger:
    """The ledger in `text`. Raises StateError for a broken one and for a format this version does not know."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise StateError(f"ledger.json is broken: {error}", next_step=_NEXT_STEP) from error
    if not isinstance(raw, dict) or not isinstance(found := raw.get("format"), str):
        raise StateError("ledger.json is broken: it has no format", next_step=_NEXT_STEP)
    name, _, version = found.partition("/")
    if name != FORMAT.partition("/")[0] or not version.isdecimal():
        raise StateError(f"ledger.json has the unknown format {found!r}", next_step=_NEXT_STEP)
    if int(version) > int(FORMAT.partition("/")[2]):
        raise StateError(
            f"ledger.json has format {found!r}, this version reads up to {FORMAT!r}",
            next_step=f"use a ptctl that writes {found!r}",
        )
    if found == OLDEST:
        raw = _from_oldest(raw)
    try:
        return ReadLedger(_ledger(raw), found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"ledger.json is broken: {_what(error)}", next_step=_NEXT_STEP) from error


def _lines(key: str, values: Iterable[object]) -> str:
    rows = [f" {_json(v)}" for v in values]
    return f'"{key}": [\n' + ",\n".join(rows) + "\n]" if rows else f'"{key}": []'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _plain(record: Any) -> dict[str, object]:  # Any: one of the record classes of the model
    """The record without fields that have their default: lines stay short and old readers stay content."""
    plain: dict[str, object] = {}
    for f in fields(record):
        value = getattr(record, f.name)
        if f.default is not MISSING and value == f.default:
            continue
        if isinstance(value, Applied):
            value = _plain(value)
        elif f.name == "members":
            value = [_plain(m) for m in value]
        plain[f.name] = value
    return plain


def _ledger(raw: Mapping[str, Any]) -> Ledger:  # Any: JSON as it comes; the constructors below judge it
    dvrs = [_dvr(d) for d in raw["dvrs"]]
    channels = [_channel(c) for c in raw["channels"]]
    if len({d.name for d in dvrs}) != len(dvrs) or len({c.id for c in channels}) != len(channels):
        raise ValueError("an entry is there twice")
    return Ledger(
        lineage=_text(raw["lineage"]),
        serial=_whole(raw["serial"]),
        dvrs={d.name: d for d in sorted(dvrs, key=lambda d: d.name)},
        channels={c.id: c for c in sorted(channels, key=lambda c: c.id)},
        retired=tuple(_retired(r) for r in raw["retired"]),
        spent=tuple(sorted(_text(s) for s in raw["spent"])),
        spec=_text(raw.get("spec", "")),
        name=_text(raw.get("name", "")),
    )


def _dvr(raw: Mapping[str, Any]) -> DvrRecord:
    first, last = raw["block"]
    return _built(
        DvrRecord,
        raw,
        block=lambda _: (_whole(first), _whole(last)),
        port=lambda v: None if v is None else _whole(v),
        applied=lambda v: None if v is None else _built(Applied, v, channels=_whole),
        peaks=lambda v: tuple((_text(day), _whole(count)) for day, count in v),
        protected=bool,
        adopted=bool,
    )


def _channel(raw: Mapping[str, Any]) -> ChannelRecord:
    return _built(ChannelRecord, raw, number=_whole, aliases=_texts, members=_members)


def _retired(raw: Mapping[str, Any]) -> Retired:
    return _built(Retired, raw, number=_whole, aliases=_texts, members=_members)


def _built(kind: Callable[..., T], raw: Mapping[str, Any], **readers: Callable[[Any], object]) -> T:
    """One record: known fields through their reader, text where there is none; unknown fields are left out."""
    given = {}
    for name in _names(kind):
        if name in raw:
            given[name] = readers.get(name, _text)(raw[name])
    return kind(**given)


@cache
def _names(kind: Callable[..., object]) -> tuple[str, ...]:
    # Looking them up anew for each of 6,000 channels took longer than reading them.
    return tuple(f.name for f in fields(kind))  # type: ignore[arg-type]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} stands where text belongs")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} stands where a number belongs")
    return value


def _texts(value: Iterable[object]) -> tuple[str, ...]:
    return tuple(_text(v) for v in value)


def _members(value: Iterable[Mapping[str, Any]]) -> tuple[MemberFacts, ...]:
    return tuple(_built(MemberFacts, m) for m in value)


def _what(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)


def _from_oldest(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Format 0 kept DVRs and channels as objects by name and id, and retired numbers without their facts."""
    return {
        **raw,
        "dvrs": [{"name": n, **d} for n, d in raw["dvrs"].items()],
        "channels": [{"id": i, **c} for i, c in raw["channels"].items()],
        "retired": raw.get("retired", []),
        "spent": raw.get("spent", []),
    }
