"""Word to systemd, read from a real datagram socket; and `ptctl serve` as systemd would run it."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from reconciler.serving.service import Manager
from tests.conftest import Run
from tests.ports import free_port
from tests.serving.stage import Stage


def listening(place: str) -> socket.socket:
    """A manager's socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(place)
    sock.settimeout(20)
    return sock


@pytest.mark.parametrize("abstract", [False, True])
def test_word_arrives(tmp_path: Path, *, abstract: bool) -> None:
    """By a path and by an abstract name; the variable is gone for children."""
    place = f"\0ptctl-test-{os.getpid()}" if abstract else str(tmp_path / "n")
    environ = {"NOTIFY_SOCKET": place.replace("\0", "@"), "OTHER": "1"}
    with listening(place) as sock:
        Manager(environ).tell("READY=1", "STATUS=serving home")
        assert b"READY=1\nSTATUS=serving home" == sock.recv(1000)
    assert {"OTHER": "1"} == environ


@pytest.mark.parametrize("place", ["", "relative", "/nowhere/at/all", "@nobody-listens-here"])
def test_nobody_listens(place: str) -> None:
    """No manager, or one that is gone, is no error."""
    Manager({"NOTIFY_SOCKET": place} if place else {}).tell("READY=1")


def test_the_watchdog_is_fed(run: Run[None], tmp_path: Path) -> None:
    """Twice in each interval; not at all for another process."""

    async def main() -> None:
        with listening(str(tmp_path / "n")) as sock:
            environ = {
                "NOTIFY_SOCKET": str(tmp_path / "n"),
                "WATCHDOG_USEC": "400000",
                "WATCHDOG_PID": str(os.getpid()),
            }
            with trio.move_on_after(1.1):
                await Manager(environ).beat()
            sock.settimeout(0)
            beats: list[bytes] = []
            while len(beats) < 100:
                try:
                    beats.append(sock.recv(1000))
                except BlockingIOError:
                    break
            assert {b"WATCHDOG=1"} == set(beats)
            assert 4 <= len(beats) <= 6
            other = {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "400000", "WATCHDOG_PID": "1"}
            with trio.fail_after(1):
                await Manager(other).beat()

    run(main)


def test_serve_tells_its_manager(tmp_path: Path) -> None:
    """`ptctl serve` says READY once it listens, WATCHDOG while it runs, and STOPPING when it is told to end."""
    hub = free_port()
    (tmp_path / "list.m3u").write_text("#EXTM3U\n#EXTINF:-1,One\nhttp://127.0.0.1:9/1.ts\n")
    (tmp_path / "ptctl.yaml").write_text(
        f"version: 1\nname: t\nsources: {{a: {{kind: m3u, path: list.m3u}}}}\n"
        f"buckets: [{{name: news, match: {{}}}}]\ndvrs: {{news: {{}}}}\n"
        f"serve: {{listen: '127.0.0.1:{hub}', layout: path, advertise: 'http://127.0.0.1:{hub}', refresh: {{every: 99h}}}}\n"
    )
    Stage(tmp_path / ".ptctl", layout="path").publish()
    environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1000000"}
    with (
        listening(str(tmp_path / "n")) as sock,
        subprocess.Popen(
            [sys.executable, "-m", "reconciler", "serve"], cwd=tmp_path, env=environ, stderr=subprocess.PIPE
        ) as serve,
    ):
        try:
            assert b"READY=1\nSTATUS=serving t" == sock.recv(1000)
            with socket.create_connection(("127.0.0.1", hub), 1):
                pass
            assert b"WATCHDOG=1" == sock.recv(1000)
            serve.send_signal(signal.SIGTERM)
            said = sock.recv(1000)
            while said == b"WATCHDOG=1":
                said = sock.recv(1000)
            assert b"STOPPING=1\nSTATUS=draining" == said
            assert 0 == serve.wait(20)
        finally:
            serve.kill()
