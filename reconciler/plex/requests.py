"""What is said to Plex, as data: method, target, and how long it may take.

Targets are finished text: the connection puts them on the wire as they are, because a query library would encode the
brackets of a channel map and so cost 8 bytes per channel of a request line that ends at 32 KiB (plex-livetv.md 7.1).
Byte counts are therefore exact. The token is never part of a target (section 1: the header does as well).
This module refuses to send anything.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from reconciler.plex.model import XMLTV_PROVIDER, ChannelPair

__all__ = [
    "ACTIVITIES",
    "DEVICES",
    "DVRS",
    "IDENTITY",
    "LINE_LIMIT_BYTES",
    "ROOT",
    "SUBSCRIPTIONS",
    "Request",
    "channel_map",
    "channel_map_line_bytes",
    "channel_map_query_bytes",
    "channel_map_target",
    "create_dvr",
    "delete_device",
    "delete_dvr",
    "device_channels",
    "dvr",
    "dvr_channels",
    "lineup_uri",
    "put_channel_map",
    "register_device",
    "reload_guide",
    "scan_device",
    "set_device",
]

LINE_LIMIT_BYTES: Final = 30_000
"""Our own limit for a request line; Plex refuses at 32,768 (7.1), how exactly it counts is unknown."""

READ_S: Final = 30.0
REGISTER_S: Final = 60.0
"""The tuner is probed before the answer (2.4)."""
CREATE_S: Final = 180.0
"""The tuner is scanned and the guide loaded before the answer (3.2); clients wait 60 s and more (1)."""
SETTINGS_S: Final = 30.0
RELOAD_S: Final = 90.0
MAP_S: Final = 240.0
"""Large maps take more than a minute, and a client that leaves early gets a half-activated DVR (1)."""
DELETE_S: Final = 90.0

_MAP_FIXED: Final = len("channelsEnabled=") - 1  # the first channel brings no comma


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `timeout_s` bounds the wait for the beginning of its answer, and again for the whole of it."""

    method: str
    target: str
    timeout_s: float = READ_S

    @property
    def path(self) -> str:
        """The target without its query: what may stand in a message."""
        return self.target.partition("?")[0]

    @property
    def line_bytes(self) -> int:
        """Length of the request line on the wire, without its line end."""
        return len(f"{self.method} {self.target} HTTP/1.1")

    @property
    def writes(self) -> bool:
        """Whether it may change something."""
        return self.method != "GET"


IDENTITY: Final = Request("GET", "/identity")
ROOT: Final = Request("GET", "/")
DVRS: Final = Request("GET", "/livetv/dvrs")
DEVICES: Final = Request("GET", "/media/grabbers/devices")
ACTIVITIES: Final = Request("GET", "/activities")
SUBSCRIPTIONS: Final = Request("GET", "/media/subscriptions?includeGrabs=1")


def dvr(key: str) -> Request:
    """One DVR with the full map of its devices: the place to verify activation (3.1)."""
    return Request("GET", f"/livetv/dvrs/{_part(key)}")


def channel_map(device_uuid: str, lineup: str) -> Request:
    """Which device channels Plex can pair with the guide; empty until the guide is indexed (4.2)."""
    return Request("GET", f"/livetv/epg/channelmap?device={_value(device_uuid)}&lineup={_value(lineup)}")


def dvr_channels(epg_identifier: str) -> Request:
    """The active channels as clients see them (4.3)."""
    return Request("GET", f"/{quote(epg_identifier, safe=':')}/lineups/dvr/channels")


def device_channels(key: str) -> Request:
    """What a tuner offers, with names (2.6)."""
    return Request("GET", f"/media/grabbers/devices/{_part(key)}/channels")


def register_device(uri: str, *, documented: bool = False) -> Request:
    """Make Plex probe a tuner and keep it, or renew the address of a known DeviceID in place (2.4, 2.5).

    The path of the hdhomerun grabber comes first: it returns exactly that device and is what was seen to update
    `uri`; where it answers 404, the documented path does the same.
    """
    grabber = "" if documented else "tv.plex.grabbers.hdhomerun/"
    return Request("POST", f"/media/grabbers/{grabber}devices?uri={_value(uri)}", REGISTER_S)


