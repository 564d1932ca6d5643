"""The rows of a lineup as it was published, out of its own files: names for what leaves, logos for what changes.

The manifest knows numbers and ids, `lineup.json` the names, `playlist.m3u` the logos. A file that is missing or broken
costs its part of the words, never the plan. This module refuses to touch files: it gets their bytes.
"""

import json
import re
from typing import Final

from reconciler.lineups.manifest import DvrManifest
from reconciler.planning.inputs import PublishedRow

__all__ = ["published_rows"]

_ENTRY: Final = re.compile(rb'^#EXTINF:[^\n]*?tvg-chno="([^"]*)"[^\n]*?$', re.MULTILINE)
_LOGO: Final = re.compile(rb'tvg-logo="([^"]*)"')


def published_rows(
    dvr: DvrManifest, lineup_json: bytes = b"", playlist: bytes = b""
) -> tuple[PublishedRow, ...]:
    """The DVR's rows by number; a name that no file tells is the channel's id."""
    names, logos = _names(lineup_json), _logos(playlist)
    off = set(dvr.off)
    return tuple(
        PublishedRow(
            int(number), channel, names.get(number, channel), logo=logos.get(number, ""), off=number in off
        )
        for number, channel in sorted(dvr.channels.items(), key=lambda item: int(item[0]))
    )


def _names(data: bytes) -> dict[str, str]:
    try:
        rows = json.loads(data or b"[]")
        return {str(row["GuideNumber"]): str(row["GuideName"]) for row in rows}
    except (ValueError, TypeError, KeyError):
        return {}


def _logos(data: bytes) -> dict[str, str]:
    found = {}
    for entry in _ENTRY.finditer(data):
        logo = _LOGO.search(entry.group(0))
        if logo is not None:
            found[entry.group(1).decode("utf-8", "replace")] = logo.group(1).decode("utf-8", "replace")
    return found
