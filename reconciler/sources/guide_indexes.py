"""Tables of contents of cached guides, kept beside them: reading one back takes a hundredth of the guide's own time.

A guide of a large panel has hundreds of megabytes, and whoever only asks what is listed needs its ids and names. The
table belongs to one file as it was (size and time of change); anything else makes it anew. This module refuses to
fetch, and to keep a table of a guide that could not be read.
"""

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from reconciler.catalog.guide import index, open_guide
from reconciler.catalog.guide_index import GuideChannel, GuideIndex
from reconciler.errors import StateError
from reconciler.sources.copies import write_file

__all__ = ["FORMAT", "guide_index"]

FORMAT: Final = "ptctl-guide-index/1"
_COPY: Final = re.compile(r"\.[0-9a-f]{16}\.data$")
"""What `Copies.keep_file` puts behind a guide's name."""


def guide_index(path: Path, cache: Path) -> GuideIndex:
    """The table of contents of the guide at `path`; `cache` is `<state>/cache`.

    Reads the whole guide only where the kept table is not of this very file. Raises ProviderError where the file is no
    guide; a cache that cannot be written is done without.
    """
    status = path.stat()
    of = f"{path.absolute()}|{status.st_size}|{status.st_mtime_ns}"
    # one table per place, so that tables of old files do not pile up: each copy of a guide has a name of its own
    place = _COPY.sub("", str(path.absolute()))
    kept = cache / "indexes" / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        raw: dict[str, Any] = json.loads(kept.read_bytes())
        if raw["format"] == FORMAT and raw["of"] == of:
            return _unpacked(raw)
    found = index(open_guide(path))
    with suppress(OSError, StateError):
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps({"format": FORMAT, "of": of, **_packed(found)}, ensure_ascii=False)
        write_file(kept, text.encode())
    return found


def _packed(table: GuideIndex) -> dict[str, object]:
    return {
        "channels": [[c.id, list(c.names), c.icon] for c in table.channels.values()],
        "programmes": dict(table.programmes),
        "notes": list(table.notes),
        "damaged": table.damaged,
    }


def _unpacked(raw: dict[str, Any]) -> GuideIndex:
    # Any: JSON as it comes; what does not fit raises and counts as no table
    channels = {id_: GuideChannel(id_, tuple(names), icon) for id_, names, icon in raw["channels"]}
    programmes = {str(k): int(v) for k, v in raw["programmes"].items()}
    return GuideIndex(channels, programmes, tuple(raw["notes"]), bool(raw["damaged"]))
