"""Bodies that are read as a whole: playlists, keys, the beginnings of segments, under a limit.

This module refuses to wait by itself: its caller has the deadline.
"""

from typing import Final

from reconciler.serving.body import BodyBroken
from reconciler.serving.dial import Reply
from reconciler.serving.playlist import ByteRange
from reconciler.serving.upstream import UpstreamEnded

__all__ = ["read_all", "read_part"]

READ_BYTES: Final = 256 * 1024


async def read_all(reply: Reply, limit_bytes: int, *, at_least: int | None = None) -> bytes:
    """The whole body, or its first `at_least` bytes. Raises UpstreamEnded above the limit or where it breaks off.

    Closes the connection when it raises or is cancelled.
    """
    try:
        data, whole = await _read_body(reply, limit_bytes, at_least)
    except BodyBroken as error:
        reply.link.close()
        raise UpstreamEnded("not-ts", str(error)) from error
    except OSError as error:
        reply.link.close()
        raise UpstreamEnded("reset", "the provider cut the connection") from error
    except BaseException:
        reply.link.close()
        raise
    if not whole:
        reply.link.close()
        too_large = len(data) > limit_bytes
        cause = "not-ts" if too_large else "reset"
        raise UpstreamEnded(cause, "an answer that is too large" if too_large else "the answer broke off")
    return data


async def _read_body(reply: Reply, limit_bytes: int, at_least: int | None) -> tuple[bytes, bool]:
    """What came, and whether it is as much as was wanted."""
    data = bytearray(reply.first)
    while not reply.body.complete and (at_least is None or len(data) < at_least):
        more = await reply.link.receive(READ_BYTES)
        if not more:
            return bytes(data), reply.body.end()
        data += reply.body.feed(more)
        if len(data) > limit_bytes:
            return bytes(data), False
    return bytes(data), True


async def read_part(reply: Reply, limit_bytes: int, part: ByteRange) -> bytes:
    """A part of what holds everything, as a 200 to a range request does (iptv-streams.md C2). Raises as `read_all`."""
    data = await read_all(reply, limit_bytes)
    return data[part.start : part.start + part.length]
