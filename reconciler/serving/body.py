"""The framing of a response body, taken off: by length, chunked, or until the connection ends.

Fed with what the socket gave, it returns what belongs to the body: without looking at each byte, and without an object
per chunk, because a stream is a body that never ends. This module refuses to read and to decompress.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Body", "BodyBroken"]

LINE_LIMIT_BYTES: Final = 4096
Piece = bytes | memoryview

_HEX: Final = re.compile(rb"[0-9a-fA-F]{1,15}")


class BodyBroken(Exception):
    """The chunked framing is not one."""


@dataclass(slots=True)
class Body:
    """`left` bytes are still to come of the body (`length`), of the current chunk (`chunked`), or no one knows."""

    chunked: bool = False
    left: int | None = None
    reusable: bool = False
    complete: bool = False
    excess: bool = False
    """More came than the body has: the connection cannot be used again."""
    _line: bytes = b""
    _trailer: bool = False
    _after_chunk: bool = False

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], *, http11: bool) -> "Body":
        """The framing that a response's headers announce (RFC 9112 6.3)."""
        wish = headers.get("connection", "").lower()
        reusable = "close" not in wish if http11 else "keep-alive" in wish
        if status in {204, 304}:
            return cls(left=0, reusable=reusable, complete=True)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return cls(chunked=True, left=0, reusable=reusable)
        length = headers.get("content-length", "").partition(",")[0].strip()
        if length.isascii() and length.isdigit():
            return cls(left=int(length), reusable=reusable, complete=int(length) == 0)
        return cls()

    @property
    def endless(self) -> bool:
        """Whether no length is announced: a live stream rather than a file."""
        return self.left is None or self.chunked

    def feed(self, data: Piece) -> Piece:
        """The body's bytes in `data`: the same memory where the framing allows. Raises BodyBroken."""
        if self.complete:
            self.excess = self.excess or bool(data)
            return b""
        if self.chunked:
            return self._dechunk(bytes(data))
        if self.left is None:
            return data
        if len(data) > self.left:
            data, self.excess = data[: self.left], True
        self.left -= len(data)
        self.complete = self.left == 0
        return data

    @property
    def plain_bytes(self) -> float | None:
        """How many bytes may be taken off the connection as they are, without `feed`; None in chunks."""
        if self.chunked or self.complete:
            return None
        return float("inf") if self.left is None else self.left

    def pass_by(self, count: int) -> None:
        """So many of `plain_bytes` were taken."""
        if self.left is not None:
            self.left -= count
            self.complete = self.left == 0

    def end(self) -> bool:
        """The connection has ended. True if the body had its proper end."""
        proper = self.complete or (self.left is None and not self.chunked)
        self.complete = True
        self.reusable = False
        return proper

    def _dechunk(self, data: bytes) -> bytes:
        assert self.left is not None
        if self.left >= len(data):  # the common case: in the middle of a large chunk
            self.left -= len(data)
            self._after_chunk = self.left == 0 and bool(data)
            return data
        out: list[bytes | memoryview] = []
        view = memoryview(data)
        at = 0
        while at < len(data) and not self.complete:
            if self.left:
                take = min(self.left, len(data) - at)
                out.append(view[at : at + take])
                at += take
                self.left -= take
                self._after_chunk = self.left == 0
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                if len(self._line) > LINE_LIMIT_BYTES:
                    raise BodyBroken("a chunk's head is too long")
                break
            line = (self._line + data[at:end]).strip()
            self._line = b""
            at = end + 1
            self._head(line)
        if self.complete and at < len(data):
            self.excess = True
        return bytes(out[0]) if len(out) == 1 else b"".join(out)

    def _head(self, line: bytes) -> None:
        if self._trailer:
            self.complete = not line
            return
        if not line and self._after_chunk:  # the line end that closes a chunk
            self._after_chunk = False
            return
        size = line.partition(b";")[0].strip()
        if not _HEX.fullmatch(size):
            raise BodyBroken("a chunk's length is no number")
        self.left = int(size, 16)
        self._after_chunk = False
        self._trailer = self.left == 0
