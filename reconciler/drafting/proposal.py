"""Buckets proposed for a catalogue nobody has sorted yet: by genre and by country, each for one DVR.

Groups are read as providers write them (`US| News`, `SPORTS| World`, `EU| Nordics`): a country before a sign, a genre
somewhere. Rules are globs and not lists of names, so that next month's groups find their place. The counts come from
the rules themselves, first match first, as in a plan. This module refuses to look at single channels.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from reconciler.drafting.bounds import LIMIT
from reconciler.drafting.draft import is_glob
from reconciler.drafting.yaml_text import Value
from reconciler.wording import number, plural

__all__ = ["Counted", "Group", "proposed"]

MOST: Final = 15
"""DVRs to propose: so many blocks of 600 numbers have four digits."""
REST: Final = "rest"
SMALL: Final = 30
"""Fewer channels than this make no DVR of their own."""

_GENRES: Final[dict[str, tuple[str, ...]]] = {
    "locals": ("local", "affiliate"),
    "sports": (
        "sport",
        "nfl",
        "nba",
        "nhl",
        "mlb",
        "ppv",
        "soccer",
        "football",
        "ufc",
        "cricket",
        "dazn",
        "espn",
    ),
    "news": ("news", "noticias", "nachrichten"),
    "movies": ("movie", "cinema", "film", "kino", "cine"),
    "kids": ("kids", "kinder", "cartoon", "family", "enfant", "infantil", "children"),
    "docs": ("docu", "discovery", "nature", "knowledge"),
    "music": ("music", "musik", "radio"),
}
_REGIONS: Final[dict[str, tuple[str, ...]]] = {
    "us": ("us", "usa", "america"),
    "canada": ("ca", "can", "canada"),
    "ukie": ("uk", "gb", "gbr", "ie", "irl", "ireland", "british"),
    "german": ("de", "ger", "deu", "at", "aut", "ch", "sui", "germany", "deutschland", "austria", "switzerland"),
    "french": ("fr", "fra", "france"),
    "benelux": ("nl", "nld", "be", "bel", "lu", "netherlands", "belgium"),
    "nordics": ("se", "swe", "dk", "den", "no", "nor", "fi", "fin", "is", "nordic", "nordics", "scandinavia",
                "sweden", "denmark", "norway", "finland"),
    "south": ("it", "ita", "es", "esp", "pt", "por", "gr", "gre", "cy", "mt", "italy", "spain", "portugal", "greece"),
    "east": ("pl", "pol", "cz", "cze", "sk", "svk", "hu", "hun", "ro", "rou", "bg", "bul", "rs", "hr", "si", "al",
             "mk", "ba", "xk", "exyu", "ru", "rus", "ua", "ukr", "lt", "lv", "ee", "balkan", "poland", "russia",
             "ukraine", "romania", "albania"),
    "turkish": ("tr", "tur", "turkey"),
    "latin": ("latin", "latino", "lat", "mx", "mex", "br", "bra", "co", "cl", "pe", "ve", "brazil", "mexico"),
    "arabic": ("ar", "ara", "arab", "arabic", "ae", "sa", "eg", "ma", "dz", "tn", "qa", "kw", "iq"),
    "asia": ("in", "ind", "pk", "pak", "bd", "cn", "jp", "kr", "th", "ph", "vn", "my", "asia", "india", "pakistan"),
    "europe": ("eu", "europe"),
    "africa": ("afr", "africa", "ng", "gh", "ke", "za"),
}  # fmt: skip
_PREFIX: Final = re.compile(
    r"\s*[\[(|]?\s*([A-Za-z]{2,9}(?:-[A-Za-z]{2})?)\s*(?:[|\])\u2503:/]|\s[-\u2013]\s|[•►»★])"
)
_SUFFIX: Final = re.compile(r"[|:/\u2503]\s*([A-Za-z]{2,9})\s*$")


@dataclass(frozen=True, slots=True)
class Group:
    """A group of live channels as counted: `listed` are in a guide."""

    name: str
    entries: int
    listed: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A bucket with what its rule catches now."""

    bucket: dict[str, Value]
    entries: int
    listed: int
    examples: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The bucket's name."""
        return str(self.bucket["name"])

    @property
    def note(self) -> str:
        """What to know of it, as a comment."""
        if "match" not in self.bucket:
            return "what does not fit above"
        fits = "" if self.entries <= LIMIT else f"; one DVR holds {LIMIT}, those in a guide come first"
        return f"{plural(self.entries, 'channel')} now, {number(self.listed)} in a guide{fits}"


@dataclass(slots=True)
class _Rule:
    """A bucket to be: any of these genre words and any of these country prefixes or words."""

    name: str
    genre: str = ""
    region: str = ""
    groups: list[Group] = field(default_factory=list)

    @property
    def entries(self) -> int:
        return sum(g.entries for g in self.groups)

    @property
    def listed(self) -> int:
        return sum(g.listed for g in self.groups)

    def match(self) -> dict[str, Value]:
        """The matcher: globs of those words and prefixes that occur in its groups."""
        by_genre = _or(
            [
                f"*{w}*"
                for w in _GENRES.get(self.genre, ())
                if any(w in g.name.casefold() for g in self.groups)
            ]
        )
        places = {repr(p): p for g in self.groups if (p := _region_rule(g.name)[1]) is not None}
        by_region = _or([places[key] for key in sorted(places)])
        if self.genre and self.region:
            return {"all": [{"group": by_region}, {"group": by_genre}]}
        return {"group": by_genre if self.genre else by_region}


