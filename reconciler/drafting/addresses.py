"""Addresses of other programs' settings taken apart: the account in them, and whether one may stand in a spec.

People paste whole `get.php?username=…&password=…` lines into tuners. What is an account becomes an Xtream source with
references; what merely looks as if it held a secret is kept whole in the env file. In doubt an address counts as
secret: a reference works just as well. This module refuses to fetch.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from reconciler.catalog.address import panel_path
from reconciler.secret import Secret

__all__ = ["Panel", "host_and_port", "is_public", "is_public_query", "is_web", "panel_of", "stream_account"]

_CALL: Final = re.compile(r"/(?:get|player_api|panel_api|xmltv)\.php$")
# XUI's short form of get.php
_PLAYLIST: Final = re.compile(r"(?P<base>.*)/playlist/(?P<user>[^/]+)/(?P<password>[^/]+)/m3u[^/]*")
_TOKEN: Final = re.compile(r"(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_=-]{16,}")
_TELLING: Final = re.compile(
    r"key|token|pass|pw|user|auth|secret|sig|hash|code|login|^[kptu]$", re.IGNORECASE
)
_PLAIN: Final = re.compile(r"[A-Za-z_.,:-]{0,40}|\d{1,5}")


@dataclass(frozen=True, slots=True)
class Panel:
    """An account at an Xtream panel. `call` is what the address asked for: `get`, `xmltv`, `live`."""

    host: str
    username: Secret
    password: Secret
    call: str


def is_web(address: str) -> bool:
    """Whether it is an http or https address, and not a path."""
    return address.strip().lower().startswith(("http://", "https://"))


def panel_of(address: str) -> Panel | None:
    """The panel and account that an address names, None where it is another kind of address."""
    try:
        parts = urlsplit(address.strip())
        query = parse_qs(parts.query, keep_blank_values=False)
        netloc = parts.netloc.rpartition("@")[2]
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"} or not netloc:
        return None
    root = f"{parts.scheme.lower()}://{netloc}"
    users, passwords = query.get("username"), query.get("password")
    if (found := _CALL.search(parts.path)) and users and passwords:
        base = parts.path[: found.start()].rstrip("/")
        call = parts.path[found.start() + 1 : -len(".php")]
        return Panel(root + base, Secret(users[0]), Secret(passwords[0]), call)
    if short := _PLAYLIST.fullmatch(parts.path):
        return Panel(
            root + short["base"].rstrip("/"),
            Secret(unquote(short["user"])),
            Secret(unquote(short["password"])),
            "get",
        )
    return None


_NO_ACCOUNTS: Final = frozenset(
    {
        *(
            ("stream", word) for word in ("channel", "channelid", "channelnumber", "service", "mux")
        ),  # Tvheadend
        ("stream", "channels"),  # Tunarr
        ("iptv", "channel"),  # ErsatzTV
    }
)
"""Two words before a number that look like an account and are a server's own path."""


def stream_account(url: str) -> Panel | None:
    """The account in a stream's address of the shape `[/live]/<user>/<pass>/<id>[.ext]`."""
    shape = panel_path(url.strip())
    if shape is None or tuple(map(str.lower, shape.account)) in _NO_ACCOUNTS:
        return None
    parts = urlsplit(url.strip())
    user, password = (unquote(part) for part in shape.account)
    netloc = parts.netloc.rpartition("@")[2]
    return Panel(f"{parts.scheme.lower()}://{netloc}", Secret(user), Secret(password), "live")


def is_public(address: str) -> bool:
    """Whether an address certainly holds no secret: no user info, no query, no account or token in its path."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    if "@" in parts.netloc or parts.query or parts.fragment or panel_of(address) or stream_account(address):
        return False
    segments = [unquote(s) for s in parts.path.split("/") if s]
    if any(s.lower() in {"live", "get", "playlist", "xmltv", "epg"} for s in segments[:-2]):
        return False
    return not any(_TOKEN.fullmatch(s.rpartition(".")[0] or s) for s in segments)


def is_public_query(query: str) -> bool:
    """Whether a query certainly holds no secret: words and small numbers, under names that sound like none."""
    pairs = parse_qsl(query, keep_blank_values=True)
    return bool(pairs) and not any(
        _TELLING.search(name) or not _PLAIN.fullmatch(value) for name, value in pairs
    )


def host_and_port(address: str) -> tuple[str, int | None]:
    """Host (lower case, no brackets) and port of an address, with or without its scheme; ("", None) for none."""
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        return (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "", None
