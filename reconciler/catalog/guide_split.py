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

import codecs
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from html import unescape
from itertools import accumulate, groupby
from typing import Final, NamedTuple

from reconciler.catalog.guide_bytes import GuideBytes
from reconciler.errors import ProviderError

__all__ = [
    "BLOCK_BYTES",
    "ELEMENT_LIMIT_BYTES",
    "END",
    "PAIR",
    "START",
    "Block",
    "Span",
    "Splitter",
    "has_markup",
]

BLOCK_BYTES: Final = 256 << 10
"""Several passes are made over each block: it should stay in the processor's second-level cache."""
ELEMENT_LIMIT_BYTES: Final = 8 << 20
"""One element larger than this is an attack or rubbish; a real programme takes 1 kB."""

START: Final = b"<programme"
END: Final = b"</programme>"

PAIR: Final = rb"""\s+[^\s=<>"'/]+\s*=\s*(?:"[^"<]*"|'[^'<]*')"""
_HEADER: Final = re.compile(
    rb"""<programme(?:(?!\s+channel\s*=)%b)*+\s+channel\s*=\s*["']((?<=")[^"<]*|(?<=')[^'<]*)["']""" % PAIR
)
_NAMES: Final = re.compile(rb"""\s([^\s=<>"'/]+)\s*=\s*["']""")
_MARK: Final = re.compile(
    rb"""<!--(?:.*?-->)?+|<!\[CDATA\[(?:.*?\]\]>)?+|<\?(?:.*?\?>)?+|<!DOCTYPE|<(?:programme|channel)(?=[\s/>])|</tv\s*>""",
    re.DOTALL,
)
_DOCTYPE: Final = re.compile(
    rb"""<!DOCTYPE(?:[^\[>"']|"[^"]*"|'[^']*')*+(?:\[(?:[^\]"'<]|"[^"]*"|'[^']*'|<!--.*?-->|<\?.*?\?>|<(?!!--|\?))*+\]\s*+)?>""",
    re.DOTALL,
)
_DECLARED: Final = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Python also has "encodings" that unpack (zlib, bz2): never those.
_TEXT_ENCODINGS: Final = re.compile(
    r"utf-(?:8|16|16-le|16-be|32)|iso8859-\d+|cp\d+|koi8-\w+|mac-\w+|gb\w+|big5\w*|shift_jis\w*|euc_\w+|iso2022_\w+|tis-620"
)
# Guides that say Latin-1 mean what Windows means by it: C1 controls are never wanted.
_MEANT: Final = {"iso8859-1": "cp1252", "ascii": "utf-8"}


class Span(NamedTuple):
    """Neighbouring programmes of one channel: `text[start:end]` of their block holds so many and no others."""

    id: bytes
    start: int
    end: int
    programmes: int


