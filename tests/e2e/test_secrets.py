"""A planted credential is in no byte that ptctl emits: output, logs, artifacts, ledger, journal, lock, pages, metrics."""

import base64
from pathlib import Path
from typing import Final
from urllib.parse import quote, quote_plus

import httpx
import pytest
import trio

from reconciler.sandbox.faults import Fault
from reconciler.tls import trusted
from tests.conftest import Run
from tests.e2e.world import PASSWORD, TOKEN, World, world

PLANTED: Final = (
    PASSWORD,
    TOKEN,
)  # the user's name alone is no secret worth hiding in the account's own messages

COMMANDS: Final = (
    "plan -f json",
    "plan -f markdown",
    "--traceback plan --actions",
    "apply --yes --wait 30s",
    "history 1",
    "explain dvr locals",
    "plan --channels all",
)


def spellings(secret: str) -> set[bytes]:
    """Raw, percent-encoded in every usual way, and base64 at each of its three alignments."""
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace("/", "\\/")}
    found = {text.encode() for text in texts}
    for pad in range(3):
        coded = base64.b64encode(b"x" * pad + secret.encode())
        found.add(coded[4 if pad else 0 : -4])  # the middle, which the neighbours cannot change
    return found


def emitted(home: World) -> dict[str, bytes]:
    """Every file below the state directory and the server's log."""
    files = {str(p): p.read_bytes() for p in home.state.rglob("*") if p.is_file()}
    files["serve.log"] = (home.directory / "serve.log").read_bytes()
    return files


def check(where: str, data: bytes) -> None:
    """No spelling of a planted secret."""
    for secret, name in zip(PLANTED, ("password", "token"), strict=True):
        for spelling in spellings(secret):
            assert spelling not in data, f"the {name} is in {where} as {spelling!r}"


@pytest.mark.accepts("CRD-4", "DVR-6", "TVG-4")
def test_no_byte_of_a_credential_leaves(run: Run[None], tmp_path: Path) -> None:
    """Plan in every format, a failing and a working apply, a verbose server, a tuned channel, pages and metrics."""

    async def main() -> None:
        async with world(tmp_path) as home, home.serving("-v", ready=False):
            home.provider.faults.switch_on(Fault("status", host=0, path="player_api", status=403, first=1))
            outputs: dict[str, str] = {}
            for line in COMMANDS:
                result = await home.ptctl(*line.split())
                outputs[line] = result.out + result.err
            wrong = {"TEST_PASS": PASSWORD + "x", "TEST_TOKEN": TOKEN + "x"}
            refused = await home.ptctl("--traceback", "plan", env=wrong)
            outputs["plan, refused"] = refused.out + refused.err
            await tune_and_browse(home)
            for line, text in outputs.items():
                check(line, text.encode())
            for where, data in emitted(home).items():
                check(where, data)
            targets = [entry.target for entry in home.plex.journal.entries]
            assert targets
            assert all(TOKEN not in target for target in targets)

    run(main)


async def tune_and_browse(home: World) -> None:
    """Read a stream, the pages and the files; none of them holds a secret or a provider's address."""
    hub = f"http://127.0.0.1:{home.hub}"
    providers = [url.removeprefix("http://").encode() for url in home.provider.urls]
    async with httpx.AsyncClient(trust_env=False, timeout=20, verify=trusted()) as client:
        for path in ("/", "/guide", "/metrics", "/readyz", "/api/v1/streams", "/dvr-locals.m3u"):
            answer = await client.get(hub + path)
            assert answer.status_code == 200, path
            check(path, answer.content + str(answer.headers).encode())
            if path.startswith(
                ("/metrics", "/readyz", "/api")
            ):  # elsewhere logos have the provider's public address
                assert all(provider not in answer.content for provider in providers), path
        lineup = (await client.get(f"http://127.0.0.1:{home.ports[0]}/lineup.json")).json()
    check("stream head", await head_of(httpx.URL(lineup[0]["URL"])))


async def head_of(url: httpx.URL) -> bytes:
    """The status line and headers of a stream, read from a socket that is then closed."""
    async with await trio.open_tcp_stream(url.host, url.port or 80) as stream:
        await stream.send_all(f"GET {url.path} HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            data += await stream.receive_some(4096)
        assert data.startswith(b"HTTP/1.1 200"), data[:60]
        return data
