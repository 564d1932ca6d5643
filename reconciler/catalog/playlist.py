"""M3U text becomes entries: streaming, tolerant by written rules, and quick where a list is regular.

Published lists are untidy (iptv-streams.md A2 counts how); each oddity has one rule here and a test. Panels' lists are
tidy and long, so runs of regular entries are read in bulk by `catalog.regular`, which must agree with the line reader in
this module on every list (a property test holds them against each other). Entries hold no credential. This module
refuses to open files, to fetch, and to judge whether a list is good enough: it counts.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from reconciler.catalog.address import Concealer
from reconciler.catalog.assembly import Assembly, shift_hours
from reconciler.catalog.directives import kodi_headers, kodi_locked, split_pipe, vlc_header
from reconciler.catalog.encoding import Utf8
from reconciler.catalog.entry import Dropped, Entry
from reconciler.catalog.extinf import Said, attributes, read_extinf
from reconciler.catalog.pause import collector_paused
from reconciler.catalog.regular import Regular
from reconciler.wording import plural

__all__ = ["LINE_LIMIT_CHARS", "Playlist", "parse"]

BLOCK_BYTES: Final = 1 << 18
LINE_LIMIT_CHARS: Final = 1 << 20
"""A longer line is left out and counted; the longest seen in the wild are a few kilobytes."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_NOTHING_SAID: Final = Said("", "", "", "", {}, "")
_GUIDE_KEYS: Final = ("url-tvg", "x-tvg-url", "tvg-url")
_BETWEEN_ADDRESSES: Final = re.compile(r"(?<![\s,;])[\s,;]++(?=[A-Za-z][A-Za-z0-9+.-]*://)|,\s*$")
_COMMAS: Final = re.compile(r"[\s,]+")
_CP1252_HOLES: Final = {0x81: 0x81, 0x8D: 0x8D, 0x8F: 0x8F, 0x90: 0x90, 0x9D: 0x9D}


@dataclass(frozen=True, slots=True)
class Playlist:
    """What one list gave. `guide_urls` stand in its header (with placeholders, perhaps relative to the list).

    `notes` are short sentences about the list as a whole. `header` says whether it began with `#EXTM3U`.
    """

    entries: tuple[Entry, ...]
    dropped: tuple[Dropped, ...] = ()
    guide_urls: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    header: bool = True


def parse(
    chunks: Iterable[bytes],
    *,
    source: str,
    concealer: Concealer | None = None,
    panel: bool = False,
    in_bulk: bool = True,
) -> Playlist:
    """The entries of an M3U list that arrives in pieces of any size.

    `concealer` turns the account's user name and password into placeholders; `panel` says that the list is a panel's
    own (`get.php`), whose addresses are made from hosts and stream id. `in_bulk=False` reads line by line alone: the
    same result, three times the time. Never raises for what the list contains. Memory: the entries and a block.
    """
    reader = _Reader(Assembly(source, concealer or Concealer(()), panel=panel), in_bulk=in_bulk)
    with collector_paused():
        for text in _texts(chunks, reader):
            reader.block(text)
        return reader.result()


def _texts(chunks: Iterable[bytes], reader: "_Reader") -> Iterator[str]:
    """The list as text in blocks that end at line ends (the last one may not), each line end being one line feed."""
    held = bytearray()
    skipping = False
    # UTF-16 is what an editor on Windows calls Unicode
    for chunk in Utf8(chunks, lambda _: None):
        for start in range(0, len(chunk), BLOCK_BYTES):
            held += chunk[start : start + BLOCK_BYTES]
            if len(held) < BLOCK_BYTES:
                continue
            if skipping and (end := _first_end(held)):
                del held[:end]
                skipping = False
            cut = 0 if skipping else max(held.rfind(b"\n"), held.rfind(b"\r", 0, -1)) + 1
            if cut:
                yield _decoded(bytes(held[:cut]), reader)
                del held[:cut]
            if skipping:
                held.clear()
            elif len(held) > 4 * LINE_LIMIT_CHARS:  # more characters than the limit in any encoding
                reader.long_line()
                reader.line_number += 1
                skipping = True
                held.clear()
    if skipping:
        del held[: _first_end(held) or len(held)]
    if held:
        yield _decoded(bytes(held), reader)


def _first_end(held: bytearray) -> int:
    ends = [i for i in (held.find(b"\n"), held.find(b"\r")) if i >= 0]
    return min(ends) + 1 if ends else 0


