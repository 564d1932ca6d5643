"""S1 to S4: the tuners' documents and files, and what it costs to stand ready."""

import http.client
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.benchmarks import rig
from tests.benchmarks.relay import Row

__all__ = ["BENCHMARKS"]

DVRS: Final = 13
ROWS: Final = 479
STARTS: Final = 5
REQUESTS: Final = 500
GUIDE_BYTES: Final = 50_000_000
GUIDES: Final = 20
IDLE_S: Final = 20.0


def s1() -> list[Row]:
    """From exec to 200 on all thirteen lineups, with fixed ports, as a restart would have it."""
    took, rss = [], []
    for _ in range(STARTS):
        home = Path(tempfile.mkdtemp(prefix="ptctl-bench-"))
        try:
            rig.publish(home, [], tuners=2, dvrs=DVRS, guide=b"<tv></tv>", rows=ROWS)
            began = time.monotonic()
            with rig.process(rig.role("serve", str(home))) as running:
                for port in running.said["ports"]:
                    assert _get(port, "/lineup.json")[0] == 200
                took.append((time.monotonic() - began) * 1000)
                time.sleep(1.5)  # what is loaded after the start counts as well
                rss.append(running.rss_mb())
        finally:
            shutil.rmtree(home, ignore_errors=True)
    ms, mb = statistics.median(took), statistics.median(rss)
    return [
        Row("S1 exec to thirteen lineups", f"{ms:.0f} ms", "600 ms", ms / 600, "at most 1"),
        Row("S1 memory", f"{mb:.0f} MB", "80 MB", mb / 80, "at most 1"),
    ]


def _get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def s2() -> list[Row]:
    """lineup.json of 479 channels, one request after the other on one connection."""
    with rig.ours([], rows=ROWS) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        times = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            connection.request("GET", "/lineup.json")
            connection.getresponse().read()
            times.append((time.perf_counter() - began) * 1000)
        connection.close()
    ms = statistics.median(times)
    return [
        Row("S2 lineup.json of 479", f"{ms:.2f} ms", "0.5 ms", ms / 0.5, "at most 1 (Threadfin 25-39 ms)")
    ]


def s3() -> list[Row]:
    """A guide of 50 MB from its file."""
    with rig.ours([], rows=2, guide=os.urandom(1_000_000) * (GUIDE_BYTES // 1_000_000)) as (us, port):
        time.sleep(2)
        before = us.rss_mb()
        seen = [rig.sink(port, ["/guide.xml"], total=GUIDE_BYTES, relay=us) for _ in range(GUIDES)]
        grown = us.rss_mb() - before
    cost = sum(s.cpu_s for s in seen) / (GUIDES * GUIDE_BYTES / 1e9)
    return [
        Row("S3 guide.xml of 50 MB", f"{cost:.2f} CPU s/GB", "0.3", cost / 0.3, "at most 1"),
        Row("S3 memory grown by", f"{grown:.1f} MB", "1 MB", grown, "unchanged"),
    ]


def s4() -> list[Row]:
    """Thirteen DVRs that nobody asks for anything."""
    with rig.ours([], dvrs=DVRS, rows=ROWS) as (us, _):
        time.sleep(3)
        begun = us.cpu_s()
        time.sleep(IDLE_S)
        share = (us.cpu_s() - begun) / IDLE_S
    return [Row("S4 idle, thirteen DVRs", f"{share:.2%} of a core", "0.5 %", share / 0.005, "under 1")]


BENCHMARKS: Final[dict[str, Callable[[], list[Row]]]] = {"S1": s1, "S2": s2, "S3": s3, "S4": s4}
