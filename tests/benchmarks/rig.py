"""The machinery of the relay benchmarks: sources, sinks and relays, each a process of its own.

CPU time is read from /proc for the relay's process alone, so what source and sink cost plays no part. Everything runs
on loopback with ports of the system's choice. `python -m tests.benchmarks.rig ROLE …` is how the processes start; each
prints one line of JSON when it is ready and, sinks, one when it is done. The roles stay in one module, because they are
started by its name and share clip, rates and ports.
"""

import contextlib
import json
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.ports import free_port

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PACKET: Final = 188
TICK_S: Final = 0.04
RATE_BPS: Final = 8_000_000
SEGMENT_S: Final = 2.0
READY_LIMIT_S: Final = 30.0


# --- processes -------------------------------------------------------------------------------------------------


@dataclass
class Process:
    """A running process with its first line of JSON."""

    popen: subprocess.Popen[bytes]
    said: Mapping[str, Any]

    @property
    def pids(self) -> list[int]:
        """It and its children."""
        children = Path(f"/proc/{self.popen.pid}/task/{self.popen.pid}/children").read_text().split()
        return [self.popen.pid, *(int(c) for c in children)]

    def cpu_s(self) -> float:
        """User and system time so far, children included."""
        # The kernel's CPU clock of another process: nanoseconds, threads that have ended included.
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids)

    def rss_mb(self) -> float:
        """Resident memory now."""
        total = 0
        for pid in self.pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total / 1024


@contextmanager
def process(argv: Sequence[str], *, said: bool = True, **more: Any) -> Iterator[Process]:
    """Start a program, wait for its first line, end it with the block."""
    popen = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT, **more)
    try:
        first: Mapping[str, Any] = {}
        if said:
            assert popen.stdout is not None
            ready, _, _ = select.select([popen.stdout], [], [], READY_LIMIT_S)
            assert ready, f"{argv} did not become ready"
            first = json.loads(popen.stdout.readline())
        yield Process(popen, first)
    finally:
        popen.terminate()
        try:
            popen.wait(5)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
        if popen.stdout is not None:
            popen.stdout.close()


def role(*words: str | float) -> list[str]:
    """The command line of one of the roles below."""
    return [sys.executable, "-m", "tests.benchmarks.rig", *(str(word) for word in words)]


@contextmanager
def source(kind: str) -> Iterator[int]:
    """A source of streams; gives its port."""
    with process(role("source", kind)) as running:
        yield int(running.said["port"])


@dataclass(frozen=True)
class Seen:
    """What a sink saw. `cpu_s`: what the relay spent in the same time."""

    seconds: float
    bytes: list[int]
    first_ms: list[float]
    gap_ms: list[float]
    rates: list[float]
    """Bytes a second of each, between its first and its last arrival."""
    cpu_s: float = 0.0
    rss_mb: float = 0.0

    @property
    def cpu_per_gb(self) -> float:
        """CPU seconds per gigabyte delivered."""
        return self.cpu_s / (sum(self.bytes) / 1e9)


def sink(
    port: int,
    paths: Sequence[str],
    *,
    seconds: float = 0.0,
    total: int = 0,
    warm_s: float = 0.0,
    relay: Process | None = None,
) -> Seen:
    """Read all paths at once for so long after warming up, or so many bytes each."""
    words = role("sink", port, seconds, total, warm_s)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as popen:
        assert popen.stdin is not None
        assert popen.stdout is not None
        begun = relay.cpu_s() if relay else 0.0
        popen.stdin.write(json.dumps(list(paths)).encode())
        popen.stdin.close()
        rss = 0.0
        if warm_s:
            time.sleep(warm_s + 0.2)
            begun = relay.cpu_s() if relay else 0.0
            time.sleep(seconds - 0.5)
            cpu = (relay.cpu_s() - begun) * seconds / (seconds - 0.5) if relay else 0.0
            rss = relay.rss_mb() if relay else 0.0
        said = json.loads(popen.stdout.read())
        if not warm_s:
            cpu = relay.cpu_s() - begun if relay else 0.0
            rss = relay.rss_mb() if relay else 0.0
    return Seen(**said, cpu_s=cpu, rss_mb=rss)


def true_share() -> float:
    """What the paced source really sends of its nominal rate: whole packets a tick."""
    tick = RATE_BPS / 8 * TICK_S
    return tick // PACKET * PACKET / tick


