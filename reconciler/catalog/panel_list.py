"""A panel's list of streams, read in pieces: tens of thousands of JSON objects, a few hundred at a time.

`json.loads` of a whole list costs five times the memory of what is kept. So the text is cut where a record seems to end,
and msgspec decodes what is before: it fails wherever the cut was not between two records, and wherever a value is not of
a type that a panel may use. Then the stretch is read object by object, by a parser that forgives more (control characters
in a text, half an escaped pair, NaN). A property test holds both ways against each other. This module refuses to know what calls a panel has.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final

import msgspec

from reconciler.catalog.loose_json import NotJson, load, mapping, records
from reconciler.catalog.panel_rows import Record, Rows, Whole
from reconciler.catalog.pause import collector_paused

__all__ = ["read_rows"]

PIECE_BYTES: Final = 1 << 18
LONGEST_STRETCH_CHARS: Final = 1 << 18
SHORTEST_STRETCH_CHARS: Final = 1 << 13
OBJECT_LIMIT_CHARS: Final = 8 << 20
DOCUMENT_LIMIT_CHARS: Final = 48 << 20
PREAMBLE_LIMIT_CHARS: Final = 1 << 20
ATTEMPTS: Final = 64

_DECODER: Final = json.JSONDecoder(strict=False)
_RECORDS: Final = msgspec.json.Decoder(list[Record])
_WHOLE: Final = msgspec.json.Decoder(list[Whole])
# a list at once, or behind words without brackets; what a bracket in them holds is for `load` to find out
_LIST: Final = re.compile(r"\ufeff?\s*\[|[^\[{<]*\[\s*\{")
_UNDECIDED: Final = re.compile(r"[^\[{<]*\[\s*")
_BETWEEN: Final = re.compile(r"[\s,]*")
_JOINT: Final = re.compile(r"\}\s*,\s*\{")


def read_rows(chunks: Iterable[bytes], rows: Rows, *, in_bulk: bool = True) -> None:
    """Read one list into `rows`. Nothing at all (`[]`, `{}`, `null`, `false`, an empty body) gives nothing.

    Raises NotJson where the text is no JSON or ends in the middle: half a list is no list.
    """
    with collector_paused():
        _List(rows, in_bulk=in_bulk).read(chunks)


class _List:
    """The text not yet read, and how much of it to try at once."""

    __slots__ = ("_bulk", "_position", "_rows", "_stretch_chars", "_text")

    def __init__(self, rows: Rows, *, in_bulk: bool) -> None:
        self._rows = rows
        self._bulk = in_bulk
        self._text = ""
        self._position = 0
        self._stretch_chars = LONGEST_STRETCH_CHARS

    def read(self, chunks: Iterable[bytes]) -> None:
        pieces = _decoded(chunks)
        head = ""
        for piece in pieces:
            head += piece
            begin = re.search(r"[\[{]", head)
            if begin and _LIST.match(head):
                self._text, self._position = head, begin.end()
                self._read_array(pieces)
                return
            if begin and not _UNDECIDED.fullmatch(head):
                break
            if len(head) > PREAMBLE_LIMIT_CHARS:
                raise NotJson(head[:80])
        # an object of objects, a refusal, warnings before the list, or nothing: read as one document
        rest = [head]
        size = len(head)
        for piece in pieces:
            rest.append(piece)
            size += len(piece)
            if size > DOCUMENT_LIMIT_CHARS:
                raise NotJson(f"an answer of more than {DOCUMENT_LIMIT_CHARS >> 20} MiB that is no list")
        value = load("".join(rest).encode("utf-8", "replace"))
        if isinstance(value, dict) and {"user_info", "server_info"} & value.keys():
            raise NotJson("the login answer instead of a list")
        for record in records(value):
            self._rows.add(record)

    def _read_array(self, pieces: Iterator[str]) -> None:
        wanted = 0
        while True:
            if self._advance():
                return
            unread = len(self._text) - self._position
            if unread > OBJECT_LIMIT_CHARS:
                raise NotJson(f"an object of more than {OBJECT_LIMIT_CHARS >> 20} MiB")
            # a broken list must not be decoded anew for every piece
            wanted = max(PIECE_BYTES, 2 * unread if unread > PIECE_BYTES else 0)
            fresh = []
            size = 0
            for piece in pieces:
                fresh.append(piece)
                size += len(piece)
                if size >= wanted:
                    break
            if not fresh:
                raise NotJson(f"the list ends in the middle, after {len(self._rows.entries)} streams")
            self._text = self._text[self._position :] + "".join(fresh)
            self._position = 0

    def _advance(self) -> bool:
        """Read what is there. True: the list's end was reached; False: more text is needed."""
        while True:
            between = _BETWEEN.match(self._text, self._position)
            assert between is not None  # it may match nothing
            self._position = between.end()
            mark = self._text[self._position : self._position + 1]
            if mark == "]":
                return True
            if not mark:
                return False
            if mark != "{":
                if not self._skip_scalar():
                    return False
                continue
            if self._bulk and self._stretch():
                continue
            # what no brace closes is the beginning of a record: to find that out by decoding costs more
            if self._text.find("}", self._position) < 0 or not self._one_object():
                return False

    def _skip_scalar(self) -> bool:
        """Something in the list that is no object: `null`, `[]`, a number, text."""
        try:
            _, end = _DECODER.raw_decode(self._text, self._position)
        except RecursionError:
            raise NotJson("an answer nested without end") from None
        except ValueError:
            return False
        if end == len(self._text):
            return False  # a number may go on
        self._position = end
        return True

    def _one_object(self) -> bool:
        try:
            record, self._position = _DECODER.raw_decode(self._text, self._position)
        except (ValueError, RecursionError):
            return False
        self._rows.add(mapping(record))
        return True

    def _stretch(self) -> bool:
        """Read the next records all at once, or one by one where msgspec does not take them. False: there are none."""
        text_, start = self._text, self._position
        end = _last_end(text_, start, start + self._stretch_chars)
        if end < 0:
            return False
        try:
            # It takes one list of whole records or fails: cut anywhere else, the last one would have no end.
            stretch = f"[{text_[start:end]}]"
            self._rows.extend(_RECORDS.decode(stretch), partial(_WHOLE.decode, stretch))
        except (msgspec.DecodeError, RecursionError):
            self._stretch_chars = max(self._stretch_chars // 4, SHORTEST_STRETCH_CHARS)
            end = min(end, start + self._stretch_chars)
            while self._position < end and text_.startswith("{", self._position) and self._one_object():
                between = _BETWEEN.match(text_, self._position)
                self._position = between.end() if between else self._position
            return self._position > start
        self._position = end
        self._stretch_chars = min(2 * self._stretch_chars, LONGEST_STRETCH_CHARS)
        return True


def _last_end(text_: str, start: int, limit: int) -> int:
    """Where the last record before `limit` seems to end, another one following it; -1 where none does."""
    end = limit
    for _ in range(ATTEMPTS):
        end = text_.rfind("}", start, end)
        if end < 0:
            break
        if _JOINT.match(text_, end):
            return end + 1
    return -1


def _decoded(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks:
        for start in range(0, len(chunk), PIECE_BYTES):
            yield decoder.decode(chunk[start : start + PIECE_BYTES])
    yield decoder.decode(b"", final=True)
