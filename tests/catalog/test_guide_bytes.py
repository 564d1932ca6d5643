"""Opening guides: by first bytes, bounded, damaged tails kept as far as they are whole."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from reconciler.catalog.guide_bytes import BLOCK_BYTES, MAGIC_BYTES, RATIO_LIMIT, open_guide
from reconciler.errors import ProviderError

TEXT = b"".join(b"<programme start='%d'/>" % n for n in range(60_000))


def zipped(data: bytes) -> bytes:
    """A zip archive with a small text beside the guide."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "x" * 10_000_000)
        archive.writestr("epg.xml", data)
    return out.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        bytes,
        gzip.compress,
        lzma.compress,
        zipped,
        bz2.compress,
        lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:]),
        lambda data: bz2.compress(data[:999]) + bz2.compress(data[999:]),
    ],
    ids=["plain", "gzip", "xz", "zip", "bzip2", "two members", "two streams"],
)
def test_known_by_first_bytes(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """The name plays no part, and the pieces make the whole."""
    path = tmp_path / "guide.txt"
    path.write_bytes(pack(TEXT))
    opened = open_guide(path)
    assert TEXT == b"".join(opened)
    assert opened.damage == ""


@pytest.mark.parametrize("missing", ["isal", "nothing"])
def test_zlib_does_the_same(tmp_path: Path, missing: str) -> None:
    """Where there is no wheel of isal the same bytes come out, and the same is said of damage."""
    packed = gzip.compress(TEXT)
    (tmp_path / "whole").write_bytes(packed + gzip.compress(b"more") + b"\0\0")
    (tmp_path / "short").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "broken").write_bytes(packed[:99] + b"\xff" * 99 + packed[198:])
    code = """if True:
        import sys
        from pathlib import Path
        sys.modules[sys.argv[2]] = None
        from reconciler.catalog import guide_bytes
        assert (guide_bytes.gzip.__name__ == "zlib") == (sys.argv[2] == "isal")
        for name in ("whole", "short", "broken"):
            opened = guide_bytes.open_guide(Path(sys.argv[1], name))
            print(len(b"".join(opened)), opened.damage[:34])
    """
    said = subprocess.run([sys.executable, "-c", code, tmp_path, missing], check=True, capture_output=True)
    whole, short, broken = said.stdout.decode().splitlines()
    assert whole.split() == [str(len(TEXT) + 4)]
    assert short.endswith("the gzip data ends early")
    assert 0 < int(short.split()[0]) < len(TEXT)
    assert "guide 'broken' is damaged (gzip):" in broken


def test_padding_behind_gzip_is_ignored(tmp_path: Path) -> None:
    """Zeros or rubbish behind the end, as gzip(1) has it."""
    for tail in (b"\0" * 512, b"\0" * BLOCK_BYTES, b"rubbish"):
        path = tmp_path / "guide"
        path.write_bytes(gzip.compress(TEXT) + tail)
        opened = open_guide(path)
        assert TEXT == b"".join(opened)
        assert opened.damage == ""


@pytest.mark.parametrize("at", range(1, MAGIC_BYTES))
def test_a_member_may_begin_in_two_blocks(tmp_path: Path, at: int) -> None:
    """Where the end of a block cuts the beginning of the next member in two, nothing is lost."""
    first = gzip.compress(b"x" * 999, mtime=0)
    padding = b"\0" * (BLOCK_BYTES - at - len(first))
    path = tmp_path / "guide"
    path.write_bytes(first + padding + gzip.compress(TEXT))
    opened = open_guide(path)
    assert b"x" * 999 + TEXT == b"".join(opened)
    assert opened.damage == ""


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress], ids=["gzip", "xz", "bzip2"])
def test_a_truncated_file_gives_what_is_whole(tmp_path: Path, pack: object) -> None:
    """Half a file gives the beginning and says that the end is missing."""
    packed = pack(TEXT)  # type: ignore[operator]
    path = tmp_path / "guide"
    path.write_bytes(packed[: len(packed) * 2 // 3])
    opened = open_guide(path)
    found = b"".join(opened)
    assert TEXT.startswith(found)
    assert found
    assert "ends early" in opened.damage


@pytest.mark.parametrize(
    "pack", [gzip.compress, partial(bz2.compress, compresslevel=1)], ids=["gzip", "bzip2"]
)
def test_a_broken_file_gives_what_came_before(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A flipped byte in the middle is damage, not an exception."""
    packed = bytearray(pack(TEXT))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "guide"
    path.write_bytes(packed)
    opened = open_guide(path)
    assert TEXT[:1000] == b"".join(opened)[:1000]
    assert opened.damage


@pytest.mark.accepts("SEC-3")
def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """What unpacks to hundreds of times its size is stopped early, with a word about it."""
    path = tmp_path / "guide.xml.gz"
    path.write_bytes(gzip.compress(b"\0" * (96 << 20), 9))
    with pytest.raises(ProviderError, match=f"more than {RATIO_LIMIT} times its size"):
        for _ in open_guide(path):
            pass


@pytest.mark.accepts("SEC-3")
def test_the_limit_holds_for_plain_and_packed(tmp_path: Path) -> None:
    """No more than the limit is read, whatever the file claims."""
    for data in (TEXT, gzip.compress(TEXT), zipped(TEXT)):
        path = tmp_path / "guide"
        path.write_bytes(data)
        with pytest.raises(ProviderError, match="larger than 1 MiB"):
            for _ in open_guide(path, limit_bytes=1 << 20):
                pass


def test_a_plain_file_may_be_held(tmp_path: Path) -> None:
    """A plain guide can be read again from where something lay; a packed one cannot."""
    path = tmp_path / "guide"
    path.write_bytes(TEXT)
    opened = open_guide(path)
    stream = opened.hold()
    assert TEXT == b"".join(opened)
    assert stream is not None
    with stream:
        stream.seek(23)
        assert TEXT[23:46] == stream.read(23)
    path.write_bytes(gzip.compress(TEXT))
    packed = open_guide(path)
    assert packed.hold() is None
    assert TEXT == b"".join(packed)
