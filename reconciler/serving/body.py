"""The framing of a response body, taken off: by length, chunked, or until the connection ends; and gzip with it.

Fed with what the socket gave, it returns what belongs to the body: without looking at each byte, and without an object
per chunk, because a stream is a body that never ends. We ask for plain bodies, but an object store gives what it was
given, and playlists are kept packed there. This module refuses to read.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Body", "BodyBroken"]

LINE_LIMIT_BYTES: Final = 4096
UNPACKED_LIMIT_BYTES: Final = 16 << 20
"""What one read may unpack to: more is no playlist and no stream."""
GZIP: Final = b"\x1f\x8b"
PACKED: Final = frozenset({"gzip", "x-gzip", "deflate"})
ZLIB_OR_GZIP_BITS: Final = 47
Piece = bytes | memoryview

_HEX: Final = re.compile(rb"[0-9a-fA-F]{1,15}")


class BodyBroken(Exception):
    """The chunked framing is not one, or what was packed cannot be unpacked."""


@dataclass(slots=True)
class Body:
    """`left` bytes are still to come of the body (`length`), of the current chunk (`chunked`), or no one knows."""

    chunked: bool = False
    left: int | None = None
    reusable: bool = False
    complete: bool = False
    excess: bool = False
    """More came than the body has: the connection cannot be used again."""
    packed: bool = False
    """The answer says that its body is in gzip or zlib. Believed when the first bytes say so too."""
    _unpack: "zlib._Decompress | None" = None
    _begun: bytes = b""
    _line: bytes = b""
    _trailer: bool = False
    _after_chunk: bool = False

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], *, http11: bool) -> "Body":
        """The framing that a response's headers announce (RFC 9112 6.3)."""
        wish = headers.get("connection", "").lower()
        reusable = "close" not in wish if http11 else "keep-alive" in wish
        packed = headers.get("content-encoding", "").strip().lower() in PACKED
        if status in {204, 304}:
            return cls(left=0, reusable=reusable, complete=True)
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return cls(chunked=True, left=0, reusable=reusable, packed=packed)
        length = headers.get("content-length", "").partition(",")[0].strip()
        if length.isascii() and length.isdigit():
            return cls(left=int(length), reusable=reusable, complete=int(length) == 0, packed=packed)
        return cls(packed=packed)

    @property
    def endless(self) -> bool:
        """Whether no length is announced: a live stream rather than a file."""
        return self.left is None or self.chunked

    def feed(self, data: Piece) -> Piece:
        """The body's bytes in `data`: the same memory where the framing allows. Raises BodyBroken."""
        return self._unpacked(bytes(self._unframed(data))) if self.packed else self._unframed(data)

    def _unframed(self, data: Piece) -> Piece:
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
        if self.chunked or self.complete or self.packed:
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

    def _unpacked(self, data: bytes) -> bytes:
        if self._unpack is None:
            data = self._begun + data
            if len(data) < len(GZIP) and not self.complete:
                self._begun = data
                return b""
            if not (data.startswith(GZIP) or _is_zlib(data)):
                self.packed = False
                return data
            self._unpack = zlib.decompressobj(ZLIB_OR_GZIP_BITS)
        try:
            plain = self._unpack.decompress(data, UNPACKED_LIMIT_BYTES)
        except zlib.error as error:
            raise BodyBroken("a packed body that cannot be unpacked") from error
        if self._unpack.unconsumed_tail:
            raise BodyBroken(f"a packed body of more than {UNPACKED_LIMIT_BYTES >> 20} MiB")
        return plain

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


def _is_zlib(data: bytes) -> bool:
    """Whether these may be the first bytes of a zlib stream (RFC 1950 2.2), as none of a playlist or a packet are."""
    return data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
