"""Segments of an HLS stream as they are asked for: by range, decrypted, and the map that stands before them.

Keys are fetched with the session's headers and kept by address, because a new one may come with each segment
(iptv-streams.md C2); one may also stand in the playlist itself, as a `data:` address. This module refuses to know of
playlists and of time: its caller has the deadline and decides what follows from a status.
"""

import binascii
from base64 import b64decode
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from reconciler.serving.dial import Dialler, Reply
from reconciler.serving.playlist import ByteRange, Key, Segment
from reconciler.serving.sealed import KEY_BYTES, Opener
from reconciler.serving.upstream import UpstreamEnded
from reconciler.serving.whole import read_all, read_part
from reconciler.sources.classify import classify_response

__all__ = ["GONE", "SEGMENT_LIMIT_BYTES", "Opened", "Segments"]

SEGMENT_LIMIT_BYTES: Final = 64 << 20
MAP_LIMIT_BYTES: Final = 4 << 20
JUDGED_BYTES: Final = 1024
KEYS_KEPT: Final = 16
GONE: Final = frozenset({404, 410})


class Opened(NamedTuple):
    """A segment that has begun to come: `first` is clear, what follows in `reply` goes through `opener` if there is one."""

    reply: Reply
    first: bytes
    opener: Opener | None


class Segments:
    """Asks for the segments of one stream."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._keys: dict[str, bytes] = {}

    async def open(self, segment: Segment) -> Opened:
        """Ask for a segment and read as much as is needed to judge it. Raises DialFailed, UpstreamEnded."""
        opener = await self._opener(segment.key, segment.sequence)
        reply = await self._dialler.get(segment.url, extra=_range(segment.part), keep=True)
        if reply.status == 200 and segment.part is not None:
            data = await read_part(reply, SEGMENT_LIMIT_BYTES, segment.part)
        else:
            data = await read_all(reply, SEGMENT_LIMIT_BYTES, at_least=JUDGED_BYTES)
        if opener is not None and reply.status in {200, 206}:
            data = opener.feed(data) + (opener.finish() if reply.body.complete else b"")
        return Opened(reply, data, opener)

    async def map(self, segment: Segment) -> bytes:
        """What stands apart from the segments and belongs before this one: tables, or the head of fragmented MP4.

        It is encrypted where a key stood before it (RFC 8216 4.3.2.5). Raises DialFailed, UpstreamEnded.
        """
        opener = await self._opener(segment.map_key, segment.sequence)
        part = segment.map_part
        reply = await self._dialler.get(segment.map_url, extra=_range(part), keep=True)
        if reply.status not in {200, 206}:
            reply.link.close()
            verdict = classify_response(reply.status, reply.headers, reply.url, reply.first)
            raise UpstreamEnded.of(verdict, "a map")
        if reply.status == 200 and part is not None:
            data = await read_part(reply, SEGMENT_LIMIT_BYTES, part)
        else:
            data = await read_all(reply, MAP_LIMIT_BYTES)
        self._dialler.done(reply)
        return data if opener is None else opener.feed(data) + opener.finish()

    async def _opener(self, key: Key | None, sequence: int) -> Opener | None:
        if key is None:
            return None
        if key.method != "AES-128":
            raise UpstreamEnded("encrypted", f"{key.method} protected, which cannot be relayed")
        value = self._keys.get(key.url)
        if value is None:
            value = _in_address(key.url) if key.url.startswith("data:") else await self._fetched(key.url)
            if len(value) != KEY_BYTES:
                raise UpstreamEnded("encrypted", "the key of the stream cannot be had")
            if len(self._keys) >= KEYS_KEPT:
                self._keys.clear()
            self._keys[key.url] = value
        return Opener(value, key.iv if key.iv is not None else sequence.to_bytes(16, "big"))

    async def _fetched(self, url: str) -> bytes:
        reply = await self._dialler.get(url, keep=True)
        value = await read_all(reply, JUDGED_BYTES)
        self._dialler.done(reply)
        return value if reply.status == 200 else b""


def _range(part: ByteRange | None) -> list[tuple[str, str]]:
    return [] if part is None else [("Range", f"bytes={part.start}-{part.start + part.length - 1}")]


def _in_address(url: str) -> bytes:
    """The bytes of a `data:` address (RFC 2397); nothing where it holds none."""
    head, _, body = url.partition(",")
    data = unquote_to_bytes(body)
    if not head.endswith(";base64"):
        return data
    try:
        return b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return b""
