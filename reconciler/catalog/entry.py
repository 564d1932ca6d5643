"""One thing a provider lists, and what a fetch of everything gave.

`Entry` is a named tuple and not a frozen data class: a hundred thousand are built per refresh, and a frozen data
class costs six times as much to build. Entries hold no credential: a user name or password inside a URL has become
`{username}` or `{password}` before the entry exists. This module refuses to parse and to decide anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["Catalog", "Dropped", "Entry", "Fetched", "Kind", "SourceReport"]

Kind = Literal["live", "vod", "series"]


class Entry(NamedTuple):
    """What a source says of one stream right now.

    `key` is the Xtream stream id (text) where the source is a panel or the URL has its shape
    `[/live]/<user>/<pass>/<id>[.ext]`, else "". `url` is the stream's address with credential placeholders; it is ""
    where a panel's hosts and `key` make it (the route does). `more_urls` are further addresses of the same entry in the
    list's order. `number` is the provider's own number. Empty text means the provider said nothing.
    """

    source: str
    key: str
    name: str
    kind: Kind = "live"
    guide_id: str = ""
    group: str = ""
    logo: str = ""
    number: int | None = None
    url: str = ""
    more_urls: tuple[str, ...] = ()
    extension: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    country: str = ""
    language: str = ""
    radio: bool = False
    adult: bool = False
    guide_name: str = ""
    """`tvg-name`: a second name for guide matching."""
    shift_h: float = 0.0
    """`tvg-shift`: hours to add to this entry's guide."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """How many entries were left out for one reason, with at most three examples (never a URL)."""

    reason: str
    count: int
    examples: tuple[str, ...] = ()


Fetched = Literal["fresh", "unchanged", "cached", "absent"]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """How one source or guide was had. `age_s` is the age of what is used (0 when fresh); `host` counts from 1.

    `fetched` "absent": nothing fresh and no copy. `stale`: the copy is older than the source's `max_age`.
    `notes` are short sentences without secrets (which host failed and how).
    """

    name: str
    kind: Literal["xtream", "m3u", "xmltv"]
    fetched: Fetched
    entries: int = 0
    age_s: float = 0.0
    stale: bool = False
    seconds: float = 0.0
    size_bytes: int = 0
    host: int = 0
    hosts: int = 0
    via: str = ""
    notes: tuple[str, ...] = ()
    failure: str = ""
    """Why nothing fresh came: what each attempt met, in order; "" where it came, or nobody asked."""
    dropped: tuple[Dropped, ...] = ()
    guide_urls: tuple[str, ...] = ()
    connections: int | None = None
    """What the account allows at once (`max_connections`), where it says so."""
    direct_hosts: tuple[int, ...] = ()
    """Indexes (from 1) of hosts not behind Cloudflare, best first; empty: not known."""
    stream_base: str = ""
    """The panel's own direct stream address from `server_info`, where the policy chose it."""
    cloudflare_hosts: tuple[int, ...] = ()
    """Indexes (from 1) of hosts known to be behind Cloudflare."""
    account_connections: tuple[int | None, ...] = ()
    """What each account of a pool allows at once, in the order of the spec; None: not said."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything all sources list, in the order of the spec and then of the list, and how it was had."""

    entries: tuple[Entry, ...]
    reports: Mapping[str, SourceReport]
