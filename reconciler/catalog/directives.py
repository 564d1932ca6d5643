"""Request headers that a playlist gives for one entry: `#EXTVLCOPT`, `#KODIPROP`, attributes, and `url|Key=value`.

All four say the same thing in different ways, and streams answer 403 without it. Only headers that a viewer may set are
taken over; whatever could split a request in two is refused. This module refuses to read files and to know entries.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

__all__ = ["attribute_headers", "kodi_headers", "kodi_locked", "split_pipe", "vlc_header"]

Header = tuple[str, str]
REMEMBERED: Final = 512
"""Lists repeat the same few headers for all their entries."""

_NAMES: Final = {
    "user-agent": "User-Agent",
    "referer": "Referer",
    "referrer": "Referer",
    "origin": "Origin",
    "cookie": "Cookie",
}
_VLC: Final = {
    "http-user-agent": "User-Agent",
    "http-referrer": "Referer",
    "http-referer": "Referer",
    "http-origin": "Origin",
    "http-cookie": "Cookie",
    "http-cookies": "Cookie",
}
_ATTRIBUTES: Final = {**_VLC, "user-agent": "User-Agent"}
# connection and length belong to whoever sends the request; the rest are Kodi's own switches
_NOT_SENT: Final = frozenset(
    [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "expect",
        "range",
        "accept-encoding",
        "seekable",
        "verifypeer",
        "failonerror",
        "connection-timeout",
        "active-remote",
        "postdata",
        "customrequest",
        "sslcipherlist",
        "noshout",
        "acceptencoding",
        "auth",
        "method",
    ]
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PIPE: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9_-]*=")
_NEXT: Final = re.compile(r"&(?=[A-Za-z][A-Za-z0-9_-]*=)")


def _header(name: str, value: str) -> Header | None:
    name, value = name.strip(), value.strip().strip('"')
    if not value or not _TOKEN.fullmatch(name) or name.lower() in _NOT_SENT:
        return None
    if not value.isprintable():  # a line end would begin a header of the list's own
        return None
    return _NAMES.get(name.lower(), name), value


def split_pipe(url: str) -> tuple[str, tuple[Header, ...]]:
    """The address and the headers behind its last `|`; a `|` that no `Key=` follows belongs to the address."""
    address, bar, options = url.rpartition("|")
    if not bar or not _PIPE.match(options):
        return url, ()
    return address.rstrip(), _pairs(options)


@lru_cache(maxsize=REMEMBERED)
def _pairs(text: str) -> tuple[Header, ...]:
    found = (item.partition("=") for item in _NEXT.split(text.strip()))
    headers = (_header(name, unquote(value)) for name, _, value in found)
    return tuple(h for h in headers if h)


@lru_cache(maxsize=REMEMBERED)
def vlc_header(option: str) -> Header | None:
    """The header in what follows `#EXTVLCOPT:`, None for options that are none (`network-caching`, `program`, …)."""
    key, _, value = option.partition("=")
    key = key.strip().lower()
    if name := _VLC.get(key):
        return _header(name, value)
    if key in {"http-header", "http-headers"}:
        name, mark, rest = value.strip().strip('"').partition(":")
        if not mark or "=" in name:
            name, _, rest = value.partition("=")
        return _header(name, rest)
    return None


def kodi_headers(option: str) -> tuple[Header, ...]:
    """The headers in what follows `#KODIPROP:`."""
    key, _, value = option.partition("=")
    if key.strip().lower() in {"inputstream.adaptive.stream_headers", "inputstream.adaptive.common_headers"}:
        return _pairs(value)
    return ()


def kodi_locked(option: str) -> bool:
    """Whether what follows `#KODIPROP:` says that the stream is DASH or Smooth Streaming, or needs a licence."""
    key, _, value = (part.strip().lower() for part in option.partition("="))
    if key == "inputstream.adaptive.manifest_type":
        return value in {"mpd", "dash", "ism"}
    return bool(value) and key in {
        "inputstream.adaptive.license_key",
        "inputstream.adaptive.license_type",
        "inputstream.adaptive.drm",
        "inputstream.adaptive.drm_legacy",
    }


def attribute_headers(attributes: Mapping[str, str]) -> tuple[Header, ...]:
    """The headers among the attributes of an `#EXTINF` line."""
    found = (_header(_ATTRIBUTES[key], value) for key, value in attributes.items() if key in _ATTRIBUTES)
    return tuple(h for h in found if h)
