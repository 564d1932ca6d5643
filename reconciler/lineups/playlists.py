"""M3U files: one per DVR for players, and exports of what has no DVR. They play through the relay, never around it.

No credential and no provider address stands in them. The channel id of a DVR's playlist is its guide number, as in
guide and lineup. This module refuses to know where files lie.
"""

from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import quote

from reconciler.lineups.model import Channel, Row

__all__ = ["UrlTvg", "export_m3u", "playlist_m3u"]

UrlTvg = Literal["off", "url-tvg", "both"]


def playlist_m3u(rows: Sequence[Row], base_url: str, guide_url: str, url_tvg: UrlTvg) -> bytes:
    """A DVR's channels in the order of their numbers. `base_url` is the DVR's address for viewers, no trailing slash."""
    lines = [_header(guide_url, url_tvg)]
    for row in rows:
        number = str(row.number)
        lines.append(_entry(row.channel, ("tvg-id", number), ("tvg-chno", number)))
        lines.append(f"{base_url}/stream/{number}")
    return _bytes(lines)


def export_m3u(channels: Iterable[Channel], hub_url: str) -> bytes:
    """Channels without numbers, in the order given; the hub plays them by id below `/play/`."""
    lines = ["#EXTM3U"]
    for channel in channels:
        lines.append(_entry(channel, ("tvg-id", channel.guide_id)))
        lines.append(f"{hub_url}/play/{quote(channel.id, safe='/~')}")
    return _bytes(lines)


def _header(guide_url: str, url_tvg: UrlTvg) -> str:
    match url_tvg:
        case "off":
            return "#EXTM3U"
        case "url-tvg":
            return f'#EXTM3U url-tvg="{guide_url}"'
        case "both":
            return f'#EXTM3U url-tvg="{guide_url}" x-tvg-url="{guide_url}"'


def _entry(channel: Channel, *first: tuple[str, str]) -> str:
    given = (
        *first,
        ("tvg-name", channel.name),
        ("tvg-logo", channel.logo),
        ("group-title", channel.group),
        ("radio", "true" if channel.radio else ""),
    )
    attributes = "".join(f' {key}="{_quoted(value)}"' for key, value in given if value)
    return f"#EXTINF:-1{attributes},{_line(channel.name)}"


def _quoted(text: str) -> str:
    # M3U has no escape: readers end the value at the next double quote
    return _line(text).replace('"', "'")


def _line(text: str) -> str:
    return " ".join(text.split())


def _bytes(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")
