"""A container without a container engine: namespaces, read-only mounts, one user without rights.

What an example's manifest mounts is mounted here in the same places with the same owners and modes, in a chroot whose
root cannot be written, on a network of its own where the example's host names lead to the sandbox. So its ports and
addresses stay as they are written. Needs root and leave to make namespaces; whoever lacks that is told by `missing`.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

__all__ = ["ROOT", "Box", "Mount", "Program", "image_environment", "missing", "opened"]

ROOT: Final = Path(__file__).resolve().parents[2]
SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/dev")
LIMIT_S: Final = 90.0
UP: Final = (
    "import fcntl, socket, struct\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "fcntl.ioctl(s, 0x8914, struct.pack('16sh', b'lo', 0x1 | 0x40))\n"  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
)


@cache
def missing() -> str:
    """Why no box can be opened here; empty where one can."""
    if os.geteuid() != 0:
        return "only root may make namespaces"
    for program in ("unshare", "nsenter", "setpriv", "mount", "chroot"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    tried = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", "mount -t tmpfs none /mnt"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "namespaces are not allowed here"


def image_environment() -> dict[str, str]:
    """What the Dockerfile's ENV lines give the process, with PATH as it is on this machine."""
    found: dict[str, str] = {}
    for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines():
        if line.startswith("ENV "):
            found |= dict(word.split("=", 1) for word in shlex.split(line.removeprefix("ENV ")))
    return found | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the host at a path of the box."""

    host: Path
    path: str
    writable: bool = False


@dataclass(slots=True)
class Program:
    """A running `ptctl` in the box, and what it said so far."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        """Everything it printed."""
        return self.log.read_text("utf-8", "replace")

    def end(self) -> int:
        """Wait for its end; the exit code."""
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still running after {LIMIT_S:g} s\n{self.text}") from None


@dataclass(slots=True)
class Box:
    """The namespaces (held by a sleeping process), the root directory, and the user of what runs in there."""

    pid: int
    root: Path
    directory: Path
    user: tuple[int, int]
    env: Mapping[str, str]
    programs: list[Program] = field(default_factory=list)

    def outside(self, *command: str) -> list[str]:
        """A command line in the namespaces, not in the chroot, as root: for the sandbox and for looking."""
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--", *command]

    def inside(self, *command: str) -> list[str]:
        """A command line in the chroot, as the user, without a capability and without ways to get one."""
        uid, gid = self.user
        drop = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"]
        words = ["setpriv", f"--reuid={uid}", f"--regid={gid}", *drop, "env", "-i"]
        words += [f"{name}={value}" for name, value in self.env.items()]
        return self.outside("chroot", str(self.root), *words, *command)

    def start(self, *arguments: str) -> Program:
        """`ptctl ARGUMENTS` in the box."""
        return self._run(self.inside(sys.executable, "-m", "reconciler", *arguments))

    def sandbox(self, *arguments: str) -> dict[str, Any]:  # Any: JSON
        """`ptctl sandbox` beside the box; what it says of itself."""
        program = self._run(
            self.outside(sys.executable, "-m", "reconciler", "sandbox", "-f", "json", *arguments)
        )
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                facts: dict[str, Any] = json.loads(program.log.read_text("utf-8"))
            except ValueError:
                assert program.process.poll() is None, program.text
                assert time.monotonic() < deadline, program.text
                time.sleep(0.05)
            else:
                return facts

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """A line of shell as the user in the box."""
        return subprocess.run(
            self.inside("sh", "-c", script), capture_output=True, text=True, timeout=LIMIT_S, check=False
        )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Ask from within the network: status and body; status 0 where nothing answers."""
        code = (
            "import sys, json, urllib.request as u, urllib.error as e\n"
            "r = u.Request(sys.argv[1], headers=json.loads(sys.argv[2]))\n"
            "try:\n a = u.urlopen(r, timeout=5); print(a.status); print(a.read().decode())\n"
            "except e.HTTPError as x: print(x.code); print(x.read().decode())\n"
            "except OSError: print(0)\n"
        )
        done = subprocess.run(
            self.outside(sys.executable, "-c", code, url, json.dumps(dict(headers or {}))),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        status, _, body = done.stdout.partition("\n")
        return int(status), body

    def until(self, url: str, status: int, program: Program) -> str:
        """Ask again and again until this status comes; the body."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            found, body = self.get(url)
            if found == status:
                return body
            assert program.process.poll() is None, program.text
            assert time.monotonic() < deadline, f"{url}: {found} instead of {status}\n{program.text}"
            time.sleep(0.1)

    def _run(self, command: Sequence[str]) -> Program:
        log = self.directory / f"program-{len(self.programs)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        program = Program(process, log)
        self.programs.append(program)
        return program


@contextmanager
def opened(
    directory: Path,
    *,
    user: tuple[int, int],
    mounts: Sequence[Mount],
    tmpfs: Sequence[str] = ("/tmp",),
    hosts: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Iterator[Box]:
    """A box for the length of the block; everything in it ends with it."""
    root = directory / "root"
    root.mkdir()
    names = directory / "hosts"
    names.write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n", "utf-8")
    script = directory / "open.sh"
    script.write_text(_script(root, names, mounts, tmpfs), "utf-8")
    holder = subprocess.Popen(
        ["unshare", "--mount", "--net", "--propagation", "private", "sh", str(script)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "open\n"
        box = Box(holder.pid, root, directory, user, {**image_environment(), **(env or {})})
        try:
            yield box
        finally:
            for program in box.programs:
                program.process.terminate()
            for program in box.programs:
                try:
                    program.process.wait(10)
                except subprocess.TimeoutExpired:
                    program.process.kill()
                    program.process.wait()
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def _script(root: Path, names: Path, mounts: Sequence[Mount], tmpfs: Sequence[str]) -> str:
    """Build the root from bind mounts, each read-only but for what is writable, then close the root itself."""
    lines = ["set -e", f"mount --bind {names} /etc/hosts", f"mount -t tmpfs -o mode=0755 none {root}"]
    for path in tmpfs:
        lines += [f"mkdir -p {root}{path}", f"mount -t tmpfs -o mode=1777 none {root}{path}"]
    for name in SYSTEM:
        if Path(name).is_symlink():
            lines.append(f"ln -s {Path(name).readlink()} {root}{name}")
        elif Path(name).is_dir():
            lines += [f"mkdir -p {root}{name}", f"mount --rbind {name} {root}{name}"]
            if name not in {"/proc", "/dev"}:
                lines.append(f"mount -o remount,bind,ro {root}{name}")
    code = dict.fromkeys([ROOT, Path(sys.prefix), Path(sys.base_prefix)])
    for tree in code:
        covered = [*map(Path, SYSTEM), *(other for other in code if other != tree)]
        if not any(tree.is_relative_to(other) for other in covered):
            lines += _bound(root, Mount(tree, str(tree)))
    for mount in mounts:
        lines += _bound(root, mount)
    lines += [
        f"mount -o remount,ro {root}",
        f"{sys.executable} -c {shlex.quote(UP)}",
        "echo open",
        "exec sleep 600",
    ]
    return "\n".join(lines) + "\n"


def _bound(root: Path, mount: Mount) -> list[str]:
    place = f"{root}{mount.path}"
    made = f"mkdir -p {place}" if mount.host.is_dir() else f"mkdir -p $(dirname {place}); touch {place}"
    lines = [made, f"mount --bind {mount.host} {place}"]
    return lines if mount.writable else [*lines, f"mount -o remount,bind,ro {place}"]
