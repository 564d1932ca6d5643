"""Which channel a fetched entry is: the same id today as yesterday, whatever the provider did to the address.

A panel's stream id is the identity. Other lists have none, so an id is minted once and found again through what the
ledger keeps: guide id and normalised name together, else the path without credentials and tokens, else a guide id or
a name that is unique in the source on both sides (design.md 5). There is no index into the list, and the order of the
list plays no part. This module refuses to give numbers.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from reconciler.catalog.address import SEALED
from reconciler.catalog.entry import Entry
from reconciler.catalog.names import normalise_name, quality_of
from reconciler.ledger.model import ChannelRecord, Ledger, MemberFacts, Retired
from reconciler.lineups.item import Item

__all__ = ["Facts", "entry_order", "facts_of", "identify", "path_hash"]

_MINTED: Final = "/~"
_KIND_WORD: Final = {"live": "", "vod": "vod/", "series": "series/"}

# Query parameters that change with every fetch or viewer; what is left (`id=`, `ch=`) names the stream.
_VOLATILE: Final = re.compile(
    r"(?:.*token.*|.*sign?(?:ature)?|.*auth.*|.*hash.*|.*sess.*|.*expir.*|exp|.*key.*|user(?:name)?|pass(?:word)?|e|st|t|ts|md5|hmac|nonce|jwt|"
    r".*time.*|.*uuid.*|device.*|.*did|ip|policy|nva|nvb|wms.*|u|p|mac|play_token|cb|rand(?:om)?|_)",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"[-_]")
_WORD: Final = re.compile(r"[^\W\d_]+\d{0,2}|\d{1,4}[a-z]{0,3}|")
_PLACEHOLDER: Final = re.compile(r"\{(?:username|password)\}")


class Facts(NamedTuple):
    """What a list without stream ids says of an entry's identity. Empty text says nothing."""

    guide_id: str
    name: str
    path: str
    quality: str


class _Known(NamedTuple):
    """A channel or merged member that the ledger remembers. `rank`: living ones first, then by number and id."""

    rank: tuple[int, int, str]
    id: str
    facts: Facts


def facts_of(entry: Entry, *, path: str | None = None) -> Facts:
    """The provider's own words, normalised; filters and overrides play no part in identity.

    `path` is the address's hash where it is known already, or of no interest.
    """
    if path is None:
        path = path_hash(entry.url) if entry.url else ""
    return Facts(entry.guide_id.strip().casefold(), normalise_name(entry.name), path, quality_of(entry.name))


def _ties(entry: Entry) -> Facts:
    """The facts without quality, which is costly and asked only where several entries share the others."""
    return Facts(
        entry.guide_id.strip().casefold(),
        normalise_name(entry.name),
        path_hash(entry.url) if entry.url else "",
        "",
    )


def path_hash(url: str) -> str:
    """A short hash of the URL's path and lasting parameters, without host, credentials and tokens; "" where none is left."""
    if url.startswith(SEALED):
        return url.rpartition("/")[2]
    rest = url.partition("://")[2] or url
    path, _, query = rest.partition("#")[0].partition("?")
    path = path.partition("/")[2]
    segments = [s for s in path.split("/") if s]
    if "{" in path or len(path) >= 20:
        segments = [s for s in segments if not _PLACEHOLDER.search(s) and not _is_token(s)]
    lasting = query and sorted(
        part
        for part in query.split("&")
        if part
        and not _PLACEHOLDER.search(part)
        and not _VOLATILE.fullmatch(part.partition("=")[0])
        and not _is_token(part.partition("=")[2])
        and not (part.partition("=")[2].isdigit() and len(part.partition("=")[2]) >= 9)
    )
    if not segments and not lasting:
        return ""
    text = "/".join(segments) + ("?" + "&".join(lasting) if lasting else "")
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def entry_order(entry: Entry) -> tuple[object, ...]:
    """A total order that does not depend on where an entry stood: the provider's number, then every text."""
    return (
        entry.number is None,
        entry.number or 0,
        entry.name,
        entry.group,
        entry.guide_id,
        entry.url,
        entry.more_urls,
        entry.logo,
        entry.extension,
        entry.headers,
        entry.country,
        entry.language,
        entry.radio,
        entry.adult,
        entry.guide_name,
        entry.shift_h,
    )


