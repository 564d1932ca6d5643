"""The pages of a simulated Xtream panel: `player_api.php` as JSON and `get.php` as M3U.

Pure functions of a panel. With `messy` the JSON has the type quirks of iptv-streams.md B3, chosen by stream id so
that the same record is always odd in the same way. This module refuses to check credentials.
"""

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

from reconciler.sandbox.listings import listings_of
from reconciler.sandbox.panel import Account, Channel, Kind, Panel

__all__ = ["Address", "action_json", "login_json", "playlist"]

ADDED: Final = 1_700_000_000
SHORT_EPG_LIMIT: Final = 4
# What `messy` adds to the live streams: records without an id and without a name (iptv-streams.md B3).
UNUSABLE: Final = ({"num": "", "name": None, "stream_id": ""}, {"num": 0, "name": "gone", "stream_id": None})


@dataclass(frozen=True, slots=True)
class Address:
    """A host of the panel as clients see it."""

    host: str
    port: int

    @property
    def base(self) -> str:
        """`http://host:port`."""
        return f"http://{self.host}:{self.port}"


def login_json(
    panel: Panel, account: Account | None, address: Address, now: float, *, active: int, messy: bool
) -> bytes:
    """The answer without `action`: who is asking and which server answers; `auth` 0 for strangers."""
    if account is None:
        return _json({"user_info": {"auth": 0}})
    expires = account.expires
    moment = datetime.fromtimestamp(now, UTC)
    expired = expires is not None and expires < now
    user = {
        "username": account.username,
        "password": account.password,
        "message": "",
        "auth": "1" if messy else 1,
        "status": "Expired" if expired else account.status,
        "exp_date": None if expires is None else str(expires),
        "is_trial": "1" if account.is_trial else "0",
        "active_cons": str(active) if messy else active,
        "created_at": str(ADDED),
        "max_connections": str(account.max_connections),
        "allowed_output_formats": list(account.formats),
    }
    server = {
        "url": address.host,
        "port": str(address.port),
        "https_port": "" if messy else "443",
        "server_protocol": "http",
        "rtmp_port": "25462",
        "timezone": panel.timezone,
        "timestamp_now": int(now),
        "time_now": f"{moment:%Y-%m-%d %H:%M:%S}",
        "process": True,
    }
    return _json({"user_info": user, "server_info": server})


def action_json(
    panel: Panel, action: str, args: Callable[[str], str], base: str, now: float, *, messy: bool
) -> bytes:
    """The answer to `action`; `[]` for one that is not known, as panels do. Thousands of records: some 10 ms."""
    group = args("category_id")
    match action:
        case "get_live_categories":
            return _json(_categories(panel, "live"))
        case "get_vod_categories":
            return _json(_categories(panel, "movie"))
        case "get_series_categories":
            return _json(_categories(panel, "series"))
        case "get_live_streams":
            records = [_live(c, n, base, messy=messy) for n, c in _within(panel, "live", group)]
            return _json([*records, *(UNUSABLE if messy else ())])
        case "get_vod_streams":
            return _json([_film(c, n, base, messy=messy) for n, c in _within(panel, "movie", group)])
        case "get_series":
            return _json(_series(panel, group, base))
        case "get_series_info":
            return _json(_series_info(panel, args("series_id"), messy=messy))
        case "get_vod_info":
            return _json(_film_info(panel, args("vod_id"), base, messy=messy))
        case "get_short_epg" | "get_simple_data_table":
            return _json(_epg(panel, args("stream_id"), args("limit"), now, short=action == "get_short_epg"))
        case _:
            return b"[]"


