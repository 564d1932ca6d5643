"""Server-sent events: only what changed, for few clients, for some seconds."""

from collections.abc import Mapping
from typing import Any

import trio
import trio.testing

from reconciler.serving.events import LAST_S, LOOK_S, MOST_CLIENTS, Events, Snapshot, snapshot


class Client:
    """One response's two ends."""

    def __init__(self) -> None:
        self.left = trio.Event()
        self.sent: list[bytes] = []
        self.ended = False

    async def receive(self) -> Mapping[str, Any]:
        """Nothing comes but the departure."""
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        """Keep what is sent."""
        await trio.lowlevel.checkpoint()
        if message["body"]:
            self.sent.append(message["body"])
        self.ended = self.ended or not message.get("more_body", False)

    @property
    def data(self) -> list[bytes]:
        """The data lines."""
        return [
            line.removeprefix(b"data: ")
            for piece in self.sent
            for line in piece.splitlines()
            if line.startswith(b"data: ")
        ]


class State:
    """Something that changes, and counts how often it is looked at."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0

    async def look(self) -> Snapshot:
        """The snapshot."""
        await trio.lowlevel.checkpoint()
        self.looks += 1
        return snapshot({"value": self.value})


def on_virtual_time(main: Any) -> None:
    """Run without waiting: no sockets are involved. Any: an async function without arguments."""
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_sends_only_changes() -> None:
    """The state is sent at the beginning and once for each change, however often it is looked at."""

    async def main() -> None:
        state, client = State(), Client()
        events = Events(state.look)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(events.serve, client.receive, client.send, "")
            await trio.sleep(LOOK_S * 2.5)
            assert [b'{"value":0}'] == client.data
            state.value = 1
            await trio.sleep(LOOK_S * 3)
            assert [b'{"value":0}', b'{"value":1}'] == client.data
            nursery.cancel_scope.cancel()

    on_virtual_time(main)


def test_ends_by_itself_and_resumes_quietly() -> None:
    """A response ends after its time; who comes back with the id it has seen is sent nothing again."""

    async def main() -> None:
        state, client = State(), Client()
        events = Events(state.look)
        began = trio.current_time()
        await events.serve(client.receive, client.send, "")
        assert client.ended
        assert LAST_S == trio.current_time() - began
        assert 0 == events.clients
        again = Client()
        await events.serve(again.receive, again.send, snapshot({"value": 0}).id)
        assert [] == again.data

    on_virtual_time(main)


def test_client_that_leaves_is_forgotten() -> None:
    """The departure of a client ends its response at once."""

    async def main() -> None:
        state, client = State(), Client()
        events = Events(state.look)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(events.serve, client.receive, client.send, "")
            await trio.sleep(1)
            assert 1 == events.clients
            client.left.set()
            await trio.sleep(0.01)
            assert 0 == events.clients

    on_virtual_time(main)


def test_many_clients_cost_one_look() -> None:
    """However many listen, the state is looked at once per interval; at the limit there is no room for more."""

    async def main() -> None:
        state = State()
        events = Events(state.look)
        clients = [Client() for _ in range(MOST_CLIENTS)]
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(events.serve, client.receive, client.send, "")
            await trio.sleep(LOOK_S * 3.5)
            assert events.full
            assert 4 == state.looks
            assert [1] * MOST_CLIENTS == [len(client.data) for client in clients]
            nursery.cancel_scope.cancel()
        assert not events.full

    on_virtual_time(main)