def identify(entries: Iterable[Entry], ledger: Ledger) -> list[Item]:
    """An item for each stream, with its id. Entries of one stream (listed in two groups) become one item.

    Ids of lists without stream ids come from the ledger where it knows the channel, else they are minted from the
    entry's facts; equal inputs give equal ids whatever the order of the list.
    """
    keyed: dict[str, Item] = {}
    doubled: defaultdict[str, list[Entry]] = defaultdict(list)
    unkeyed: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        key = entry.key
        if not key:
            unkeyed[entry.source].append(entry)
            continue
        id_ = f"{entry.source}/{key}" if entry.kind == "live" else f"{entry.source}/{entry.kind}/{key}"
        if id_ in keyed:
            doubled[id_].append(entry)
        else:
            keyed[id_] = Item(entry, id_)
    for id_, more in doubled.items():
        keyed[id_] = Item(_folded([keyed[id_].entry, *more]), id_)
    items = list(keyed.values())
    del keyed
    for source in sorted(unkeyed):
        items += _without_keys(source, unkeyed[source], ledger)
    return items


def _folded(entries: Sequence[Entry]) -> Entry:
    """One entry for one stream listed several times: the first in order, with everybody's addresses."""
    ordered = sorted(entries, key=entry_order)
    urls = dict.fromkeys(url for e in ordered for url in (e.url, *e.more_urls) if url)
    first = ordered[0]
    rest = tuple(url for url in urls if url != first.url)
    return first if rest == first.more_urls else first._replace(more_urls=rest)


def _is_token(text: str) -> bool:
    """A path segment or value that looks like a session: long, with digits and letters well mixed."""
    if len(text) < 20 or "." in text[-6:]:
        return False
    digits = sum(c.isdigit() for c in text)
    letters = sum(c.isalpha() for c in text)
    words = _WORDS.split(text)
    if len(words) > 2 and all(_WORD.fullmatch(word) for word in words):
        return False  # `discovery-channel-1080p-2024` is a name, and one of several on the same host
    return digits >= 4 and letters >= 4 and not re.search(r"[ %+,;!()]", text) and text.count("-") <= 5


def _without_keys(source: str, entries: Sequence[Entry], ledger: Ledger) -> Iterator[Item]:
    facts = _unique(entries)
    found = _Pairing(facts, _known_of(source, ledger)).found()
    taken = {id_ for id_ in ledger.channels if id_.startswith(source + _MINTED)}
    taken |= {a for r in ledger.channels.values() for a in r.aliases if a.startswith(source + _MINTED)}
    taken |= {r.id for r in ledger.retired if r.id.startswith(source + _MINTED)}
    fresh: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry, fact in facts.items():
        if (id_ := found.get(entry)) is not None:
            yield Item(entry, id_, fact.path)
        else:
            fresh[_minted(source, entry, fact)].append(entry)
    for stem, same in sorted(fresh.items()):
        counter = 1
        for entry in sorted(same, key=entry_order) if len(same) > 1 else same:
            id_ = stem
            while id_ in taken:
                counter += 1
                id_ = f"{stem}-{counter}"
            taken.add(id_)
            yield Item(entry, id_, facts[entry].path)


def _unique(entries: Sequence[Entry]) -> dict[Entry, Facts]:
    """Facts by entry; an entry listed twice word for word, groups apart, is one."""
    facts: dict[Entry, Facts] = {}
    seen: dict[tuple[object, ...], Entry] = {}
    for entry in entries:
        same = (entry.name, entry.url, entry.guide_id, entry.kind) if entry.url else entry
        first = seen.get(same)
        if first is None:
            seen[same] = entry
            facts[entry] = _ties(entry)
        elif entry_order(entry) < entry_order(first):
            seen[same] = entry
            facts[entry] = facts.pop(first)
    return facts


