"""Runs of regular M3U entries, read by one pattern learned from the list itself.

A panel writes every `#EXTINF` line with the same attributes in the same order. Once that order is known, one compiled
pattern reads a block of entries at the speed of C (measured: four times a loop over lines), and counting line ends
proves that it left nothing out: every match begins at a line's start and has two of them, and there are no more. What does
not fit that proof is halved until it does or is small, and then read line by line. This module refuses to guess:
any value that needs a rule of its own (entities, control characters, pipe headers, blanks) goes to the line reader.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Final

from reconciler.catalog.assembly import Assembly, guide_ids, positive_number, yes
from reconciler.catalog.extinf import has_entity

__all__ = ["Columns", "Regular"]

Columns = dict[str, tuple[str, ...]]

SMALL: Final = 16
SAMPLE: Final = 256
LESSONS: Final = 12
PATIENCE: Final = 64

_REGULAR_LINE: Final = re.compile(
    r'^#EXTINF:-?\d+((?: [A-Za-z][A-Za-z0-9_-]*="[^"\n]*")*),[^"\n]*\nhttps?://', re.MULTILINE
)
_KEY: Final = re.compile(r' ([A-Za-z][A-Za-z0-9_-]*)="')
_KEY_BEHIND_COMMA: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9_-]*='")
# attributes that say more than one field of an entry can take in bulk
_SLOW_KEYS: Final = frozenset(
    [
        "http-user-agent",
        "http-referrer",
        "http-referer",
        "http-origin",
        "http-cookie",
        "http-cookies",
        "user-agent",
        "ch-number",
        "channel-number",
        "channel-id",
        "ttvg-id",
        "vg-logo",
        "ctvg-logo",
        "logo",
    ]
)
_NAME: Final = ","
_URL: Final = "/"


class Regular:
    """Splits blocks into what the learned pattern proves to be regular and the rest."""

    __slots__ = ("_assembly", "_keys", "_lessons", "_orders", "_pattern", "_resting", "_setbacks")

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._orders: list[tuple[str, ...]] = []
        self._pattern: re.Pattern[str] | None = None
        self._keys: tuple[str, ...] = ()
        self._lessons = 0
        self._resting = 0
        self._setbacks = 0

    def parts(self, text: str) -> Iterator[tuple[str, Columns | None]]:
        """Pieces of `text` in order, each with its columns, or None where it must be read line by line.

        `text` begins with `#EXTINF:` and ends before another one's line.
        """
        if self._resting:
            self._resting -= 1
            yield text, None
            return
        wasted = 0
        for part, columns in self._halved(text):
            wasted += len(part) if columns is None else 0
            yield part, columns
        if wasted * 2 > len(text):
            self._setbacks = min(self._setbacks + 2, 6)
            self._resting = min(1 << self._setbacks, PATIENCE)
        else:
            self._setbacks = 0

    def _halved(self, text: str) -> Iterator[tuple[str, Columns | None]]:
        columns = self._columns(text)
        if columns is None and self._lessons < LESSONS and self._learn(text):
            columns = self._columns(text)
        if columns is not None:
            yield text, columns
            return
        middle = text.find("\n#EXTINF:", len(text) // 2) + 1
        if not middle or text.count("\n#EXTINF:") < SMALL:
            yield text, None
            return
        yield from self._halved(text[:middle])
        yield from self._halved(text[middle:])

    def _learn(self, text: str) -> bool:
        """Add the orders of attributes found in `text` to the pattern. False: there is nothing new to learn."""
        self._lessons += 1
        found = dict.fromkeys(tuple(_KEY.findall(a)) for a in _REGULAR_LINE.findall(text)[:SAMPLE])
        fresh = [order for order in found if order not in self._orders]
        for order in fresh:
            lower = [key.lower() for key in order]
            if len(set(lower)) < len(lower) or not _SLOW_KEYS.isdisjoint(lower):
                continue
            if _merged([*self._orders, order]):
                self._orders.append(order)
        merged = _merged(self._orders)
        if not fresh or not merged:
            return False
        keys, always = merged
        fields = "".join(
            f' {re.escape(k)}="([^"]*)"' if k in always else f'(?: {re.escape(k)}="([^"]*)")?' for k in keys
        )
        self._keys = tuple(k.lower() for k in keys)
        self._pattern = re.compile(rf'^#EXTINF:-?\d+{fields},([^"\n]*)\n(https?://[^\n]*)\n', re.MULTILINE)
        return True

    def _columns(self, text: str) -> Columns | None:
        """The values of all entries in `text` by attribute, if the pattern proves that it read all of it."""
        if self._pattern is None:
            return None
        found = self._pattern.findall(text)
        count = len(found)
        # Each match begins at a line's start and holds two line ends or more: as many as that leave none outside.
        if not count or text.count("\n") != 2 * count:
            return None
        values = dict(zip((*self._keys, _NAME, _URL), zip(*found, strict=True), strict=True))
        urls = "".join(values[_URL])
        if "|" in urls or " " in urls or not urls.isascii():
            return None
        for key, column in values.items():
            joined = urls if key == _URL else "".join(column)
            if not joined.isprintable() or (key != _URL and "&" in joined and has_entity(joined)):
                return None
            if key == _NAME and "'" in joined and any(map(_KEY_BEHIND_COMMA.match, column)):
                return None
        values[_NAME] = tuple(map(str.strip, values[_NAME]))
        return values if all(values[_NAME]) else None

    def take(self, columns: Columns, sticky_group: str) -> None:
        """Build the entries. `sticky_group` is for those without a group of their own."""
        assembly = self._assembly
        count = len(columns[_NAME])

        def column(key: str) -> Iterable[str]:
            return map(str.strip, columns[key]) if key in columns else repeat("", count)

        def shared(key: str) -> Iterable[str]:
            return assembly.shared(list(column(key))) if key in columns else repeat("", count)

        names = columns[_NAME]
        guide_names = column("tvg-name")
        if "tvg-name" in columns:
            guide_names = ["" if g == n else g for g, n in zip(guide_names, names, strict=True)]
        groups = list(shared("group-title"))
        if sticky_group and not all(groups):
            groups = [g or sticky_group for g in groups]
        guide_id_column: Iterable[str] = repeat("", count)
        if "tvg-id" in columns:
            guide_id_column = guide_ids(list(column("tvg-id")))
        if "tvc-guide-stationid" in columns:
            stations = guide_ids(list(column("tvc-guide-stationid")))
            guide_id_column = [one or other for one, other in zip(guide_id_column, stations, strict=False)]
        grown = {g: assembly.adult(g) for g in set(groups)}
        logos = column("tvg-logo")
        if "tvg-logo" in columns and assembly.concealer.touches("\n".join(columns["tvg-logo"])):
            logos = map(assembly.logo, logos)
        joined = "\n".join(columns[_URL]).lower()
        if ".mpd" in joined or "/manifest" in joined:
            assembly.note_dash(names, columns[_URL])
        places = assembly.locate_all(columns[_URL])
        rows = zip(
            repeat(assembly.source, count),
            places.keys,
            names,
            places.kinds,
            guide_id_column,
            groups,
            logos,
            map(positive_number, column("tvg-chno")) if "tvg-chno" in columns else repeat(None, count),
            places.urls,
            repeat((), count),
            places.extensions,
            repeat((), count),
            shared("tvg-country"),
            shared("tvg-language"),
            map(yes, column("radio")) if "radio" in columns else repeat(object=False, times=count),
            map(grown.__getitem__, groups),
            guide_names,
            map(assembly.shift, column("tvg-shift"))
            if "tvg-shift" in columns
            else repeat(assembly.shift_h, count),
            strict=True,
        )
        assembly.extend(rows, places)


def _merged(orders: list[tuple[str, ...]]) -> tuple[list[str], frozenset[str]] | None:
    """One order of which all the given ones are parts, and the keys they all have; None where there is none."""
    if not orders:
        return None
    merged: list[str] = []
    for order in sorted(orders, key=len, reverse=True):
        at = 0
        for key in order:
            if key in merged:
                if merged.index(key) < at:
                    return None
                at = merged.index(key) + 1
            else:
                merged.insert(at, key)
                at += 1
    lower = [key.lower() for key in merged]
    if len(set(lower)) < len(lower):
        return None
    always = frozenset(merged).intersection(*map(frozenset, orders))
    return merged, always
