"""A guide cut into its programmes, without reading most of them.

One programme in twenty is wanted (performance.md 2), so the art is to skip quickly and to parse properly what is kept.
A guide is cut where programmes begin; whoever wants one gives its text to lxml. Two ways of cutting, chosen block by block:

* quick: one search for all `<programme` with their `channel`. Taken only where it provably cuts as a parser would: the
  block holds no `<!` and no `<?` (comments, CDATA, DOCTYPE, instructions), and every `<programme` has attributes that
  read as quoted pairs up to `channel`. In well-formed XML `<` stands nowhere else but at the start of markup, so each
  `<programme` is then the start of one, and the text up to the next holds that one whole.
* careful: a scan for start tags that steps over comments, CDATA sections, instructions and the DOCTYPE.

Text is brought to UTF-8 first. The DOCTYPE never reaches a parser, so there are no entities to expand and nothing
external to load. This module refuses to understand a programme: `guide_programme` does.
"""

import re
from collections.abc import Iterable, Iterator
from html import unescape
from itertools import accumulate
from typing import Final

from reconciler.catalog.encoding import Utf8
from reconciler.catalog.guide_block import START, Block
from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.errors import ProviderError
from reconciler.wording import plural

__all__ = ["BLOCK_BYTES", "ELEMENT_LIMIT_BYTES", "END", "PAIR", "Splitter", "has_markup"]

BLOCK_BYTES: Final = 256 << 10
"""Several passes are made over each block: it should stay in the processor's second-level cache."""
ELEMENT_LIMIT_BYTES: Final = 8 << 20
"""One element larger than this is an attack or rubbish; a real programme takes 1 kB."""

END: Final = b"</programme>"

PAIR: Final = rb"""\s+[^\s=<>"'/]+\s*=\s*(?:"[^"<]*"|'[^'<]*')"""
_HEADER: Final = re.compile(
    rb"""<programme(?:(?!\s+channel\s*=)%b)*+\s+channel\s*=\s*["']((?<=")[^"<]*|(?<=')[^'<]*)["']""" % PAIR
)
_NAMES: Final = re.compile(rb"""\s([^\s=<>"'/]+)\s*=\s*["']""")
_MARK: Final = re.compile(rb"<!--|<!\[CDATA\[|<\?|<!DOCTYPE|<(?:programme|channel)(?=[\s/>])|</tv\s*>")
_CLOSERS: Final = {b"<!--": b"-->", b"<![CDATA[": b"]]>", b"<?": b"?>"}
_DOCTYPE: Final = re.compile(
    rb"""<!DOCTYPE(?:[^\[>"']|"[^"]*"|'[^']*')*+(?:\[(?:[^\]"'<]|"[^"]*"|'[^']*'|<!--.*?-->|<\?.*?\?>|<(?!!--|\?))*+\]\s*+)?>""",
    re.DOTALL,
)


