"""The objects of the simulated Plex and the rows they are kept in: device, DVR with its provider, channel map, settings.

Field for field what plex-livetv.md 2, 3 and 8.2 say. Values only: what happens to them is the business of `plex_state`
and of the routes.
"""

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

from reconciler.sandbox.plex_database import Row, encoded_pairs, pairs

__all__ = [
    "DEVICE_ROW",
    "DEVICE_SETTINGS",
    "DVR_ROW",
    "DVR_SETTINGS",
    "GRABBER",
    "PROVIDER_ROW",
    "THUMB",
    "XMLTV",
    "Device",
    "Dvr",
    "LineupEntry",
    "Mapping",
    "SettingKind",
    "decoded",
    "decoded_lineup",
    "lineup_parts",
]

GRABBER: Final = "tv.plex.grabbers.hdhomerun"
HARVESTER: Final = "tv.plex.harvesters.dvr"
XMLTV: Final = "tv.plex.providers.epg.xmltv"
DVR_ROW, PROVIDER_ROW, DEVICE_ROW = 1, 3, 4
THUMB: Final = "/:/resources/dvr/device-generic-560.png"


@dataclass(frozen=True, slots=True)
class SettingKind:
    """A setting that a DVR or a device has: id, label, type, default, choices."""

    id: str
    label: str
    type: Literal["bool", "int", "text"]
    default: str
    choices: str = ""


# plex-livetv.md 3.8
DVR_SETTINGS: Final = (
    SettingKind("minVideoQuality", "Resolution", "int", "0", "0:Prefer HD|720:HD only"),
    SettingKind("replaceLowerQuality", "Replace lower resolution items", "bool", "false"),
    SettingKind("recordPartials", "Allow partial airings", "bool", "true"),
    SettingKind("startOffsetMinutes", "Minutes before start", "int", "0"),
    SettingKind("endOffsetMinutes", "Minutes after end", "int", "0"),
    SettingKind("useUmp", "Enhanced guide", "bool", "false"),
    SettingKind("postprocessingScript", "Postprocessing script", "text", ""),
    SettingKind("comskipMethod", "Commercial skip", "int", "0", "0:Off|1:Delete|2:Mark"),
    SettingKind("ButlerTaskRefreshEpgGuides", "Perform refresh of program guide data", "bool", "true"),
    SettingKind("mediaProviderEpgXmltvGuideRefreshStartTime", "Guide refresh hour", "int", "10"),
    SettingKind("xmltvCustomRefreshInHours", "Guide refresh interval", "int", "24"),
    SettingKind("kidsCategories", "Kids categories", "text", "kids"),
    SettingKind("newsCategories", "News categories", "text", "news"),
    SettingKind("sportsCategories", "Sports categories", "text", "sports"),
)
# plex-livetv.md 2.2
DEVICE_SETTINGS: Final = (
    SettingKind("transcodeDuringRecord", "Convert video while recording", "int", "0", "0:Off|1:Transcode"),
    SettingKind("hardwareVideoEncoders", "Use hardware-accelerated encoding", "bool", "true"),
    SettingKind("transcodeQuality", "Transcode quality", "int", "99"),
)


@dataclass(frozen=True, slots=True)
class Mapping:
    """One line of a channel map: device channel to lineup channel (2.7)."""

    device: str
    lineup: str
    key: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class LineupEntry:
    """One channel of `lineup.json` as last read."""

    number: str
    name: str
    url: str
    drm: bool = False
    hd: bool = False
    favorite: bool = False


