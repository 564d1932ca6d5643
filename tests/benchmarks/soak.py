"""`python -m tests.benchmarks soak [--minutes N]`: a household that never rests, and whether `serve` stays the same.

A real `serve` in a process of its own, a simulated provider that fails in every way it knows, viewers that come, zap,
stall and break off, clients that read documents and pages, probes that borrow connections, and a new generation every
quarter of a minute. Printed once in a while: resident memory, descriptors, tasks, sessions, viewers. At the end all
leave, and what remains is compared with what there was before the first viewer.

`python -m tests.benchmarks.soak serve STATE` is the process that is watched.
"""

import argparse
import gc
import json
import random
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from reconciler.lineups.manifest import Alternative
from reconciler.sandbox.faults import Fault
from reconciler.sandbox.manners import Manners
from reconciler.sandbox.panel import Account, Channel, Panel, Shape
from reconciler.sandbox.provider import ProviderHandle, run_provider
from reconciler.secret import Secret
from reconciler.serving.server import Serving, serve
from reconciler.serving.settings import ServeSettings
from tests.benchmarks.rig import Process, process
from tests.serving.stage import Stage, one_source

__all__ = ["main"]

CHANNELS: Final = 12
VIEWERS: Final = 10
READERS: Final = 2
EVERY_S: Final = 15.0
GENERATION_S: Final = 15.0
KEPT_GENERATIONS: Final = 3
REST_S: Final = 25.0
ADMIN: Final = "soak-soak-soak"
SEED: Final = 20261130
DOCUMENTS: Final = (
    "discover.json", "lineup.json", "lineup_status.json", "status.json", "guide.xml", "playlist.m3u", "device.xml",
    "auto/v9999", "tuner7/v1000", "%2e%2e/manifest.json",
)  # fmt: skip
PAGES: Final = ("/", "/guide", "/metrics", "/readyz", "/api/v1/status", "/api/v1/streams", "/nowhere")
FAULTS: Final = (
    Fault("eof", path="live", after_s=2.0, lasts=6),
    Fault("stall", path="live", after_s=1.0, lasts=6),
    Fault("reset", path="live", after_s=2.0, lasts=6),
    Fault("html", path="live", after_bytes=300_000, lasts=6),
    Fault("corrupt", path="live", lasts=8),
    Fault("pid-change", path="live", after_s=1.0, lasts=6),
    Fault("status", path="live", host=0, status=503, lasts=8),
    Fault("status", path="live", status=458, lasts=3),
    Fault("hang", path="live", host=0, lasts=8),
    Fault("empty", path="live", host=0, lasts=8),
    Fault("tos-redirect", path="live", host=1, lasts=8),
    Fault("zeros", path="live", host=0, lasts=8),
    Fault("refuse", host=0, lasts=8),
    Fault("frozen", lasts=8),
    Fault("segment-empty", lasts=5),
    Fault("sequence-reset", lasts=5),
    Fault("token-expiry", path="stream", lasts=5),
)


# --- the process that is watched -------------------------------------------------------------------------------


