"""An M3U list from an address or a file: fetched when it changed, read, or refused with the reason.

A page, JSON or a stream in its place is no list, and an empty one where entries were before is an outage (design.md
1.7). Files are read anew each time. This module refuses to fall back to copies: `sources.catalogue` does.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import trio

from reconciler.catalog.address import PASSWORD, USERNAME, fill
from reconciler.catalog.encoding import Utf8
from reconciler.catalog.entry import Entry
from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.catalog.playlist import Playlist, parse
from reconciler.errors import ProviderError
from reconciler.secret import Secret
from reconciler.sources.accounts import Account
from reconciler.sources.classify import classify_response
from reconciler.sources.copies import Copies, Head, conditions
from reconciler.sources.errand import Errand, Spooled, status_of_file
from reconciler.sources.progress import Step
from reconciler.sources.web import FetchFailed
from reconciler.spec.model import Source

__all__ = ["ListFetched", "fetch_list", "list_identity", "read_list_file"]

READ_BYTES: Final = 1 << 20
MISSING: Final = "the file cannot be read"
_PACKED: Final = {
    b"7z\xbc\xaf": "with 7-Zip",
    b"Rar!": "with RAR",
    b"\x28\xb5\x2f\xfd": "with zstd",
    b"\x1f\x8b": "twice",
    b"\xfd7zXZ": "twice",
    b"BZh": "twice",
    b"PK\x03\x04": "twice",
}
"""How files begin that are not read as they are; what is packed once has been unpacked before anybody looks here."""


@dataclass(frozen=True, slots=True)
class ListFetched:
    """A list: the head of its copy, and its entries (None: those of the copy still hold)."""

    head: Head
    entries: tuple[Entry, ...] | None
    size_bytes: int = 0


def list_identity(source: Source) -> str:
    """What tells this list from another under the same name: the path or address as the spec has it."""
    return "m3u " + hashlib.sha256((source.path or source.url).encode()).hexdigest()[:16]


async def fetch_list(
    errand: Errand, source: Source, url: Secret, accounts: Sequence[Account], copies: Copies
) -> ListFetched:
    """The list at `url`, whose placeholders the first account fills. Raises FetchFailed after the last retry."""
    attempt = 0
    while True:
        try:
            return await _fetch_once(errand, source, url, accounts, copies)
        except FetchFailed as failure:
            if not await errand.pause(failure, attempt):
                raise
            attempt += 1


async def _fetch_once(
    errand: Errand, source: Source, url: Secret, accounts: Sequence[Account], copies: Copies
) -> ListFetched:
    address = url
    if accounts and (USERNAME in url.reveal() or PASSWORD in url.reveal()):
        address = fill(url.reveal(), accounts[0].username, accounts[0].password)
    before = copies.head(f"{source.name}.m3u", of=list_identity(source))
    limits = errand.web.limits
    found = await errand.spooled(
        address,
        file="m3u",
        what=f"the list of source {source.name!r}",
        whole_s=limits.list_s,
        limit_bytes=limits.list_bytes,
        step=Step(source.name, "list"),
        headers=conditions(before) if before else {},
    )
    try:
        if found.answer.unchanged:
            if before is None:
                raise FetchFailed("empty", "answered 304 although nothing was kept")
            return ListFetched(replace(before, fetched_at=errand.now), None)
        digest = await trio.to_thread.run_sync(found.digest, abandon_on_cancel=True)
        if before and before.digest == digest:
            return ListFetched(replace(before, fetched_at=errand.now), None, found.answer.size_bytes)
        playlist = await trio.to_thread.run_sync(lambda: _read(errand, source, found), abandon_on_cancel=True)
    finally:
        found.path.unlink(missing_ok=True)
    if not playlist.entries and before and before.count:
        raise FetchFailed("empty", f"an empty list where {before.count:,} were listed before")
    if not playlist.entries:
        raise FetchFailed("empty", f"a playlist without a usable entry{_why(playlist)}")
    headers = found.answer.headers
    head = Head(
        list_identity(source),
        errand.now,
        len(playlist.entries),
        via="url",
        etag=headers.get("etag", ""),
        modified=headers.get("last-modified", ""),
        digest=digest,
        guide_urls=playlist.guide_urls,
        notes=playlist.notes,
        dropped=playlist.dropped,
    )
    return ListFetched(head, playlist.entries, found.answer.size_bytes)


def _read(errand: Errand, source: Source, found: Spooled) -> Playlist:
    head = b"".join(Utf8([found.head()], lambda _: None))
    start = head.lstrip()
    if not start[:7].upper().startswith(b"#EXTM3U") and b"#EXTINF" not in head.upper():
        raise errand.unwanted(found, start, "a playlist")
    return parse(found.chunks(), source=source.name, concealer=errand.concealer)


async def read_list_file(errand: Errand, source: Source, copies: Copies) -> ListFetched:
    """The list in the file at `source.path`. Raises FetchFailed where it cannot be read, holds no list, or lists nothing
    where its copy does: a program that writes it anew begins with the header.
    """
    path = Path(source.path)
    head = b""

    def read() -> tuple[Playlist, str, int]:
        digest = hashlib.sha256()
        size = 0
        status_of_file(path)

        def chunks() -> Iterator[bytes]:
            nonlocal head, size
            with path.open("rb") as file:
                blocks = GuideBytes(file, str(path), errand.web.limits.list_bytes)
                for block in blocks:
                    size += len(block)
                    digest.update(block)
                    head = head or block
                    yield block
                if blocks.damage:
                    raise FetchFailed("reset", blocks.damage)

        playlist = parse(chunks(), source=source.name, concealer=errand.concealer)
        return playlist, digest.hexdigest(), size

    try:
        playlist, digest, size = await trio.to_thread.run_sync(read, abandon_on_cancel=True)
    except OSError as error:
        raise FetchFailed("missing", f"{path}: {(error.strerror or MISSING).lower()}") from None
    except ProviderError as error:
        raise FetchFailed("too-large", error.message) from None
    if not playlist.entries and not playlist.header:
        raise FetchFailed("no-header", f"{path} {_no_playlist(head)}")
    before = copies.head(f"{source.name}.m3u", of=list_identity(source))
    if not playlist.entries and before and before.count:
        raise FetchFailed("empty", f"{path} lists nothing where {before.count:,} were listed before")
    kept = Head(
        list_identity(source),
        errand.now,
        len(playlist.entries),
        via="path",
        digest=digest,
        guide_urls=playlist.guide_urls,
        notes=playlist.notes,
        dropped=playlist.dropped,
    )
    return ListFetched(kept, playlist.entries, size)


def _why(playlist: Playlist) -> str:
    """What a list without entries has instead of them, as a part of a sentence."""
    left = [f"left out {d.count:,}: {d.reason}" for d in playlist.dropped]
    return f" ({'; '.join((*playlist.notes, *left))})" if playlist.notes or left else ""


def _no_playlist(head: bytes) -> str:
    """What a file is that is no playlist, from how it begins."""
    if not head.strip():
        return "is empty"
    if packing := next((word for magic, word in _PACKED.items() if head.startswith(magic)), ""):
        return f"is packed {packing}: unpack it first"
    verdict = classify_response(200, {}, "", head)
    if verdict.cause in {"html", "json"}:
        return f"holds {verdict.detail.replace('instead of a stream', 'instead of a playlist')}"
    return "is no playlist"
