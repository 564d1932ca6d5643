"""How often one host may be asked: panels ban addresses that ask too quickly (iptv-streams.md B4, STM-4).

API calls to one host go one after the other with a breath between them, and never more than a budget in a window:
parallel calls bring 503 storms, repeated 429 a ban. Streams are not counted here. This module refuses to wait without
a limit: a host whose budget is spent is told so at once.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import trio

__all__ = ["Pace", "PaceExceeded"]

WINDOW_S: Final = 60.0
BREATH_S: Final = 0.1


class PaceExceeded(Exception):
    """The host has been asked as often as it may be in a minute, or wants to be left alone."""


@dataclass(slots=True)
class _Host:
    lock: trio.Lock = field(default_factory=trio.Lock)
    asked: deque[float] = field(default_factory=deque)
    resting_until: float = 0.0


@dataclass(slots=True)
class Pace:
    """The budget of every host. Times on trio's clock; `per_minute` requests in any 60 seconds."""

    per_minute: int = 60
    breath_s: float = BREATH_S
    _hosts: dict[str, _Host] = field(default_factory=dict)

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for this host's other requests, then have it alone. Raises PaceExceeded when the budget is spent, or it rests."""
        state = self._hosts.setdefault(host.lower(), _Host())
        async with state.lock:
            now = trio.current_time()
            while state.asked and state.asked[0] <= now - WINDOW_S:
                state.asked.popleft()
            if now < state.resting_until:
                raise PaceExceeded(f"the host wants to be left alone for {state.resting_until - now:.0f} s")
            if len(state.asked) >= self.per_minute:
                raise PaceExceeded("the host has been asked too often within a minute")
            if state.asked and now - state.asked[-1] < self.breath_s:
                await trio.sleep(self.breath_s - (now - state.asked[-1]))
            state.asked.append(trio.current_time())
            yield

    def rest(self, host: str, seconds: float) -> None:
        """Ask this host nothing for a while: what its `Retry-After` says."""
        state = self._hosts.setdefault(host.lower(), _Host())
        state.resting_until = max(state.resting_until, trio.current_time() + seconds)

    def asked(self, host: str) -> int:
        """How often a host was asked within the last minute."""
        state = self._hosts.get(host.lower())
        return len(state.asked) if state else 0
