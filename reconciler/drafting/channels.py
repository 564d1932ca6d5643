"""The list of channels that goes with an adoption: which number each channel had, and how to find it again.

An old tuner's numbers live in Plex, its names do not; this file joins them (`ptctl adopt DVR --channels FILE`). One
JSON object a line, so that a diff shows channels. A plain CSV with the columns number, name, guide_id is read as well,
because people keep such lists. It never holds an address. This module refuses to match anything.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.drafting.bounds import LARGEST_NUMBER, channel_number
from reconciler.errors import OperatorError

__all__ = ["FORMAT", "NumberedChannel", "read", "write"]

FORMAT: Final = "ptctl-channels/1"
_NUMBER: Final = ("number", "tvg-chno")
_NAME: Final = ("name", "tvg-name")


@dataclass(frozen=True, slots=True)
class NumberedChannel:
    """A channel of an old tuner. `dvr` is its DVR in the spec.

    `name` is what viewers saw, `listed` what the provider calls it where that differs, `guide_id` the provider's
    `tvg-id`. `channel` is the channel's id in the spec's sources (`main/40177`) where the stream's address tells it.
    """

    dvr: str
    number: int
    name: str
    guide_id: str = ""
    listed: str = ""
    channel: str = ""


def write(channels: Iterable[NumberedChannel]) -> str:
    """The file's text, by DVR in the order given, then by number."""
    known = list(channels)
    order = {dvr: place for place, dvr in enumerate(dict.fromkeys(c.dvr for c in known))}
    rows = [
        json.dumps(
            {k: v for k in NumberedChannel.__slots__ if (v := getattr(c, k)) != ""}, ensure_ascii=False
        )
        for c in sorted(known, key=lambda c: (order[c.dvr], c.number, c.name))
    ]
    return f'{{"format": "{FORMAT}", "channels": [\n' + ",\n".join(rows) + "\n]}\n"


def read(text: str, dvr: str = "") -> tuple[NumberedChannel, ...]:
    """The channels of a file; with `dvr` those of that DVR alone (rows that name none belong to any).

    Raises OperatorError, saying which row, for what is neither format.
    """
    found = _from_json(text) if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} else _from_csv(text)
    return tuple(c for c in found if not dvr or c.dvr in {"", dvr})


def _from_json(text: str) -> list[NumberedChannel]:
    try:
        whole = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        raise OperatorError("this is not JSON") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT:
        raise OperatorError(f'this is not a list of channels: "format" is not "{FORMAT}"')
    rows = whole.get("channels")
    if not isinstance(rows, list):
        raise OperatorError('"channels" is not a list')
    return [_channel(row, f"channel {place}") for place, row in enumerate(rows, 1)]


def _from_csv(text: str) -> list[NumberedChannel]:
    text = text.lstrip("\ufeff")
    head = text.partition("\n")[0]
    between = max(",;\t", key=head.count)  # spreadsheets write what their country uses
    try:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=between))
    except csv.Error as error:
        raise OperatorError(f"this is not CSV: {error}") from None
    names = {k.strip().casefold() for k in rows[0] if k} if rows else set()
    if names.isdisjoint(_NUMBER) or names.isdisjoint(_NAME):
        raise OperatorError('a list of channels needs the columns "number" and "name"')
    return [
        _channel({(k or "").strip().casefold(): v for k, v in row.items()}, f"line {place}")
        for place, row in enumerate(rows, 2)
    ]


def _channel(row: object, where: str) -> NumberedChannel:
    if not isinstance(row, Mapping):
        raise OperatorError(f"{where} is no channel")

    def said(*names: str) -> str:
        return next((str(row[n]).strip() for n in names if row.get(n) is not None), "")

    written = said(*_NUMBER)
    number = channel_number(written)
    if number is None:
        raise OperatorError(f'{where}: "{written[:20]}" is no channel number from 1 to {LARGEST_NUMBER}')
    name = said(*_NAME)
    if not name:
        raise OperatorError(f"{where}: channel {number} has no name")
    return NumberedChannel(
        said("dvr"), number, name, said("guide_id", "tvg-id"), said("listed"), said("channel")
    )
