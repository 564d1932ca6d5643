"""The text of `extra_data` in Plex's database, in both of its forms, read and written again.

Since 1.40 it is a JSON object whose member `url` repeats the other pairs percent-encoded; before, it was that text alone
(plex-livetv.md 8.3). Who changes a pair must change its copy too, so writing makes both anew, sorted, in the form the row
had. Pure. This module refuses to know what a key means.
"""

import json
from collections.abc import Mapping
from urllib.parse import quote, unquote

__all__ = ["pairs_of", "text_of"]


def pairs_of(text: str | None) -> dict[str, str]:
    """The pairs; members win over their copy. Raises ValueError for a text of neither form."""
    if not text:
        return {}
    if not text.lstrip().startswith("{"):
        return _decoded(text)
    document = json.loads(text)
    if not isinstance(document, dict) or not all(isinstance(v, str) for v in document.values()):
        raise ValueError("extra_data is JSON of another shape")
    return {key: value for key, value in document.items() if key != "url"}


def text_of(pairs: Mapping[str, str], *, like: str | None) -> str:
    """The pairs in the form of the text they replace."""
    ordered = sorted(pairs.items())
    encoded = "&".join(f"{_encode(key)}={_encode(value)}" for key, value in ordered)
    if like and not like.lstrip().startswith("{"):
        return encoded
    return json.dumps(
        dict(sorted({**pairs, "url": encoded}.items())), ensure_ascii=False, separators=(",", ":")
    )


def _decoded(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split("&")):
        key, equals, value = part.partition("=")
        if not equals:
            raise ValueError("extra_data is text of another shape")
        found[unquote(key)] = unquote(value)
    return found


def _encode(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")
