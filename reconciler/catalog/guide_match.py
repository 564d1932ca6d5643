"""Which guide tells which channel's programmes.

    match(channels, guides) -> channel id -> GuideMatch

Guides are asked in the order of the spec, per channel, each with the ways its `match` allows (iptv-streams.md D6): by id, by
id without case, punctuation and quality, by normalised name where that is unique on both sides, by likeness. A raw id hits
188 of 41,116 channels in one known list, which is why the other ways exist; they are off unless the spec says so, because a
wrong guide is worse than none. This module refuses to read guides and to let a likeness win over an exact match.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from reconciler.catalog.guide_index import GuideIndex
from reconciler.catalog.names import normalise_name
from reconciler.spec.model import Guide

__all__ = ["GuideMatch", "How", "MatchInput", "match", "normalise_id"]

How = Literal["id", "id-normalised", "name", "fuzzy"]

LIKENESS: Final = 0.86
"""The least likeness of two names that are taken for one."""
MARGIN: Final = 0.04
"""How far the second best must lie behind."""


@dataclass(frozen=True, slots=True)
class MatchInput:
    """A channel as the matcher sees it. `guide_name` is a second name (`tvg-name`), "" for none."""

    id: str
    guide_id: str
    name: str
    guide_name: str = ""


@dataclass(frozen=True, slots=True)
class GuideMatch:
    """The guide's name in the spec and the channel in it. `confidence` is 1 but for `fuzzy`, where it is the likeness."""

    guide: str
    xmltv_id: str
    how: How
    confidence: float = 1.0


def match(
    channels: Iterable[MatchInput], guides: Sequence[tuple[Guide, GuideIndex]]
) -> Mapping[str, GuideMatch]:
    """Channel id to its guide, channels without one left out.

    The first guide that knows a channel exactly wins, but one that lists programmes for it goes before one that merely
    declares it. A likeness counts only where no guide has an exact match. Several channels may share an XMLTV id
    (variants do); by name, none may. Independent of the order of `channels`.
    """
    wanted = tuple(channels)
    names = _names(wanted)
    finders = [_Finder(spec, index, names) for spec, index in guides]
    found: dict[str, GuideMatch] = {}
    for channel in wanted:
        best: GuideMatch | None = None
        for finder in finders:
            exact = finder.exact(channel)
            if exact is None:
                continue
            if finder.index.programmes.get(exact.xmltv_id):
                best = exact
                break
            best = best or exact
        if best is None:
            best = next((like for finder in finders if (like := finder.likeness(channel)) is not None), None)
        if best is not None:
            found[channel.id] = best
    return found


_SUFFIX: Final = re.compile(r"\.([a-z]{2,4})$")
# iptv-org writes feeds behind ids: those of a quality are the channel itself, `@East` and `@Plus1` are not
_QUALITY_FEED: Final = re.compile(r"@(?:sd|f?hd|uhd|4k)$")
_QUALITY_TAIL: Final = re.compile(r"(?:u?hd|fhd|sd|4k|hevc)+$")


def normalise_id(text: str) -> str:
    """A guide id without case, punctuation and quality: `BBC1.uk`, `bbc-1.uk`, `bbc1hd.uk` and `BBC1.uk@HD` are equal.

    The part behind the last dot stays apart when it looks like a country or domain; `bbc1.uk` and `bbc1.de` differ.
    """
    folded = _QUALITY_FEED.sub("", text.strip().casefold())
    suffix = _SUFFIX.search(folded)
    stem = folded[: suffix.start()] if suffix else folded
    stem = re.sub(r"[^\w+]|_", "", stem)
    short = _QUALITY_TAIL.sub("", stem)
    return (short or stem) + (f".{suffix[1]}" if suffix else "")


def _names(channels: Iterable[MatchInput]) -> Counter[str]:
    """How many channels go by each normalised name."""
    count: Counter[str] = Counter()
    for channel in channels:
        count.update({normalise_name(channel.name), normalise_name(channel.guide_name)} - {""})
    return count


def _is_name(normal: str) -> bool:
    # Display-names that are numbers ("101") are positions on somebody's dial, not names.
    return any(character.isalpha() for character in normal)