def connections_to(running: Process, port: int) -> int:
    """How many sockets of a process lead to a port of loopback."""
    nodes = set()
    for link in Path(f"/proc/{running.popen.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            name = link.readlink().name
            nodes.add(name.removeprefix("socket:[").removesuffix("]"))
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(f[2] == wanted and f[9] in nodes and f[3] == "01" for f in map(str.split, lines))


# --- relays ----------------------------------------------------------------------------------------------------


@contextmanager
def nginx(upstream: int, *, buffering: bool = True) -> Iterator[tuple[Process, int]]:
    """Nginx as a reverse proxy with one worker and its default buffers."""
    port = free_port()
    home = Path(tempfile.mkdtemp(prefix="nginx-"))
    config = f"""
daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log; master_process off;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  server {{ listen 127.0.0.1:{port} backlog=1024; location / {{
    proxy_pass http://127.0.0.1:{upstream}; proxy_buffering {"on" if buffering else "off"};
  }} }}
}}
"""
    (home / "nginx.conf").write_text(config)
    try:
        argv = ["nginx", "-p", str(home), "-c", str(home / "nginx.conf")]
        with process(argv, said=False, stderr=subprocess.DEVNULL) as running:
            _wait_for(port)
            yield running, port
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + READY_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@contextmanager
def ours(
    urls: Sequence[Sequence[str]],
    *,
    tuners: int = 1000,
    dvrs: int = 1,
    guide: bytes = b"<tv></tv>",
    rows: int = 0,
) -> Iterator[tuple[Process, int]]:
    """`serve` with one channel per list of ways, numbered from 0; gives the first DVR's port.

    With `dvrs` and `rows` there are so many DVRs of so many rows that lead nowhere, for the documents' sake.
    """
    home = Path(tempfile.mkdtemp(prefix="ptctl-bench-"))
    try:
        publish(home, urls, tuners=tuners, dvrs=dvrs, guide=guide, rows=rows)
        with process(role("serve", str(home))) as running:
            yield running, int(running.said["ports"][0])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def publish(
    home: Path, urls: Sequence[Sequence[str]], *, tuners: int, dvrs: int, guide: bytes, rows: int
) -> list[str]:
    """A generation in `home`; returns the DVRs' names."""
    from reconciler.lineups.manifest import (
        Alternative,
        DvrManifest,
        Manifest,
        Routes,
        SourceRoute,
        manifest_bytes,
        routes_bytes,
    )

    names = [f"dvr{n:02d}" for n in range(dvrs)]
    numbers = [str(n) for n in range(max(rows, len(urls)))]
    folder = home / "artifacts" / "bench"
    made = []
    for index, name in enumerate(names):
        base = f"http://127.0.0.1:5{index:03d}"
        (folder / name).mkdir(parents=True)
        lineup = [
            {
                "GuideNumber": n,
                "GuideName": f"Channel {n} of a bench",
                "URL": f"{base}/auto/v{n}",
                "HD": 1,
                "VideoCodec": "H264",
                "AudioCodec": "AAC",
            }
            for n in numbers
        ]
        (folder / name / "lineup.json").write_text(json.dumps(lineup))
        (folder / name / "playlist.m3u").write_text("#EXTM3U\n")
        (folder / name / "guide.xml").write_bytes(guide)
        channels = {n: f"bench/{index}-{n}" for n in numbers}
        made.append(DvrManifest(name, name, f"1040AB{index:02X}", name, 0, base, tuners, False, channels))
    manifest = Manifest("bench", "ports", tuple(made))
    (folder / "manifest.json").write_bytes(manifest_bytes(manifest))
    (home / "private").mkdir()
    routes = Routes(
        "bench",
        {"bench": SourceRoute("bench", "m3u")},
        {f"bench/0-{n}": tuple(Alternative("bench", url=url) for url in ways) for n, ways in enumerate(urls)},
    )
    (home / "private" / "routes.json").write_bytes(routes_bytes(routes))
    (home / "artifacts" / "current").symlink_to("bench")
    return names


# --- roles -----------------------------------------------------------------------------------------------------


def _clip(size: int) -> bytes:
    """Packets with tables and key frames now and then, so that nothing is special about them."""
    from reconciler.serving.packets import ElementaryStream, Psi, psi_packets

    streams = (ElementaryStream(0x100, 0x1B), ElementaryStream(0x101, 0x0F))
    tables = psi_packets(Psi(1, 0x1000, 0x100, streams))
    key = bytes((0x47, 0x41, 0x00, 0x30, 7, 0x50)) + b"\x00" * 6 + b"\x00\x00\x01\xe0" + b"\x11" * 172
    rest = bytes((0x47, 0x01, 0x00, 0x10)) + b"\x22" * 184
    group = tables + key + rest * 500
    return (group * (size // len(group) + 1))[: size // PACKET * PACKET]


def _serve(home: str) -> None:
    import trio

    from reconciler.serving.server import Serving, serve
    from reconciler.serving.settings import ServeSettings

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            settings = ServeSettings(listen=("127.0.0.1", 0))
            serving: Serving = await nursery.start(serve, Path(home), settings)
            ports = [serving.dvrs[name][1] for name in sorted(serving.dvrs)]
            print(json.dumps({"ports": ports, "hub": serving.hub[1]}), flush=True)

    trio.run(main)


def _source(kind: str) -> None:
    """`fast`: as much as is taken. `paced`: 8 Mbit/s in ticks of 40 ms. `hls`: the same as segments of 2 s.

    Paths: `/silent/…` says nothing, `/status/…` 503, `/page/…` HTML; all others are streams.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    _Source(kind, listener).run()


class _Source:
    """One thread, one epoll: a thread per stream would measure the scheduler."""

    def __init__(self, kind: str, listener: socket.socket) -> None:
        self.kind = kind
        self.listener = listener
        self.tick_bytes = int(RATE_BPS / 8 * TICK_S) // PACKET * PACKET
        # Whole ticks: the last one before the clip begins again would else be a short one, and the rate a lower one.
        self.clip = _clip((4 << 20) // self.tick_bytes * self.tick_bytes)
        self.began = time.monotonic()
        self.poll = select.epoll()
        self.heads: dict[int, tuple[socket.socket, bytes]] = {}
        self.streams: dict[int, tuple[socket.socket, int]] = {}
        self.pending: dict[int, tuple[socket.socket, memoryview]] = {}
        self.segment = _clip(int(RATE_BPS / 8 * SEGMENT_S))

    def run(self) -> None:
        self.listener.setblocking(False)
        self.poll.register(self.listener, select.EPOLLIN)
        next_tick = time.monotonic() + TICK_S
        while True:
            wait = max(0.0, next_tick - time.monotonic()) if self.kind == "paced" else 1.0
            for number, event in self.poll.poll(wait):
                self.handle(number, event)
            if self.kind == "paced" and time.monotonic() >= next_tick:
                next_tick += TICK_S
                for number in list(self.streams):
                    self.push(number, self.tick_bytes)

    def handle(self, number: int, event: int) -> None:
        if number == self.listener.fileno():
            client, _ = self.listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.poll.register(client, select.EPOLLIN)
            self.heads[client.fileno()] = (client, b"")
        elif number in self.streams:
            if event & (select.EPOLLHUP | select.EPOLLERR) or (event & select.EPOLLIN and self.gone(number)):
                self.drop(number)
            elif event & select.EPOLLOUT:
                self.push(number, len(self.clip))
        elif number in self.pending and event & select.EPOLLOUT:
            self.flush(number)
        elif number in self.heads:
            self.read_head(number)

    def gone(self, number: int) -> bool:
        try:
            return not self.streams[number][0].recv(4096)
        except OSError:
            return True

    def drop(self, number: int) -> None:
        for table in (self.streams, self.pending, self.heads):
            if number in table:
                with contextlib.suppress(OSError):
                    self.poll.unregister(number)
                table.pop(number)[0].close()
                return

    def read_head(self, number: int) -> None:
        client, held = self.heads[number]
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.drop(number)
            return
        held += data
        if b"\r\n\r\n" not in held:
            self.heads[number] = (client, held)
            return
        self.heads[number] = (client, b"")
        self.answer(number, client, held.split()[1].decode())

    def answer(self, number: int, client: socket.socket, path: str) -> None:
        if path.startswith("/silent/"):
            return
        if path.startswith("/status/"):
            self.reply(number, client, b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        elif path.startswith("/page/"):
            self.reply(number, client, b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>")
        elif path.endswith(".m3u8"):
            newest = int((time.monotonic() - self.began) / SEGMENT_S) + 100
            lines = [
                "#EXTM3U",
                f"#EXT-X-TARGETDURATION:{SEGMENT_S:.0f}",
                f"#EXT-X-MEDIA-SEQUENCE:{newest - 4}",
            ]
            for n in range(newest - 4, newest + 1):
                lines += [f"#EXTINF:{SEGMENT_S},", f"{path[1:-5].rpartition('/')[2]}-{n}.seg"]
            self.reply(number, client, _ok("\n".join([*lines, ""]).encode()))
        elif path.endswith(".seg"):
            self.reply(number, client, _ok(self.segment))
        else:
            del self.heads[number]
            client.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n")
            self.streams[number] = (client, 0)
            if self.kind == "fast":
                self.poll.modify(client, select.EPOLLIN | select.EPOLLOUT)
            else:
                self.push(number, self.tick_bytes)

    def reply(self, number: int, client: socket.socket, data: bytes) -> None:
        self.pending[number] = (client, memoryview(data))
        self.poll.modify(client, select.EPOLLIN | select.EPOLLOUT)
        self.flush(number)

    def flush(self, number: int) -> None:
        client, left = self.pending[number]
        try:
            left = left[client.send(left) :]
        except BlockingIOError:
            pass
        except OSError:
            self.drop(number)
            return
        if left:
            self.pending[number] = (client, left)
        else:
            del self.pending[number]
            self.poll.modify(client, select.EPOLLIN)

    def push(self, number: int, count: int) -> None:
        client, at = self.streams[number]
        end = min(at + count, len(self.clip))
        try:
            at += client.send(memoryview(self.clip)[at:end])
        except BlockingIOError:
            return
        except OSError:
            self.drop(number)
            return
        self.streams[number] = (client, 0 if at >= len(self.clip) else at)


def _ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _sink(port: int, seconds: float, total: int, warm_s: float) -> None:
    """Open all paths, read, and print what was seen of each: bytes, first bytes (ms), the longest gap (ms).

    With a time to warm up, bytes and gaps count from its end only.
    """
    paths = json.loads(sys.stdin.read())
    poll = select.epoll()
    socks: dict[int, socket.socket] = {}
    seen: dict[int, list[float]] = {}
    for path in paths:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        asked = time.monotonic()
        sock.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: sink\r\n\r\n".encode())
        socks[sock.fileno()] = sock
        # asked, first, last, longest gap, bytes, seconds they took
        seen[sock.fileno()] = [asked, 0.0, asked, 0.0, 0.0, 0.0]
        poll.register(sock, select.EPOLLIN)
    buffer = bytearray(1 << 20)
    began = time.monotonic()
    warm, ends = began + warm_s, began + warm_s + seconds if seconds else float("inf")
    while socks and time.monotonic() < ends:
        for number, _ in poll.poll(0.05):
            sock, row = socks[number], seen[number]
            count = sock.recv_into(buffer)
            now = time.monotonic()
            row[1] = row[1] or now
            if now >= warm and (row[2] >= warm or not warm_s):
                row[3] = max(row[3], now - row[2])
                row[4] += count
                row[5] += now - row[2]
            row[2] = now
            if not count or (total and row[4] >= total):
                poll.unregister(number)
                socks.pop(number).close()
    took = time.monotonic() - max(began, warm)
    rows = list(seen.values())
    print(
        json.dumps(
            {
                "seconds": took,
                "bytes": [int(r[4]) for r in rows],
                "first_ms": [(r[1] - r[0]) * 1000 for r in rows],
                "gap_ms": [r[3] * 1000 for r in rows],
                "rates": [r[4] / r[5] if r[5] else 0.0 for r in rows],
            }
        )
    )


def _main(words: Sequence[str]) -> None:
    match words:
        case ["serve", home]:
            _serve(home)
        case ["source", kind]:
            _source(kind)
        case ["sink", port, seconds, total, warm_s]:
            _sink(int(port), float(seconds), int(total), float(warm_s))
        case _:
            raise SystemExit(f"no such role: {words}")


if __name__ == "__main__":
    _main(sys.argv[1:])