class Splitter:
    """Cuts one guide. After `blocks()` has ended, `notes` says what was wrong, in short sentences.

    `channels=False`: `<channel` elements behind the first programme are not looked for, which is quicker.
    `quick=False` takes the careful way throughout: tests hold both against each other, with small blocks.
    """

    def __init__(
        self,
        chunks: Iterable[bytes],
        *,
        channels: bool = True,
        quick: bool = True,
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self._block_bytes = block_bytes
        self.notes: list[str] = []
        self.damaged = False
        self._chunks = chunks
        self._text = Utf8(chunks, self._note)
        self._quick = quick
        self._channels = channels
        self._search: re.Pattern[bytes] | None = None
        self._begun = False
        self._closed = False
        self._broken = 0

    def blocks(self) -> Iterator[Block]:
        """Every programme and channel of the guide, in the guide's order. Holds a few blocks of 256 KiB at a time,
        or the longest element twice.

        Raises ProviderError where this is no XMLTV guide at all, or where one element outgrows
        `ELEMENT_LIMIT_BYTES`. A damaged or missing end is a note, not an error: what is whole is given. The guide's file
        is closed however this ends.
        """
        try:
            yield from self._whole_blocks()
        finally:
            if isinstance(self._chunks, GuideBytes):
                self._chunks.close()

    def _whole_blocks(self) -> Iterator[Block]:
        _keep_memory()
        rest = b""
        offset = 0
        parts: list[bytes] = []
        for more in _sized(self._text, self._block_bytes):
            parts.append(more)
            size = sum(map(len, parts))
            if size < len(rest) and len(rest) + size <= ELEMENT_LIMIT_BYTES:
                continue  # a long element is looked at again when it has doubled, not block by block
            block = b"".join((rest, *parts)) if rest else more
            parts = []
            if not self._begun:
                self._begin(block)
            cut, rest = self._cut(block, last=False)
            if len(rest) > ELEMENT_LIMIT_BYTES:
                raise ProviderError(
                    f"the guide holds an element of more than {ELEMENT_LIMIT_BYTES >> 20} MiB",
                    next_step="look at what the provider sends",
                )
            if cut.ids or cut.channels:
                yield self._placed(cut, block, offset)
            offset += len(block) - len(rest)
        rest = b"".join((rest, *parts))
        if not self._begun:
            self._begin(rest)
        cut, _ = self._cut(rest, last=True)
        if cut.ids or cut.channels:
            yield self._placed(cut, rest, offset)
        self._finish()

    def _placed(self, cut: Block, block: bytes, offset: int) -> Block:
        if cut.text is block and self._text.untouched:
            cut.offset = offset
        return cut

    def _begin(self, head: bytes) -> None:
        """Refuse what is no guide, in words that say what it is instead."""
        self._begun = True
        text = head.lstrip()
        start = text[:512].lower()
        if not text:
            raise ProviderError("the guide is empty", next_step="ask the provider for its guide address")
        if start.startswith((b"<!doctype html", b"<html")):
            raise ProviderError("the guide is a web page", next_step="open its address in a browser")
        if start.startswith((b"{", b"[")):
            raise ProviderError("the guide is JSON", next_step="look at what the provider answers")
        if start.startswith(b"#extm3u"):
            raise ProviderError("the guide is a playlist", next_step="swap the two addresses")
        if re.search(rb"<(?:tv|programme|channel)[\s/>]", head) is None:
            raise ProviderError("the guide is not XMLTV", next_step="look at what the provider answers")

    def _finish(self) -> None:
        damage = self._chunks.damage if isinstance(self._chunks, GuideBytes) else ""
        if damage:
            self._note(damage)
        if self._broken:
            self._note(f"{plural(self._broken, 'unfinished programme')} left out")
        if not self._closed:
            self._note("the guide ends early: '</tv>' is missing")
        self.damaged = bool(damage or self._broken or not self._closed)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _cut(self, block: bytes, *, last: bool) -> tuple[Block, bytes]:
        """What is whole in `block`, and the rest to be put before the next one."""
        if self._quick and not last:
            found = self._cut_quickly(block)
            if found is not None:
                return found
        return self._cut_carefully(block, last=last)

    def _cut_quickly(self, block: bytes) -> tuple[Block, bytes] | None:
        end = block.rfind(START)  # what follows may be cut off
        lead = block.find(START)
        if lead == end or block[:lead].strip() or has_markup(block):
            return None
        if self._channels and b"<channel" in block:
            return None
        search = self._search or self._learnt(block, lead)
        ids: list[bytes] = search.findall(block, 0, end)
        if b"" in ids:  # another order of attributes than so far, or something odd
            search = _GENERAL
            ids = search.findall(block, 0, end)
            if b"" in ids:
                return None
            self._search = None
        resolved = _resolved(ids)
        starts = None if resolved is ids else [found.start() for found in search.finditer(block, 0, end)]
        return Block(block, resolved, end=end, search=search, starts=starts), block[end:]

    def _learnt(self, block: bytes, place: int) -> re.Pattern[bytes]:
        """A search for the order of attributes that this guide uses: twice as fast as the general one."""
        self._search = _GENERAL
        found = _HEADER.match(block, place)
        tag = found[0] if found else b"'"
        names = _NAMES.findall(tag)
        if names and b"'" not in tag:
            pairs = b"".join(b' %b="[^"]*"' % re.escape(name) for name in names[:-1])
            plain = _searching(re.compile(START + pairs + b' channel="([^"]*)"'))
            found = plain.match(block, place)
            if found is not None and found[1]:
                self._search = plain
        return self._search

    def _cut_carefully(self, block: bytes, *, last: bool) -> tuple[Block, bytes]:
        ids: list[bytes] = []
        units: list[tuple[int, bytes]] = []
        channels: list[bytes] = []
        begun: int | None = None  # where the element under way starts
        position = 0
        rest_from: int | None = None
        unclosed: set[bytes] = set()
        while found := _MARK.search(block, position):
            mark, position = found[0], found.end()
            if closer := _CLOSERS.get(mark):
                closed_at = -1 if mark in unclosed else block.find(closer, position)
                if closed_at >= 0:
                    position = closed_at + len(closer)
                elif last:
                    # no later one is closed either: looking for each one's end would take hours
                    unclosed.add(mark)
                else:  # its end lies in a later block
                    rest_from = found.start() if begun is None else begun
                    break
                continue
            if mark == b"<!DOCTYPE":
                doctype = _DOCTYPE.match(block, found.start())
                if doctype is None and not last:
                    rest_from = found.start() if begun is None else begun
                    break
                if doctype is not None:
                    self._look_at_doctype(doctype[0])
                    position = doctype.end()
                continue
            if begun is not None:
                self._take(block, begun, found.start(), ids, units, channels)
            begun = None if mark.startswith(b"</") else found.start()
            if mark.startswith(b"</"):
                self._closed = True
        if begun is not None and rest_from is None:
            if last:
                self._take(block, begun, len(block), ids, units, channels)
            else:
                rest_from = begun
        if rest_from is None and not last:
            # A tag, a `<!--` or a `</tv>` may be cut in two at the very end.
            rest_from = (
                max(block.rfind(b"<", position), position) if block.rfind(b"<", position) >= 0 else len(block)
            )
        rest = b"" if rest_from is None else block[rest_from:]
        if all(place >= 0 for place, _ in units):
            starts, ends = [place for place, _ in units], [place + len(unit) for place, unit in units]
            return Block(block, _resolved(ids), starts=starts, ends=ends, channels=channels), rest
        text = b"".join(unit for _, unit in units)
        starts = list(accumulate((len(unit) for _, unit in units), initial=0))
        return Block(text, _resolved(ids), starts=starts[:-1], channels=channels), rest

    def _look_at_doctype(self, text: bytes) -> None:
        if b"<!ENTITY" in text:
            self._note("the guide declares entities of its own: they are not expanded")

    def _take(
        self,
        block: bytes,
        start: int,
        end: int,
        ids: list[bytes],
        units: list[tuple[int, bytes]],
        channels: list[bytes],
    ) -> None:
        """File one element cut out between two start tags; with its place, or -1 where it had to be mended."""
        unit = block[start:end]
        if unit.startswith(b"<channel"):
            channels.append(unit)
            return
        header = _HEADER.match(unit)
        body = unit.rstrip()
        if header is not None and body.endswith(END) and body.count(END) == 1:
            ids.append(header[1])
            units.append((start, body))
            return
        mended = self._mended(unit)
        if mended is None:
            self._broken += 1
            return
        ids.append(mended[0])
        units.append((-1, mended[1] + END))

    def _mended(self, unit: bytes) -> tuple[bytes, bytes] | None:
        """An element that does not end at the end of its text, as (channel id, unit); None where it is not whole."""
        from reconciler.catalog.guide_text import whole_programme

        return whole_programme(unit)


def _keep_memory() -> None:
    """Let the C library keep what is freed between blocks: it costs 6 % of the time to get it back each time.

    glibc hands memory back above twice the size of the largest block that was freed. This one is never touched, so
    it takes no memory; elsewhere it does nothing.
    """
    spare = bytes(16 << 20)
    del spare


def _resolved(ids: list[bytes]) -> list[bytes]:
    """The ids without entities and outer blanks; nearly always there are none of either."""
    together = b"\n".join(ids)
    if b"&" in together or b"\n " in together or b" \n" in together or together != together.strip():
        return [unescape(i.decode("utf-8", "replace")).strip().encode() for i in ids]
    return ids


def _sized(chunks: Iterable[bytes], block_bytes: int) -> Iterator[bytes]:
    """The same bytes in blocks of at least that size."""
    waiting: list[bytes] = []
    size = 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= block_bytes:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def has_markup(block: bytes) -> bool:
    """Whether `<!` or `<?` is in the block. A search for one byte is many times as fast as one for two."""
    for sign in (b"!", b"?"):
        found, looks = block.find(sign), 0
        while found >= 0:
            looks += 1
            if block[found - 1] == _LESS or looks > 2000:
                return b"<" + sign in block
            found = block.find(sign, found + 1)
    return False


def _searching(header: re.Pattern[bytes]) -> re.Pattern[bytes]:
    """A pattern that finds every `<programme`: its channel is "" where the tag does not read as `header` wants."""
    return re.compile(b"%b(?:%b|)" % (START, header.pattern.removeprefix(START)))


_LESS: Final = ord("<")
_GENERAL: Final = _searching(_HEADER)
