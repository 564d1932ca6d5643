"""What one source needs while it is fetched: the client, its budget of retries, its notes, and files on the way.

Retries are few, with jitter, and never against a server that asked for peace for longer than we are ready to wait
(iptv-streams.md B4: repeated 429 bring a ban). This module refuses to know what is in a list.
"""

import hashlib
import os
import random
import stat
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

from reconciler.catalog.address import Concealer
from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.errors import ProviderError
from reconciler.secret import Secret
from reconciler.sources.classify import classify_response
from reconciler.sources.progress import Progress, Step
from reconciler.sources.web import Answer, FetchFailed, Web

__all__ = ["HEAD_BYTES", "Errand", "Spooled", "status_of_file"]

HEAD_BYTES: Final = 1 << 16
OTHER_AGENT: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
)
"""Some panels let browsers pass where players are refused, and the other way round (iptv-streams.md B4)."""
AGENT_CAUSES: Final = frozenset({"denied", "missing", "challenge"})
"""What a filter for user agents looks like from outside."""
_PACKED: Final = (b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\x00", b"BZh")


def status_of_file(path: Path) -> os.stat_result:
    """The status of a file with an end. Raises FetchFailed for pipes and devices, which may have none; OSError as it comes."""
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):  # a directory refuses by itself
        raise FetchFailed("missing", f"{path} is a pipe or a device, not a file")
    return status


class Spooled:
    """A body in a file, read unpacked. `digest` is over the bytes as they came."""

    __slots__ = ("_limit_bytes", "answer", "path", "what")

    def __init__(self, path: Path, answer: Answer, what: str, limit_bytes: int) -> None:
        self.path = path
        self.answer = answer
        self.what = what
        self._limit_bytes = limit_bytes

    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal. Reads all of it: for a thread."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The content unpacked (gzip, xz, bzip2, zip, also twice). Raises FetchFailed where it is a bomb or ends early."""
        with self.path.open("rb") as file:  # closed also where a reader stops early
            blocks = GuideBytes(file, self.what, self._limit_bytes)
            try:
                yield from blocks
            except ProviderError as error:
                raise FetchFailed("too-large", error.message) from None
            if blocks.damage:
                raise FetchFailed("reset", blocks.damage)

    def head(self) -> bytes:
        """The first 64 KiB of the content, or all of it."""
        found = b""
        for block in self.chunks():
            found += block
            if len(found) >= HEAD_BYTES:
                break
        return found[:HEAD_BYTES]

    def peel(self) -> None:
        """Unpack one layer on disk where a packed file was packed again, on its way or by who made it."""
        inner = self.path.with_suffix(".inner")
        coding = self.answer.headers.get("content-encoding", "").strip().lower()
        if coding == "deflate" and not self._starts_plain():
            self._inflate(inner)
        if not self.head().startswith(_PACKED):
            return
        with inner.open("wb") as file:
            for block in self.chunks():
                file.write(block)
        inner.replace(self.path)

    def _starts_plain(self) -> bool:
        """Whether a body begins as a list or a guide does, whatever its headers say: codings are claimed wrongly."""
        with self.path.open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in b"#<[{"

    def _inflate(self, inner: Path) -> None:
        """Undo `Content-Encoding: deflate`, which nobody asked for: zlib by the book, raw by some. What is neither stays."""
        for bits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
            unpack, size = zlib.decompressobj(bits), 0
            try:
                with self.path.open("rb") as file, inner.open("wb") as out:
                    while block := file.read(HEAD_BYTES):
                        while block and size <= self._limit_bytes:
                            size += out.write(unpack.decompress(block, HEAD_BYTES * 16))
                            block = unpack.unconsumed_tail
            except zlib.error:
                inner.unlink(missing_ok=True)
                continue
            if size > self._limit_bytes or not unpack.eof:
                inner.unlink()
                raise FetchFailed(
                    "short" if size <= self._limit_bytes else "too-large", "cannot be unpacked whole"
                )
            inner.replace(self.path)
            return