def set_device(key: str, *, title: str, enabled: bool = True) -> Request:
    """Name a tuner and switch it on: after an API add it has no title, and off it is not used (2.2, 2.5)."""
    return Request(
        "PUT",
        f"/media/grabbers/devices/{_part(key)}?title={_value(title)}&enabled={int(enabled)}",
        SETTINGS_S,
    )


def create_dvr(device_uuid: str, lineup: str, *, language: str = "eng") -> Request:
    """A DVR of one device (its uuid without brackets) and one guide (3.2). It begins to load the guide itself."""
    query = f"language={language}&device={_value(device_uuid)}&lineup={_value(lineup)}"
    return Request("POST", f"/livetv/dvrs?{query}", CREATE_S)


def reload_guide(dvr_key: str) -> Request:
    """Fetch guide and lineup again; answers without a body (3.9)."""
    return Request("POST", f"/livetv/dvrs/{_part(dvr_key)}/reloadGuide", RELOAD_S)


def scan_device(key: str) -> Request:
    """Have Plex read the tuner's list of channels again (2.6). Some versions answer 500 without a source."""
    return Request("POST", f"/media/grabbers/devices/{_part(key)}/scan?source=Cable", RELOAD_S)


def put_channel_map(device_key: str, pairs: Sequence[ChannelPair]) -> Request:
    """Replace the whole map of a device: what is not in it is dropped (2.7). Starts a guide load.

    An empty map is refused with ValueError: sent, it would clear the device.
    """
    return Request("PUT", channel_map_target(device_key, pairs), MAP_S)


def delete_dvr(key: str) -> Request:
    """Remove a DVR with its recording rules; its devices stay (3.4)."""
    return Request("DELETE", f"/livetv/dvrs/{_part(key)}", DELETE_S)


def delete_device(key: str) -> Request:
    """Remove a device with its channel map (2.9)."""
    return Request("DELETE", f"/media/grabbers/devices/{_part(key)}", DELETE_S)


def channel_map_target(device_key: str, pairs: Iterable[ChannelPair]) -> str:
    """Path and query of the map request, channels in order of number, brackets and commas literal."""
    ordered = sorted(pairs, key=lambda pair: _natural(pair.device))
    if not ordered:
        raise ValueError("an empty channel map is never sent")
    names = [_value(pair.device) for pair in ordered]
    # Repeating channelsEnabled keeps the last value only: one comma-joined value (2.7).
    query = ["channelsEnabled=" + ",".join(names)]
    for name, pair in zip(names, ordered, strict=True):
        query.append(f"channelMapping[{name}]={_value(pair.lineup)}")
        query.append(f"channelMappingByKey[{name}]={_value(pair.key)}")
    return f"/media/grabbers/devices/{_part(device_key)}/channelmap?{'&'.join(query)}"


def channel_map_line_bytes(numbers: Iterable[str | int], *, device_key: str = "0000") -> int:
    """Bytes of the request line that maps these numbers, all three identifiers being the number.

    `device_key` need only have the right length: keys are small row ids.
    """
    return len(f"PUT /media/grabbers/devices/{device_key}/channelmap? HTTP/1.1") + channel_map_query_bytes(
        numbers
    )


def channel_map_query_bytes(numbers: Iterable[str | int]) -> int:
    """Bytes of the query alone: 42 + 5n per channel of n digits, and 15 more (7.1)."""
    lengths = [len(str(number)) for number in numbers]
    return _MAP_FIXED + sum(42 + 5 * length for length in lengths) if lengths else 0


def lineup_uri(location: str, title: str) -> str:
    """The lineup URI of an XMLTV guide: a URL, encoded inside as Plex stores it, or a path on the Plex host (3.3)."""
    inner = quote(location, safe="") if "://" in location else quote(location.lstrip("/"), safe="/")
    return f"lineup://{XMLTV_PROVIDER}/{inner}#{quote(title, safe='')}"


def _value(text: str) -> str:
    return quote(text, safe="")


def _part(key: str) -> str:
    return quote(key, safe="")


def _natural(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (1 << 62, text)
