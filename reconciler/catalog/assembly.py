"""What the lines of a list said becomes entries: addresses told apart, names filled in, doubles joined.

Both readers of M3U text, the one by lines and the one in bulk, end here, so that a rule about entries is written once.
This module refuses to look at text of the list's own syntax.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from reconciler.catalog.address import PASSWORD, USERNAME, Concealer, PanelPath, panel_path
from reconciler.catalog.directives import attribute_headers
from reconciler.catalog.entry import Dropped, Entry, Kind
from reconciler.catalog.extinf import Said, tidy
from reconciler.wording import plural

__all__ = [
    "Assembly",
    "Located",
    "Places",
    "guide_ids",
    "is_adult_group",
    "positive_number",
    "shift_hours",
    "yes",
]

HEADS_REMEMBERED: Final = 4096
EXAMPLES: Final = 3
_NUMBER_KEYS: Final = ("tvg-chno", "ch-number", "channel-number", "channel-id")
_LOGO_KEYS: Final = ("vg-logo", "ctvg-logo", "logo")
"""Misspellings, and what Tvheadend writes."""
_new: Final = tuple.__new__
_CONTAINERS: Final = re.compile(
    r"(?>.*?/(movies?|vod|series)/).*\.(mkv|mp4|m4v|avi|mov|wmv|flv|mpg|mpeg|webm)(?:\?|$)", re.IGNORECASE
)
_ADULT: Final = re.compile(r"\bxxx\b|\badults?\b(?! swim)|(?:\b18|\+18|\b18 )\+|\+18\b|\bporn", re.IGNORECASE)
# What programs write that found no guide id: Python's and JavaScript's nothing, and m3u4u's words for it
_NO_GUIDE_ID: Final = frozenset(
    ["0", "n/a", "nan", "none", "null", "undefined", "(no tvg-id)", "(no tvg-id)(m3u4u)"]
)
_DASH: Final = re.compile(r"\.(?:mpd|isml?/manifest)(?:[?#]|$)", re.IGNORECASE)
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f]")


class Located(NamedTuple):
    """An address as an entry keeps it. `url` is "" where hosts and `key` make it."""

    url: str
    key: str = ""
    kind: Kind = "live"
    extension: str = ""


class Places(NamedTuple):
    """`Located` for many addresses, as columns to be gone through once. `identities`: key, else address, of each."""

    urls: Iterable[str]
    keys: Iterable[str]
    kinds: Iterable[Kind]
    extensions: Iterable[str]
    identities: Sequence[str]
    all_live: bool


class _Head(NamedTuple):
    """All of an address before its last slash, once it has been looked at."""

    panel: bool
    kind: Kind = "live"
    concealed: str = ""
    any_extension: bool = False


_PLAIN: Final = _Head(panel=False)


def _one_more(count: int, examples: tuple[str, ...], example: str) -> tuple[int, tuple[str, ...]]:
    if len(examples) < EXAMPLES and example and example not in examples:
        examples = (*examples, example)
    return count + 1, examples


def is_adult_group(group: str) -> bool:
    """Whether a group's name says that it is for adults (`adult`, `xxx`, `18+`, `porn`)."""
    return _ADULT.search(group) is not None


def guide_ids(texts: Sequence[str]) -> Sequence[str]:
    """Guide ids, "" where a text stands for having none (`None`, `N/A`, …): or all such channels would be one merged."""
    if _NO_GUIDE_ID.isdisjoint(map(str.lower, texts)):
        return texts
    return ["" if text.lower() in _NO_GUIDE_ID else text for text in texts]


def positive_number(text: str) -> int | None:
    """A channel number (some write `7.0`), or None where the text is none (`5.1`, `0`, words)."""
    text, dot, fraction = text.strip().partition(".")
    if dot and fraction.strip("0"):
        return None
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


def _may_be_film(text: str) -> bool:
    lower = text.lower()
    return "/movie" in lower or "/vod/" in lower or "/series/" in lower


def _plain_ids(tails: Sequence[str]) -> list[str] | None:
    """Stream ids of last segments that all look alike (`123`, `123.ts`), None where they do not."""
    _, dot, extension = tails[0].partition(".")
    if dot:
        if extension not in {"ts", "m3u8"}:
            return None
        text = "\n".join(tails) + "\n"
        bare = text.replace(f".{extension}\n", "\n")
        if len(text) - len(bare) != len(tails) * (len(extension) + 1):
            return None
        tails = bare.split("\n")[:-1]
    return list(tails) if "".join(tails).isdigit() and all(tails) and "".join(tails).isascii() else None