def proposed(groups: Iterable[Group], *, most: int = MOST) -> tuple[Counted, ...]:
    """Buckets in the order of the spec; the last one takes what no other does. Everything in one where it fits.

    No bucket holds more than `LIMIT` without saying where the rest goes.
    """
    known = sorted((g for g in groups if g.entries), key=lambda g: (-g.entries, g.name))
    total = sum(g.entries for g in known)
    if total <= LIMIT:
        examples = tuple(g.name for g in known[:3])
        return (
            Counted(
                {"name": "channels", "match": {}, "overflow": "drop"},
                total,
                sum(g.listed for g in known),
                examples,
            ),
        )
    rules = _rules(known)
    # the most useful ones: many channels that a guide knows; a full one takes two DVRs
    kept, room = [], most - 1
    for rule in sorted(rules, key=lambda r: (-min(r.listed, LIMIT), -r.entries, r.name)):
        needs = 2 if LIMIT < rule.entries <= 2 * LIMIT else 1
        if rule.entries >= SMALL and needs <= room:
            kept.append(rule)
            room -= needs
    return tuple(_counted([r for r in rules if r in kept], known))


def _rules(groups: Sequence[Group]) -> list[_Rule]:
    cells: dict[tuple[str, str], list[Group]] = {}
    for group in groups:
        cells.setdefault((_genre(group.name), _region_rule(group.name)[0]), []).append(group)
    rules: list[_Rule] = []
    for genre in _GENRES:
        of = {region: some for (g, region), some in cells.items() if g == genre}
        count = sum(g.entries for some in of.values() for g in some)
        if count > LIMIT:
            for region, some in sorted(of.items(), key=lambda r: -sum(g.entries for g in r[1])):
                if region and sum(g.entries for g in some) >= SMALL and len(of) > 1:
                    rules.append(_Rule(f"{genre}-{region}", genre, region, list(some)))
        rest = [
            g
            for region, some in of.items()
            for g in some
            if not any(r.genre == genre and r.region == region for r in rules)
        ]
        if rest:
            rules.append(_Rule(genre, genre, "", rest))
    for region in _REGIONS:
        # genres too small for a DVR of their own stay with their country
        some = cells.get(("", region), [])
        if some:
            rules.append(_Rule(region, "", region, list(some)))
    return rules


def _counted(rules: Sequence[_Rule], groups: Sequence[Group]) -> Iterable[Counted]:
    """What the rules catch, first match first. A full bucket goes on in a second one, then in the rest."""
    left = list(groups)
    for rule in rules:
        match = rule.match()
        mine = [g for g in left if _catches(match, g.name)]
        left = [g for g in left if g not in mine]
        entries, listed = sum(g.entries for g in mine), sum(g.listed for g in mine)
        second = f"{rule.name}-b" if LIMIT < entries <= 2 * LIMIT else ""
        bucket: dict[str, Value] = {"name": rule.name, "match": match, "overflow": second or REST}
        yield Counted(bucket, entries, listed, tuple(g.name for g in mine[:3]))
        if second:
            yield Counted({"name": second, "overflow": REST}, 0, 0)
    entries, listed = sum(g.entries for g in left), sum(g.listed for g in left)
    examples = tuple(g.name for g in left[:3])
    yield Counted({"name": REST, "match": {}, "overflow": "drop"}, entries, listed, examples)


def _genre(group: str) -> str:
    folded = group.casefold()
    return next((genre for genre, words in _GENRES.items() if any(w in folded for w in words)), "")


def _region_rule(group: str) -> tuple[str, Value]:
    """The region of a group and the condition that says so, ("", None) where nothing does."""
    if found := _PREFIX.match(group):
        word = found[1].casefold()
        for region, words in _REGIONS.items():
            if word in words:
                prefix = found[0].strip()
                return region, f"{prefix}*" if not is_glob(prefix) else {"regex": f"(?i)^{re.escape(prefix)}"}
    if found := _SUFFIX.search(group):
        word = found[1].casefold()
        for region, words in _REGIONS.items():
            if word in words:
                return region, f"*{found[0].strip()}"
    tokens = set(re.findall(r"[^\W\d_]+", group.casefold()))
    for region, words in _REGIONS.items():
        for word in words:
            if len(word) > 3 and word in tokens:  # short ones are words of many languages
                return region, f"*{word}*"
    return "", None


def _or(conditions: Sequence[Value]) -> Value:
    return conditions[0] if len(conditions) == 1 else list(conditions)


def _catches(match: Value, group: str) -> bool:
    """Whether the matcher catches a group: the same rules as in a run, for the few forms that are proposed."""
    assert isinstance(match, dict)
    if "all" in match:
        parts = match["all"]
        assert isinstance(parts, list)
        return all(_catches(part, group) for part in parts)
    condition = match.get("group")
    options = condition if isinstance(condition, list) else [condition]
    return any(_meets(option, group) for option in options)


def _meets(condition: Value, group: str) -> bool:
    if isinstance(condition, dict):
        return re.search(str(condition["regex"]), group) is not None
    return fnmatchcase(group.casefold(), str(condition).casefold())