def _minted(source: str, entry: Entry, facts: Facts) -> str:
    text = "\x1f".join((facts.guide_id, facts.name, facts.path))
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{source}{_MINTED}{_KIND_WORD[entry.kind]}{digest}"


def _known_of(source: str, ledger: Ledger) -> list[_Known]:
    known: dict[str, _Known] = {}

    def note(rank: int, number: int, one: ChannelRecord | Retired | MemberFacts) -> None:
        if one.source == source and one.id.startswith(source + _MINTED):
            facts = Facts(one.guide_id, one.name, one.path, one.quality)
            known.setdefault(one.id, _Known((rank, number, one.id), one.id, facts))

    for record in ledger.channels.values():
        note(0, record.number, record)
    for record in ledger.channels.values():
        for member in record.members:
            note(0, record.number, member)
    for retired in sorted(ledger.retired, key=lambda r: r.day, reverse=True):
        note(1, retired.number, retired)
        for member in retired.members:
            note(1, retired.number, member)
    return list(known.values())


class _Pairing:
    """Entries and remembered channels of one source brought together, tier by tier."""

    def __init__(self, facts: dict[Entry, Facts], known: Sequence[_Known]) -> None:
        self._facts = facts
        self._known = sorted(known)
        self._left = dict.fromkeys(facts)
        self._open = {k.id: k for k in self._known}
        self._found: dict[Entry, str] = {}

    def found(self) -> dict[Entry, str]:
        """Ids by entry, for those that the ledger remembers."""
        if self._known:
            self._in_groups(lambda f: (f.guide_id, f.name, f.path) if f.path else None)
            self._in_groups(lambda f: (f.guide_id, f.name) if f.guide_id and f.name else None)
            self._in_groups(lambda f: (f.path, f.name) if f.path and f.name else None)
            self._in_groups(lambda f: (f.path, f.guide_id) if f.path and f.guide_id else None)
            self._where_unique(lambda f: f.path)
            self._where_unique(lambda f: f.guide_id)
            self._where_unique(lambda f: f.name)
        return self._found

    def _take(self, entry: Entry, known: _Known) -> None:
        self._found[entry] = known.id
        del self._left[entry]
        del self._open[known.id]

    def _in_groups(self, key: Callable[[Facts], Hashable | None]) -> None:
        """Pairs inside groups of an equal key: those of equal quality first, then in order."""
        groups: defaultdict[Hashable, list[_Known]] = defaultdict(list)
        for known in self._open.values():
            if (k := key(known.facts)) is not None:
                groups[k].append(known)
        if not groups:
            return
        entries: defaultdict[Hashable, list[Entry]] = defaultdict(list)
        for entry in self._left:
            if (k := key(self._facts[entry])) in groups:
                entries[k].append(entry)
        for k, some in entries.items():
            some.sort(key=entry_order)
            for alike in (True, False):
                for known in sorted(groups[k]):
                    fits = [
                        e
                        for e in some
                        if e in self._left and (not alike or quality_of(e.name) == known.facts.quality)
                    ]
                    if fits and known.id in self._open:
                        self._take(fits[0], known)

    def _where_unique(self, key: Callable[[Facts], str]) -> None:
        """Pairs by a text that only one entry and only one living (else one retired) channel of the source has."""
        if not self._open:
            return
        entries = Counter(key(f) for f in self._facts.values())
        living = Counter(key(k.facts) for k in self._known if k.rank[0] == 0)
        retired = Counter(key(k.facts) for k in self._known if k.rank[0] == 1)
        by_text = {key(k.facts): k for k in sorted(self._open.values(), reverse=True)}
        for entry in tuple(self._left):
            text = key(self._facts[entry])
            known = by_text.get(text)
            if not text or known is None or entries[text] != 1:
                continue
            if (living[text] or retired[text]) == 1 and (known.rank[0] == 0 or not living[text]):
                self._take(entry, known)
