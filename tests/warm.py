"""`ptctl` as a process of its own that need not load itself: a server has loaded everything and forks for each command.

Half of what a short command costs is imports, and the tests start some five hundred commands. What a test sees is a real
process: own arguments, directory, environment and streams, a real exit status, real signals, a real `kill -9`. What only
a cold start shows (what is loaded, how long it takes, Python's own variables) is for tests that call
`python -m reconciler` themselves.
"""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Final

import trio

__all__ = ["Command", "finished", "start"]

LAZY: Final = ("click.shell_completion", "deepdiff", "hypercorn.trio", "jsonschema", "sqlite3")
"""What commands load while they run, apart from the package's own modules."""
KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "CI")
WATCH_S: Final = 0.5
NUMBER: Final = struct.Struct("!i")
FOUR_NUMBERS: Final = 4  # the socket to answer on, and three streams


class Command:
    """A running `ptctl`, with what the tests use of a `trio.Process`."""

    def __init__(self, pid: int, ending: socket.socket) -> None:
        self.pid = pid
        self._ending = ending
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        """As `subprocess` has it: negative for a signal; None while it runs."""
        if self._code is None:
            try:
                self._code = os.waitstatus_to_exitcode(_number(self._ending))
            except BlockingIOError:
                return None
            self._ending.close()
        return self._code

    async def wait(self) -> int:
        """Until it has ended. Cancelling leaves it running."""
        while (code := self.returncode) is None:
            await trio.lowlevel.wait_readable(self._ending)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing where it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`."""
        self.send_signal(signal.SIGKILL)


async def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int,
    stderr: IO[bytes] | int,
) -> Command:
    """Start `ptctl` with these words. Streams are files, their numbers, or `subprocess.DEVNULL`. Costs a fork."""
    assert not [name for name in env if name.startswith("PYTHON")], "Python's own variables need a cold start"
    control = await trio.to_thread.run_sync(_server)
    request = json.dumps({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}).encode()
    ending, theirs = socket.socketpair()
    with theirs:
        streams = [_nothing() if f == subprocess.DEVNULL else f for f in (stdin, stdout, stderr)]
        numbers = [theirs.fileno(), *(f if isinstance(f, int) else f.fileno() for f in streams)]
        socket.send_fds(control, [b"+"], numbers)
    ending.sendall(NUMBER.pack(len(request)) + request)
    ending.setblocking(False)
    await trio.lowlevel.wait_readable(ending)
    return Command(_number(ending), ending)


async def finished(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes = b""
) -> tuple[int, bytes, bytes]:
    """Run `ptctl` to its end; exit status and what it wrote. Cancelling kills it."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        command = await start(arguments, cwd=cwd, env=env, stdin=given, stdout=out, stderr=err)
        try:
            code = await command.wait()
        finally:
            command.kill()
        return code, _all_of(out), _all_of(err)


def _number(told: socket.socket) -> int:
    """The next number that the server says."""
    data = told.recv(NUMBER.size)
    assert data, "the process that starts commands is gone"
    number: int = NUMBER.unpack(data)[0]
    return number


@cache
def _nothing() -> int:
    return os.open(os.devnull, os.O_RDWR)


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


@cache
def _server() -> socket.socket:
    """The way to this test process's server, started at the first use; it ends with the test process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
            cwd=Path(__file__).parent.parent,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )

    def end() -> None:
        ours.close()
        process.terminate()
        process.wait()

    atexit.register(end)
    return ours


def _load_everything() -> None:
    # As `reconciler.__main__` has it
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    package = importlib.import_module("reconciler")
    for module in pkgutil.walk_packages(package.__path__, "reconciler."):
        importlib.import_module(module.name)
    for name in LAZY:
        importlib.import_module(name)
    importlib.import_module("reconciler.tls").trusted()
    gc.freeze()


def _become(asking: socket.socket, streams: Sequence[int]) -> None:
    """In the fork: take the command's streams, directory, environment and words."""
    with asking, asking.makefile("rb") as sent:
        asked = json.loads(sent.read(*NUMBER.unpack(sent.read(NUMBER.size))))
    for target, number in enumerate(streams):
        os.dup2(number, target)
        os.close(number)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["ptctl", *asked["arguments"]]


def _serve(control: socket.socket) -> None:
    """Fork for whoever asks, until the test process is gone; returns in each fork only."""
    parent = os.getppid()
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    running: dict[int, socket.socket] = {}
    while os.getppid() == parent:
        readable, _, _ = select.select([control.fileno(), waking], [], [], WATCH_S)
        if waking in readable:
            os.read(waking, 4096)
            while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with running.pop(ended[0]) as asking, suppress(BrokenPipeError):  # a test that did not wait
                    asking.sendall(NUMBER.pack(ended[1]))
        if control.fileno() in readable:
            _, (answer, *streams), _, _ = socket.recv_fds(control, 1, FOUR_NUMBERS)
            asking = socket.socket(fileno=answer)
            if not (pid := os.fork()):
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for left in (control, *running.values()):
                    left.close()
                os.close(waking)
                os.close(woken)
                _become(asking, streams)
                return
            for number in streams:
                os.close(number)
            asking.sendall(NUMBER.pack(pid))
            running[pid] = asking
    os._exit(0)


def _end(code: int) -> None:
    """End the fork as Python ends a process, but for taking down what was loaded: most of the cost of a short command, because
    each page of it belongs to the server until it is written to. Returns where a stream takes no more: Python has words for that.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # threads that are no daemons are waited for, first of all
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if not stream.closed:
                stream.flush()
    except OSError:
        return
    os._exit(code)


if __name__ == "__main__":
    _load_everything()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    try:
        importlib.import_module("reconciler.__main__").main()
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            _end(ending.code or 0)
        raise
    _end(0)
