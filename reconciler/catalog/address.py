"""Stream addresses: the shape of a panel's URLs, and credentials turned into placeholders.

One panel gives the same stream as `player_api` id, as `/live/<user>/<pass>/<id>.ts` and as `/<user>/<pass>/<id>`; all
three must be the same channel (design.md 5). And a user name or password that a provider wrote into an address must be
gone before the address is kept anywhere (design.md 1.9). Both rules live here, so that nobody has a second opinion.
This module refuses to fetch, and to say which credentials there are: it is given them.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus, urlsplit

from reconciler.catalog.entry import Kind
from reconciler.secret import Secret

__all__ = [
    "PASSWORD",
    "SEALED",
    "USERNAME",
    "Concealer",
    "PanelPath",
    "fill",
    "host_of",
    "panel_path",
    "sealed",
]

USERNAME: Final = "{username}"
PASSWORD: Final = "{password}"  # noqa: S105 - the placeholder itself

SEALED: Final = "sealed://"
"""The scheme of an address of which only the host and the hash of the path are known (a snapshot's)."""

# `/live/u/p/1.ts`, `/movie/u/p/1.mkv`, also below a base path; the short form `/u/p/1[.ts|.m3u8]` only at the root,
# because three arbitrary segments before a number occur on every CDN.
_LONG: Final = re.compile(
    r"https?://[^/?#]+(?:/[^?#]*)?/(live|movie|series)/([^/?#]+)/([^/?#]+)/(\d+)(?:\.(\w{1,8}))?(?:\?[^#]*)?",
    re.IGNORECASE,
)
_SHORT: Final = re.compile(
    r"https?://[^/?#]+/([^/?#]+)/([^/?#]+)/(\d+)(?:\.(ts|m3u8))?(?:\?[^#]*)?", re.IGNORECASE
)
_KINDS: Final[dict[str, Kind]] = {"live": "live", "movie": "vod", "series": "series"}


class PanelPath(NamedTuple):
    """What an address of a panel says. `account` is the two path segments as they stand, user first."""

    key: str
    kind: Kind
    extension: str
    account: tuple[str, str]


def panel_path(url: str) -> PanelPath | None:
    """The parts of a URL of the shape `[/live]/<user>/<pass>/<id>[.ext]`, or None for any other URL."""
    if found := _LONG.fullmatch(url):
        word, user, password, key, extension = found.groups()
        kind = _KINDS[word.lower()]
        return PanelPath(key, kind, extension or "" if kind != "live" else "", (user, password))
    if found := _SHORT.fullmatch(url):
        user, password, key, _ = found.groups()
        return PanelPath(key, "live", "", (user, password))
    return None


def host_of(url: str) -> str:
    """Host and port of a URL in lower case, without user info; "" where there is none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:  # an IPv6 literal without its bracket
        return ""


def sealed(url: str, path_hash: str) -> str:
    """The address without anything that leads to a stream: its host, and the hash that finds the channel again."""
    return f"{SEALED}{host_of(url)}/{path_hash}"


class Concealer:
    """Replaces the user names and passwords of some accounts in addresses by placeholders.

    A value is replaced where it stands as a whole path segment, query value or user info, raw or percent-encoded; a
    value of eight or more characters wherever it stands. Never printable: it holds the values.
    """

    __slots__ = ("_anywhere", "_pairs", "_tests", "_tokens")

    def __init__(self, accounts: Iterable[tuple[Secret, Secret]]) -> None:
        pairs = [(u.reveal(), p.reveal()) for u, p in accounts]
        self._pairs = frozenset((a, b) for u, p in pairs for a in _spellings(u) for b in _spellings(p))
        words = [(u, USERNAME) for u, _ in pairs if u] + [(p, PASSWORD) for _, p in pairs if p]
        spelled = {s: mark for value, mark in reversed(words) for s in _spellings(value)}
        self._tokens = (
            re.compile(
                r"(?<![^/?&=:@;#,|])(?:"
                + "|".join(re.escape(s) for s in sorted(spelled, key=lambda s: (-len(s), s)))
                + r")(?![^/?&=:@;#,|])"
            ),
            spelled,
        )
        self._anywhere = tuple((s, m) for s, m in spelled.items() if len(s) >= 8)
        self._tests = tuple(sorted(spelled))

    def __repr__(self) -> str:
        return f"Concealer({len(self._pairs)} spellings)"

    def __bool__(self) -> bool:
        return bool(self._tests)

    def owns(self, account: tuple[str, str]) -> bool:
        """Whether two path segments are the user name and the password of one of the accounts."""
        return account in self._pairs

    def touches(self, text: str) -> bool:
        """Whether one of the values occurs in the text at all, in any spelling. Cheap; says yes too often."""
        for test in self._tests:  # noqa: SIM110 - a generator costs four times as much, once per address
            if test in text:
                return True
        return False

    def conceal(self, url: str) -> str:
        """The address with placeholders. User name and password being equal, path position decides."""
        if not self.touches(url):
            return url
        if (shape := panel_path(url)) and self.owns(shape.account):
            user, password = shape.account
            url = url.replace(f"/{user}/{password}/", f"/{USERNAME}/{PASSWORD}/", 1)
        pattern, marks = self._tokens
        url = pattern.sub(lambda m: marks[m[0]], url)
        for value, mark in self._anywhere:
            url = url.replace(value, mark)
        return url


def _spellings(value: str) -> frozenset[str]:
    """The ways one value is written in addresses: raw, percent-encoded with upper and lower hex, `+` for a blank."""
    if not value:
        return frozenset()
    coded = {quote(value, safe=""), quote(value), quote_plus(value), quote(value, safe="!$&'()*+,;=:@~-._")}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda m: m[0].lower(), c) for c in coded}
    return frozenset({value} | coded | lower)


def fill(url: str, username: Secret, password: Secret) -> Secret:
    """The address with the placeholders filled in, percent-encoded (`/`, `@`, `#`, `+`, `&` and blanks occur)."""
    filled = url.replace(USERNAME, quote(username.reveal(), safe=""))
    return Secret(filled.replace(PASSWORD, quote(password.reveal(), safe="")))
