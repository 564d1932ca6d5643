"""Whether bytes on disk are a guide worth having: at their ends, and by a first programme.

Refused here is what would replace a good copy by an outage: a page, an empty answer, half a file, a guide without a
programme. This module refuses to read a guide: what is inside is judged by `catalog.guide`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import trio

from reconciler.catalog.encoding import Utf8
from reconciler.sources.copies import Head
from reconciler.sources.errand import HEAD_BYTES, Errand, Spooled
from reconciler.sources.web import FetchFailed

__all__ = ["outer_bytes", "read_through", "refuse_no_guide", "same_bytes"]

TAIL_BYTES: Final = 4096
COMPARED_BYTES: Final = 1 << 18


async def refuse_no_guide(
    found: Spooled, before: Head | None, errand: Errand, look: Callable[[Spooled], tuple[bytes, bool]]
) -> None:
    """Raises FetchFailed for what is no guide, and for a hollow or broken-off one where there is a copy to fall back on.

    `look` gives the first bytes and whether the end is one. Files are read in worker threads; cancelled, those are left.
    """
    head, ends = await trio.to_thread.run_sync(look, found, abandon_on_cancel=True)
    head = b"".join(Utf8([head], lambda _: None))
    if b"<tv" not in head:
        raise errand.unwanted(found, head, "a guide")
    if not ends and before is not None:
        raise FetchFailed("reset", "the guide ends in the middle")
    if before is not None and await trio.to_thread.run_sync(_hollow, found, abandon_on_cancel=True):
        raise FetchFailed("empty", "a guide without a programme")
    if not ends:
        errand.note("the guide ends in the middle: what is there is used")


def outer_bytes(found: Spooled) -> tuple[bytes, bool]:
    """The first bytes, and whether the last ones end an XMLTV document (packed ones are not unpacked to see)."""
    head = found.head()
    with found.path.open("rb") as file:
        packed = not head.startswith(file.read(16))
        file.seek(max(0, found.answer.size_bytes - TAIL_BYTES))
        return head, packed or _ends(file.read())


def read_through(found: Spooled) -> tuple[bytes, bool]:
    """The same for a file, which no connection vouches for: packed ones are unpacked to their end.

    Raises FetchFailed where what is packed cannot be read, except where it breaks off.
    """
    head, last = b"", b""
    try:
        for block in found.chunks():
            head = head if len(head) >= HEAD_BYTES else head + block
            last = (last + block)[-TAIL_BYTES:]
    except FetchFailed as failure:
        if failure.cause != "reset":
            raise
        return head[:HEAD_BYTES], False
    return head[:HEAD_BYTES], _ends(last)


def _ends(tail: bytes) -> bool:
    """Whether the last bytes end an XMLTV document; UTF-16 has a zero byte beside each sign."""
    return b"</tv" in tail.replace(b"\0", b"")


def _hollow(found: Spooled) -> bool:
    """Whether a guide tells no programme, channels or not: an outage where there was something before (LNK-2), and no
    guide to prune by (EPG-1). Reads to the first programme.
    """
    before = b""
    try:
        for block in Utf8(found.chunks(), lambda _: None):
            if b"<programme" in before + block:
                return False
            before = block[-len(b"<programme") :]
    except FetchFailed as failure:
        if failure.cause != "reset":
            raise
    return True


def same_bytes(kept: Path, found: Path) -> bool:
    """Whether both files hold the same. Most differ in size; hashing each would cost half a second per gigabyte."""
    if kept.stat().st_size != found.stat().st_size:
        return False
    with kept.open("rb") as one, found.open("rb") as other:
        while block := one.read(COMPARED_BYTES):
            if block != other.read(COMPARED_BYTES):
                return False
    return True
