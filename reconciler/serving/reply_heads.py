"""Heads of answers that HTTP does not allow, read as players read them.

Providers' servers are old and home-made: `ICY 200 OK`, a blank before a colon, lines that are no header. Players pass over
what they do not know, so a channel that plays everywhere else must not fail for it. Pure, and only asked where a strict
parser has refused; this module refuses to read a body's framing from a line that is not clear.
"""

import re
from typing import Final

__all__ = ["mended"]

_BLANK: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(
    rb"(?:ICY|HTTP(?:/(\d\.\d))?) +(\d{3})(?: +([^\x00-\x08\x0a-\x1f]*))?", re.IGNORECASE
)
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+:[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)")
_SINGLE: Final = frozenset({b"content-length", b"transfer-encoding"})


def mended(raw: bytes) -> bytes | None:
    """The same bytes with a head that is HTTP, or None where there is no status line or no end of the head in them.

    What belongs to the head and is no header is left out; of two lengths the first counts.
    """
    end = _BLANK.search(raw)
    if end is None:
        return None
    first, *lines = raw[: end.start()].splitlines() or [b""]
    status = _STATUS.fullmatch(first.strip())
    if status is None:
        return None
    version = b"1.1" if status[1] == b"1.1" else b"1.0"
    out = [b"HTTP/%b %b %b" % (version, status[2], status[3] or b"OK")]
    seen: set[bytes] = set()
    for line in lines:
        header = _HEADER.fullmatch(line.rstrip())
        if header is None:
            continue
        name, value = header[1].lower(), header[2]
        unclear = (name == b"content-length" and not value.isdigit()) or (
            name == b"transfer-encoding" and value.lower() != b"chunked"
        )
        if unclear or (name in _SINGLE and name in seen):
            continue
        seen.add(name)
        out.append(header[1] + b": " + value)
    return b"\r\n".join([*out, b"", b""]) + raw[end.end() :]