class Block:
    """What one block of the guide gave.

    `ids` are the channels of its programmes, in order, as UTF-8 with entities resolved and outer blanks removed.
    `text[:end]` holds the programmes; rubbish may stand between them.
    `channels` are raw `<channel` elements. `offset` is where `text` lies in the source, -1 where it is not the source's own.
    """

    __slots__ = ("_ends", "_search", "_starts", "channels", "end", "ids", "offset", "text")

    def __init__(
        self,
        text: bytes,
        ids: list[bytes],
        *,
        end: int | None = None,
        search: re.Pattern[bytes] | None = None,
        starts: list[int] | None = None,
        ends: list[int] | None = None,
        channels: list[bytes] | None = None,
    ) -> None:
        self.text = text
        self.end = len(text) if end is None else end
        self.ids = ids
        self.channels = channels or []
        self.offset = -1
        self._search = search
        self._starts = starts
        self._ends = ends

    def programmes(self) -> Iterator[tuple[bytes, int, int]]:
        """Channel, start and end of each."""
        starts = self._all_starts()
        ends = self._ends or [*starts[1:], self.end][: len(starts)]
        return zip(self.ids, starts, ends, strict=True)

    def spans(self, wanted: Container[bytes] | None = None) -> Iterator[Span]:
        """The runs of wanted programmes, or all."""
        runs = [(xmltv_id, len(list(run))) for xmltv_id, run in groupby(self.ids)]
        order = {xmltv_id: number for number, (xmltv_id, _) in enumerate(runs)}
        if self._starts is None and len(order) < len(runs):  # a channel that comes back
            self._all_starts()
        index = place = 0
        for number, (xmltv_id, count) in enumerate(runs):
            first, index = index, index + count
            if wanted is None or xmltv_id in wanted:
                start = self._run_start(number, first, order, place)
                if self._ends is not None:
                    place = self._ends[index - 1]
                else:
                    place = self._run_start(number + 1, index, order, start)
                yield Span(xmltv_id, start, place, count)

    def _all_starts(self) -> list[int]:
        if self._starts is None:
            found = self._search.finditer(self.text, 0, self.end) if self._search else ()
            self._starts = [one.start() for one in found]
        return self._starts

    def _run_start(self, number: int, index: int, order: Mapping[bytes, int], place: int) -> int:
        """Where the run of that number starts, its first programme being `ids[index]`; it is not before `place`.

        Eight looks at programmes in the middle of what is left cost less than noting the place of every programme.
        """
        if index == len(self.ids):
            return self.end
        if self._starts is not None or self._search is None:
            return self._all_starts()[index]
        text, search = self.text, self._search
        low, best = place, self.end
        while low < best:
            half = (low + best) // 2
            middle = text.find(START, half, best)
            if middle < 0:
                middle = text.rfind(START, low, half + len(START) - 1)
            if middle < 0:
                break
            tag = search.match(text, middle)
            if tag is not None and order[tag[1]] >= number:
                best = middle
            else:
                low = middle + 1
        return best


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
        self._quick = quick
        self._channels = channels
        self._search: re.Pattern[bytes] | None = None
        self._untouched = True
        self._begun = False
        self._closed = False
        self._broken = 0

    def blocks(self) -> Iterator[Block]:
        """Every programme and channel of the guide, in the guide's order. Holds some 3 blocks of 1 MiB at a time.

        Raises ProviderError where this is no XMLTV guide at all, or where one element outgrows
        `ELEMENT_LIMIT_BYTES`. A damaged or missing end is a note, not an error: what is whole is given.
        """
        _keep_memory()
        rest = b""
        offset = 0
        for more in _sized(self._as_utf8(), self._block_bytes):
            block = rest + more if rest else more
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
        if not self._begun:
            self._begin(rest)
        cut, _ = self._cut(rest, last=True)
        if cut.ids or cut.channels:
            yield self._placed(cut, rest, offset)
        self._finish()

    def _placed(self, cut: Block, block: bytes, offset: int) -> Block:
        if cut.text is block and self._untouched:
            cut.offset = offset
        return cut

    def _as_utf8(self) -> Iterator[bytes]:
        """The text as UTF-8, by its byte order mark or its declaration. UTF-8 passes untouched, valid or not."""
        source = iter(self._chunks)
        head = b""
        for chunk in source:
            head += chunk
            if len(head) >= 256:
                break
        encoding = ""
        for mark, name in _BOMS:
            if head.startswith(mark):
                encoding = name
                if name == "utf-8":
                    head, self._untouched = head[len(mark) :], False
        if not encoding and head[:4] in (b"<\0?\0", b"\0<\0?"):
            encoding = "utf-16-le" if head[0] == 60 else "utf-16-be"
        if not encoding:
            declared = _DECLARED.match(head[:1024])
            encoding = declared[1].decode() if declared else "utf-8"
        try:
            name = codecs.lookup(encoding).name
        except LookupError:
            name = ""
        name = _MEANT.get(name, name)
        if not _TEXT_ENCODINGS.fullmatch(name):
            self._note(f"unknown encoding {encoding!r}: read as UTF-8")
            name = "utf-8"
        if name == "utf-8" or (name == "utf-16" and not head.startswith(_UTF16_MARKS)):
            yield head
            yield from source
            return
        self._untouched = False
        decoder = codecs.getincrementaldecoder(name)("replace")
        yield decoder.decode(head).encode()
        for chunk in source:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()

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
            self._note(f"{self._broken} unfinished programmes are left out")
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
        while found := _MARK.search(block, position):
            mark, position = found[0], found.end()
            if mark in (b"<!--", b"<![CDATA[", b"<?"):
                if not last:  # its end lies in a later block
                    rest_from = found.start() if begun is None else begun
                    break
                continue
            if mark[:2] in (b"<!", b"<?"):
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
