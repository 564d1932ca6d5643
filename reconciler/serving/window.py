"""Which segments of a live playlist are new: by media sequence number while that can be believed, else by name.

Panels restart and begin at 0 again, keep the number at 0 for ever, or give the same names again and again; edges behind
one address count differently (iptv-streams.md C2). No number is given out twice within one counting. Pure; this module
refuses to fetch and to wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.serving.playlist import ByteRange, Playlist, Segment

__all__ = ["LIVE_EDGE", "News", "Window"]

LIVE_EDGE: Final = 3
"""Begin so many segments before the end (RFC 8216 6.3.3)."""
LISTS_SEEN: Final = 4
"""Names are remembered for so many lengths of the playlist. After a restart old names come again, with new contents."""

Name = tuple[str, ByteRange | None]


@dataclass(frozen=True, slots=True)
class News:
    """What a reload brought. `jump`: time and counters do not follow on what came before."""

    segments: tuple[Segment, ...] = ()
    jump: bool = False


class Window:
    """What one stream has taken so far."""

    __slots__ = ("_listed", "_next", "_seen")

    def __init__(self) -> None:
        self._next: int | None = None
        self._seen: list[Name] = []
        self._listed: list[Name] = []
        """The playlist before, from its beginning."""

    def news(self, playlist: Playlist) -> News:
        """The segments to play next. They count as taken."""
        segments = playlist.segments
        if not segments:
            return News()
        news = self._news(segments, ended=playlist.ended)
        self._listed = [s.name for s in segments]
        self._seen = self._seen[-LISTS_SEEN * len(segments) :]
        return news

    def without(self, queued: Sequence[Segment]) -> "Window":
        """The same place for another reader of the same stream, who is to begin with what was taken last and not played."""
        made = Window()
        made._seen = self._seen[: len(self._seen) - len(queued)]
        made._next = queued[0].sequence if queued else self._next
        return made

    def _news(self, segments: Sequence[Segment], *, ended: bool) -> News:
        if self._next is None:
            # What has an end is no live stream, and has a beginning (RFC 8216 6.3.3).
            return self._take(segments if ended else segments[-LIVE_EDGE:], jump=False)
        newest = segments[-1].sequence
        if newest >= self._next:
            fresh = [s for s in segments if s.sequence >= self._next]
            if fresh[0].sequence == self._next:
                return self._take(fresh, jump=False)
            # Far behind, or another counting: what was played before is not played again.
            unseen = self._after_seen(fresh)
            self._next = newest + 1
            return self._take(unseen[-LIVE_EDGE:], jump=True) if unseen else News()
        unseen = self._moved_on(segments)
        if not unseen:
            return News()  # an older copy from another edge, or nothing new
        restarted = len(unseen) == len(segments)
        return self._take(unseen[-LIVE_EDGE:] if restarted else unseen, jump=restarted)

    def _moved_on(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """What is new where the number says nothing: by how the list has moved on, else by what was seen."""
        names = [s.name for s in segments]
        for length in range(min(len(names), len(self._listed)), 1, -1):
            if self._listed[-length:] == names[:length]:
                return segments[length:]
        return self._after_seen(segments)

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
