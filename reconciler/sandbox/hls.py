"""HLS playlists of a simulated channel: pure text from a window of segment numbers.

The window follows the clock, as an origin's does, so every client sees the same edge. Faults that live in the
playlist alone (no header, a stuck sequence) are arguments here; this module refuses to serve and to count clients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.panel import Shape

__all__ = ["AD_SEGMENTS", "TURN_SEGMENTS", "Window", "is_ad", "master_playlist", "media_playlist"]

AD_SEGMENTS: Final = 2
TURN_SEGMENTS: Final = 4
BANDWIDTH: Final = 800_000
CODECS: Final = "avc1.42c01e,mp4a.40.2"


@dataclass(frozen=True, slots=True)
class Window:
    """Segments `first` to `last`, `seconds` each; `sequence` is the number the playlist gives to `first`."""

    first: int
    last: int
    seconds: int
    sequence: int
    names_repeat: int = 0
    ended: bool = False

    def name(self, number: int) -> int:
        """The number in a segment's file name."""
        return number % self.names_repeat if self.names_repeat else number


def is_ad(shape: Shape, number: int) -> bool:
    """Whether this segment belongs to an advertisement block."""
    if not shape.ads_every:
        return False
    return number % (shape.ads_every + AD_SEGMENTS) >= shape.ads_every


def media_playlist(
    window: Window,
    shape: Shape,
    uri: Callable[[str], str],
    range_of: Callable[[int], tuple[int, int]] | None = None,
) -> str:
    """A media playlist. `uri` turns a file name into what the playlist shows; `range_of` gives length and offset of
    a segment inside its file of four, for byte ranges.
    """
    modern = shape.segments == "fmp4"
    ending = "m4s" if modern else "ts"
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{7 if modern else 4 if shape.byteranges else 3}",
        f"#EXT-X-TARGETDURATION:{window.seconds}",
        f"#EXT-X-MEDIA-SEQUENCE:{window.sequence}",
    ]
    if shape.ads_every:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{_breaks(shape, window.first)}")
    if modern:
        lines.append(f'#EXT-X-MAP:URI="{uri("init.mp4")}"')
    for number in range(window.first, window.last + 1):
        if number > window.first and is_ad(shape, number) != is_ad(shape, number - 1):
            lines.append("#EXT-X-DISCONTINUITY")
        if shape.encrypted:
            # The IV is left to the media sequence number (RFC 8216 5.2), unless a fault took that away.
            vector = f",IV=0x{number:032x}" if window.sequence != window.first else ""
            key = uri(f"key-{number // TURN_SEGMENTS}.bin")
            lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"{vector}')
        lines.append(f"#EXTINF:{window.seconds:.3f},")
        if range_of is not None:
            length, offset = range_of(number)
            lines += [f"#EXT-X-BYTERANGE:{length}@{offset}", uri(f"turn-{number // TURN_SEGMENTS}.{ending}")]
        else:
            lines.append(uri(f"{window.name(number)}.{ending}"))
    if window.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def master_playlist(shape: Shape, target: str, audio: str) -> str:
    """A master playlist with two variants, the better one last, or with one and the sound's playlist `audio`."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:4"]
    group = ""
    if shape.separate_audio:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Original",DEFAULT=YES,AUTOSELECT=YES,'
            f'LANGUAGE="en",URI="{audio}"'
        )
        group = ',AUDIO="sound"'
    # The lesser variant comes first: a reader that takes the first one is a reader that takes the worst.
    for bandwidth in (BANDWIDTH,) if shape.separate_audio else (BANDWIDTH // 2, BANDWIDTH):
        facts = f'BANDWIDTH={bandwidth},RESOLUTION=320x180,CODECS="{CODECS}"{group}'
        lines += [f"#EXT-X-STREAM-INF:{facts}", target + ("?low=1" if bandwidth < BANDWIDTH else "")]
    return "\n".join(lines) + "\n"


def _breaks(shape: Shape, first: int) -> int:
    """How many discontinuities came before this segment's place in the playlist."""
    turn, place = divmod(first, shape.ads_every + AD_SEGMENTS)
    return 2 * turn + (1 if place >= shape.ads_every else 0)