class Assembly:
    """Collects the entries of one list."""

    __slots__ = (
        "_accounts",
        "_adult",
        "_drops",
        "_entries",
        "_heads",
        "_identities",
        "_texts",
        "_unplayable",
        "concealer",
        "panel",
        "shift_h",
        "source",
    )

    def __init__(self, source: str, concealer: Concealer, *, panel: bool) -> None:
        self.source = source
        self.concealer = concealer
        self.panel = panel
        self.shift_h = 0.0
        """`tvg-shift` of the list's header: for entries without one of their own, as Kodi has it."""
        self._entries: list[Entry] = []
        self._drops: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._heads: dict[str, _Head] = {}
        self._texts: dict[str, str] = {}
        self._adult: dict[str, bool] = {}
        self._accounts: set[tuple[str, str]] = set()
        self._identities: set[str] = set()
        self._unplayable: tuple[int, tuple[str, ...]] = 0, ()

    def drop(self, reason: str, example: str) -> None:
        """Count one that is left out."""
        self._drops[reason] = _one_more(*self._drops.get(reason, (0, ())), example)

    def add(
        self,
        said: Said,
        addresses: Sequence[str],
        headers: Sequence[tuple[str, str]],
        *,
        group: str,
        sticky_group: str,
        place: str,
        locked: bool = False,
    ) -> None:
        """One entry from its `#EXTINF` line, its addresses and its headers. `locked`: a directive says that it is DASH or
        needs a licence.

        `group` stood below its `#EXTINF`, `sticky_group` above; its own `group-title` wins over both. `place` tells
        where one without a name is.
        """
        guide_id, guide_name, logo, title, rare, name = said
        number: int | None = None
        country = language = station = ""
        radio, shift_h = False, self.shift_h
        if rare:
            number = next(filter(None, (positive_number(rare.get(k, "")) for k in _NUMBER_KEYS)), None)
            country, language = rare.get("tvg-country", ""), rare.get("tvg-language", "")
            radio, shift_h = yes(rare.get("radio", "")), self.shift(rare.get("tvg-shift", ""))
            guide_id = guide_id or rare.get("ttvg-id", "")
            station = rare.get("tvc-guide-stationid", "")
            logo = logo or next(filter(None, map(rare.get, _LOGO_KEYS)), "") or ""
            headers = (*attribute_headers(rare), *headers)
        (guide_id,) = guide_ids((guide_id,))
        if station and not guide_id:
            (guide_id,) = guide_ids((station,))
        name = name or guide_name or guide_id
        if not name:
            self.drop("no name", place)
            return
        if locked or all(map(_DASH.search, addresses)):
            self._unplayable = _one_more(*self._unplayable, name)
        url, key, kind, extension = self.locate(addresses[0])
        more: tuple[str, ...] = ()
        if len(addresses) > 1:
            more = tuple(o.url for o in map(self.locate, addresses[1:]) if o.url)
        group = title or (tidy(group) if group else "") or (tidy(sticky_group) if sticky_group else "")
        if kind == "live":
            self._identities.add(key or url)
        else:
            self._note_identity(kind, key or url)
        adult = self._adult.get(group)
        self._entries.append(
            _new(
                Entry,
                (
                    self.source,
                    key,
                    name,
                    kind,
                    guide_id,
                    self._texts.setdefault(group, group),
                    self.logo(logo) if logo else "",
                    number,
                    url,
                    more,
                    extension,
                    tuple(dict(headers).items()) if headers else (),
                    country,
                    language,
                    radio,
                    self.adult(group) if adult is None else adult,
                    "" if guide_name == name else guide_name,
                    shift_h,
                ),
            )
        )

    def _note_identity(self, kind: Kind, identity: str) -> None:
        self._identities.add(identity if kind == "live" else f"{kind} {identity}")

    def extend(self, rows: Iterable[tuple[object, ...]], places: "Places") -> None:
        """Entries that the bulk reader has read by the same rules: all fields in order, and where they are."""
        # a tuple's own constructor in C: the named tuple's costs twice as much
        self._entries.extend(map(_new, repeat(Entry), rows))
        if places.all_live:
            self._identities.update(places.identities)
            return
        for entry in self._entries[-len(places.identities) :]:
            self._note_identity(entry.kind, entry.key or entry.url)

    def note_dash(self, names: Sequence[str], urls: Sequence[str]) -> None:
        """Count the entries of a block that are DASH by their address."""
        for name, url in zip(names, urls, strict=True):
            if _DASH.search(url):
                self._unplayable = _one_more(*self._unplayable, name)

    def unplayable(self) -> str:
        """A sentence about entries that no tuner can play whatever they are asked for, "" where there are none."""
        count, examples = self._unplayable
        if not count:
            return ""
        which = ", ".join(examples) + (", …" if count > len(examples) else "")
        return f"{plural(count, 'entry')} in DASH or under a licence, which no tuner can play ({which})"

    def shared(self, texts: Sequence[str]) -> list[str]:
        """The same texts, one object for all entries that have the same."""
        return list(map(self._texts.setdefault, texts, texts))

    def shift(self, text: str) -> float:
        """Hours of guide shift of an entry that says so, or else of the list."""
        return shift_hours(text) if text else self.shift_h

    def adult(self, group: str) -> bool:
        """`is_adult_group`, remembered."""
        known = self._adult.get(group)
        if known is None:
            known = self._adult[group] = is_adult_group(group)
        return known

    def logo(self, url: str) -> str:
        """A logo's address, "" where it holds a credential: it would stand in guides for everyone to read."""
        hidden = self.concealer.touches(url) and self.concealer.conceal(url) != url
        return "" if hidden else url

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
        if self.concealer.touches(url):
            url = self.concealer.conceal(url)
        if ("." in tail or "?" in url) and _may_be_film(url) and (found := _CONTAINERS.match(url)):
            return Located(url, "", "series" if found[1].lower() == "series" else "vod", found[2].lower())
        return _new(Located, (url, "", "live", ""))

    def locate_all(self, urls: Sequence[str]) -> Places:
        """`locate` for the addresses of a block, printable and without blanks, at a tenth of its cost when they are
        alike: of one panel and account, or of none.
        """
        joined = "\n".join(urls)
        head = urls[0].rpartition("/")[0]
        known = self._heads.get(head) or self._look_at(head)
        if known.panel and known.kind == "live" and joined.startswith(head + "/"):
            tails = joined.replace(head + "/", "").split("\n")
            if (
                joined.count("\n" + head + "/") == len(urls) - 1
                and len("".join(tails)) + len(urls) * (len(head) + 2) == len(joined) + 1
                and (keys := _plain_ids(tails))
            ):
                count = len(urls)
                addresses: Iterable[str] = repeat("", count)
                if known.concealed:
                    addresses = map(known.concealed.__add__, tails)
                return Places(addresses, keys, repeat("live", count), repeat("", count), keys, all_live=True)
        elif not _may_be_film(joined) and not self.concealer.touches(joined):
            firsts = "".join([url[url.rfind("/") + 1 :][:1] for url in urls])
            if not any(c.isdigit() for c in set(firsts)):
                count = len(urls)
                live: repeat[Kind] = repeat("live", count)
                return Places(urls, repeat("", count), live, repeat("", count), urls, all_live=True)
        found = list(map(self.locate, urls))
        identities = [one.key or one.url for one in found]
        return Places(
            [one.url for one in found],
            [one.key for one in found],
            [one.kind for one in found],
            [one.extension for one in found],
            identities,
            all_live=False,
        )

    def _look_at(self, head: str) -> _Head:
        """Whether addresses with this beginning are a panel's; the first few thousand answers are remembered."""
        shape = panel_path(head + "/1") or self._own_path(head)
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

    def _own_path(self, head: str) -> PanelPath | None:
        """The short form below a base path: its three segments occur everywhere, but not with this account in them."""
        account = tuple(head.rsplit("/", 2)[1:])
        return (
            PanelPath("1", "live", "", account)
            if len(account) == 2 and self.concealer.owns(account)
            else None
        )

    def _panel_stream(self, head: _Head, tail: str) -> Located | None:
        """The address of a panel's stream from its last segment, None where that is no stream id."""
        key, dot, extension = tail.partition("?")[0].partition(".")
        if not (key.isascii() and key.isdigit()) or (dot and not extension.isalnum()) or len(extension) > 8:
            return None
        if extension and not head.any_extension and extension.lower() not in {"ts", "m3u8"}:
            return None
        if head.kind == "live":
            extension = ""
        return _new(Located, (head.concealed + tail if head.concealed else "", key, head.kind, extension))

    def entries(self) -> tuple[Entry, ...]:
        """All entries: doubles joined, and stream ids that two accounts' panels share taken back."""
        entries = self._entries
        if len(self._accounts) > 1 or (self._accounts and self.concealer):
            entries = self._without_shared_keys(entries)
            self._identities = set()
            for e in entries:
                self._note_identity(e.kind, e.key or e.url)
        if len(self._identities) == len(entries):
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
