"""Answers as values: what a page of the simulated provider says before anything goes wrong with it.

Faults act on these values, so every document can fail in every way. This module refuses to send.
"""

import hashlib
import zlib
from dataclasses import dataclass, field, replace
from email.utils import formatdate

from reconciler.sandbox.wire import Request

__all__ = ["Answer", "cached", "ranged", "zipped"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of one whole answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=())

    def with_headers(self, *headers: tuple[str, str]) -> "Answer":
        """The same with further headers."""
        return replace(self, headers=(*self.headers, *headers))


def zipped(body: bytes) -> bytes:
    """The body in gzip."""
    pack = zlib.compressobj(wbits=31)
    return pack.compress(body) + pack.flush()


def cached(request: Request, body: bytes, content_type: str, *, modified: float) -> Answer:
    """`body` with ETag and Last-Modified, or 304 where the client has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = (("ETag", tag), ("Last-Modified", formatdate(modified, usegmt=True)))
    if request.headers.get("if-none-match", request.headers.get("if-modified-since")) in (tag, headers[1][1]):
        return Answer(304, b"", "", headers)
    return Answer(200, body, content_type, headers)


def ranged(request: Request, body: bytes, content_type: str) -> Answer:
    """`body`, or the one range of it that was asked for (206), or 416."""
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes=") or "," in wanted:
        return Answer(200, body, content_type, (("Accept-Ranges", "bytes"),))
    first, _, last = wanted.removeprefix("bytes=").partition("-")
    try:
        start = int(first) if first else max(0, len(body) - int(last))
        end = min(int(last), len(body) - 1) if first and last else len(body) - 1
    except ValueError:
        return Answer(200, body, content_type)
    if start > end:
        return Answer(416, b"", "", (("Content-Range", f"bytes */{len(body)}"),))
    where = f"bytes {start}-{end}/{len(body)}"
    return Answer(206, body[start : end + 1], content_type, (("Content-Range", where),))
