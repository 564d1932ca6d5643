"""What a connection that does not come about is called: the reason decides what the user does next."""

import shutil
import ssl
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from reconciler.errors import PlexUnreachable
from reconciler.plex.connection import connected
from reconciler.plex.reader import read_server
from reconciler.plex.requests import Request
from reconciler.secret import Secret
from tests.conftest import Run


async def refusal(url: str) -> PlexUnreachable:
    """What looking at the server at `url` ends with."""
    async with connected(url, Secret("token-1"), client_id="ptctl-test") as connection:
        with pytest.raises(PlexUnreachable) as caught:
            await read_server(connection)
    return caught.value


async def drained(stream: trio.abc.Stream) -> None:
    """A server that says HTTP's least whatever comes."""
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_https_where_http_is_spoken(run: Run[None]) -> None:
    """plex.url says https and the port speaks plain HTTP."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, drained, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            error = await refusal(f"https://127.0.0.1:{port}")
            assert "does not speak TLS" in error.message
            assert "http://" in str(error.next_step)
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_a_certificate_for_another_name(run: Run[None], tmp_path: Path) -> None:
    """Plex's own certificate is for its plex.direct name: by its address it is not trusted (plex-livetv.md 1)."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=10-0-0-5.abc.plex.direct"
    subprocess.run([*words.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)

    async def main() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

        async def handshake(stream: trio.abc.Stream) -> None:
            with pytest.raises(trio.BrokenResourceError):
                await trio.SSLStream(stream, context, server_side=True).do_handshake()

        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, handshake, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            error = await refusal(f"https://127.0.0.1:{port}")
            assert "the TLS certificate at plex.url is not for that name or not trusted" in error.message
            assert "plex.direct" in str(error.next_step)
            nursery.cancel_scope.cancel()

    run(main)


def test_nobody_there(run: Run[None]) -> None:
    """A closed port is no connection."""

    async def main() -> None:
        assert "no connection to plex.url" in (await refusal("http://127.0.0.1:1")).message

    run(main)


def test_an_answer_that_trickles_in(run: Run[None]) -> None:
    """A byte now and then is no answer: the limit is for the whole of it."""

    async def trickle(stream: trio.abc.Stream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                await stream.send_all(b"<")
                await trio.sleep(0.02)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            (listener,) = await nursery.start(partial(trio.serve_tcp, trickle, 0, host="127.0.0.1"))
            port = listener.socket.getsockname()[1]
            async with connected(
                f"http://127.0.0.1:{port}", Secret("t"), client_id="ptctl-test"
            ) as connection:
                with trio.fail_after(5), pytest.raises(PlexUnreachable, match="no whole answer within"):
                    await connection.send(Request("GET", "/identity", 0.2))
            nursery.cancel_scope.cancel()

    run(main)
