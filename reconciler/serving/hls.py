"""HLS with transport-stream segments, read and handed on as one continuous stream (iptv-streams.md C2).

Segments go out while they arrive; nothing is kept whole. With several viewers, bytes after the first segment are read at
twice their rate, so that a fast viewer does not drag a slower one out of the ring. The playlist is asked for at its
original address each time, unless the redirect gave a token that must persist. fMP4 and sound apart are refused here: they need a muxer.
Longer than most modules, because opening, asking again and giving share one thing: the place in the playlist. This module
refuses to choose another provider: it says why it ended.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import trio

from reconciler.serving.blocks import LARGE_BYTES, SMALL_BYTES, Blocks
from reconciler.serving.body import BodyBroken
from reconciler.serving.clocks import begins_s, offset_s
from reconciler.serving.dial import DialFailed, Dialler, Link, Reply
from reconciler.serving.packets import PACKET_BYTES, SYNC
from reconciler.serving.playlist import Playlist, Segment, read_playlist
from reconciler.serving.segments import GONE, SEGMENT_LIMIT_BYTES, Opened, Segments
from reconciler.serving.settings import TimeLimits
from reconciler.serving.transport import Container, NotTransport, Packets, Piece, Whole
from reconciler.serving.upstream import Sink, UpstreamEnded
from reconciler.serving.whole import read_all
from reconciler.serving.window import LIVE_EDGE, Window
from reconciler.sources.classify import classify_playlist, classify_response, classify_segment
from reconciler.wording import plural

__all__ = ["HlsUpstream", "NeedsMuxer"]

PLAYLIST_LIMIT_BYTES: Final = 4 << 20
MOST_LEVELS: Final = 3
MOST_VARIANTS: Final = 3
"""So many variants of a master are asked for, the best first."""
RELOAD_LIMIT_S: Final = 4.0
LEAST_WAIT_S: Final = 0.5
MOST_WAIT_S: Final = 10.0
PACE: Final = 2.0
"""Segments after the first are read at so many times their own rate."""
PACE_STEP_S: Final = 0.05
GATHERED_BYTES: Final = 224 * 1024
GATHER_S: Final = 0.25
LATE_TARGETS: Final = 1.5
"""A new segment that is so many target durations past due means that the stream has died."""
CONTAINERS: Final[Mapping[str, Container]] = {
    "ts": "mpegts",
    "fmp4": "mp4",
    "aac": "aac",
    "mp3": "mp3",
    "ac3": "ac3",
}
SEGMENT_TRIES: Final = 3
MOST_SKIPPED: Final = 3
"""So many segments in a row that were not there are a stream that is not there (iptv-streams.md C2)."""
MOST_STARVED: Final = 2
"""The same where none is waiting behind them: each costs the viewer a target duration. One where another way may have it."""
MISSING_WAIT_S: Final = 0.5
REASK: Final = frozenset({403, 404, 410})
NOT_THERE: Final = frozenset({"missing", "denied", "busy", "empty-segment", "short"})
"""A segment that gives this may be there a moment later, and says nothing about the next. A page is the end at once."""
PASSING: Final = frozenset({"missing", "denied", "busy", "status", "empty", "reset"})
"""A playlist that gives this is asked for once more. Limits are not: who asks on and on is banned (iptv-streams.md B4)."""
UNFIT: Final = frozenset({"missing", "status", "busy", "no-segment", "no-header", "empty", "refused"})
"""Why the next best variant is asked for: this one is not there. Refusals are the account's, and hold for all."""
HELD_STEP_S: Final = 0.25
_TOKEN: Final = re.compile(r"[?&/](?:token|session|sid|sig|signature|auth|hash|key)[=/]", re.IGNORECASE)


