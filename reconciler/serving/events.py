"""Server-sent events: a page is told when what it shows has changed, and only then.

However many pages are open, the state is looked at once per interval; with none open it is not looked at at all. Each
response ends by itself after some seconds and the browser asks again, saying what it has seen: so a client that went away
without a word holds nothing, and the limit of Hypercorn on silent readers (`handover`) is never met. This module refuses to
know what is sent.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import trio

from reconciler.serving.asgi import Receive, Send

__all__ = ["EVENTS_KIND", "Events", "Snapshot", "snapshot"]

EVENTS_KIND: Final = "text/event-stream; charset=utf-8"
LOOK_S: Final = 3.0
"""How often the state is looked at while somebody listens."""
LAST_S: Final = 24.0
"""How long one response lasts; below Hypercorn's limit of 30 s for a client that says nothing."""
RETRY_MS: Final = 1000
MOST_CLIENTS: Final = 32


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is sent. `id` differs when the content does."""

    id: str
    data: bytes


def snapshot(content: object) -> Snapshot:
    """Content as JSON, named by its hash."""
    data = json.dumps(content, separators=(",", ":"), sort_keys=True).encode("ascii")
    return Snapshot(sha256(data).hexdigest()[:16], data)


class Events:
    """The events of one kind of page. `look` makes the snapshot: it is asked by one client at a time."""

    def __init__(self, look: Callable[[], Awaitable[Snapshot]], *, look_s: float = LOOK_S) -> None:
        self._look = look
        self._look_s = look_s
        self._asking = trio.Lock()
        self._latest: Snapshot | None = None
        self._looked_at = float("-inf")
        self.clients = 0

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self.clients >= MOST_CLIENTS

    async def serve(self, receive: Receive, send: Send, seen: str) -> None:
        """The body of one response, its head being sent. `seen` is the id the client has (`Last-Event-ID`), or "".

        Returns when the client leaves or its time is over. Cancelling is safe.
        """
        self.clients += 1
        try:
            async with trio.open_nursery() as nursery:

                async def departure() -> None:
                    # The server does not tell an application that only sends; it tells one that listens.
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    nursery.cancel_scope.cancel()

                nursery.start_soon(departure)
                await self._send_changes(send, seen)
                nursery.cancel_scope.cancel()
        finally:
            self.clients -= 1

    async def _send_changes(self, send: Send, seen: str) -> None:
        await _send(send, f"retry: {RETRY_MS}\n\n".encode())
        with trio.move_on_after(LAST_S):
            while True:
                latest = await self._current()
                if latest.id != seen:
                    seen = latest.id
                    await _send(send, b"id: %b\ndata: %b\n\n" % (seen.encode(), latest.data))
                await trio.sleep(self._look_s)
        await send({"type": "http.response.body", "body": b""})

    async def _current(self) -> Snapshot:
        """The state as it was within the last interval."""
        async with self._asking:
            now = trio.current_time()
            if self._latest is None or now - self._looked_at >= self._look_s * 0.9:
                self._latest = await self._look()
                self._looked_at = now
            return self._latest


async def _send(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})
