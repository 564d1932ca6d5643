"""HLS playlists as values (RFC 8216), read as leniently as players read them.

Pure: text and the address it came from after redirects go in, absolute addresses come out (HLS-1). Unknown tags are
skipped, parts of low-latency HLS are ignored, gaps are left out. This module refuses to fetch, and to decide which
segments are new: `hls` does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

__all__ = ["ByteRange", "Key", "Playlist", "Segment", "Variant", "read_playlist"]

MOST_SEGMENTS: Final = 20_000
"""Of a recording."""
MOST_LIVE: Final = 200
"""Of a live stream so many at its end are enough, however far one could wind back: a list of a day is asked for every few
seconds, and each segment costs 30 us while every stream of the process waits."""
DEFAULT_TARGET_S: Final = 6.0
_UNCOMMON: Final = ("av01", "vp8", "vp08", "vp9", "vp09", "dvh1", "dvhe", "dav1")
_ATTRIBUTE: Final = re.compile(r'(?<![A-Z0-9-])([A-Z0-9-]++)\s*+=\s*+("[^"]*"|[^,]*)')


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A part of a resource: `length` bytes from `start`."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Key:
    """How segments are encrypted. `iv` None: the media sequence number is it."""

    method: str
    url: str = ""
    iv: bytes | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment. `discontinuity`: time stamps, PIDs and codecs may change before it."""

    sequence: int
    url: str
    duration_s: float
    part: ByteRange | None = None
    key: Key | None = None
    map_url: str = ""
    map_part: ByteRange | None = None
    map_key: Key | None = None
    """The map is encrypted so: the key stood before it (RFC 8216 4.3.2.5)."""
    discontinuity: bool = False

    @property
    def name(self) -> tuple[str, ByteRange | None]:
        """What tells it from others where sequence numbers cannot be trusted."""
        return self.url, self.part


@dataclass(frozen=True, slots=True)
class Variant:
    """One rendition in a master playlist."""

    url: str
    bandwidth: int
    codecs: str = ""
    audio_url: str = ""
    """Where its sound is a playlist of its own."""
    frames: bool = False
    """Whether it has pictures: False for sound only."""
    known: bool = True
    """Whether a transport stream can hold its pictures in a way that players of a tuner know: H.264 or HEVC."""


@dataclass(frozen=True, slots=True)
class Playlist:
    """A master (`variants`) or a media playlist (`segments`)."""

    variants: tuple[Variant, ...] = ()
    segments: tuple[Segment, ...] = ()
    target_s: float = DEFAULT_TARGET_S
    sequence: int = 0
    ended: bool = False

    @property
    def master(self) -> bool:
        """Whether it lists playlists instead of segments."""
        return bool(self.variants)

    @property
    def ranked(self) -> list[Variant]:
        """The variants, the best first: Plex wants one stable stream, so no switching later.

        Pictures that players know come before bandwidth, and sound inside before sound apart, because it needs no muxer.
        """
        return sorted(
            self.variants, key=lambda v: (v.frames, v.known, not v.audio_url, v.bandwidth), reverse=True
        )


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip().strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _number(text: str, default: float = 0.0) -> float:
    try:
        value = float(text.strip())
    except ValueError:
        return default
    return value if 0 <= value < 1e12 else default


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _join(base: str, target: str) -> str:
    try:
        return urljoin(base, target)
    except ValueError:
        return ""


def _byte_range(text: str, following: int) -> ByteRange:
    length, at, start = text.strip().strip('"').partition("@")
    return ByteRange(_whole(start) if at else following, _whole(length))


@dataclass(slots=True)
class _Reading:
    """Where the reader is: what the tags so far say about the next segment."""

    base: str
    sequence: int = 0
    duration_s: float = 0.0
    part: str = ""
    key: Key | None = None
    map_url: str = ""
    map_part: ByteRange | None = None
    map_key: Key | None = None
    discontinuity: bool = False
    gap: bool = False
    last_url: str = ""
    last_end: int = 0

    def pass_over(self, line: str) -> None:
        """The same for one that nobody wants, at a tenth of the cost."""
        if self.part:
            self.segment(line)
            return
        self.sequence += 1
        self.last_url = ""
        self.discontinuity, self.gap = self.discontinuity and self.gap, False

    def segment(self, line: str) -> Segment | None:
        """The segment whose address is `line`, or None for a gap. Resets what belonged to it alone."""
        url = _join(self.base, line)
        part = _byte_range(self.part, self.last_end if url == self.last_url else 0) if self.part else None
        self.last_end = part.start + part.length if part else 0
        made = Segment(
            self.sequence,
            url,
            self.duration_s,
            part,
            self.key,
            self.map_url,
            self.map_part,
            self.map_key,
            self.discontinuity,
        )
        gap = self.gap or not url
        self.sequence += 1
        self.last_url = url
        self.part, self.gap = "", False
        self.discontinuity = self.discontinuity and gap
        return None if gap else made


