"""The clock and the pictures of the simulated provider: which part of which clip is on air.

Time is counted in frames since the provider started, the same for every client, host and form of delivery, so TS and
HLS of a channel show the same moment and two hosts of one panel send the same packets. This module refuses to know
of accounts, faults and sockets.
"""

from dataclasses import dataclass
from typing import Final

import trio

from reconciler.sandbox.hls import TURN_SEGMENTS, is_ad
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.packets import Clip
from reconciler.sandbox.panel import Channel, Shape
from reconciler.sandbox.sealing import sealed
from reconciler.sandbox.streams import FRAMES, FRAMES_PER_S, StreamLibrary, Variant

__all__ = ["EXPIRED_SEGMENTS", "Origin"]

EXPIRED_SEGMENTS: Final = 3  # so many may still be had after they left the playlist
PHASES: Final = 997


@dataclass(slots=True)
class Origin:
    """Clips in time. `started` is trio's time at which frame 0 would have been a full window ago."""

    library: StreamLibrary
    started: float
    numbered: bool = True

    @classmethod
    def starting_now(cls, library: StreamLibrary, manners: Manners) -> "Origin":
        """An origin whose playlists are full from the first request on."""
        history = (manners.window + EXPIRED_SEGMENTS) * manners.segment
        return cls(library, trio.current_time() - history, manners.numbered)

    def frame(self) -> int:
        """The number of frames that have been on air."""
        return int((trio.current_time() - self.started) * FRAMES_PER_S)

    def time_of(self, frame: int) -> float:
        """Trio's time at which `frame` frames have been on air."""
        return self.started + frame / FRAMES_PER_S

    def label(self, channel: Channel) -> str:
        """What the picture shows: the number, or the stream id where there is none."""
        if channel.id < 0:
            return channel.name
        return str(channel.number or channel.id) if self.numbered else ""

    async def clip(self, channel: Channel, variant: Variant) -> Clip:
        """The channel's clip, made now if nobody asked for it before."""
        return await self.library.clip(self.label(channel), variant)

    @staticmethod
    def phase(channel: Channel) -> int:
        """Frames by which a channel's time stamps differ from the clock: no two channels share them."""
        return channel.id % PHASES * FRAMES

    async def segment(
        self, channel: Channel, shape: Shape, number: int, *, seconds: int, variant: Variant
    ) -> bytes:
        """One HLS segment as it goes over the wire. In an advertisement block it is another clip with other PIDs
        and its own time.
        """
        frames = seconds * FRAMES_PER_S
        if is_ad(shape, number):
            advertisement = await self.library.clip("AD", "other-pids")
            body = advertisement.span(number % TURN_SEGMENTS * frames, frames)
        elif shape.segments == "fmp4":
            fragments = await self.library.fragments(self.label(channel), variant)
            body = fragments.span(number * seconds, seconds)
        else:
            clip = await self.clip(channel, variant)
            body = clip.span(self.phase(channel) + number * frames, frames)
        return sealed(body, number) if shape.encrypted else body

    async def turn(
        self, channel: Channel, shape: Shape, number: int, *, seconds: int, variant: Variant
    ) -> list[bytes]:
        """The four segments that share a file where byte ranges are used."""
        first = number * TURN_SEGMENTS
        return [
            await self.segment(channel, shape, first + n, seconds=seconds, variant=variant)
            for n in range(TURN_SEGMENTS)
        ]

    async def opening(self, channel: Channel, variant: Variant) -> bytes:
        """The initialisation section of fMP4 segments."""
        return (await self.library.fragments(self.label(channel), variant)).init

    def newest(self, seconds: int) -> int:
        """The number of the last segment that is complete."""
        return self.frame() // (seconds * FRAMES_PER_S) - 1
