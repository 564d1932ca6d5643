"""Connections that a running `serve` lends to probes, out of the pool that its viewers use (STM-1, STM-2).

A loan lasts as long as the request that asked for it: a prober that dies gives it back, and `serve` takes it back when a
viewer needs it. This module refuses to go on with a connection that was taken back.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, cast

import httpx
import trio

from reconciler.secret import Secret
from reconciler.sources.web import broken_off
from reconciler.tls import trusted

__all__ = ["Lender", "Loan", "lender"]

PATH: Final = "/api/v1/leases"
ANSWER_S: Final = 5.0
WAIT_S: Final = 20.0
"""So long a probe waits for a connection that a viewer may give back."""


@dataclass(eq=False, slots=True)
class Loan:
    """One connection. `revoked` rings when a viewer needs it: stop at once, then give it back."""

    revoked: trio.Event = field(default_factory=trio.Event)
    refused: str = ""
    """Why it was not lent; "" : it was."""
    _over: trio.CancelScope = field(default_factory=trio.CancelScope)

    def give_back(self, *, after_s: float = 0.0) -> None:
        """The connection is closed, or will count no more in so many seconds. Harmless twice; does not wait."""
        if after_s and not self.revoked.is_set():
            self._over.deadline = trio.current_time() + after_s
        else:
            self._over.cancel()


@dataclass(frozen=True, slots=True)
class Lender:
    """`serve`'s hub, with the admin token."""

    _client: httpx.AsyncClient
    _token: Secret
    _nursery: trio.Nursery

    async def borrow(self, source: str) -> Loan:
        """A loan for a source, or one that says why it was `refused`. Waits up to `WAIT_S`. Cancelling leaves none open."""
        loan = Loan()
        await self._nursery.start(self._held, source, loan)
        return loan

    async def _held(self, source: str, loan: Loan, task_status: trio.TaskStatus[None]) -> None:
        body = {"source": source, "purpose": "probe", "wait": WAIT_S}
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        request = self._client.build_request("POST", PATH, json=body, headers=headers)
        started = False
        with loan._over:  # noqa: SLF001 - the loan is ours
            try:
                reply = await self._client.send(request, stream=True)
                try:
                    if reply.status_code != httpx.codes.OK:
                        loan.refused = _why(reply.status_code)
                        return
                    task_status.started()
                    started = True
                    await _revoked(reply)
                    loan.revoked.set()
                    await trio.sleep_forever()
                finally:
                    with trio.CancelScope(deadline=trio.current_time() + 1, shield=True):
                        await reply.aclose()
            except httpx.HTTPError:
                loan.refused = "serve broke off"
                loan.revoked.set()  # what it would say of viewers is unknown
            finally:
                if not started:
                    task_status.started()


async def _revoked(reply: httpx.Response) -> None:
    """Wait until the lease is taken back or ends."""
    chunks = cast("AsyncGenerator[bytes, None]", reply.aiter_raw())
    said = b""
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                said += chunk
                if b'"revoked"' in said:
                    return
    finally:
        await broken_off(reply, chunks)


def _why(status: int) -> str:
    match status:
        case 401:
            return "serve refuses the admin token"
        case 404:
            return "serve does not know the source yet"
        case 409:
            return "viewers need all connections"
        case _:
            return f"serve answered {status}"


@asynccontextmanager
async def lender(hub: str, token: Secret) -> AsyncIterator[Lender]:
    """The lender at a base address, for the length of the block; every loan is given back at its end."""
    async with (
        httpx.AsyncClient(
            base_url=hub,
            trust_env=False,
            verify=trusted(),
            timeout=httpx.Timeout(ANSWER_S, read=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        ) as client,
        trio.open_nursery() as nursery,
    ):
        yield Lender(client, token, nursery)
        nursery.cancel_scope.cancel()
