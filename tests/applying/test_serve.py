"""What apply takes for an answer of `serve`, and what not."""

import json

import trio

from reconciler.applying.serve import serve_client
from reconciler.plex.model import Unknown
from reconciler.sandbox.wire import Exchange
from reconciler.sandbox.wire import serve as wire_serve
from tests.conftest import Run


def test_another_programs_json_says_nothing(run: Run[None]) -> None:
    """At the hub's address: it is no status, and no word that nobody watches."""

    async def stranger(exchange: Exchange) -> None:
        await exchange.respond(200, json.dumps({"name": "router"}).encode(), content_type="application/json")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            port = await nursery.start(wire_serve, stranger)
            async with serve_client([f"http://127.0.0.1:{port}"]) as client:
                for found in (await client.status(), await client.busy()):
                    assert found == Unknown("what answers there is not ptctl serve")
            nursery.cancel_scope.cancel()

    run(main)
