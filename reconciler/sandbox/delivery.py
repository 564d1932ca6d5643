"""TS streams to clients: paced by one clock, and going wrong in the middle when told to.

All streams wake at the same ticks, so two hundred clients cost a few wake-ups of the process a second, not two
thousand. A client that reads slowly is waited for and then caught up, as TCP does. This module refuses to admit
or to count clients.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import trio

from reconciler.errors import OperatorError
from reconciler.sandbox.faults import IN_STREAM, Fault, FaultKind, Faults
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.misbehaviour import CLOUDFLARE, HTML, until_left
from reconciler.sandbox.origin import Origin
from reconciler.sandbox.packets import SPACINGS, Clip, corrupted, spaced
from reconciler.sandbox.panel import Channel
from reconciler.sandbox.streams import FRAMES_PER_S
from reconciler.sandbox.visits import Visit
from reconciler.sandbox.wire import Exchange

__all__ = ["Delivery"]

TICK_FRAMES: Final = 3
UNPACED_FRAMES: Final = 100
TRICKLE_TICK_S: Final = 0.1
ZEROS_BYTES: Final = 16_384
CUT_INSIDE_PACKET: Final = 100


class _Over(Exception):
    """The stream has come to the end that a fault gave it."""


@dataclass(slots=True)
class Delivery:
    """One TS stream to one client. `run` returns when the client leaves or a fault ends the stream.

    Raises OperatorError (or ValueError) before the first byte where the clip cannot be made.
    """

    exchange: Exchange
    visit: Visit
    channel: Channel
    origin: Origin
    manners: Manners
    faults: Faults
    claimed: Sequence[Fault]
    _clip: Clip = field(init=False)
    _begun: float = field(init=False)
    _version: int = field(init=False)
    _waiting: list[Fault] = field(init=False)
    _acted: list[Fault] = field(default_factory=list, init=False)
    _corrupt: bool = field(default=False, init=False)
    _chunked: bool = field(default=False, init=False)
    _rate: int | None = field(default=None, init=False)
    _sent: int = field(default=0, init=False)

    async def run(self) -> None:
        """Send until somebody ends it. Cancelling is safe at any point; the connection is then closed by its owner."""
        self._begun = trio.current_time()
        self._version = self.faults.version
        # A token that expires now was given to somebody else: this stream has only just been admitted.
        self._waiting = [
            f
            for f in self.claimed
            if f.kind == "truncated" or (f.kind in IN_STREAM and (f.in_stream or f.kind != "token-expiry"))
        ]
        problem: OperatorError | ValueError | None = None
        async with trio.open_nursery() as nursery:

            async def watch() -> None:
                await until_left(self.exchange)
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch)
            try:
                self._clip = await self.origin.clip(self.channel, self.channel.shape.variant)
                await self._head()
                await self._body()
            except (_Over, trio.BrokenResourceError, trio.ClosedResourceError):
                pass  # a fault ended it, or the client left
            except (OperatorError, ValueError) as error:
                problem = error  # no clip; told outside, where it is not part of a group
            nursery.cancel_scope.cancel()
        if problem is not None:
            raise problem

    async def _head(self) -> None:
        # No length and no chunks: the body ends with the connection, as most panels do it.
        lines = [
            "ICY 200 OK" if self._has("icy") else "HTTP/1.1 200 OK",
            "Content-Type: video/mp2t",
            "Connection: close",
            "Cache-Control: no-store",
        ]
        if any(f.kind == "cloudflare" for f in self.claimed):
            lines += [f"{name}: {value}" for name, value in CLOUDFLARE]
        else:
            lines.append("Server: nginx")
        self._chunked = self._has("chunked")
        if self._chunked:
            lines.append("Transfer-Encoding: chunked")
        self.visit.status = 200
        await self.exchange.raw(("\r\n".join(lines) + "\r\n\r\n").encode())

    def _has(self, kind: FaultKind) -> bool:
        return any(fault.kind == kind for fault in self.claimed)

    async def _body(self) -> None:
        now = self.origin.frame()
        position = now - int(self.manners.burst * FRAMES_PER_S)
        if not self.manners.mid_gop:
            position -= position % FRAMES_PER_S
        phase = self.origin.phase(self.channel)
        spacing = next((SPACINGS[f.kind] for f in self.claimed if f.kind in SPACINGS), 0)
        while True:
            await self._look()
            target = self.origin.frame() if self.manners.pace else position + UNPACED_FRAMES
            if target > position:
                data = self._clip.span(phase + position, target - position)
                if self.manners.mid_gop and not self._sent:
                    data = data[len(data) // 188 // 3 * 188 :]
                data = corrupted(data) if self._corrupt else data
                await self._send(spaced(data, spacing) if spacing else data)
                position = target
            if self.manners.pace:
                # One grid of ticks for everybody: trio wakes them all together.
                tick = (position // TICK_FRAMES + 1) * TICK_FRAMES
                await trio.sleep_until(self.origin.time_of(tick))

    async def _send(self, data: bytes) -> None:
        """Send, minding faults that are due after some byte inside `data`."""
        marks = sorted(f.after_bytes for f in self._waiting if f.after_bytes > self._sent and not f.after_s)
        for mark in marks:
            if mark < self._sent + len(data):
                piece, data = data[: mark - self._sent], data[mark - self._sent :]
                await self._out(piece)
                await self._look()
        await self._out(data)

    async def _out(self, data: bytes) -> None:
        if self._rate is not None:
            step = max(1, int(self._rate * TRICKLE_TICK_S))
            for at in range(0, len(data), step):
                await self._raw(data[at : at + step])
                await trio.sleep(TRICKLE_TICK_S)
                await self._look()
            return
        await self._raw(data)

    async def _raw(self, data: bytes) -> None:
        await self.exchange.raw(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        self._sent += len(data)
        self.visit.bytes_sent = self._sent

    async def _look(self) -> None:
        """Carry out what is due: claimed at the start, or switched on since."""
        if self._version != self.faults.version:
            self._version = self.faults.version
            place = (self.visit.host, "live", self.channel.id, self.visit.agent)
            known = set(self._waiting)
            arrived = self.faults.arrived(self._begun, *place)
            self._waiting += [f for f in arrived if f not in known]
            await self._recover()
        for fault in list(self._waiting):
            age = trio.current_time() - self._begun
            if self._sent >= fault.after_bytes and age >= fault.after_s:
                self._waiting.remove(fault)
                await self._act(fault)

    async def _recover(self) -> None:
        """Undo what was switched off again: the pace and the clip; what ended a stream cannot be undone."""
        active = self.faults.active()
        over = [f for f in self._acted if f not in active]
        self._acted = [f for f in self._acted if f in active]
        if any(f.kind == "trickle" for f in over):
            self._rate = None
        if any(f.kind == "corrupt" for f in over):
            self._corrupt = False
        if any(f.kind.endswith("-change") for f in over):
            self._clip = await self.origin.clip(self.channel, self.channel.shape.variant)

    async def _pause(self, fault: Fault) -> None:
        """Say nothing for as long as the fault is on."""
        with trio.move_on_after(fault.lasts if fault.lasts is not None else float("inf")):
            while fault in self.faults.active():
                await self.faults.changed.wait()

    async def _act(self, fault: Fault) -> None:
        self.visit.fault = fault.kind
        self._acted.append(fault)
        match fault.kind:
            case "stall":
                await self._pause(fault)
            case "reset":
                await self.exchange.reset()
                raise _Over
            case "eof" | "token-expiry":
                raise _Over
            case "truncated":
                await self._raw(self._clip.span(0, 1)[:CUT_INSIDE_PACKET])
                raise _Over
            case "html":
                await self._raw(HTML % fault.text.encode())
                await self._pause(fault)
                raise _Over
            case "zeros":
                while True:
                    await self._raw(bytes(ZEROS_BYTES))
                    await trio.sleep(TRICKLE_TICK_S)
            case "trickle":
                self._rate = fault.rate
            case "corrupt":
                self._corrupt = True
            case "pid-change":
                self._clip = await self.origin.clip(self.channel, "other-pids")
            case "codec-change":
                self._clip = await self.origin.clip(self.channel, "mpeg2")
            case _:
                return
