"""Plex's Live TV objects as values, in its own words, and `Unknown` for what could not be read.

Field names follow plex-livetv.md 2.2 and 3.1. Ids are Plex's row ids as text. Lineup URIs are compared after
percent-decoding until stable, because Plex returns them raw or encoded (3.3). This module refuses to parse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

__all__ = [
    "XMLTV_PROVIDER",
    "Activity",
    "ChannelPair",
    "DatabaseRow",
    "DatabaseView",
    "Device",
    "Dvr",
    "Observed",
    "Server",
    "Unknown",
    "decode_until_stable",
]

XMLTV_PROVIDER: Final = "tv.plex.providers.epg.xmltv"
GUIDE_LOAD: Final = "provider.epg.load"
HARVESTER, PROVIDER, DEVICE = 1, 3, 4
"""Types of rows in Plex's database: a DVR, its guide's provider, a tuner (8.2)."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be read: why, in a sentence without secrets. Never the same as absent."""

    why: str


@dataclass(frozen=True, slots=True)
class Server:
    """The server's identity. `name` "": it was not told."""

    machine: str
    version: str
    name: str = ""


@dataclass(frozen=True, slots=True, order=True)
class ChannelPair:
    """One `ChannelMapping`: a device channel and the guide channel Plex pairs it with."""

    device: str
    lineup: str
    key: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Device:
    """One tuner as Plex holds it. `parent` is the key of the DVR it is in, "" for none."""

    key: str
    uuid: str
    device_id: str
    uri: str
    title: str = ""
    make: str = ""
    model: str = ""
    tuners: int = 0
    status: str = ""
    state: str = ""
    parent: str = ""
    pairs: tuple[ChannelPair, ...] = ()

    @property
    def enabled(self) -> tuple[ChannelPair, ...]:
        """The channels that are on, sorted."""
        return tuple(sorted(p for p in self.pairs if p.enabled))


@dataclass(frozen=True, slots=True)
class Dvr:
    """One DVR. `lineup` is the guide's URI as Plex returned it; `guide` and `title` are decoded from it."""

    key: str
    uuid: str
    lineup: str
    lineup_title: str = ""
    language: str = ""
    epg_identifier: str = ""
    refreshed_at: int = 0
    devices: tuple[Device, ...] = ()

    @property
    def provider(self) -> str:
        """The guide provider of the lineup, e.g. `tv.plex.providers.epg.xmltv`."""
        return self.lineup.removeprefix("lineup://").partition("/")[0]

    @property
    def guide(self) -> str:
        """The guide's location, decoded until stable: a URL, or a path on the Plex host."""
        decoded = decode_until_stable(self._halves[0])
        return decoded if "://" in decoded else "/" + decoded.lstrip("/")

    @property
    def title(self) -> str:
        """The DVR's title, decoded: the fragment of the lineup, fixed at creation (3.3)."""
        return decode_until_stable(self.lineup_title or self.fragment)

    @property
    def fragment(self) -> str:
        """The title as it stands in the lineup, encoded or not."""
        return self._halves[1]

    @property
    def _halves(self) -> tuple[str, str]:
        """Location and title as they stand in the lineup.

        Plex may return both raw, and a title like "Sports #1" then brings a second mark: the mark before the known
        title counts, else the first one, because no URL has one in it.
        """
        inner = self.lineup.removeprefix("lineup://").partition("/")[2]
        known = decode_until_stable(self.lineup_title)
        location, mark, title = inner.partition("#")
        while mark and known and decode_until_stable(title) != known:
            more, mark, title = title.partition("#")
            location = f"{location}#{more}"
        return (location, title) if mark else (inner.partition("#")[0], inner.partition("#")[2])


@dataclass(frozen=True, slots=True)
class Activity:
    """A running task. A `provider.epg.load` names no DVR: it is server-wide (section 5)."""

    uuid: str
    type: str
    title: str = ""
    subtitle: str = ""
    progress: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """Plex as one run saw it. Each part is known or `Unknown`; a DVR may be unknown alone.

    `dvrs` come from the list, `details` by DVR key from the single-DVR call that shows activation (3.1). `rules` counts
    recording rules by DVR key where they could be told. `devices` include those in no DVR.
    """

    server: Server | Unknown
    devices: tuple[Device, ...] | Unknown
    dvrs: tuple[Dvr, ...] | Unknown
    details: Mapping[str, Dvr | Unknown]
    activities: tuple[Activity, ...] | Unknown
    rules: Mapping[str, int] | Unknown
    requests: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """One row of `media_provider_resources` (8.2). `extra` are the pairs of `extra_data` without their copy in `url`."""

    id: int
    parent: int | None
    type: int
    identifier: str
    uri: str
    uuid: str
    extra: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DatabaseView:
    """Plex's database as read while Plex is stopped. `server` comes from Preferences.xml."""

    server: Server
    rows: tuple[DatabaseRow, ...]


def decode_until_stable(text: str) -> str:
    """`text` percent-decoded until nothing changes: Plex and its clients encode once, twice or not at all (3.3)."""
    for _ in range(5):
        decoded = unquote(text)
        if decoded == text:
            return text
        text = decoded
    return text
