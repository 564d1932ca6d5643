"""`ptctl` as a process of its own that need not load itself: a server has loaded everything and forks for each command.

Half of what a short command costs is imports, and the tests start some five hundred commands. What a test sees is a real
process: own arguments, directory, environment and streams, a real exit status, real signals, a real `kill -9`. What only
a cold start shows (what is loaded, how long it takes, Python's own variables) is for tests that call
`python -m reconciler` themselves. `program` gives the same to whoever types `ptctl` in a shell.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import io
import marshal
import os
import pkgutil
import select
import shutil
import signal
import socket
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

from tests import warm_program
from tests.warm_program import NUMBER, PASSED_ON

__all__ = ["Command", "finished", "program", "python", "start"]

LAZY: Final = ("click.shell_completion", "deepdiff", "hypercorn.trio", "jsonschema", "sqlite3")
"""What commands load while they run, apart from the package's own modules."""
KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "CI")
WATCH_S: Final = 0.5
STREAMS: Final = 3
PR_SET_PDEATHSIG: Final = 1


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
    folder = await trio.to_thread.run_sync(_server)
    request = marshal.dumps({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)})
    streams = [_nothing() if f == subprocess.DEVNULL else f for f in (stdin, stdout, stderr)]
    ending = socket.socket(socket.AF_UNIX)
    ending.connect(str(folder / "socket"))
    socket.send_fds(ending, [b"+"], [f if isinstance(f, int) else f.fileno() for f in streams])
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


def program() -> Path:
    """The folder of a `ptctl` to put on a PATH: as the installed one, but what it starts need not load itself."""
    return _server()


def python() -> str:
    """An interpreter for `sys.executable` that can do one thing, `-m reconciler`, without loading it: what `serve` starts."""
    return str(_server() / "python")


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
def _server() -> Path:
    """The folder of the server of this test run, with its socket. It starts at the first use, one for all processes that run
    tests side by side, and ends with the one that started those.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None:
        folder = Path(tempfile.mkdtemp(prefix="warm-"))
        _begin(folder, os.getpid())
        return folder
    folder = Path(tempfile.gettempdir()) / f"warm-{run}"
    with suppress(FileExistsError):
        folder.mkdir(0o700)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ptctl").exists():
            _begin(folder, os.getppid())
    return folder


def _begin(folder: Path, owner: int) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.warm", str(listener.fileno()), str(owner), str(folder)],
            cwd=Path(__file__).parent.parent,
            env={name: os.environ[name] for name in KEPT if name in os.environ},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
        )
    script = Path(warm_program.__file__).read_text("utf-8")
    for name in ("python", "ptctl"):  # this one last: it says that all is there
        (folder / name).write_text(f"#!{sys.executable} -IS\n{script}", "utf-8")
        (folder / name).chmod(0o755)
    if owner == os.getpid():

        def end() -> None:
            process.terminate()
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)

        atexit.register(end)
    else:
        process.returncode = 0  # nobody here waits for it


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


def _end_with(parent: int) -> None:
    """In the fork: end when the server ends, however that ends, so that a test run that is killed leaves nothing running."""
    with suppress(AttributeError):  # Linux has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def _become(asking: socket.socket, streams: Sequence[int], folder: str) -> None:
    """In the fork: take the command's streams, directory, environment and words."""
    with asking, asking.makefile("rb") as sent:
        asked = marshal.loads(sent.read(*NUMBER.unpack(sent.read(NUMBER.size))))
    for target, number in enumerate(streams):
        os.dup2(number, target)
        os.close(number)
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())
    for number in PASSED_ON:  # ignored where the tests run in the background, or under `nohup`
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in asked.get("ignored", ()) else usual)
    if asked.get("session"):
        os.setsid()  # not the terminal that the tests were started from
    os.chdir(asked["cwd"])
    own = [name for name in asked["env"] if name.startswith("PYTHON")]
    assert not own, f"Python's own variables need a cold start: {own}"
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["ptctl", *asked["arguments"]]
    sys.executable = f"{folder}/python"  # a command that starts another one


def _serve(listener: socket.socket, owner: int, folder: str) -> None:
    """Fork for whoever asks, until the owner is gone or a signal says so; returns in each fork only."""
    told_to_end = False
    own = os.getpid()

    def end(*_: object) -> None:
        nonlocal told_to_end
        told_to_end = True

    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for signaled in PASSED_ON:
        signal.signal(signaled, end)
    signal.set_wakeup_fd(woken)
    running: dict[int, socket.socket] = {}
    watched = select.poll()
    watched.register(listener, select.POLLIN)
    watched.register(waking, select.POLLIN)
    while _lives(owner) and not told_to_end:
        ready = dict(watched.poll(WATCH_S * 1000))
        for pid, asking in running.items():
            if asking.fileno() in ready:  # who asked is gone
                watched.unregister(asking)
                os.kill(pid, signal.SIGKILL)
        if waking in ready:
            os.read(waking, 4096)
            while running and (ended := os.waitpid(-1, os.WNOHANG))[0]:
                with running.pop(ended[0]) as asking, suppress(BrokenPipeError):  # a test that did not wait
                    with suppress(KeyError):
                        watched.unregister(asking)
                    asking.sendall(NUMBER.pack(ended[1]))
        if listener.fileno() in ready:
            asking, _ = listener.accept()
            tied, streams, _, _ = socket.recv_fds(asking, 1, STREAMS)
            if not tied:  # killed before it asked
                asking.close()
                continue
            if not (pid := os.fork()):
                _end_with(own)
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for left in (listener, *running.values()):
                    left.close()
                os.close(waking)
                os.close(woken)
                _become(asking, streams, folder)
                return
            for number in streams:
                os.close(number)
            with suppress(BrokenPipeError):  # killed since it asked
                asking.sendall(NUMBER.pack(pid))
            running[pid] = asking
            if tied == b"!":
                watched.register(asking, 0)  # its hanging up is told without asking
    for pid in running:  # the tests were killed: nothing of theirs stays behind
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


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
    _serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3])
    try:
        importlib.import_module("reconciler.__main__").main()
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            _end(ending.code or 0)
        raise
    _end(0)