@dataclass(slots=True)
class Device:
    """One tuner. `parent` is the key of the DVR that holds it; times are epoch seconds."""

    uuid: str
    uri: str
    device_id: str
    key: int = 0
    parent: int | None = None
    make: str = ""
    model: str = ""
    model_number: str = ""
    title: str = ""
    tuners: int = 0
    source: str = "Cable"
    sources: str = "Cable"
    alive: bool = True
    enabled: bool = True
    last_seen_at: int = 0
    registered_at: float = 0.0
    device_auth: str = ""
    mappings: tuple[Mapping, ...] = ()
    lineup: tuple[LineupEntry, ...] = ()
    prefs: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_row(cls, row: Row) -> "Device":
        """The device a row describes; what is missing or broken in `extra_data` is empty."""
        extra = dict(row.extra)
        by_lineup = _mapping(extra.pop("pv:channelMapping", ""))
        by_key = _mapping(extra.pop("pv:channelMappingByKey", ""))
        enabled = set(extra.pop("pv:channelsEnabled", "").split(","))
        tuners = extra.pop("at:tuners", "0")
        return cls(
            uuid=row.uuid,
            uri=row.uri,
            device_id=extra.pop("at:deviceId", ""),
            key=row.id,
            parent=row.parent_id,
            make=extra.pop("at:make", ""),
            model=extra.pop("at:model", ""),
            model_number=extra.pop("at:modelNumber", ""),
            title=extra.pop("at:title", ""),
            tuners=int(tuners) if tuners.isdigit() else 0,
            source=extra.pop("at:source", ""),
            sources=extra.pop("at:sources", ""),
            alive=row.status == 1,
            enabled=row.state == 1,
            last_seen_at=row.last_seen_at,
            device_auth=extra.pop("at:deviceAuth", ""),
            mappings=tuple(
                Mapping(channel, by_lineup.get(channel, ""), by_key.get(channel, ""), channel in enabled)
                for channel in dict.fromkeys([*by_lineup, *by_key])
            ),
            lineup=_entries(row.data),
            prefs={k.removeprefix("pr:"): extra.pop(k) for k in [*extra] if k.startswith("pr:")},
            others=extra,
        )

    def row(self) -> Row:
        """The row that holds this device, keys of 8.2; the title has no column, so it is an attribute too."""
        extra = {
            **self.others,
            "at:canTranscode": "1" if self.can_transcode else "0",
            "at:deviceAuth": self.device_auth,
            "at:deviceId": self.device_id,
            "at:make": self.make,
            "at:model": self.model,
            "at:modelNumber": self.model_number,
            "at:source": self.source,
            "at:sources": self.sources,
            "at:thumb": THUMB,
            "at:title": self.title,
            "at:tuners": str(self.tuners),
            "pv:channelMapping": encoded_pairs((m.device, m.lineup) for m in self.mappings),
            "pv:channelMappingByKey": encoded_pairs((m.device, m.key) for m in self.mappings),
            "pv:channelsEnabled": ",".join(m.device for m in self.mappings if m.enabled),
            **{f"pr:{key}": value for key, value in self.prefs.items()},
        }
        lineup = [[e.number, e.name, e.url, e.drm, e.hd, e.favorite] for e in self.lineup]
        return Row(
            id=self.key,
            parent_id=self.parent,
            type=DEVICE_ROW,
            status=int(self.alive),
            state=int(self.enabled),
            identifier=GRABBER,
            protocol="livetv",
            uri=self.uri,
            uuid=self.uuid,
            extra={k: v for k, v in extra.items() if v},
            last_seen_at=self.last_seen_at,
            data=json.dumps(lineup, ensure_ascii=False).encode() if lineup else None,
        )

    @property
    def can_transcode(self) -> bool:
        """Seen with the transcoding model number (2.2)."""
        return self.model_number == "HDTC-2US"

    @property
    def enabled_mappings(self) -> tuple[Mapping, ...]:
        """The active channels."""
        return tuple(m for m in self.mappings if m.enabled)


