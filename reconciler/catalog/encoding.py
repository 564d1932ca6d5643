"""A guide's or a playlist's text as UTF-8, whatever it was written in.

Of 200 guides 16 said Latin-1, 17 said nothing and 9 had a byte order mark (iptv-streams.md D2). A playlist declares
nothing, so that only its byte order mark counts, or its first signs. What says Latin-1 and is UTF-8 is read as UTF-8. This
module refuses Python's "encodings" that unpack data, and to judge single bytes: `guide_text` mends those.
"""

import codecs
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain, islice
from typing import Final

__all__ = ["Utf8"]

_DECLARED: Final = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Python also has "encodings" that unpack (zlib, bz2): never those.
_TEXT_ENCODINGS: Final = re.compile(
    r"utf-(?:8|16|16-le|16-be|32)|iso8859-\d+|cp\d+|koi8-\w+|mac-\w+|gb\w+|big5\w*|shift_jis\w*|euc_\w+|iso2022_\w+|tis-620"
)
# Guides that say Latin-1 mean what Windows means by it: C1 controls are never wanted.
_MEANT: Final = {"iso8859-1": "cp1252", "ascii": "utf-8"}
# What is written for UTF-8 by mistake: half the templates for grabbers begin with it.
_WESTERN: Final = frozenset(("cp1252", "iso8859-15"))


class Utf8:
    """The text by its byte order mark, its declaration, or as UTF-8. UTF-8 passes untouched, valid or not.

    `untouched` is False as soon as it is known that the bytes are not the source's own, or not at the source's places.
    `note` is told what was wrong.
    """

    def __init__(self, chunks: Iterable[bytes], note: Callable[[str], None]) -> None:
        self.untouched = True
        self._chunks = chunks
        self._note = note

    def __iter__(self) -> Iterator[bytes]:
        source = iter(self._chunks)
        head = b""
        for chunk in source:
            head += chunk
            if len(head) >= 256:
                break
        if head.startswith(codecs.BOM_UTF8):
            head, self.untouched = head[len(codecs.BOM_UTF8) :], False
        name = self._encoding(head)
        if name == "utf-8" or (name == "utf-16" and not head.startswith(_UTF16_MARKS)):
            yield head
            yield from source
            return
        self.untouched = False
        chunks = chain((head,), source)
        if name in _WESTERN:
            head = yield from _ascii_head(chunks)
            if _is_utf8(head):
                yield head
                yield from chunks
                return
            chunks = chain((head,), chunks)
        decoder = codecs.getincrementaldecoder(name)("replace")
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()

    def _encoding(self, head: bytes) -> str:
        """Python's name of the encoding."""
        if head.startswith(_UTF16_MARKS):
            return "utf-16"
        if head[:4] in (b"<\0?\0", b"\0<\0?", b"#\0E\0", b"\0#\0E"):
            return "utf-16-be" if head[:1] == b"\0" else "utf-16-le"
        declared = _DECLARED.match(head[:1024])
        encoding = declared[1].decode() if declared else "utf-8"
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            name = ""
        name = _MEANT.get(name, name)
        if not _TEXT_ENCODINGS.fullmatch(name):
            self._note(f"unknown encoding {encoding!r}: read as UTF-8")
            return "utf-8"
        return name


def _ascii_head(chunks: Iterator[bytes]) -> Generator[bytes, None, bytes]:
    """Hands on what is ASCII; returns the first chunk that is not with a few more: a character may be cut in pieces."""
    for chunk in chunks:
        if not chunk.isascii():
            return chunk + b"".join(islice(chunks, 3))
        yield chunk
    return b""


def _is_utf8(data: bytes) -> bool:
    """Whether the bytes, whose end may be cut off, hold characters of UTF-8: those of Latin-1 text form none."""
    try:
        return not codecs.getincrementaldecoder("utf-8")().decode(data).isascii()
    except UnicodeDecodeError:
        return False
