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
from reconciler.sources.copies import Copies, Head, conditions
from reconciler.sources.errand import Errand, Spooled
from reconciler.sources.progress import Step
from reconciler.sources.web import FetchFailed
from reconciler.spec.model import Source

__all__ = ["ListFetched", "fetch_list", "list_identity", "read_list_file"]

READ_BYTES: Final = 1 << 20
MISSING: Final = "the file cannot be read"


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
        raise FetchFailed("empty", "a playlist without a usable entry")
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


async def read_list_file(errand: Errand, source: Source) -> ListFetched:
    """The list in the file at `source.path`. Raises FetchFailed where it cannot be read or holds no list."""
    path = Path(source.path)

    def read() -> tuple[Playlist, str, int]:
        digest = hashlib.sha256()
        size = 0

        def chunks() -> Iterator[bytes]:
            nonlocal size
            with path.open("rb") as file:
                blocks = GuideBytes(file, str(path), errand.web.limits.list_bytes)
                for block in blocks:
                    size += len(block)
                    digest.update(block)
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
        raise FetchFailed("no-header", f"{path} is no playlist")
    head = Head(
        list_identity(source),
        errand.now,
        len(playlist.entries),
        via="path",
        digest=digest,
        guide_urls=playlist.guide_urls,
        notes=playlist.notes,
        dropped=playlist.dropped,
    )
    return ListFetched(head, playlist.entries, size)
