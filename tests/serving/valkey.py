"""A real redis-server for a test: loopback, nothing on disk, ended with the block."""

import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from reconciler.secret import Secret
from tests.ports import free_port

__all__ = ["Valkey", "valkey"]


@dataclass
class Valkey:
    """A server that can be killed and started again, empty, on the same port."""

    home: Path
    port: int
    words: Sequence[str] = ()
    running: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its address, without a password."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def secret(self) -> Secret:
        """The same as what `serve` is told."""
        return Secret(self.url)

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._launch()
        with trio.fail_after(20):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                except OSError:
                    await trio.sleep(0.02)
                else:
                    return

    def _launch(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.running = subprocess.Popen(
            ["redis-server", *common, "--dir", str(self.home), *self.words], stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """Gone at once, and all it knew."""
        if self.running is not None:
            self.running.kill()
            self.running.wait()
            self.running = None


@asynccontextmanager
async def valkey(home: Path, *words: str) -> AsyncIterator[Valkey]:
    """A running server."""
    server = Valkey(home, free_port(), words)
    try:
        await server.start()
        yield server
    finally:
        server.kill()
