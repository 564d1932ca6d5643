"""The documents of an emulated HDHomeRun, as bytes made from the manifest.

Everything a client may ask for except streams: discover, lineup, status, device description. Pure: the same DVR gives
the same bytes, whoever asks and by whatever name, because addresses come from the manifest and never from a request
(hdhomerun.md 2.3). This module refuses to know of sockets, files and requests.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from reconciler.errors import StateError
from reconciler.lineups.manifest import DvrManifest

__all__ = [
    "DEVICE_TYPE",
    "HDHR_ERRORS",
    "Busy",
    "device_page",
    "device_xml",
    "discover_json",
    "lineup_m3u",
    "lineup_rows",
    "lineup_status_json",
    "lineup_xml",
    "scan_status",
    "status_json",
    "status_rows",
    "tuners_page",
    "udn",
]

# hdhomerun.md 2.10. Only the codes that we can mean.
HDHR_ERRORS: Final[Mapping[int, tuple[int, str]]] = {
    801: (404, "Unknown Channel"),
    803: (503, "System Busy"),
    804: (503, "Tuner In Use"),
    805: (503, "All Tuners In Use"),
    806: (503, "Tune Failed"),
    807: (503, "No Video Data"),
    809: (503, "Playback Connection Limit"),
}

# Not HDTC: Plex then appends ?transcode= to every stream (hdhomerun.md 2.8).
MODEL_NUMBER: Final = "HDHR5-4US"
FIRMWARE_NAME: Final = "hdhomerun5_atsc"
FIRMWARE_VERSION: Final = "20240101"
MANUFACTURER: Final = "Silicondust"
SCAN_SOURCES: Final = ("Antenna", "Cable")
DEVICE_TYPE: Final = "urn:schemas-upnp-org:device:MediaServer:1"
UDN_SPACE: Final = uuid.NAMESPACE_URL


@dataclass(frozen=True, slots=True)
class Busy:
    """A tuner in use, for status.json: which number and name, and how many bits a second."""

    tuner: int
    number: str
    name: str
    rate_bps: int
    target: str


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def discover_json(dvr: DvrManifest) -> bytes:
    """discover.json. `TunerCount` is an integer: Plex shows a text "1" as 49 tuners (hdhomerun.md 1.3)."""
    return _dump(
        {
            "FriendlyName": dvr.friendly_name,
            "Manufacturer": MANUFACTURER,
            "ModelNumber": MODEL_NUMBER,
            "FirmwareName": FIRMWARE_NAME,
            "FirmwareVersion": FIRMWARE_VERSION,
            "DeviceID": dvr.device_id,
            "DeviceAuth": "ptctl",
            "TunerCount": dvr.tuners,
            "BaseURL": dvr.base_url,
            "LineupURL": f"{dvr.base_url}/lineup.json",
        }
    )


def lineup_status_json(dvr: DvrManifest) -> bytes:
    """lineup_status.json of a tuner that never scans: a scan that is asked for has ended already (SCN-2)."""
    return _dump(
        {
            "ScanInProgress": 0,
            "ScanPossible": 1 if dvr.scan_possible else 0,
            "Source": SCAN_SOURCES[1],
            "SourceList": list(SCAN_SOURCES),
        }
    )


def scan_status(keys: Sequence[str]) -> int:
    """The status for a POST to lineup.post with these query keys: 200 for all that real devices take, else 400.

    404 or 405 to a started scan makes Plex's wizard say that it cannot talk to the device (hdhomerun.md 2.6).
    """
    return 200 if all(key in {"scan", "source", "favorite"} for key in keys) else 400


def lineup_rows(data: bytes) -> list[dict[str, Any]]:
    """The rows of a lineup.json. Any: they are passed on as they are. Raises StateError where it is no lineup."""
    try:
        rows = json.loads(data)
        return [dict(row) for row in rows]
    except (ValueError, TypeError) as error:
        raise StateError(f"lineup.json is broken: {error}", next_step="ptctl refresh") from error


def lineup_xml(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """lineup.xml: one `Program` per channel, children named as the JSON keys (hdhomerun.md 2.2)."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<Lineup>"]
    for row in rows:
        fields = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in row.items())
        lines.append(f"<Program>{fields}</Program>")
    return "\n".join([*lines, "</Lineup>", ""]).encode()