class NeedsMuxer(Exception):
    """The stream is HLS, but not of transport-stream segments with sound inside."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class HlsUpstream:
    """One live HLS stream. `open` finds the media playlist and proves the first segment; `play` goes on from there."""

    child = False

    def __init__(
        self,
        dialler: Dialler,
        url: str,
        limits: TimeLimits,
        blocks: Blocks,
        *,
        raw: bool = False,
        after: Window | None = None,
        alone: bool = True,
    ) -> None:
        self._dialler = dialler
        self._blocks = blocks
        self._original = url
        self._media_url = url
        self._media_original = url
        self._limits = limits
        self._segments = Segments(dialler)
        self._window = after or Window()
        self._most_starved = MOST_STARVED if alone else 1
        self._queue: deque[Segment] = deque()
        self._listed: tuple[Segment, ...] = ()
        self._tries = 0
        """How often the present segment was not there."""
        self._skipped = 0
        """Segments in a row that never were."""
        self._cut_short = 0
        """Segments in a row that broke off."""
        self._target_s = 6.0
        self._longest_s = 6.0
        """The target, or a listed segment that is longer: playlists say less than they mean."""
        self._unfit: dict[str, Exception] = {}
        """Variants that cannot be played, and why."""
        self._ended = False
        self._whole = False
        """It had an end from the beginning: a recording, there as a whole, is given at the pace at which it plays."""
        self._given_s = 0.0
        self._changed_at = trio.current_time()
        self._reloaded_at = trio.current_time()
        self._last_changed = True
        self._first: tuple[Segment, Opened] | None = None
        self._map_sent: object = None
        self._head: tuple[object, bytes] | None = None
        """The map that the first segment was judged with, until it is sent."""
        self._rate_bps = 0.0
        self._cutter: type[Packets | Whole] = Whole if raw else Packets
        self.raw = raw
        """For a muxer: fragmented MP4 and sound apart are in order, and bytes pass as they are."""
        self.container: Container = "mpegts"
        self.audio_url = ""
        self.begins_s: float | None = None
        """By the clock of its segments; known where it is for a muxer and they say."""
        self._started = False
        self._waiting_since: float | None = None
        self._reading: Link | None = None
        self._whole_by = float("inf")
        """When the segment that is read ought to be there as a whole."""
        self._opened_at = trio.current_time()
        self.heard_at = trio.current_time()

    # --- opening ---------------------------------------------------------------------------------------------

    async def open(self, reply: Reply) -> None:
        """Prove that it plays: `reply` is the answer to the address, a playlist as its first bytes say.

        Raises UpstreamEnded, DialFailed, NeedsMuxer. The caller has the deadline.
        """
        playlist = await self._read(reply, self._original)
        while True:
            await self._descend(playlist)
            self._whole = self._ended
            try:
                await self._prove()
                return
            except NeedsMuxer as error:
                if not playlist.master:
                    raise
                self._unfit[self._media_original] = error  # another variant may be of transport stream
                self._window, self._queue = Window(), deque()

    async def _prove(self) -> None:
        """Ask for the first segment and judge it. One that has expired meanwhile says nothing about the next."""
        while self._queue:
            segment = self._queue.popleft()
            opened = await self._segments.open(segment)
            reply = opened.reply
            if reply.status not in GONE or not self._queue:
                break
            reply.link.close()
        else:
            raise UpstreamEnded("no-segment", "a playlist without a segment")
        verdict = classify_segment(
            reply.status, reply.headers, reply.url, opened.first, asked_url=segment.url
        )
        container = CONTAINERS.get(verdict.kind)
        if container is None or (container != "mpegts" and not self.raw):
            reply.link.close()
            if container is not None:
                raise NeedsMuxer(f"segments of {'fragmented MP4' if container == 'mp4' else 'sound alone'}")
            raise UpstreamEnded(verdict.cause or "not-ts", verdict.detail or f"segments of {verdict.kind}")
        self.container = container
        self._first = (segment, opened)
        if self.raw:
            head = await self._head_of(segment) if segment.map_url else b""
            self.begins_s = begins_s(opened.first, head)

    async def skip_to(self, time_s: float | None) -> None:
        """Leave out what is over before a time of the other playlist's clock. Raises as `open`."""
        while self._first is not None and self._queue:
            segment, opened = self._first
            if -offset_s(time_s, self.begins_s) < segment.duration_s:
                return
            opened.reply.link.close()
            self._first = None
            await self._prove()

    async def _descend(self, playlist: Playlist) -> None:
        """From a master down to the media playlist, which is taken in."""
        for _ in range(MOST_LEVELS):
            if not playlist.master:
                self._take_in(playlist)
                return
            playlist = await self._variant(playlist)
        if playlist.master:
            raise UpstreamEnded("no-segment", f"more than {MOST_LEVELS} master playlists in a row")
        self._take_in(playlist)

    async def _variant(self, master: Playlist) -> Playlist:
        """The playlist of the best variant that is there. Raises what was wrong with the best where none is."""
        wrong: Exception | None = None
        for variant in master.ranked[:MOST_VARIANTS]:
            error = self._unfit.get(variant.url)
            if error is None and variant.audio_url and not self.raw:
                error = NeedsMuxer("sound in a playlist of its own")
            if error is None:
                try:
                    playlist = await self._read(await self._dialler.get(variant.url, keep=True), variant.url)
                except (DialFailed, UpstreamEnded) as failed:
                    if failed.cause not in UNFIT:
                        raise
                    error = failed
                else:
                    self.audio_url = variant.audio_url or self.audio_url
                    self._media_original = variant.url
                    return playlist
            wrong = wrong or error
        assert wrong is not None, "a master has variants"
        raise wrong

    async def _read(self, reply: Reply, asked: str) -> Playlist:
        """A playlist from an answer. Raises UpstreamEnded where it is none."""
        if reply.status not in {200, 206}:
            reply.link.close()
            verdict = classify_response(reply.status, reply.headers, reply.url, reply.first)
            raise UpstreamEnded.of(verdict, "a playlist")
        data = await read_all(reply, PLAYLIST_LIMIT_BYTES)
        self._dialler.done(reply)
        self.heard_at = trio.current_time()
        text = data.decode("utf-8", "replace")
        verdict = classify_playlist(text)
        if not verdict.good:
            if not data:
                raise UpstreamEnded("empty", "a playlist without a byte")
            raise UpstreamEnded(verdict.cause, verdict.detail)
        # A token in the redirect's target is a session: asking anew would begin another one (xTeVe #221).
        self._media_url = reply.url if reply.url != asked and _TOKEN.search(reply.url) else asked
        return read_playlist(text, reply.url)

    def _take_in(self, playlist: Playlist) -> None:
        now = trio.current_time()
        self._target_s = playlist.target_s
        self._longest_s = max(playlist.target_s, *(s.duration_s for s in playlist.segments[-LIVE_EDGE:]), 0.0)
        self._listed = playlist.segments
        self._ended = playlist.ended
        self._reloaded_at = now
        news = self._window.news(playlist)
        self._last_changed = bool(news.segments)
        if news.segments:
            self._changed_at = now
            for index, segment in enumerate(news.segments):
                jump = news.jump and index == 0
                self._queue.append(replace(segment, discontinuity=True) if jump else segment)

    # --- playing ---------------------------------------------------------------------------------------------

    async def play(self, sink: Sink) -> None:
        """See Upstream."""
        try:
            while True:
                if self._first is not None:
                    (segment, opened), self._first = self._first, None
                    await self._pass_on(sink, segment, opened)
                elif self._queue:
                    await self._hold_back()
                    self._waiting_since = None
                    self.heard_at = trio.current_time()
                    segment = self._queue.popleft()
                    cause = await self._segment(sink, segment)
                    if cause:
                        await self._miss(sink, segment, cause)
                    else:
                        self._tries = self._skipped = 0
                else:
                    if self._waiting_since is None:
                        self._waiting_since = trio.current_time()
                    await self._wait_for_news()
        except DialFailed as error:
            raise UpstreamEnded(error.cause, error.detail) from error
        except NotTransport as error:
            raise UpstreamEnded(error.cause, error.detail) from error
        except NeedsMuxer as error:  # found anew after its token died, it is of another make
            raise UpstreamEnded("muxer", error.why) from error
        except (BodyBroken, OSError) as error:
            raise UpstreamEnded("reset", "a segment broke off") from error
        except trio.TooSlowError as error:  # asked for anew, because its token may have died
            raise UpstreamEnded("stall", "the provider took too long to answer") from error

    @property
    def place(self) -> Window | None:
        """See Upstream: nothing is given twice (HLS-4). A recording is over, and begins anew."""
        return None if self._whole else self._window.without(self._queue)

    async def _hold_back(self) -> None:
        """Wait until a recording's next segment is due, some segments before it plays."""
        while self._whole:
            now = trio.current_time()
            early_s = self._given_s - LIVE_EDGE * self._target_s - (now - self._opened_at)
            if early_s <= 0:
                return
            self._waiting_since = now
            await trio.sleep(min(HELD_STEP_S, early_s))

    async def _miss(self, sink: Sink, segment: Segment, cause: str) -> None:
        """Look at the playlist again: what it still lists is asked for again, then skipped. Raises where none is there."""
        self._tries += 1
        denied = cause == "denied"
        if denied and self._tries > 1 and self._original != self._media_original:
            await self._resolve_again()  # its token may be older than the playlist's
        else:
            await self._reload()
        # After one that never came the next is asked for once: a provider without segments has to be left in time.
        listed = self._listed_anew(segment) if self._tries < SEGMENT_TRIES and not self._skipped else None
        if listed is not None:
            self._queue.appendleft(listed)
            await trio.sleep(MISSING_WAIT_S)
            return
        self._tries, self._skipped = 0, self._skipped + 1
        if denied or self._skipped >= (MOST_SKIPPED if self._queue else self._most_starved):
            raise UpstreamEnded(
                cause, f"segments are not to be had ({cause}), {plural(self._skipped, 'one')} in a row"
            )
        sink.discontinuity()

    def _listed_anew(self, segment: Segment) -> Segment | None:
        """The segment as the playlist has it now: under its name, or under a new one with the same number."""
        for listed in self._listed:
            if listed.name == segment.name:
                return segment
        return next((listed for listed in self._listed if listed.sequence == segment.sequence), None)

    async def _wait_for_news(self) -> None:
        """Sleep until the playlist is worth asking for again (RFC 8216 6.3.4), and ask."""
        if self._ended:
            # The end of a live stream is rarely meant: once more, then it is dead (a slate, an outage clip).
            before = self._changed_at
            await self._reload()
            if self._ended and self._changed_at == before:
                raise UpstreamEnded("eof", "the playlist has ended")
            return
        wait_s = self._target_s if self._last_changed else self._target_s / 2
        wait_s = min(MOST_WAIT_S, max(LEAST_WAIT_S, wait_s))
        await trio.sleep_until(self._reloaded_at + wait_s)
        await self._reload()

    async def _reload(self) -> None:
        """The playlist anew. Raises UpstreamEnded or DialFailed where it is none any more; a single miss is forgiven."""
        try:
            await self._look()
        except trio.TooSlowError:
            self._reloaded_at, self._last_changed = trio.current_time(), False
        except (UpstreamEnded, DialFailed) as error:
            if error.cause not in PASSING or (isinstance(error, UpstreamEnded) and error.wait_s is not None):
                raise
            await trio.sleep(MISSING_WAIT_S)
            with suppress(trio.TooSlowError):
                await self._look()

    async def _look(self) -> None:
        url = self._media_url
        reply = await self._fetch(url)
        if reply.status in REASK and url != self._media_original:
            reply.link.close()
            url = self._media_original
            reply = await self._fetch(url)
        if reply.status in REASK and self._original != self._media_original:
            reply.link.close()
            await self._resolve_again()
            return
        self._take_in(await self._read(reply, self._media_original))

    async def _fetch(self, url: str) -> Reply:
        with trio.fail_after(RELOAD_LIMIT_S):
            return await self._dialler.get(url, keep=True)

    async def _resolve_again(self) -> None:
        """The token of the media playlist has died: begin at the address the list gave, keep the place."""
        self._media_original = self._media_url = self._original
        with trio.fail_after(RELOAD_LIMIT_S):
            await self._descend(await self._read(await self._dialler.get(self._original), self._original))

    def tick(self, now: float, rate_bps: float) -> str:
        """A playlist that stands still, or a segment that does."""
        del rate_bps
        if not self._started:
            return ""
        if self._waiting_since is None:
            if self._reading is not None and now - self.heard_at > GATHER_S:
                self._reading.gather(1)  # a slow one: take what is there
            # Bytes that trickle in are a stall as well: the next segment is as late as if none came.
            return "stall" if now > min(self._whole_by, self.heard_at + self._limits.first_byte_s) else ""
        due = max(self._changed_at + self._longest_s, self._waiting_since)
        return "frozen" if now - due > LATE_TARGETS * self._longest_s else ""

    def close(self) -> None:
        """See Upstream."""
        if self._first is not None:
            self._first[1].reply.link.close()
        self._dialler.close()

    # --- segments --------------------------------------------------------------------------------------------

    async def _segment(self, sink: Sink, segment: Segment) -> str:
        """Play one segment. Returns why it is not there, or nothing; raises UpstreamEnded where it is no segment."""
        try:
            with trio.fail_after(self._limits.connect_s + self._limits.first_byte_s):
                opened = await self._segments.open(segment)
        except trio.TooSlowError:
            raise UpstreamEnded("stall", "a segment did not begin in time") from None
        self.heard_at = trio.current_time()
        reply = opened.reply
        verdict = classify_segment(
            reply.status, reply.headers, reply.url, opened.first, asked_url=segment.url
        )
        if CONTAINERS.get(verdict.kind) != self.container:
            reply.link.close()
            if verdict.cause in NOT_THERE:
                return verdict.cause
            if verdict.cause:
                raise UpstreamEnded.of(verdict, "a segment:")
            raise UpstreamEnded("not-ts", "a segment is no transport stream")
        await self._pass_on(sink, segment, opened)
        return ""

    async def _pass_on(self, sink: Sink, segment: Segment, opened: Opened) -> None:
        """The segment's packets to the sink while they arrive."""
        reply, first, opener = opened
        if segment.discontinuity and self._started:
            sink.discontinuity()
            self._map_sent = None
        self._given_s += segment.duration_s or self._target_s
        packets = self._cutter()
        try:
            await self._map(sink, segment)
            if pieces := packets.feed(first):
                sink.pieces(pieces)  # raises where another codec begins
        except BaseException:
            reply.link.close()
            raise
        done = reply.body.complete
        total = len(first)
        length = reply.body.left if not reply.body.endless else None
        pace_bps = 0.0
        if self._started and segment.duration_s > 0:
            size = total + length if length is not None else self._rate_bps * segment.duration_s
            pace_bps = PACE * size / segment.duration_s
        began, self._started = trio.current_time(), True
        behind = len(self._queue) > 2
        slept = broken = False
        self._reading = reply.link
        if segment.duration_s > 0:
            self._whole_by = began + segment.duration_s + LATE_TARGETS * self._longest_s
        try:
            while not done:
                before, self._whole_by = self._whole_by, float("inf")
                waited_since = trio.current_time()
                await sink.room()
                self._whole_by = before + trio.current_time() - waited_since  # viewers took that time
                if length is not None:
                    reply.link.gather(max(1, min(GATHERED_BYTES, reply.body.left or 1)))
                size = SMALL_BYTES if sink.shared else LARGE_BYTES
                try:
                    data = await reply.link.receive_view(self._blocks, size, eager=slept)
                except OSError:
                    data = b""
                if not data:
                    # Cut short: what came, down to the last whole packet, is kept.
                    broken = not reply.body.end()
                    if opener is not None and not broken and (pieces := packets.feed(opener.finish())):
                        sink.pieces(pieces)
                    break
                now = self.heard_at = trio.current_time()
                clear = reply.body.feed(data)
                done = reply.body.complete
                total += len(clear)
                done = done or total > SEGMENT_LIMIT_BYTES
                if opener is not None:
                    clear = opener.feed(bytes(clear)) + (opener.finish() if done else b"")
                pieces = packets.feed(clear)
                if pieces:
                    sink.pieces(pieces)
                del data, clear, pieces  # a view kept while waiting would keep its block
                ahead_s = total / pace_bps - (now - began) if pace_bps and not behind else 0.0
                slept = ahead_s > PACE_STEP_S and not done and sink.shared
                if slept:
                    await trio.sleep(min(ahead_s, 1.0))
                    self.heard_at = trio.current_time()
        except BaseException:
            reply.link.close()
            raise
        finally:
            self._reading = None
            self._whole_by = float("inf")
        if segment.duration_s > 0:
            self._rate_bps = total / segment.duration_s
        self._dialler.done(reply)
        self._cut_short = self._cut_short + 1 if broken else 0
        if broken:
            sink.discontinuity()  # the next one does not follow on what came of this
        if self._cut_short >= SEGMENT_TRIES:
            raise UpstreamEnded("reset", f"{SEGMENT_TRIES} segments in a row broke off")
        await sink.room()

    async def _map(self, sink: Sink, segment: Segment) -> None:
        """PAT and PMT that stand apart from the segments, before the first and after each discontinuity."""
        wanted = (segment.map_url, segment.map_part)
        if not segment.map_url or wanted == self._map_sent:
            return
        data = await self._head_of(segment)
        self._map_sent, self._head = wanted, None
        # Two packets are too few to find a grid in, and tables alone are two packets.
        tables = bool(data) and data[::PACKET_BYTES] == bytes((SYNC,)) * (len(data) // PACKET_BYTES)
        pieces: Sequence[Piece] = [data] if tables or self.raw else self._cutter().feed(data)
        if pieces:
            sink.pieces(pieces)

    async def _head_of(self, segment: Segment) -> bytes:
        wanted = (segment.map_url, segment.map_part)
        if self._head is None or self._head[0] != wanted:
            try:
                # Before the first segment has begun nothing else ends a map that never comes (see `tick`).
                with trio.fail_after(self._limits.connect_s + self._limits.first_byte_s):
                    self._head = wanted, await self._segments.map(segment)
            except trio.TooSlowError:
                raise UpstreamEnded("stall", "the map of a segment did not come in time") from None
        return self._head[1]