@dataclass(slots=True)
class Dvr:
    """One DVR and the guide provider below it, which has a key of its own (3.1)."""

    uuid: str
    language: str
    lineups: tuple[str, ...]
    key: int = 0
    provider_key: int = 0
    provider_uuid: str = ""
    provider: str = XMLTV
    country: str = ""
    refreshed_at: int = 0
    prefs: dict[str, str] = field(default_factory=dict)
    hidden: bool = False
    """Not listed until a restart: the ghost of 3.2."""
    others: dict[str, str] = field(default_factory=dict)
    provider_others: dict[str, str] = field(default_factory=dict)

    @property
    def epg_identifier(self) -> str:
        """The provider's path segment: identifier, colon, DVR key."""
        return f"{self.provider}:{self.key}"

    @property
    def title(self) -> str:
        """`lineupTitle`: what stands behind # in the first lineup, decoded; fixed at creation (3.3)."""
        return lineup_parts(self.lineups[0])[2] if self.lineups else ""

    def rows(self) -> tuple[Row, Row]:
        """The DVR row and the provider row."""
        extra = {
            **self.others,
            "at:country": self.country,
            "pv:language": self.language,
            "pv:lineup": self.lineups[0] if self.lineups else "",
            "pv:lineupTitle": self.lineups[0].partition("#")[2] if self.lineups else "",
            # More than one lineup is unpublished ground: one key each, so that none is lost at a restart.
            **{f"pv:lineup{i}": uri for i, uri in enumerate(self.lineups[1:], 2)},
        }
        provider = {
            **self.provider_others,
            "pv:epgSource": "XMLTV" if self.provider == XMLTV else self.provider.rpartition(".")[2],
            "pv:timeOfLastRefresh": str(self.refreshed_at) if self.refreshed_at else "",
            **{f"pr:{key}": value for key, value in self.prefs.items()},
        }
        own = Row(
            DVR_ROW, HARVESTER, id=self.key, uuid=self.uuid, extra={k: v for k, v in extra.items() if v}
        )
        below = Row(
            PROVIDER_ROW,
            self.provider,
            id=self.provider_key,
            parent_id=self.key,
            protocol="livetv",
            uuid=self.provider_uuid,
            extra={k: v for k, v in provider.items() if v},
        )
        return own, below

    @classmethod
    def from_rows(cls, row: Row, provider: Row | None) -> "Dvr":
        """The DVR these rows describe. Without a provider row it has the provider its lineup names."""
        extra, below = dict(row.extra), dict(provider.extra) if provider else {}
        lineups = [extra.pop("pv:lineup", "")]
        lineups += [extra.pop(k) for k in sorted(extra) if k.startswith("pv:lineup") and k[9:].isdigit()]
        extra.pop("pv:lineupTitle", "")
        below.pop("pv:epgSource", "")
        refreshed = below.pop("pv:timeOfLastRefresh", "0")
        return cls(
            uuid=row.uuid,
            language=extra.pop("pv:language", ""),
            lineups=tuple(uri for uri in lineups if uri),
            key=row.id,
            provider_key=provider.id if provider else 0,
            provider_uuid=provider.uuid if provider else "",
            provider=provider.identifier if provider else lineup_parts(lineups[0])[0],
            country=extra.pop("at:country", ""),
            refreshed_at=int(refreshed) if refreshed.isdigit() else 0,
            prefs={k.removeprefix("pr:"): below.pop(k) for k in [*below] if k.startswith("pr:")},
            others=extra,
            provider_others=below,
        )


def decoded(text: str) -> str:
    """Percent-decoded until nothing changes: both encodings of a lineup are in use (3.3)."""
    while (once := unquote(text)) != text:
        text = once
    return text


def lineup_parts(uri: str) -> tuple[str, str, str]:
    """Provider, guide location and title of a lineup URI, decoded; a path on this host has its leading slash."""
    rest = uri.removeprefix("lineup://")
    body, _, title = rest.partition("#")
    provider, _, inner = body.partition("/")
    location = decoded(inner)
    if provider == XMLTV and location and "://" not in location:
        location = "/" + location.lstrip("/")
    return provider, location, decoded(title)


def decoded_lineup(uri: str) -> tuple[str, str]:
    """What makes two lineup URIs the same guide: provider and decoded location, not the title."""
    provider, location, _ = lineup_parts(uri)
    return provider, location


def _mapping(text: str) -> dict[str, str]:
    try:
        return pairs(base64.b64decode(text, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        return {}


def _entries(data: bytes | None) -> tuple[LineupEntry, ...]:
    try:
        return tuple(LineupEntry(*entry) for entry in json.loads(data or b"[]"))
    except (ValueError, TypeError):
        return ()
