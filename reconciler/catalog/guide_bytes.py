"""A guide file as plain bytes: decompressed by what it is, not by its name, and never more than it may become.

gzip goes through ISA-L, at three times zlib's speed (performance.md 2), and through zlib on processors that have no
wheel of it. This module refuses to look at XML and to trust a size that a file states about itself.
"""

import bz2
import lzma
import os
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

from reconciler.catalog.guide_places import Stamp
from reconciler.errors import ProviderError

try:
    from isal import isal_zlib as gzip
except ImportError:
    import zlib as gzip  # type: ignore[no-redef]

__all__ = ["BLOCK_BYTES", "LIMIT_BYTES", "RATIO_LIMIT", "GuideBytes", "open_guide"]

BLOCK_BYTES: Final = 256 << 10
LIMIT_BYTES: Final = 8 << 30
"""The largest guide known was 1.04 GB plain (iptv-streams.md D3)."""
RATIO_LIMIT: Final = 250
"""Real guides pack 6 to 9 times, made-up ones 40 times; a bomb packs 1,000 times and more."""
_RATIO_FLOOR: Final = 64 << 20  # below this size a high ratio does no harm
_XZ_MEMORY: Final = 128 << 20
MAGIC_BYTES: Final = 10
"""The longest beginning that tells a packing (bzip2's)."""


class GuideBytes(Iterator[bytes]):
    """The bytes of a guide in blocks of at most 256 KiB. `damage` says what was wrong once they have been read."""

    __slots__ = ("_blocks", "_held", "_stream", "damage")

    def __init__(self, stream: BinaryIO, what: str, limit_bytes: int) -> None:
        self.damage = ""
        self._held = False
        self._stream = stream
        self._blocks = self._read(stream, what, limit_bytes)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        return next(self._blocks)

    @property
    def stamp(self) -> Stamp | None:
        """Which file this is, if its bytes are the guide's bytes. To be asked before reading."""
        head = self._stream.read(MAGIC_BYTES)
        self._stream.seek(0)
        if _packing(head):
            return None
        status = os.fstat(self._stream.fileno())
        return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    def hold(self) -> BinaryIO | None:
        """The open file, if its bytes are the guide's bytes; the caller closes it. None for packed ones.

        To be called before reading: without it the file is closed after the last block.
        """
        self._held = self.stamp is not None
        return self._stream if self._held else None

    def close(self) -> None:
        """Read no more. The file is closed, but for one that is held."""
        self._blocks.close()
        if not self._held:
            self._stream.close()

    def _read(self, stream: BinaryIO, what: str, limit_bytes: int) -> Generator[bytes, None, None]:
        try:
            head = stream.read(MAGIC_BYTES)
            stream.seek(0)
            total = 0
            blocks = self._packed(stream, what) if _packing(head) else _plain(stream)
            for block in blocks:
                total += len(block)
                if total > limit_bytes:
                    raise ProviderError(
                        f"{what} is larger than {limit_bytes >> 20} MiB unpacked",
                        next_step="look at what the provider sends",
                    )
                if total > _RATIO_FLOOR and _packing(head) and total > RATIO_LIMIT * max(stream.tell(), 1):
                    raise ProviderError(
                        f"{what} unpacks to more than {RATIO_LIMIT} times its size: this is no guide",
                        next_step="look at what the provider sends",
                    )
                yield block
        finally:
            if not self._held:
                stream.close()

    def _packed(self, stream: BinaryIO, what: str) -> Iterator[bytes]:
        head = stream.read(MAGIC_BYTES)
        stream.seek(0)
        packing = _packing(head)
        try:
            if packing == "zip":
                yield from _unzipped(stream, what)
                return
            yield from self._inflated(_plain(stream), packing)
        except _DAMAGE as error:
            # What came before is whole; the caller decides what a damaged tail means.
            self.damage = f"{what} is damaged ({packing}): {error}"

    def _inflated(self, packed: Iterator[bytes], packing: str) -> Iterator[bytes]:
        unpack = _unpacker(packing)
        begun = False
        for block in packed:
            data = block if begun else block.lstrip(b"\0")
            while data:
                begun = True
                yield from _drained(unpack, data)
                if not unpack.eof:
                    break
                # Several members in one file are legal; what else follows the end is padding or rubbish.
                data = unpack.unused_data.lstrip(b"\0")
                unpack, begun = _unpacker(packing), False
                if data and len(data) < MAGIC_BYTES:
                    data += next(packed, b"")  # the next member's beginning is cut in two
                if data and not _packing(data):
                    return
        if begun:
            self.damage = f"the {packing} data ends early"


def open_guide(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> GuideBytes:
    """The plain bytes of the guide at `path`: gzip, xz, bzip2 and zip are known by their first bytes.

    The file is closed when the iterator ends. Costs about 2 MiB of memory. Raises ProviderError while being read
    when the content outgrows `limit_bytes` or `RATIO_LIMIT`; a packed file that ends early or is broken gives what is
    whole and says so in `damage`. OSError passes through.
    """
    return GuideBytes(path.open("rb", buffering=0), f"guide {path.name!r}", limit_bytes)


class _Unpacker(Protocol):
    """What the decompressors of zlib, isal, lzma and bz2 share."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _drained(unpack: _Unpacker, data: bytes) -> Iterator[bytes]:
    """Everything `data` unpacks to, at most a block at a time."""
    while True:
        block = unpack.decompress(data, BLOCK_BYTES)
        if block:
            yield block
        # zlib hands back what it did not read, lzma and bz2 keep it
        data = getattr(unpack, "unconsumed_tail", b"")
        if unpack.eof or (not data and len(block) < BLOCK_BYTES):
            return


def _packing(head: bytes) -> str:
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[:3] == b"BZh" and head[4:MAGIC_BYTES] == b"1AY&SY":
        return "bzip2"
    return ""


class _Bunzip2:
    """bzip2's decompressor, which calls broken data an error of the operating system."""

    __slots__ = ("_unpack",)

    def __init__(self) -> None:
        self._unpack = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._unpack.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpack.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        try:
            return self._unpack.decompress(data, max_length)
        except OSError as error:
            raise EOFError(str(error).lower()) from None


def _unpacker(packing: str) -> _Unpacker:
    if packing == "bzip2":
        return _Bunzip2()
    if packing == "xz":
        return lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    return gzip.decompressobj(31)


_DAMAGE: Final[tuple[type[Exception], ...]] = (
    lzma.LZMAError,
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    zlib.error,
    gzip.error,  # type: ignore[assignment, unused-ignore]  # isal's stubs take the class for an instance
)
"""The errors that mean broken content."""


def _plain(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _unzipped(stream: BinaryIO, what: str) -> Iterator[bytes]:
    with zipfile.ZipFile(stream) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        xml = [m for m in members if m.filename.lower().endswith((".xml", ".xmltv"))] or members
        if not xml:
            raise ProviderError(
                f"{what} is an empty zip archive", next_step="look at what the provider sends"
            )
        with archive.open(max(xml, key=lambda m: m.file_size)) as member:
            while block := member.read(BLOCK_BYTES):
                yield block