def _serve(state: str) -> None:
    """`serve` that answers each line on its input with one line about itself."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            settings = ServeSettings(listen=("127.0.0.1", 0), admin_token=Secret(ADMIN), base=Path(state))
            serving: Serving = await nursery.start(serve, Path(state), settings)
            print(json.dumps({"dvr": serving.dvrs["news"], "hub": serving.hub}), flush=True)
            source = trio.lowlevel.FdStream(0)
            async for _ in source:
                print(json.dumps(_about(serving)), flush=True)

    trio.run(main)


def _about(serving: Serving) -> dict[str, Any]:  # Any: JSON
    sessions = list(serving.relay.sessions.values())
    gc.collect()
    return {
        "fds": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "sessions": len(sessions),
        "viewers": sum(len(session.channel.viewers) for session in sessions),
        "leases": sum(sum(v for k, v in row.items() if k != "refused") for row in serving.relay.pool.use().values()),
        "objects": len(gc.get_objects()),
    }  # fmt: skip


# --- the household ---------------------------------------------------------------------------------------------


class Household:
    """Everybody who asks `serve` for something. `seen` counts what they were answered."""

    def __init__(self, said: dict[str, Any], chance: random.Random) -> None:
        self.dvr: tuple[str, int] = tuple(said["dvr"])
        self.hub: tuple[str, int] = tuple(said["hub"])
        self.chance = chance
        self.seen: Counter[str] = Counter()
        self.received = 0

    async def viewer(self) -> None:
        """Watches something for a while, breaks off in one way or another, and comes back."""
        while True:
            with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                await self._watch(1000 + self.chance.randrange(CHANNELS))
            await trio.sleep(self.chance.choice((0.0, 0.05, 0.5, 2.0)))

    async def _watch(self, number: int) -> None:
        stream = await trio.open_tcp_stream(*self.dvr)
        async with stream:
            await stream.send_all(
                b"GET /auto/v%d HTTP/1.1\r\nHost: a\r\nUser-Agent: Lavf/60\r\n\r\n" % number
            )
            patience_s = self.chance.choice((0.001, 0.02, 0.5, 3.0, 12.0, 25.0))
            stalls = self.chance.random() < 0.1
            first = True
            with trio.move_on_after(patience_s):
                while data := await stream.receive_some(1 << 17):
                    if first:
                        self.seen["stream " + data[9:12].decode("ascii", "replace")] += 1
                    first = False
                    self.received += len(data)
                    if stalls:
                        await trio.sleep(patience_s)
                self.seen["stream ended"] += 1
            if self.chance.random() < 0.4:
                stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async def reader(self) -> None:
        """Asks for a document or a page a few times a second, sometimes without waiting for the answer."""
        while True:
            with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                if self.chance.random() < 0.7:
                    await self._ask(self.dvr, "/" + self.chance.choice(DOCUMENTS))
                else:
                    await self._ask(self.hub, self.chance.choice(PAGES))
            await trio.sleep(0.2)

    async def _ask(self, place: tuple[str, int], path: str) -> None:
        stream = await trio.open_tcp_stream(*place)
        async with stream:
            await stream.send_all(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            if self.chance.random() < 0.1:
                return
            data = b""
            with trio.move_on_after(10) as waited:
                while more := await stream.receive_some(1 << 17):
                    data += more
            self.seen["timeout" if waited.cancelled_caught else "page " + data[9:12].decode()] += 1

    async def prober(self) -> None:
        """Borrows a connection, and gives it back in one way or another."""
        body = b'{"source": "main", "purpose": "probe", "wait": 1}'
        head = (
            f"POST /api/v1/leases HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        while True:
            with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                stream = await trio.open_tcp_stream(*self.hub)
                async with stream:
                    await stream.send_all(head.encode() + body)
                    with trio.move_on_after(self.chance.choice((0.05, 1.0, 4.0))):
                        while await stream.receive_some(4096):
                            pass
            await trio.sleep(1.0)


async def _failures(handle: ProviderHandle, chance: random.Random) -> None:
    while True:
        await trio.sleep(chance.uniform(3, 8))
        fault = chance.choice(FAULTS)
        handle.faults.switch_on(
            replace(fault, channel=chance.choice((None, None, 1 + chance.randrange(CHANNELS))))
        )
        for old in handle.faults.active()[:-3]:
            handle.faults.switch_off(old)
        handle.journal.clear()


async def _generations(stage: Stage) -> None:
    """Another lineup each time; the channel that is left out changes, so that channels go and come back."""
    every = dict(stage.lineups["news"])
    turn = 0
    while True:
        await trio.sleep(GENERATION_S)
        turn += 1
        without = str(1000 + turn % CHANNELS)
        stage.lineups = {"news": {n: c for n, c in every.items() if n != without}}
        stage.guide = b"<tv><!-- %d --></tv>\n" % turn
        stage.publish()
        folder = stage.state / "artifacts"
        old = sorted(
            (p for p in folder.iterdir() if p.is_dir() and not p.is_symlink()),
            key=lambda p: p.stat().st_mtime,
        )
        for path in old[:-KEPT_GENERATIONS]:
            shutil.rmtree(path)


# --- the run ---------------------------------------------------------------------------------------------------


def _measured(running: Process, log: Path) -> dict[str, Any]:
    popen = running.popen
    assert popen.stdin is not None
    assert popen.stdout is not None
    line = b""
    with suppress(BrokenPipeError):
        popen.stdin.write(b"\n")
        popen.stdin.flush()
        line = popen.stdout.readline()
    if not line:
        raise SystemExit(
            f"serve has ended with {popen.wait(10)}: {log.read_text('utf-8', 'replace')[-4000:]}"
        )
    said: dict[str, Any] = json.loads(line)
    return {"rss_mb": round(running.rss_mb(), 1), **said}


def _stage(state: Path, urls: Sequence[str]) -> Stage:
    return Stage(
        state,
        {"news": {str(999 + n): f"main/{n}" for n in range(1, CHANNELS + 1)}},
        sources={
            **one_source(*urls, connections=5),
            "list": replace(one_source(*urls, connections=5, format="hls")["main"], name="list"),
        },
        channels={
            f"main/{n}": (
                Alternative("main" if n % 3 else "list", str(n)),
                Alternative("list" if n % 3 else "main", str(n)),
            )
            for n in range(1, CHANNELS + 1)
        },
        tuners=6,
    )


async def _run(minutes: float, home: Path) -> list[dict[str, Any]]:
    chance = random.Random(SEED)
    shapes = (Shape(), Shape(variant="mpeg2"), Shape(uris="relative", master=1), Shape(ads_every=3))
    panel = Panel(
        accounts=(Account(max_connections=6),),
        channels=tuple(Channel(n, f"Channel {n}", shape=shapes[n % 4]) for n in range(1, CHANNELS + 1)),
    )
    rows: list[dict[str, Any]] = []
    async with trio.open_nursery() as nursery:
        manners = Manners(numbered=False, redirect=True, limit_answer=458)
        handle: ProviderHandle = await nursery.start(
            partial(run_provider, panel, hosts=3, stream_cache=home / "clips", manners=manners)
        )
        stage = _stage(home / "state", handle.urls)
        stage.publish()
        words = [sys.executable, "-m", "tests.benchmarks.soak", "serve", str(stage.state)]
        with process(words, stdin=-1, stderr=(home / "log").open("wb")) as running:
            await trio.sleep(1)
            before = _measured(running, home / "log")
            household = Household(dict(running.said), chance)
            print(f"before      {before}", flush=True)
            began = time.monotonic()
            async with trio.open_nursery() as guests:
                for _ in range(VIEWERS):
                    guests.start_soon(household.viewer)
                for _ in range(READERS):
                    guests.start_soon(household.reader)
                guests.start_soon(household.prober)
                guests.start_soon(_failures, handle, chance)
                guests.start_soon(_generations, stage)
                while time.monotonic() - began < minutes * 60:
                    await trio.sleep(EVERY_S)
                    row = {"at_s": round(time.monotonic() - began), **_measured(running, home / "log")}
                    rows.append(row)
                    print(json.dumps(row), flush=True)
                guests.cancel_scope.cancel()
            handle.faults.switch_off()
            await trio.sleep(REST_S)
            after = _measured(running, home / "log")
        print(f"after       {after}\nanswers     {dict(sorted(household.seen.items()))}", flush=True)
        print(f"received    {household.received / 1e9:.2f} GB", flush=True)
        log = (home / "log").read_text("utf-8", "replace")
        print(f"tracebacks  {log.count('Traceback')}", flush=True)
        if "Traceback" in log:
            print(log[log.index("Traceback") :][:4000])
        nursery.cancel_scope.cancel()
    _verdict(rows, before, after)
    return rows


def _verdict(rows: Sequence[dict[str, Any]], before: dict[str, Any], after: dict[str, Any]) -> None:
    """The slope of each figure over the second two thirds (the first warms up), and what remained."""
    steady = rows[len(rows) // 3 :]
    print(f"\n{'figure':10} {'median':>10} {'per hour':>10} {'before':>10} {'after':>10}")
    for name in ("rss_mb", "fds", "tasks", "sessions", "viewers", "leases", "objects"):
        values = [float(row[name]) for row in steady]
        times = [row["at_s"] / 3600 for row in steady]
        slope = statistics.linear_regression(times, values).slope if len(steady) > 2 else 0.0
        print(f"{name:10} {statistics.median(values):10.1f} {slope:10.1f} {before[name]:10} {after[name]:10}")


def main(words: Sequence[str]) -> int:
    """Run it for so long; prints as it goes. The verdict is for a reader: a slope needs judgement."""
    asked = argparse.ArgumentParser(prog="python -m tests.benchmarks soak")
    asked.add_argument("--minutes", type=float, default=20.0)
    minutes: float = asked.parse_args(list(words)).minutes
    home = Path(tempfile.mkdtemp(prefix="ptctl-soak-"))
    try:
        trio.run(_run, minutes, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return 0


if __name__ == "__main__":
    _serve(sys.argv[2])
