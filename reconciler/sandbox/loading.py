"""M3U files as channels of a simulated panel.

This is a second, plain reader on purpose: were the product's own parser used to feed the simulator, a mistake of
it would be fed and found right. It reads what the sample lists hold and keeps the rest as it came; it refuses to
repair: what it does not understand is left out.
"""

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from reconciler.errors import OperatorError
from reconciler.sandbox.panel import Channel, Kind

__all__ = ["channels_of", "read_plain"]

ATTRIBUTE: Final = re.compile(r'([\w-]+)="([^"]*)"')
XTREAM_PATH: Final = re.compile(r"^/(?:(live|movie|series)/)?[^/]+/[^/]+/(\d+)(?:\.(\w+))?$")
KNOWN: Final = frozenset({"tvg-id", "tvg-name", "tvg-logo", "group-title", "tvg-chno", "radio"})
IDS: Final = range(100_000, 1_000_000)


def read_plain(path: Path) -> bytes:
    """The file's bytes, unpacked where they are gzip whatever the name says. Raises OperatorError."""
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise OperatorError(f"the sandbox cannot read '{path}': {type(error).__name__}") from error


def channels_of(paths: Sequence[Path]) -> tuple[Channel, ...]:
    """The entries of all files in order, each id once (a repeated one is an alternative and gets the next free id)."""
    out: list[Channel] = []
    taken: set[int] = set()
    for path in paths:
        heading: str | None = None
        directives: list[str] = []
        for raw in read_plain(path).decode("utf-8-sig", "replace").splitlines():
            line = raw.strip()
            if line.startswith("#EXTINF"):
                heading, directives = line, []
            elif line.startswith(("#EXTVLCOPT", "#EXTGRP", "#KODIPROP")):
                directives.append(line)
            elif line and not line.startswith("#") and heading is not None:
                out.append(_channel(heading, tuple(directives), line, taken))
                heading = None
    return tuple(out)


def _channel(heading: str, directives: tuple[str, ...], url: str, taken: set[int]) -> Channel:
    attributes = {key.lower(): value for key, value in ATTRIBUTE.findall(heading)}
    name = ATTRIBUTE.sub("", heading).partition(",")[2].strip() or attributes.get("tvg-name", "")
    found = XTREAM_PATH.match(urlsplit(url).path)
    kind: Kind = "live"
    container = "ts"
    if found:
        number = int(found[2])
        kind = "movie" if found[1] == "movie" else "series" if found[1] == "series" else "live"
        container = found[3] or "ts"
    else:
        number = IDS[zlib.crc32(f"{attributes.get('tvg-id', '')}\0{name}".encode()) % len(IDS)]
    while number in taken:
        number += 1
    taken.add(number)
    chno = attributes.get("tvg-chno", "")
    return Channel(
        id=number,
        name=name,
        group=attributes.get("group-title", ""),
        epg_id=attributes.get("tvg-id", ""),
        logo=attributes.get("tvg-logo", ""),
        number=int(chno) if chno.isdecimal() else None,
        kind=kind,
        container="mkv" if container == "mkv" else "mp4" if container == "mp4" else "ts",
        radio=attributes.get("radio") == "true",
        series=name.rpartition(" S")[0] if kind == "series" else "",
        attributes=tuple((k, v) for k, v in attributes.items() if k not in KNOWN),
        directives=directives,
    )