def _decoded(block: bytes, reader: "_Reader") -> str:
    try:
        text = block.decode()
    except UnicodeDecodeError:
        text = "\n".join(reader.decoded_line(line) for line in re.split(rb"\r\n|\r|\n", block))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _listed(text: str) -> list[str]:
    """The addresses of a header's attribute. Commas, blanks and semicolons stand between whole ones, and in them too."""
    between = _BETWEEN_ADDRESSES if "://" in text else _COMMAS
    return [url for url in between.split(text.strip()) if url]


class _Reader:
    """The state between lines: the open `#EXTINF`, what waits for the next one, and the sticky group."""

    __slots__ = (
        "_address", "_begun", "_bulk", "_carried", "_foreign", "_group", "_headers", "_local_group", "_locked", "_open",
        "_said", "_stream", "_text", "_waiting", "_waiting_locked", "_wrong_bytes", "assembly", "guide_urls", "header",
        "line_number", "long_lines", "seen_text",
    )  # fmt: skip

    def __init__(self, assembly: Assembly, *, in_bulk: bool) -> None:
        self.assembly = assembly
        self._bulk = Regular(assembly) if in_bulk else None
        self._carried = ""
        self._open = False
        self._said = _NOTHING_SAID
        self._address: list[str] = []
        self._headers: list[tuple[str, str]] = []
        self._waiting: list[tuple[str, str]] = []
        self._locked = self._waiting_locked = False
        self._foreign = ""
        self._text = False
        self._begun = 0
        self._stream = False
        self._local_group = ""
        self._group = ""
        self._wrong_bytes = 0
        self.line_number = 0
        self.long_lines = 0
        self.header = False
        self.seen_text = False
        self.guide_urls: list[str] = []

    def decoded_line(self, line: bytes) -> str:
        """A line of a block that is not UTF-8 as a whole: UTF-8 where it can be, else cp1252, counted."""
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._wrong_bytes += 1
            # the five holes of cp1252 are read as latin-1 has them: control characters, which `tidy` removes
            return (
                bytes(line)
                .decode("cp1252", "surrogateescape")
                .translate({0xDC00 + b: c for b, c in _CP1252_HOLES.items()})
            )

    def block(self, text: str) -> None:
        """Read whole lines. The last entry is kept back: what follows it is not known yet."""
        text = self._carried + text
        self._carried = ""
        if self._bulk is None or len(text) > LINE_LIMIT_CHARS:
            self.lines(text)
            return
        begin = 0 if text.startswith("#EXTINF:") else text.find("\n#EXTINF:") + 1
        end = text.rfind("\n#EXTINF:") + 1
        if end <= begin:
            if text.startswith("#EXTINF:"):
                self._carried = text
            else:
                self.lines(text[:begin] or text)
                self._carried = text[begin:] if begin else ""
            return
        self.lines(text[:begin])
        self._carried = text[end:]
        self._in_bulk(text[begin:end])

    def _in_bulk(self, text: str) -> None:
        assert self._bulk is not None
        for part, regular in self._bulk.parts(text):
            if regular is None:
                self.lines(part)
                continue
            self._close()
            if self._waiting or self._waiting_locked:
                # headers that stood before this entry are its own
                head, cut, rest = part.partition("\n#EXTINF:")
                self.lines(head + "\n" if cut else head)
                self._close()
                if rest:
                    self._in_bulk("#EXTINF:" + rest)
                continue
            self.line_number += part.count("\n")
            self._bulk.take(regular, self._group)

    def long_line(self) -> None:
        """A line too long to look at: it may have been anything, so the open entry ends here."""
        carried, self._carried = self._carried, ""
        self.lines(carried)
        self._close()
        self.long_lines += 1

    def lines(self, text: str) -> None:
        """Read lines one by one."""
        if not text:
            return
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        marked = "\ufeff" in text  # lists glued together keep the marks of each
        long = len(text) > LINE_LIMIT_CHARS
        before = self.line_number
        for number, raw in enumerate(lines, before + 1):
            if long and len(raw) > LINE_LIMIT_CHARS:
                self.long_line()
                continue
            line = raw.strip()
            if marked:
                line = line.lstrip("\ufeff \t")
            if not line:
                continue
            self.line_number = number
            if line.startswith("#EXTINF:"):
                self._entry(line)
            elif line[0] == "#":
                self._directive(line)
            elif (
                self._open
                and not self._address
                and "|" not in line
                and (
                    (line.startswith("http://") and line[7:8] > "/")
                    or (line.startswith("https://") and line[8:9] > "/")
                )
            ):
                self._address = [line]  # nearly all of them
            else:
                self._url(line)
            self.seen_text = True
        self.line_number = before + len(lines)

    def _entry(self, line: str) -> None:
        self._close()
        self._open = True
        self._begun = self.line_number
        self._said = read_extinf(line[8:])
        if self._waiting:
            self._headers, self._waiting = self._waiting, []
        self._locked, self._waiting_locked = self._waiting_locked, False

    def _directive(self, line: str) -> None:
        word = line[:11].upper()
        if word.startswith("#EXTINF:"):
            self._entry(line)
        elif word.startswith("#EXTVLCOPT:"):
            header = vlc_header(line[11:])
            if header:
                self._header_target().append(header)
        elif word.startswith("#EXTGRP:"):
            group = line[8:].strip()
            if self._open and not self._address:
                self._local_group = group
            else:
                self._group = group
        elif word.startswith("#KODIPROP:"):
            self._header_target().extend(kodi_headers(line[10:]))
            if kodi_locked(line[10:]):
                if self._open and not self._address:
                    self._locked = True
                else:
                    self._waiting_locked = True
        elif word in {"#EXT-X-TARG", "#EXT-X-STRE", "#EXT-X-MEDI"}:
            self._stream = True
        elif word.startswith("#EXTM3U"):
            self.header = self.header or not self.seen_text
            self._read_header(line[7:])

    def _header_target(self) -> list[tuple[str, str]]:
        return self._headers if self._open and not self._address else self._waiting

    def _read_header(self, text: str) -> None:
        found = attributes(text)
        for key in _GUIDE_KEYS:
            for listed in _listed(found.get(key, "")):
                url = self.assembly.concealer.conceal(listed)
                if url not in self.guide_urls:
                    self.guide_urls.append(url)
        if shift := found.get("tvg-shift"):
            if self._address:
                self._close()  # it came before
            self.assembly.shift_h = shift_hours(shift)

    def _url(self, line: str) -> None:
        if not line.startswith(("http://", "https://")):
            scheme = _SCHEME.match(line)
            if scheme is None:
                self._text = self._open  # the rest of a broken name, or a relative path that leads nowhere
                return
            if self._open and scheme[1].lower() not in {"http", "https"}:
                self._foreign = self._foreign or scheme[1].lower()
                return
        if not self._open:
            self.assembly.drop("an address without #EXTINF before it", f"line {self.line_number}")
            return
        headers: tuple[tuple[str, str], ...] = ()
        if "|" in line:
            line, headers = split_pipe(line)
        host = line.split("/", 3)[2]
        if not host or (self._address and not self._other_host(host)):
            self.assembly.drop("an address without #EXTINF before it", f"line {self.line_number}")
            return
        self._address.append(line)
        if headers:
            self._headers.extend(headers)

    def _other_host(self, host: str) -> bool:
        return all(url.split("/", 3)[2].lower() != host.lower() for url in self._address)

    def _close(self) -> None:
        """The open entry is complete: keep or drop it."""
        if not self._open:
            return
        if self._address:
            self.assembly.add(
                self._said,
                self._address,
                self._headers,
                group=self._local_group,
                sticky_group=self._group,
                place=f"line {self._begun}",
                locked=self._locked,
            )
        else:
            said = self._said
            called = said.name or said.guide_name or said.guide_id or f"line {self._begun}"
            if self._foreign:
                why = f"the address is {self._foreign}, not http or https"
            else:
                why = "the address does not begin with http" if self._text else "no address after #EXTINF"
            self.assembly.drop(why, called)
        self._open = self._text = False
        self._address = []
        if self._headers:
            self._headers = []
        self._foreign = self._local_group = ""

    def result(self) -> Playlist:
        """Everything read, finished."""
        if self._carried:
            self.lines(self._carried)
        self._close()
        notes = []
        if not self.header and self.seen_text:
            notes.append("the list does not begin with #EXTM3U")
        if self._wrong_bytes:
            notes.append(f"{plural(self._wrong_bytes, 'line')} not in UTF-8, read as cp1252")
        if self.long_lines:
            notes.append(
                f"{plural(self.long_lines, 'line')} longer than {LINE_LIMIT_CHARS:,} characters left out"
            )
        if unplayable := self.assembly.unplayable():
            notes.append(unplayable)
        entries, dropped = self.assembly.entries(), self.assembly.dropped()
        if not entries and self._stream:
            notes.append("this is the playlist of one stream, not a list of channels")
        elif not entries and not dropped:
            notes.append("no line of it begins with #EXTINF")
        return Playlist(entries, dropped, tuple(self.guide_urls), tuple(notes), self.header)