def lineup_m3u(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """lineup.m3u: the plain M3U of the same lineup, as real devices give it."""
    lines = ["#EXTM3U"]
    for row in rows:
        number, name = row["GuideNumber"], row["GuideName"]
        lines.append(f'#EXTINF:-1 channel-id="{number}" tvg-chno="{number}",{number} {name}')
        lines.append(str(row["URL"]))
    return "\n".join([*lines, ""]).encode()


def udn(dvr: DvrManifest) -> str:
    """The unique device name: a name-based UUID, because malformed ones were refused (telly #44, hdhomerun.md 2.7)."""
    return f"uuid:{uuid.uuid5(UDN_SPACE, f'ptctl:{dvr.device_id}')}"


def device_xml(dvr: DvrManifest) -> bytes:
    """The UPnP description (hdhomerun.md 2.7)."""
    fields = (
        ("deviceType", DEVICE_TYPE),
        ("friendlyName", dvr.friendly_name),
        ("manufacturer", MANUFACTURER),
        ("modelName", MODEL_NUMBER),
        ("modelNumber", MODEL_NUMBER),
        ("serialNumber", dvr.device_id),
        ("UDN", udn(dvr)),
    )
    inner = "".join(f"    <{tag}>{escape(text)}</{tag}>\n" for tag, text in fields)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<root xmlns="urn:schemas-upnp-org:device-1-0">\n'
        "  <specVersion><major>1</major><minor>0</minor></specVersion>\n"
        f"  <URLBase>{escape(dvr.base_url)}</URLBase>\n"
        f"  <device>\n{inner}  </device>\n"
        "</root>\n"
    ).encode()


def status_rows(tuners: int, busy: Sequence[Busy]) -> list[dict[str, object]]:
    """One object per tuner, idle ones with their name alone (hdhomerun.md 2.9).

    A tuner above a count that was lowered meanwhile is there as long as it is in use: who asks whether somebody watches
    (S501) reads it here.
    """
    rows: dict[int, dict[str, object]] = {n: {} for n in range(tuners)}
    for one in busy:
        rows[one.tuner] = {
            "VctNumber": one.number,
            "VctName": one.name,
            "SignalStrengthPercent": 100,
            "SignalQualityPercent": 100,
            "SymbolQualityPercent": 100,
            "NetworkRate": one.rate_bps,
            "TargetIP": one.target,
        }
    return [{"Resource": f"tuner{n}", **row} for n, row in sorted(rows.items())]


def status_json(rows: Sequence[Mapping[str, object]] | Mapping[str, object]) -> bytes:
    """status.json of all tuners, or of one."""
    return _dump(rows)


def tuners_page(dvr: DvrManifest, rows: Sequence[Mapping[str, object]]) -> bytes:
    """tuners.html, whose rows `Tuner <n> Channel` are what scrapers match on (Fenrus #91, hdhomerun.md 2.9)."""
    lines = ""
    for row in rows:
        number = str(row["Resource"]).removeprefix("tuner")
        plays = escape(f"{row['VctNumber']} {row['VctName']}") if "VctNumber" in row else "none"
        lines += f"<tr><td>Tuner {number} Channel</td><td>{plays}</td></tr>\n"
    name = escape(dvr.friendly_name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>\n<table>\n{lines}</table></html>\n'
    ).encode()


def device_page(dvr: DvrManifest) -> bytes:
    """The page at the root of a tuner's port, for people who typed its address."""
    name = escape(dvr.friendly_name)
    links = "".join(
        f'<li><a href="{escape(dvr.base_url)}/{path}">{path}</a></li>'
        for path in ("discover.json", "lineup.json", "lineup_status.json", "playlist.m3u", "guide.xml")
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<h1>{name}</h1><p>Device {escape(dvr.device_id)}, {dvr.tuners} tuners, "
        f"{len(dvr.channels)} channels.</p><ul>{links}</ul></html>\n"
    ).encode()