def playlist(
    panel: Panel, account: Account | None, base: str, *, plus: bool, hls: bool, films: bool, directives: bool
) -> bytes:
    """`get.php`, or for `account` None the plain list whose URLs hold no credentials.

    `directives` gives back what the loaded file said beyond the usual attributes.
    """
    out = ["#EXTM3U" if not directives else f'#EXTM3U url-tvg="{base}/guide.xml.gz"']
    for channel in panel.channels:
        if channel.kind != "live" and not films:
            continue
        out.append(_extinf(channel, base, directives=directives) if plus else f"#EXTINF:-1,{channel.name}")
        if directives:
            out += channel.directives
        out.append(stream_url(channel, account, base, hls=hls))
    return ("\n".join(out) + "\n").encode()


def stream_url(channel: Channel, account: Account | None, base: str, *, hls: bool) -> str:
    """Where a channel, film or episode is played. Credentials are percent-encoded (iptv-streams.md B1)."""
    ending = channel.container if channel.kind != "live" else "m3u8" if hls else "ts"
    if account is None:
        return f"{base}/play/{channel.id}.{ending}"
    user, word = quote(account.username, safe=""), quote(account.password, safe="")
    return f"{base}/{channel.kind}/{user}/{word}/{channel.id}.{ending}"


def category_id(group: str) -> str:
    """The id of a group: the same in every answer and after every change of the panel."""
    return str(zlib.crc32(group.encode()) % 90_000 + 1)


def _extinf(channel: Channel, base: str, *, directives: bool) -> str:
    fields = [
        ("tvg-id", channel.epg_id),
        ("tvg-name", channel.name),
        ("tvg-logo", channel.logo.replace("{base}", base)),
        ("group-title", channel.group),
    ]
    if directives:
        fields += [("tvg-chno", str(channel.number or "")), *channel.attributes]
        fields = [(key, value) for key, value in fields if value]
        if channel.radio:
            fields.append(("radio", "true"))
    text = " ".join(f'{key}="{value}"' for key, value in fields)
    return f"#EXTINF:-1 {text},{channel.name}"


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _categories(panel: Panel, kind: Kind) -> list[dict[str, object]]:
    groups = dict.fromkeys(c.group for c in panel.of_kind(kind))
    return [{"category_id": category_id(g), "category_name": g, "parent_id": 0} for g in groups]


def _within(panel: Panel, kind: Kind, group: str) -> Sequence[tuple[int, Channel]]:
    return [
        (n, c) for n, c in enumerate(panel.of_kind(kind), 1) if not group or category_id(c.group) == group
    ]


def _live(channel: Channel, number: int, base: str, *, messy: bool) -> dict[str, object]:
    record: dict[str, object] = {
        "num": channel.number or number,
        "name": channel.name,
        "stream_type": "radio_streams" if channel.radio else "live",
        "stream_id": channel.id,
        "stream_icon": channel.logo.replace("{base}", base),
        "epg_channel_id": channel.epg_id or None,
        "added": str(ADDED),
        "is_adult": "1" if channel.adult else "0",
        "category_id": category_id(channel.group),
        "category_ids": [int(category_id(channel.group))],
        "custom_sid": "",
        "tv_archive": 0,
        "direct_source": "",
        "tv_archive_duration": 0,
    }
    return _messed(record, channel) if messy else record


def _messed(record: dict[str, object], channel: Channel) -> dict[str, object]:
    """The quirks of B3. No value changes its meaning, only its type or its dressing."""
    odd = channel.id % 5
    record["num"] = str(record["num"]) if odd != 1 else float(str(record["num"]))
    record["stream_id"] = str(channel.id) if odd in (0, 2) else channel.id
    record["name"] = f" {channel.name} " if odd == 3 else channel.name
    record["added"] = None if odd == 4 else record["added"]
    record["is_adult"] = 1 if channel.adult else "None" if odd == 2 else 0
    record["tv_archive"] = (None, "0", 0, "", 0)[odd]
    record["tv_archive_duration"] = ("0", 0, "", None, 0)[odd]
    if not channel.epg_id:
        record["epg_channel_id"] = (None, "", "0", None, "")[odd]
    if odd in (1, 4):
        record["category_id"] = int(str(record["category_id"]))
    record["stream_type"] = "created_live" if odd == 0 and not channel.radio else record["stream_type"]
    record["xui"] = {"unknown": []}
    return record