@dataclass(slots=True)
class Errand:
    """The means for one source or guide. `notes` become its report's; they hold no secret and no URL."""

    name: str
    web: Web
    spool: Path
    headers: Mapping[str, str | Secret]
    concealer: Concealer
    progress: Progress
    now: float
    notes: list[str] = field(default_factory=list)
    retries_left: int = 0
    has_copy: bool = False
    """There is a good copy: a refused connection is not worth a wait."""
    agent_tried: bool = False

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def tell(self, step: Step) -> None:
        """Pass word of progress on."""
        self.progress(step)

    async def pause(self, failure: FetchFailed, attempt: int) -> bool:
        """Wait before asking again. False: it is not worth it, or the budget is spent, or the server wants too long."""
        limits = self.web.limits
        if not failure.transient or self.retries_left <= 0:
            return False
        if failure.cause == "refused" and self.has_copy:
            return False
        # where nobody listens there is no load to wait out
        growth = 1 if failure.cause == "refused" else 2**attempt
        wait = limits.pause_s * growth * random.uniform(0.5, 1.5)
        if failure.retry_after_s is not None:
            if failure.retry_after_s > limits.patience_s:
                self.note(f"asked to come back in {failure.retry_after_s:.0f} s")
                return False
            wait = max(wait, failure.retry_after_s)
        self.retries_left -= 1
        self.tell(Step(self.name, "retry", detail=f"{failure.detail}; again in {wait:.{int(wait < 10)}f} s"))
        await trio.sleep(wait)
        return True

    async def asked(self, ask: Callable[[Mapping[str, str | Secret]], Awaitable[Answer]]) -> Answer:
        """What `ask` gives with this errand's headers; once per errand also with another user agent where one is refused.

        Where that one passes, the rest of the errand keeps it, and the note says what to write into the spec.
        """
        try:
            return await ask(self.headers)
        except FetchFailed as failure:
            if failure.cause not in AGENT_CAUSES or self.agent_tried or failure.retry_after_s is not None:
                raise
            self.agent_tried = True
            other = {k: v for k, v in self.headers.items() if k.lower() != "user-agent"}
            other["User-Agent"] = OTHER_AGENT
            try:
                answer = await ask(other)
            except FetchFailed:
                raise failure from None
        self.headers = other
        self.note(
            "the user agent of the source is refused and a browser's is not: "
            f'write stream: {{user_agent: "{OTHER_AGENT}"}} so that streams use it as well'
        )
        return answer

    async def spooled(
        self,
        url: Secret,
        *,
        file: str,
        what: str,
        whole_s: float,
        limit_bytes: int,
        step: Step,
        headers: Mapping[str, str | Secret] | None = None,
        private_ok: bool | None = None,
    ) -> Spooled:
        """GET into a file of this errand's. Raises FetchFailed; a partial file is removed."""
        path = self.spool / f"{self.name}.{file}"

        def moved(size: int, total: int | None) -> None:
            self.tell(Step(step.name, step.what, step.host, size, total))

        kept = False
        try:
            answer = await self.asked(
                lambda own: self.web.get(
                    url,
                    headers={**own, **(headers or {})},
                    whole_s=whole_s,
                    limit_bytes=limit_bytes,
                    into=path,
                    moved=moved,
                    private_ok=private_ok,
                )
            )
            kept = True
        finally:
            if not kept:
                path.unlink(missing_ok=True)
        found = Spooled(path, answer, what, max(limit_bytes, 4 * answer.size_bytes))
        if not answer.unchanged:
            await trio.to_thread.run_sync(found.peel)
        return found

    def shown(self, head: bytes) -> str:
        """How an unwanted page begins, as a part of a sentence; "" where it may hold a credential."""
        text = " ".join(head[:400].decode("utf-8", "replace").split())[:80]
        if not text or not text.isprintable() or self.concealer.touches(text):
            return ""
        return f': "{text}"'

    def unwanted(self, found: Spooled, head: bytes, wanted: str) -> FetchFailed:
        """Why a body is not the wanted list or guide."""
        verdict = classify_response(200, found.answer.headers, found.answer.base.reveal(), head)
        detail = verdict.detail.replace("instead of a stream", f"instead of {wanted}")
        if verdict.good:
            detail = f"a stream instead of {wanted}"
        elif verdict.cause == "not-ts":
            detail = f"bytes that are not {wanted}"
        text = "" if verdict.cause in {"", "empty", "not-ts", "short"} else self.shown(head)
        return FetchFailed(verdict.cause or "text", detail + text, cloudflare=found.answer.cloudflare)