class _Finder:
    """One guide with the indexes its ways of matching need."""

    def __init__(self, spec: Guide, index: GuideIndex, names: Counter[str]) -> None:
        self.spec = spec
        self.index = index
        self._names = names
        ids = sorted({*index.channels, *index.programmes})
        self._by_id: dict[str, set[str]] = defaultdict(set)
        self._by_name: dict[str, set[str]] = defaultdict(set)
        if "id-normalised" in spec.match:
            for xmltv_id in ids:
                self._by_id[normalise_id(xmltv_id)].add(xmltv_id)
        if "name" in spec.match or "fuzzy" in spec.match:
            for channel in index.channels.values():
                for name in channel.names:
                    if _is_name(normal := normalise_name(name)):
                        self._by_name[normal].add(channel.id)
        self._likes: dict[frozenset[str], GuideMatch | None] = {}
        # two ids of one name are as good as a thousand: neither is clearly the one
        self._first_two: dict[str, list[str]] = {}
        self._by_word: dict[str, set[str]] = defaultdict(set)
        if "fuzzy" in spec.match:
            for normal, same in self._by_name.items():
                self._first_two[normal] = sorted(same)[:2]
                for word in normal.split():
                    self._by_word[word].add(normal)

    def exact(self, channel: MatchInput) -> GuideMatch | None:
        for how in self.spec.match:
            found = ""
            if how == "id":
                found = channel.guide_id if channel.guide_id and self.index.lists(channel.guide_id) else ""
            elif how == "id-normalised":
                found = self._by_normal_id(channel.guide_id)
            elif how == "name":
                found = self._by_own_name(channel)
            if found:
                return GuideMatch(self.spec.name, found, how)
        return None

    def _by_normal_id(self, guide_id: str) -> str:
        if not guide_id.strip():
            return ""
        same = self._by_id.get(normalise_id(guide_id), set())
        folded = {xmltv_id for xmltv_id in same if xmltv_id.casefold() == guide_id.strip().casefold()}
        choice = folded or same
        return min(choice) if len(choice) == 1 else ""

    def _by_own_name(self, channel: MatchInput) -> str:
        for name in (channel.guide_name, channel.name):
            normal = normalise_name(name)
            ids = self._by_name.get(normal, set())
            if len(ids) == 1 and self._names[normal] == 1:
                return min(ids)
        return ""

    def likeness(self, channel: MatchInput) -> GuideMatch | None:
        """The one name that is like enough, and clearly more so than any name of another channel."""
        if "fuzzy" not in self.spec.match:
            return None
        names = frozenset((normalise_name(channel.guide_name), normalise_name(channel.name)))
        if names not in self._likes:
            self._likes[names] = self._likest(names)
        return self._likes[names]

    def _likest(self, names: Iterable[str]) -> GuideMatch | None:
        scores: dict[str, float] = {}
        for normal in filter(None, names):
            words = normal.split()
            # Names that share no word but the commonest are not compared: 40,000 times 10,000 would take hours.
            rare = sorted((w for w in words if w in self._by_word), key=lambda w: (len(self._by_word[w]), w))[
                :2
            ]
            for other in {name for word in rare for name in self._by_word[word]}:
                score = _likeness(normal, other)
                for xmltv_id in self._first_two[other]:
                    scores[xmltv_id] = max(score, scores.get(xmltv_id, 0.0))
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        if not ranked or ranked[0][1] < LIKENESS:
            return None
        if len(ranked) > 1 and ranked[0][1] - ranked[1][1] < MARGIN:
            return None
        return GuideMatch(self.spec.name, ranked[0][0], "fuzzy", round(ranked[0][1], 2))


def _likeness(one: str, other: str) -> float:
    """0 to 1. Names whose numbers or time shifts differ are never alike: `ESPN 2` is not `ESPN`."""
    if _numbers(one) != _numbers(other):
        return 0.0
    words, others = set(one.split()), set(other.split())
    shared = 2 * len(words & others) / (len(words) + len(others))
    if shared < 0.5:
        return 0.0
    letters = SequenceMatcher(None, "".join(sorted(words)), "".join(sorted(others))).ratio()
    return (shared + 2 * letters) / 3  # a slip of the pen costs a whole word of the first


def _numbers(name: str) -> list[str]:
    return sorted(word for word in name.split() if word.lstrip("+").isdecimal())