def _film(channel: Channel, number: int, base: str, *, messy: bool) -> dict[str, object]:
    return {
        "num": number,
        "name": channel.name,
        "stream_type": "movie",
        "stream_id": str(channel.id) if messy and number % 2 else channel.id,
        "stream_icon": channel.logo.replace("{base}", base),
        "rating": "" if messy else "6.5",
        "added": str(ADDED),
        "is_adult": "0",
        "category_id": category_id(channel.group),
        "container_extension": channel.container,
        "direct_source": "",
    }


def _film_info(panel: Panel, wanted: str, base: str, *, messy: bool) -> object:
    film = panel.channel(int(wanted)) if wanted.isdecimal() else None
    if film is None or film.kind != "movie":
        return []
    info: object = [] if messy else {"name": film.name, "cover_big": film.logo.replace("{base}", base)}
    data = {"stream_id": film.id, "name": film.name, "container_extension": film.container}
    return {"info": info, "movie_data": data}


def _series_id(name: str) -> int:
    return zlib.crc32(name.encode()) % 90_000 + 700_000


def _series(panel: Panel, group: str, base: str) -> list[dict[str, object]]:
    first = {c.series: c for c in reversed(panel.of_kind("series"))}
    return [
        {
            "num": number,
            "name": name,
            "series_id": _series_id(name),
            "cover": first[name].logo.replace("{base}", base),
            "category_id": category_id(first[name].group),
            "last_modified": str(ADDED),
        }
        for number, name in enumerate(dict.fromkeys(c.series for c in panel.of_kind("series")), 1)
        if not group or category_id(first[name].group) == group
    ]


def _series_info(panel: Panel, wanted: str, *, messy: bool) -> object:
    episodes = [c for c in panel.of_kind("series") if str(_series_id(c.series)) == wanted]
    if not episodes:
        return []
    seasons: dict[str, list[dict[str, object]]] = {}
    for one in episodes:
        seasons.setdefault(str(one.season), []).append(
            {
                "id": str(one.id),
                "episode_num": one.episode,
                "title": one.name,
                "container_extension": one.container,
                "season": one.season,
                "info": [],
            }
        )
    if messy:
        return {"seasons": [], "info": [], "episodes": list(seasons.values())}
    return {"seasons": [], "info": {"name": episodes[0].series}, "episodes": seasons}


def _epg(panel: Panel, wanted: str, limit: str, now: float, *, short: bool) -> object:
    channel = panel.channel(int(wanted)) if wanted.isdecimal() else None
    if channel is None or panel.guide is None or not channel.epg_id:
        return {"epg_listings": []}
    rows = []
    for one in listings_of(panel.guide.document(now), channel.epg_id):
        start, stop = _epoch(one["start"]), _epoch(one["stop"])
        if short and stop <= now:
            continue
        rows.append(
            {
                "id": str(start),
                "epg_id": channel.epg_id,
                "title": base64.b64encode(one["title"].encode()).decode(),
                "description": base64.b64encode(one["description"].encode()).decode(),
                "start": f"{datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S}",
                "end": f"{datetime.fromtimestamp(stop, UTC):%Y-%m-%d %H:%M:%S}",
                "start_timestamp": str(start),
                "stop_timestamp": str(stop),
                "channel_id": channel.epg_id,
            }
        )
    count = int(limit) if limit.isdecimal() else SHORT_EPG_LIMIT
    return {"epg_listings": rows[:count] if short else rows}


def _epoch(text: str) -> int:
    """Epoch seconds of an XMLTV time; 0 for one without digits or zone offset that can be read."""
    digits, _, zone = text.partition(" ")
    try:
        return int(datetime.strptime(f"{digits[:14]} {zone or '+0000'}", "%Y%m%d%H%M%S %z").timestamp())
    except ValueError:
        return 0
