"""Fragmented MP4 of a clip, repeatable for ever: the decode times in `tfdt` and the numbers in `mfhd` are patched.

Channels that come as fMP4 segments are what `serve` needs ffmpeg for (iptv-streams.md C5), so there have to be some.
This module refuses to read anything but what ffmpeg's fragmenting muxer writes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["FRAGMENT_ARGUMENTS", "FragmentClip"]

# Without `frag_keyframe`: a key frame every second and the duration give the same cut, and sound has only key frames.
FRAGMENT_ARGUMENTS: Final = (
    *("-c", "copy", "-bsf:a", "aac_adtstoasc", "-f", "mp4", "-avoid_negative_ts", "make_zero"),
    *("-movflags", "+empty_moov+default_base_moof", "-frag_duration", "1000000"),
)
NESTED: Final = frozenset({b"moov", b"trak", b"mdia", b"moof", b"traf"})


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin of the contents and end of each box, containers before what is in them."""
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8]
        if size < 8:
            raise ValueError("a box of an impossible size")
        yield kind, start + 8, start + size
        if kind in NESTED:
            yield from _boxes(data, start + 8, start + size)
        start += size


@dataclass(frozen=True, slots=True)
class _Fragment:
    """A moof and its mdat; `times` are (offset, value, timescale) of its tracks, `number` the offset in `mfhd`."""

    data: bytes
    second: int
    times: tuple[tuple[int, int, int], ...]
    number: int


@dataclass(frozen=True, slots=True)
class FragmentClip:
    """`init` is the initialisation section, the rest is cut out by seconds."""

    init: bytes
    seconds: int
    _fragments: tuple[_Fragment, ...]

    @classmethod
    def of(cls, data: bytes, *, seconds: int) -> "FragmentClip":
        """Index a fragmented file whose tracks all last `seconds`. Raises ValueError for another kind of file."""
        scales: dict[int, int] = {}
        track = 0
        fragments: list[_Fragment] = []
        init_end = begin = 0
        times: list[tuple[int, int, int]] = []
        number = 0
        for kind, start, end in _boxes(data, 0, len(data)):
            match kind:
                case b"tkhd":
                    at = start + (20 if data[start] else 12)
                    track = int.from_bytes(data[at : at + 4], "big")
                case b"mdhd":
                    at = start + (20 if data[start] else 12)
                    scales[track] = int.from_bytes(data[at : at + 4], "big")
                case b"moof":
                    begin, times = start - 8, []
                    init_end = init_end or begin
                case b"mfhd":
                    number = start + 4 - begin
                case b"tfhd":
                    track = int.from_bytes(data[start + 4 : start + 8], "big")
                case b"tfdt" if data[start] == 1:
                    value = int.from_bytes(data[start + 4 : start + 12], "big")
                    times.append((start + 4 - begin, value, scales[track]))
                case b"mdat" if times:
                    second = min(seconds - 1, *(value // scale for _, value, scale in times))
                    fragments.append(_Fragment(data[begin:end], second, tuple(times), number))
        if not fragments or {f.second for f in fragments} != set(range(seconds)):
            raise ValueError("not a fragmented file with a fragment in every second")
        return cls(data[:init_end], seconds, tuple(fragments))

    def span(self, first: int, count: int) -> bytes:
        """The seconds `first` to `first + count`, counted from the beginning of time."""
        out = bytearray()
        for second in range(first, first + count):
            turn, place = divmod(second, self.seconds)
            for at, fragment in enumerate(self._fragments):
                if fragment.second != place:
                    continue
                base = len(out)
                out += fragment.data
                serial = (turn * len(self._fragments) + at + 1) & 0xFFFFFFFF
                out[base + fragment.number : base + fragment.number + 4] = serial.to_bytes(4, "big")
                for where, value, scale in fragment.times:
                    moved = value + turn * self.seconds * scale
                    out[base + where : base + where + 8] = moved.to_bytes(8, "big")
        return bytes(out)
