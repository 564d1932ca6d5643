"""Style, script and icon as package data, read once and named by their content, so that browsers may keep them for ever.

Nothing of a page comes from elsewhere. This module refuses to change a byte of them.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

__all__ = ["Asset", "Assets", "assets"]

KINDS: Final = {
    "style.css": "text/css; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `path` is relative to the hub's root."""

    path: str
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Assets:
    """All of them."""

    style: Asset
    script: Asset
    icon: Asset

    def at(self, path: str) -> Asset | None:
        """The one at a path without its first slash."""
        return next((a for a in (self.style, self.script, self.icon) if a.path == path), None)


@lru_cache(maxsize=1)
def assets() -> Assets:
    """Read at the first page, not at the start of `serve`."""
    style, script, icon = (_asset(name) for name in KINDS)
    return Assets(style, script, icon)


def _asset(name: str) -> Asset:
    body = Path(__file__).with_name(name).read_bytes()
    stem, _, extension = name.partition(".")
    return Asset(f"assets/{stem}.{sha256(body).hexdigest()[:12]}.{extension}", KINDS[name], body)
