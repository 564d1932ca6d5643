"""The server of commands: what it starts ends with it, and who leaves without a word ends it for nobody."""

import marshal
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.warm_program import NUMBER

ROOT: Final = Path(__file__).parent.parent
SERVE: Final = """
import socket, sys, time
from tests import warm
warm._serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
time.sleep(60)
"""


@contextmanager
def serving(folder: Path, owner: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server whose commands sleep for a minute."""
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        arguments = [sys.executable, "-c", SERVE, str(listener.fileno()), str(owner), str(folder)]
        process = subprocess.Popen(arguments, cwd=ROOT, pass_fds=[listener.fileno()])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def asked(folder: Path) -> socket.socket:
    """A command has been asked for, and not heard of."""
    request = marshal.dumps({"arguments": [], "cwd": str(ROOT), "env": {}})
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(str(folder / "socket"))
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123
        socket.send_fds(asking, [b"+"], [nothing.fileno()] * 3)
    asking.sendall(NUMBER.pack(len(request)) + request)
    asking.settimeout(30)
    return asking


def started(folder: Path) -> int:
    """The process of one more command."""
    with asked(folder) as asking:
        number: int = NUMBER.unpack(asking.recv(NUMBER.size))[0]
    return number


def is_gone(pid: int) -> bool:
    """Whether a process ends within a moment."""
    end = time.monotonic() + 10
    with suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.01)
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_commands_end_with_the_server(tmp_path: Path, how: signal.Signals) -> None:
    """However it ends: what a killed run had started would run on for good."""
    folder = tmp_path / "warm"
    with serving(folder, os.getpid()) as server:
        command = started(folder)
        server.send_signal(how)
        assert is_gone(command)
        server.wait(10)
        assert folder.exists() == (how == signal.SIGKILL)


def test_commands_end_with_the_owner(tmp_path: Path) -> None:
    """The test run that asked for the server is gone."""
    folder = tmp_path / "warm"
    with subprocess.Popen(["sleep", "60"]) as owner, serving(folder, owner.pid) as server:
        command = started(folder)
        owner.kill()
        owner.wait()
        assert is_gone(command)
        assert server.wait(10) == 0
    assert not folder.exists()


def test_who_leaves_at_once_ends_nothing(tmp_path: Path) -> None:
    """A `ptctl` that is killed before it has heard of its command: the next one is served."""
    folder = tmp_path / "warm"
    with serving(folder, os.getpid()):
        for _ in range(20):
            asked(folder).close()
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(folder / "socket"))
        assert started(folder)
