"""What the lines of a list said becomes entries: addresses told apart, names filled in, doubles joined.

Both readers of M3U text, the one by lines and the one in bulk, end here, so that a rule about entries is written once.
This module refuses to look at text of the list's own syntax.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from reconciler.catalog.address import PASSWORD, USERNAME, Concealer, panel_path
from reconciler.catalog.directives import attribute_headers
from reconciler.catalog.entry import Dropped, Entry, Kind
from reconciler.catalog.extinf import tidy

__all__ = ["Assembly", "Located", "is_adult_group", "positive_number", "shift_hours", "yes"]

HEADS_REMEMBERED: Final = 4096
EXAMPLES: Final = 3
_CONTAINERS: Final = re.compile(
    r"/(movies?|vod|series)/.*\.(mkv|mp4|m4v|avi|mov|wmv|flv|mpg|mpeg|webm)(?:\?|$)", re.IGNORECASE
)
_ADULT: Final = re.compile(r"\bxxx\b|\badults?\b(?! swim)|(?:\b18|\+18|\b18 )\+|\+18\b|\bporn", re.IGNORECASE)
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f]")


class Located(NamedTuple):
    """An address as an entry keeps it. `url` is "" where hosts and `key` make it."""

    url: str
    key: str = ""
    kind: Kind = "live"
    extension: str = ""


class _Head(NamedTuple):
    """All of an address before its last slash, once it has been looked at."""

    panel: bool
    kind: Kind = "live"
    concealed: str = ""
    any_extension: bool = False


_PLAIN: Final = _Head(panel=False)


def is_adult_group(group: str) -> bool:
    """Whether a group's name says that it is for adults (`adult`, `xxx`, `18+`, `porn`)."""
    return _ADULT.search(group) is not None


def positive_number(text: str) -> int | None:
    """A channel number, or None where the text is none (`5.1`, `0`, words)."""
    text = text.strip()
    return int(text) or None if text.isascii() and text.isdigit() and len(text) < 10 else None


def shift_hours(text: str) -> float:
    """Hours of guide shift, fractions and a comma allowed; 0 for anything that is none."""
    try:
        hours = float(text.strip().replace(",", "."))
    except ValueError:
        return 0.0
    return hours if math.isfinite(hours) and abs(hours) <= 24 else 0.0


def yes(text: str) -> bool:
    """Whether an attribute says yes."""
    return text.strip().lower() in {"1", "true", "yes"}


