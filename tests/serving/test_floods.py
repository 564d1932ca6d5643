"""More connections than there are descriptors, and requests that want more than one answer: viewers are still served."""

import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from tests.benchmarks.rig import process, publish, role
from tests.conftest import Run
from tests.serving.stage import Stage, served

FILES: Final = 900
FLOOD: Final = 2_500


@contextmanager
def flooded(state: Path) -> Iterator[dict[str, Any]]:
    """`serve` that may have `FILES` descriptors."""
    publish(state, [["http://127.0.0.1:9/x"]], tuners=2, dvrs=1, guide=b"<tv></tv>", rows=1)
    words = ["bash", "-c", f'ulimit -n {FILES}; exec "$@"', "bash", *role("serve", str(state))]
    with process(words, stderr=subprocess.DEVNULL) as running:
        yield {"pid": running.popen.pid, **running.said}


def answer(port: int, source: str) -> bytes:
    """discover.json for a client at this address, within two seconds."""
    with socket.create_connection(("127.0.0.1", port), 2, (source, 0)) as sock:
        sock.settimeout(2)
        sock.sendall(b"GET /discover.json HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = b""
        while more := sock.recv(65536):
            data += more
        return data


@pytest.mark.accepts("SEC-2")
@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nX: "], ids=["silent", "slow heads"])
def test_more_connections_than_descriptors(tmp_path: Path, begun: bytes) -> None:
    """Thousands that say nothing, from several addresses, take no viewer's place: the oldest of them makes room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FLOOD + 500:
        pytest.skip("this system does not let a test open so many")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FLOOD + 500), hard))
    crowd: list[socket.socket] = []
    try:
        with flooded(tmp_path) as said:
            port = said["ports"][0]
            for n in range(FLOOD):
                sock = socket.socket()
                crowd.append(sock)
                sock.settimeout(5)
                with suppress(OSError):
                    sock.bind((f"127.0.0.{2 + n % 5}", 0))
                    sock.connect(("127.0.0.1", port))
                    sock.send(begun)
                if n % 500 == 499:
                    for source in ("127.0.0.1", "127.0.0.3"):
                        began = time.monotonic()
                        assert answer(port, source).startswith(b"HTTP/1.1 200 OK")
                        assert time.monotonic() - began < 2
            assert len(list(Path(f"/proc/{said['pid']}/fd").iterdir())) < FILES
    finally:
        for sock in crowd:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


TWO: Final = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.accepts("SEC-2")
@pytest.mark.parametrize(
    ("sent", "status", "answers"),
    [
        (b"POST /lineup.post HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + TWO, 400, 1),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + TWO, 400, 1),
        (b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n" + TWO, 200, 1),
        (b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200, 1),
        (b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 200, 1),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405, 2),
    ],
    ids=["two kinds of length", "two lengths", "pipelined", "h2c", "websocket", "http2"],
)  # fmt: skip
def test_one_exchange_is_one_exchange(
    run: Run[None], tmp_path: Path, sent: bytes, status: int, answers: int
) -> None:
    """The hub answers once and closes: nothing rides behind a request, and nothing changes the protocol."""

    async def main() -> None:
        stage = Stage(tmp_path)
        stage.publish()
        async with served(stage) as serving:
            stream = await trio.open_tcp_stream(*serving.hub)
            async with stream:
                await stream.send_all(sent)
                data = b""
                with trio.fail_after(5):
                    async for piece in stream:
                        data += piece
            assert status == int(data[9:12]), data[:200]
            assert data.count(b"HTTP/1.1 ") <= answers

    run(main)
