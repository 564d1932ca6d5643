"""Connections lent to other processes: a probe asks for one, and gives it back when a viewer needs it.

    POST /api/v1/leases   {"source": "main", "purpose": "probe", "wait": 2}

The answer is a line of JSON at once and stays open: the lease lasts as long as the connection, so a prober that dies
frees it. A second line `{"revoked": true}` means that a viewer waits: stop and close; a moment later the slot is taken
back in any case (STM-2). 409: no slot, the last one is never a probe's. Needs the admin token. This module refuses to
lend to viewers.
"""

import json
from collections.abc import Mapping
from typing import Final

import trio

from reconciler.serving.access import Access
from reconciler.serving.asgi import Receive, Send
from reconciler.serving.generations import Live
from reconciler.serving.pool import Lease, Pool, PoolFull, Purpose
from reconciler.serving.small_body import small_body
from reconciler.serving.ways import accounts_of

__all__ = ["Leases"]


MOST_WAIT_S: Final = 30.0
MOST_HELD_S: Final = 600.0
GIVE_BACK_S: Final = 0.8
PURPOSES: Final[Mapping[str, Purpose]] = {"probe": "probe", "refresh": "refresh"}


class Leases:
    """The endpoint."""

    def __init__(self, live: Live, pool: Pool, access: Access) -> None:
        self._live = live
        self._pool = pool
        self._access = access

    async def answer(self, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        """One request, from its body to the end of the lease. Cancelling gives the slot back."""
        if not self._access.is_admin(headers):
            await _refuse(send, 401, "the admin token is needed")
            return
        wish = _wish(await small_body(receive))
        if isinstance(wish, str):
            await _refuse(send, 400, wish)
            return
        name, purpose, wait_s = wish
        generation = self._live.generation
        source = generation.routes.sources.get(name) if generation is not None else None
        if source is None:
            await _refuse(send, 404, f"no source is called '{name}'")
            return
        revoked = trio.Event()
        try:
            lease = await self._pool.acquire(
                accounts_of(source), purpose, wait_s=wait_s, yield_up=revoked.set
            )
        except PoolFull:
            await _refuse(send, 409, "no connection is free for this")
            return
        try:
            await self._hold(lease, revoked, receive, send)
        finally:
            self._pool.release(lease)

    async def _hold(self, lease: Lease, revoked: trio.Event, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/x-ndjson"), (b"connection", b"close")]
        async with trio.open_nursery() as nursery:

            async def departure() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(departure)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await _line(send, {"account": lease.account, "purpose": lease.purpose})
            with trio.move_on_after(MOST_HELD_S):
                await revoked.wait()
            await _line(send, {"revoked": True})
            await trio.sleep(GIVE_BACK_S)
            await send({"type": "http.response.body", "body": b""})
            nursery.cancel_scope.cancel()


def _wish(body: bytes | None) -> tuple[str, Purpose, float] | str:
    """Source, purpose and patience, or what is wrong with the body."""
    try:
        said = json.loads(body or b"")
        purpose = PURPOSES[said.get("purpose", "probe")]
        wait_s = float(said.get("wait", 0))
        return str(said["source"]), purpose, max(0.0, min(MOST_WAIT_S, wait_s))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return 'the body has to be {"source": name, "purpose": "probe" or "refresh", "wait": seconds}'


async def _refuse(send: Send, status: int, why: str) -> None:
    body = json.dumps({"error": why}).encode() + b"\n"
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _line(send: Send, row: Mapping[str, object]) -> None:
    body = json.dumps(row).encode() + b"\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})
