"""The HLS side of one channel for one client: which playlist a name is, and the bytes of a segment.

The window of segments follows the origin's clock; faults bend it here. This module refuses to admit clients and
to send.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.answers import Answer, ranged
from reconciler.sandbox.documents import Address
from reconciler.sandbox.faults import Fault, FaultKind, Faults
from reconciler.sandbox.hls import TURN_SEGMENTS, Window, master_playlist, media_playlist
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.origin import EXPIRED_SEGMENTS, Origin
from reconciler.sandbox.panel import Channel
from reconciler.sandbox.sealing import segment_key
from reconciler.sandbox.sessions import Session
from reconciler.sandbox.streams import Variant
from reconciler.sandbox.visits import Visit
from reconciler.sandbox.wire import Request

__all__ = ["HLS_TYPE", "Playlists"]

HLS_TYPE: Final = "application/vnd.apple.mpegurl"
TS_TYPE: Final = "video/mp2t"
MP4_TYPE: Final = "video/mp4"
TRACKS: Final[dict[str, Variant]] = {"video": "video-only", "audio": "audio-only"}


@dataclass(frozen=True, slots=True)
class Playlists:
    """One channel for one client. `claimed` are the faults of this request."""

    origin: Origin
    manners: Manners
    faults: Faults
    channel: Channel
    session: Session
    address: Address
    visit: Visit
    claimed: Sequence[Fault]

    async def text(self, track: str, name: str, request: Request) -> str:
        """The playlist called `name` (empty: the one at the channel's own URL)."""
        shape = self.channel.shape
        levels = max(shape.master, 1 if shape.separate_audio else 0)
        level = levels if not name else int(name[7:-5]) if name.startswith("master-") else 0
        if level > 1:
            return master_playlist(shape, self._uri(request, "main", f"master-{level - 1}.m3u8"), "")
        if level == 1:
            video = "video" if shape.separate_audio else "main"
            audio = self._uri(request, "audio", "index.m3u8")
            return master_playlist(shape, self._uri(request, video, "index.m3u8"), audio)
        window = self._window()
        variant = TRACKS.get(track, shape.variant)
        sizes: dict[int, list[int]] = {}
        if shape.byteranges:
            for turn in range(window.first // TURN_SEGMENTS, window.last // TURN_SEGMENTS + 1):
                pieces = await self.origin.turn(
                    self.channel, shape, turn, seconds=window.seconds, variant=variant
                )
                sizes[turn] = [len(piece) for piece in pieces]

        def range_of(number: int) -> tuple[int, int]:
            turn, place = divmod(number, TURN_SEGMENTS)
            return sizes[turn][place], sum(sizes[turn][:place])

        return media_playlist(
            window,
            shape,
            lambda file: self._uri(request, track, file),
            range_of if shape.byteranges else None,
        )

    def _window(self) -> Window:
        seconds, length = self.manners.segment, self.manners.window
        kinds = {f.kind: f for f in self.claimed}
        last = self.origin.newest(seconds)
        if fault := kinds.get("frozen"):
            last = min(last, self._then(fault))
        first = last - length + 1
        sequence = first
        if fault := kinds.get("sequence-reset"):
            sequence = max(0, last - self._then(fault))
        if "sequence-stuck" in kinds:
            sequence = 0
        if "no-segments" in kinds:
            last = first - 1
        repeat = 2 * length if "names-loop" in kinds else 0
        return Window(first, last, seconds, sequence, repeat, ended="endlist" in kinds)

    def _then(self, fault: Fault) -> int:
        """The newest segment when the fault was switched on."""
        ago = self.faults.since(fault) - self.origin.started
        return int(ago // self.manners.segment) - 1

    def _uri(self, request: Request, track: str, file: str) -> str:
        path = f"/hls/{self.session.token}/{self.session.channel}/{track}/{file}"
        match self.channel.shape.uris:
            case "absolute":
                return self.address.base + path
            case "protocol":
                return self.address.base.removeprefix("http:") + path
            case "relative":
                return "../" * (len(request.segments) - 1) + path[1:]
            case _:
                return path

    async def piece(self, request: Request, track: str, name: str, variant: Variant | None) -> Answer:
        """A segment by its file name, or 404 for one that has left the window or is not there yet."""
        shape, seconds = self.channel.shape, self.manners.segment
        chosen = variant or TRACKS.get(track, shape.variant)
        kind = MP4_TYPE if shape.segments == "fmp4" else TS_TYPE
        stem = name.rpartition(".")[0]
        if name == "init.mp4" and shape.segments == "fmp4":
            return Answer(200, await self.origin.opening(self.channel, chosen), kind)
        if stem.startswith("key-") and stem[4:].isdecimal() and shape.encrypted:
            return Answer(200, segment_key(int(stem[4:])), "application/octet-stream")
        if stem.startswith("turn-") and stem[5:].isdecimal() and shape.byteranges:
            turn = int(stem[5:])
            if not self._oldest() <= (turn + 1) * TURN_SEGMENTS or turn * TURN_SEGMENTS > self._newest():
                return Answer(404)
            pieces = await self.origin.turn(self.channel, shape, turn, seconds=seconds, variant=chosen)
            return ranged(request, b"".join(pieces), kind)
        number = self._number(int(stem)) if stem.isdecimal() else None
        if number is None:
            return Answer(404)
        body = await self.origin.segment(self.channel, shape, number, seconds=seconds, variant=chosen)
        return Answer(200, body, kind)

    def _holds(self, kind: FaultKind) -> bool:
        """Whether this client's playlists go wrong in this way."""
        place = (self.visit.host, "playlist", self.channel.id, self.visit.agent)
        return bool(self.faults.matching(kind, *place))

    def _newest(self) -> int:
        return self.origin.newest(self.manners.segment)

    def _oldest(self) -> int:
        """The oldest segment that may be had: while a playlist is frozen, whatever it names."""
        if self._holds("frozen"):
            return 0
        return self._newest() - self.manners.window - EXPIRED_SEGMENTS + 1

    def _number(self, name: int) -> int | None:
        """The segment behind a name: itself, or with repeating names the newest that has it."""
        if self._holds("names-loop"):
            repeat = 2 * self.manners.window
            return self._newest() - (self._newest() - name) % repeat if name < repeat else None
        return name if self._oldest() <= name <= self._newest() else None
