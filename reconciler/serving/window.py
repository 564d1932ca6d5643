"""Which segments of a live playlist are new: by media sequence number while that can be believed, else by name.

Panels restart and begin at 0 again, keep the number at 0 for ever, or give the same names again and again
(iptv-streams.md C2). No number is given out twice within one counting. Pure; this module refuses to fetch and to wait.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.serving.playlist import ByteRange, Playlist, Segment

__all__ = ["LIVE_EDGE", "News", "Window"]

LIVE_EDGE: Final = 3
"""Begin so many segments before the end (RFC 8216 6.3.3)."""
SEEN_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class News:
    """What a reload brought. `jump`: time and counters do not follow on what came before."""

    segments: tuple[Segment, ...] = ()
    jump: bool = False


class Window:
    """What one stream has taken so far."""

    __slots__ = ("_next", "_seen")

    def __init__(self) -> None:
        self._next: int | None = None
        self._seen: deque[tuple[str, ByteRange | None]] = deque(maxlen=SEEN_KEPT)

    def news(self, playlist: Playlist) -> News:
        """The segments to play next. They count as taken."""
        segments = playlist.segments
        if not segments:
            return News()
        if self._next is None:
            return self._take(segments[-LIVE_EDGE:], jump=False)
        newest = segments[-1].sequence
        if newest >= self._next:
            fresh = [s for s in segments if s.sequence >= self._next]
            missed = fresh[0].sequence > self._next
            # Far behind: what lies between is old news, go to the edge.
            return self._take(fresh[-LIVE_EDGE:] if missed else fresh, jump=missed)
        unseen = self._after_seen(segments)
        if not unseen:
            return News()  # an older copy from another edge, or nothing new
        restarted = len(unseen) == len(segments)
        return self._take(unseen[-LIVE_EDGE:] if restarted else unseen, jump=restarted)

    def _after_seen(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """What follows the last segment that was seen; all where none was."""
        seen = set(self._seen)
        for index in range(len(segments) - 1, -1, -1):
            if segments[index].name in seen:
                return segments[index + 1 :]
        return segments

    def _take(self, segments: Sequence[Segment], *, jump: bool) -> News:
        self._next = segments[-1].sequence + 1
        self._seen.extend(s.name for s in segments)
        return News(tuple(segments), jump)
