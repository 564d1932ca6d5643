"""Answers as bytes: status line, headers, body; and documents whose head is made once.

A tuner's documents are asked for just before each tune, and Plex waits for them (hdhomerun.md 6.1): so a whole answer
lies ready as one piece of memory. Header values come from our own files and constants, never from a request; a line
end in one is refused here. This module refuses to touch sockets.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http import HTTPStatus
from typing import Final

from reconciler.serving.hdhr import HDHR_ERRORS

__all__ = ["Answer", "Document", "answer_head", "json_answer", "refusal"]

JSON: Final = 'application/json; charset="utf-8"'
XML: Final = "application/xml"
HTML: Final = 'text/html; charset="utf-8"'
M3U: Final = "audio/x-mpegurl"

Headers = Sequence[tuple[str, str]]

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


def answer_head(status: int, headers: Headers, *, close: bool) -> bytes:
    """The bytes before the body. Raises ValueError for a header that would break the line."""
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}"]
    for name, value in (*headers, ("Connection", "close" if close else "keep-alive")):
        if not value.isprintable():
            raise ValueError(f"header {name} holds a control character")
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


@dataclass(frozen=True, slots=True)
class Answer:
    """A small whole answer, made for one request."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def wire(self, *, close: bool, head_only: bool) -> bytes:
        """All bytes of the answer."""
        lines = [*self.headers, ("Content-Length", str(len(self.body)))]
        if self.content_type:
            lines.append(("Content-Type", self.content_type))
        head = answer_head(self.status, lines, close=close)
        return head if head_only else head + self.body


def json_answer(value: object, status: int = 200) -> Answer:
    """A value as JSON, of this moment alone."""
    body = json.dumps(value, indent=1).encode() + b"\n"
    return Answer(status, body, JSON, (("Cache-Control", "no-store"),))


def refusal(code: int) -> Answer:
    """A stream that cannot be had: empty body, because Jellyfin plays the body of a 503 as video (hdhomerun.md 1.8)."""
    status, text = HDHR_ERRORS[code]
    return Answer(status, headers=(("X-HDHomeRun-Error", f"{code} {text}"),))


@dataclass(frozen=True, slots=True)
class Document:
    """A document of one generation, kept in memory with the heads it will be sent with."""

    body: bytes
    content_type: str
    etag: str = field(init=False)
    _open: bytes = field(init=False, repr=False)
    _close: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        etag = f'"{sha256(self.body).hexdigest()[:32]}"'
        # `Cache-Control` and the open origin are what a real device sends (hdhomerun.md 2.2).
        headers = [
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(self.body))),
            ("ETag", etag),
            ("Cache-Control", "no-cache"),
            ("Access-Control-Allow-Origin", "*"),
        ]
        object.__setattr__(self, "etag", etag)
        object.__setattr__(self, "_open", answer_head(200, headers, close=False))
        object.__setattr__(self, "_close", answer_head(200, headers, close=True))

    def wire(self, *, close: bool, head_only: bool, known: str = "") -> bytes:
        """All bytes of the answer; 304 without a body where `known` (If-None-Match) names this very content."""
        if known and etag_matches(known, self.etag):
            return answer_head(304, [("ETag", self.etag), ("Cache-Control", "no-cache")], close=close)
        head = self._close if close else self._open
        return head if head_only else head + self.body


def etag_matches(known: str, etag: str) -> bool:
    """Whether an If-None-Match header names `etag`, by the weak comparison of RFC 9110 13.1.2."""
    names = [part.strip().removeprefix("W/") for part in known.split(",")]
    return "*" in names or etag in names