def read_playlist(text: str, url: str) -> Playlist:
    """The playlist in `text`, its addresses resolved against `url`. What `sources.classify` let through is readable."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    groups = _audio_groups(lines, url)
    variants: list[Variant] = []
    segments: list[Segment] = []
    reading = _Reading(url)
    target_s, sequence, ended = DEFAULT_TARGET_S, 0, False
    pending: Mapping[str, str] | None = None
    to_pass = 0
    if "#EXT-X-ENDLIST" not in lines:
        to_pass = sum(line[:1] not in {"#", ""} for line in lines) - MOST_LIVE
    for line in lines:
        if not line:
            continue
        if to_pass > 0 and pending is None and line[0] != "#":
            to_pass -= 1
            reading.pass_over(line)
            continue
        if not line.startswith("#"):
            if pending is not None:
                variants.append(_variant(_join(url, line), pending, groups))
                pending = None
            elif len(segments) < MOST_SEGMENTS and (segment := reading.segment(line)) is not None:
                segments.append(segment)
            continue
        tag, _, value = line.partition(":")
        match tag:
            case "#EXTINF":
                reading.duration_s = _number(value.partition(",")[0])
            case "#EXT-X-STREAM-INF":
                pending = _attributes(value)
            case "#EXT-X-MEDIA-SEQUENCE" if reading.sequence == sequence:
                # RFC 8216 4.3.3.2: before the first segment; one that comes later would number segments twice
                sequence = reading.sequence = _whole(value)
            case "#EXT-X-TARGETDURATION":
                target_s = _number(value, DEFAULT_TARGET_S) or DEFAULT_TARGET_S
            case "#EXT-X-BYTERANGE":
                reading.part = value
            case "#EXT-X-KEY":
                reading.key = _key(url, _attributes(value))
            case "#EXT-X-MAP":
                attributes = _attributes(value)
                reading.map_url = _join(url, attributes.get("URI", ""))
                part = attributes.get("BYTERANGE", "")
                reading.map_part = _byte_range(part, 0) if part else None
                reading.map_key = reading.key
            case "#EXT-X-DISCONTINUITY":
                reading.discontinuity = True
            case "#EXT-X-GAP":
                reading.gap = True
            case "#EXT-X-ENDLIST":
                ended = True
            case _:
                pass
    return Playlist(tuple(variants), tuple(segments), target_s, sequence, ended)


def _audio_groups(lines: list[str], base: str) -> dict[str, str]:
    """Where a group's sound has an address of its own: the default rendition's, else the first one's.

    Without an address a rendition is inside the variant (RFC 8216 4.3.4.2.1); those in other languages do not matter then.
    """
    found: dict[str, str] = {}
    chosen: set[str] = set()
    for line in lines:
        if line.startswith("#EXT-X-MEDIA:"):
            attributes = _attributes(line.partition(":")[2])
            group = attributes.get("GROUP-ID", "")
            default = attributes.get("DEFAULT") == "YES"
            better = group not in found or (default and group not in chosen)
            if attributes.get("TYPE") == "AUDIO" and better:
                uri = attributes.get("URI", "")
                found[group] = _join(base, uri) if uri else ""
                chosen |= {group} if default else set()
    return found


def _variant(url: str, attributes: Mapping[str, str], groups: Mapping[str, str]) -> Variant:
    codecs = attributes.get("CODECS", "")
    sound_only = bool(codecs) and all(
        codec.strip().startswith(("mp4a", "ac-3", "ec-3")) for codec in codecs.split(",")
    )
    return Variant(
        url,
        _whole(attributes.get("BANDWIDTH", "")),
        codecs,
        audio_url=groups.get(attributes.get("AUDIO", "\0"), ""),
        frames=not sound_only,
        known=not any(codec.strip().startswith(_UNCOMMON) for codec in codecs.split(",")),
    )


def _key(base: str, attributes: Mapping[str, str]) -> Key | None:
    method = attributes.get("METHOD", "NONE")
    if method == "NONE":
        return None
    iv = None
    text = attributes.get("IV", "")
    if text[:2].lower() == "0x":
        try:
            iv = bytes.fromhex(text[2:].rjust(32, "0"))[-16:]
        except ValueError:
            iv = None
    return Key(method, _join(base, attributes.get("URI", "")), iv)