class Assembly:
    """Collects the entries of one list."""

    __slots__ = (
        "_accounts",
        "_adult",
        "_drops",
        "_entries",
        "_heads",
        "_texts",
        "concealer",
        "panel",
        "source",
    )

    def __init__(self, source: str, concealer: Concealer, *, panel: bool) -> None:
        self.source = source
        self.concealer = concealer
        self.panel = panel
        self._entries: list[Entry] = []
        self._drops: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._heads: dict[str, _Head] = {}
        self._texts: dict[str, str] = {}
        self._adult: dict[str, bool] = {}
        self._accounts: set[tuple[str, str]] = set()

    def drop(self, reason: str, example: str) -> None:
        """Count one that is left out."""
        count, examples = self._drops.get(reason, (0, ()))
        if len(examples) < EXAMPLES and example and example not in examples:
            examples = (*examples, example)
        self._drops[reason] = count + 1, examples

    def add(
        self,
        attributes: Mapping[str, str],
        name: str,
        addresses: Sequence[str],
        headers: Sequence[tuple[str, str]],
        *,
        group: str,
        sticky_group: str,
    ) -> None:
        """One entry from its attributes (keys in lower case, values tidied), its addresses and its headers.

        `group` stood below its `#EXTINF`, `sticky_group` above; its own `group-title` wins over both.
        """
        said = attributes.get
        guide_id = said("tvg-id") or said("ttvg-id") or ""
        guide_name = said("tvg-name") or ""
        name = name or guide_name or guide_id
        if not name:
            self.drop("no name", "")
            return
        first, *others = (self.locate(url) for url in addresses)
        group = said("group-title") or tidy(group) or tidy(sticky_group)
        numbers = (said(k) or "" for k in ("tvg-chno", "ch-number", "channel-number", "channel-id"))
        own = dict((*attribute_headers(attributes), *headers))
        self._entries.append(
            Entry(
                source=self.source,
                key=first.key,
                name=name,
                kind=first.kind,
                guide_id=guide_id,
                group=self._texts.setdefault(group, group),
                logo=self.logo(said("tvg-logo") or said("vg-logo") or said("ctvg-logo") or ""),
                number=next((n for n in map(positive_number, numbers) if n), None),
                url=first.url,
                more_urls=tuple(o.url for o in others if o.url),
                extension=first.extension,
                headers=tuple(own.items()),
                country=said("tvg-country") or "",
                language=said("tvg-language") or "",
                radio=yes(said("radio") or ""),
                adult=self.adult(group),
                guide_name="" if guide_name == name else guide_name,
                shift_h=shift_hours(said("tvg-shift") or ""),
            )
        )

    def extend(self, entries: Sequence[Entry]) -> None:
        """Entries that the bulk reader has built by the same rules."""
        self._entries.extend(entries)

    def shared(self, text: str) -> str:
        """The same text, one object for all entries that have it."""
        return self._texts.setdefault(text, text)

    def adult(self, group: str) -> bool:
        """`is_adult_group`, remembered."""
        known = self._adult.get(group)
        if known is None:
            known = self._adult[group] = is_adult_group(group)
        return known

    def logo(self, url: str) -> str:
        """A logo's address, "" where it holds a credential: it would stand in guides for everyone to read."""
        if self.concealer and self.concealer.conceal(url) != url:
            return ""
        return url

    def locate(self, url: str) -> Located:
        """An address with placeholders, and what its shape says."""
        if not url.isprintable() or " " in url:
            url = _UNSAFE.sub(lambda m: f"%{ord(m[0]):02X}", url)
        head, _, tail = url.rpartition("/")
        if tail[:1].isdigit():
            known = self._heads.get(head)
            if known is None:
                known = self._look_at(head)
            if known.panel and (located := self._panel_stream(known, tail)):
                return located
        if self.concealer:
            url = self.concealer.conceal(url)
        if found := _CONTAINERS.search(url):
            return Located(url, "", "series" if found[1].lower() == "series" else "vod", found[2].lower())
        return Located(url)

    def _look_at(self, head: str) -> _Head:
        """Whether addresses with this beginning are a panel's; the first few thousand answers are remembered."""
        shape = panel_path(head + "/1")
        answer = _PLAIN
        if shape:
            if not self.concealer.owns(shape.account):
                self._accounts.add(shape.account)
            user, password = shape.account
            concealed = self.concealer.conceal(head + "/") if not self.panel else ""
            if self.concealer.owns(shape.account) and not self.panel:
                concealed = (head + "/").replace(f"/{user}/{password}/", f"/{USERNAME}/{PASSWORD}/", 1)
                concealed = self.concealer.conceal(concealed)
            longer = panel_path(head + "/1.webm")
            answer = _Head(panel=True, kind=shape.kind, concealed=concealed, any_extension=longer is not None)
        if len(self._heads) < HEADS_REMEMBERED:
            self._heads[head] = answer
        return answer

    def _panel_stream(self, head: _Head, tail: str) -> Located | None:
        """The address of a panel's stream from its last segment, None where that is no stream id."""
        key, dot, extension = tail.partition("?")[0].partition(".")
        if not (key.isascii() and key.isdigit()) or (dot and not extension.isalnum()) or len(extension) > 8:
            return None
        if extension and not head.any_extension and extension.lower() not in {"ts", "m3u8"}:
            return None
        if head.kind == "live":
            extension = ""
        return Located(head.concealed + tail if head.concealed else "", key, head.kind, extension)

    def entries(self) -> tuple[Entry, ...]:
        """All entries: doubles joined, and stream ids that two accounts' panels share taken back."""
        entries = self._entries
        if len(self._accounts) > 1 or (self._accounts and self.concealer):
            entries = self._without_shared_keys(entries)
        if len({(e.kind, e.key) if e.key else e.url for e in entries}) == len(entries):
            return tuple(entries)
        return tuple(self._joined(entries))

    def _without_shared_keys(self, entries: list[Entry]) -> list[Entry]:
        """Two panels in one list number their streams each for itself: only the larger one's ids are identities."""
        owners: dict[tuple[Kind, str], tuple[str, str]] = {}
        sizes: Counter[tuple[str, str]] = Counter()
        clash = False
        for entry in entries:
            if entry.key and (shape := panel_path(entry.url)):
                sizes[shape.account] += 1
                clash |= owners.setdefault((entry.kind, entry.key), shape.account) != shape.account
        if not clash:
            return entries
        ours = (USERNAME, PASSWORD)
        keeper = ours if ours in sizes else max(sizes, key=lambda a: (sizes[a], a))
        return [
            e._replace(key="") if (s := panel_path(e.url)) and s.account != keeper else e for e in entries
        ]

    def _joined(self, entries: list[Entry]) -> list[Entry]:
        """One entry per stream: the same address again is left out, the same stream id on another host is kept as a
        further address of the first.
        """
        kept: dict[tuple[str, str], Entry] = {}
        for entry in entries:
            identity = (entry.kind, entry.key) if entry.key else ("", entry.url)
            first = kept.get(identity)
            if first is None:
                kept[identity] = entry
                continue
            more = tuple(
                u for u in (entry.url, *entry.more_urls) if u and u not in {first.url, *first.more_urls}
            )
            if more:
                kept[identity] = first._replace(more_urls=(*first.more_urls, *more))
            self.drop("the same stream as an earlier entry", entry.name)
        return list(kept.values())

    def dropped(self) -> tuple[Dropped, ...]:
        """What was left out, most first."""
        return tuple(
            Dropped(reason, count, examples)
            for reason, (count, examples) in sorted(self._drops.items(), key=lambda d: (-d[1][0], d[0]))
        )
