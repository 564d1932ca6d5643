"""When two addresses are the same, and which address a DVR shall have. One normaliser for diff and apply alike.

Plex writes an explicit `:80` when none was given (plex-livetv.md 2.2), drops or keeps trailing slashes, and returns
guide locations raw or encoded (3.3). This module refuses to resolve names: `nas` and `10.0.0.5` are two addresses.
"""

from urllib.parse import urlsplit, urlunsplit

from reconciler.lineups.manifest import DvrManifest
from reconciler.plex.model import decode_until_stable
from reconciler.spec.model import Spec

__all__ = ["guide_location", "host_and_port", "normal_address", "same_address"]


def normal_address(text: str) -> str:
    """The address in one spelling: scheme and host in lower case, default port left out, no trailing slash."""
    decoded = decode_until_stable(text).strip()
    if "://" not in decoded:
        if decoded.startswith("/"):
            return decoded.rstrip("/")
        decoded = "http://" + decoded  # Plex accepts a bare host:port (2.4)
    try:
        parts = urlsplit(decoded)
        port = parts.port
    except ValueError:
        return decoded
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    place = host if port in {None, default} else f"{host}:{port}"
    return urlunsplit((parts.scheme.lower(), place, parts.path.rstrip("/"), parts.query, ""))


def same_address(left: str, right: str) -> bool:
    """Whether both spell the same address."""
    return normal_address(left) == normal_address(right)


def guide_location(spec: Spec, dvr: DvrManifest) -> str:
    """Where Plex finds the DVR's guide: a URL below the tuner, or a file that Plex can read (design.md 4)."""
    place = spec.plex.guide_location if spec.plex else "http"
    if place.startswith("file:"):
        return f"{place.removeprefix('file:').rstrip('/')}/{dvr.slug}/guide.xml"
    return f"{dvr.base_url}/{dvr.guide_path.lstrip('/')}"


def host_and_port(address: str) -> str:
    """`:5016` of an address, for a remark; the whole address where it has no port."""
    tail = normal_address(address).rpartition(":")[2]
    return f":{tail}" if tail.partition("/")[0].isdecimal() else address
