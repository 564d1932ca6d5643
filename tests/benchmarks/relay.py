"""R1 to R6: streams through `serve`, beside nginx (its defaults) or the source itself, in the same rounds."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tests.benchmarks import rig
from tests.ports import free_port

__all__ = ["BENCHMARKS", "Row"]

ROUNDS: Final = 5
ROUND_BYTES: Final = 1_000_000_000
STREAMS: Final = 200
WARM_S: Final = 3.0
SECONDS: Final = 12.0
FIRSTS: Final = 60
HLS_STREAMS: Final = 32


class Row(NamedTuple):
    """One line of the benchmarks' table."""

    what: str
    ours: str
    beside: str
    ratio: float
    goal: str


def _base(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def r1() -> list[Row]:
    """One reader that takes what it gets, from a source that gives what is taken."""
    with (
        rig.source("fast") as port,
        rig.ours([[f"{_base(port)}/a"]]) as (us, ours),
        rig.nginx(port) as (them, theirs),
    ):
        pairs = []
        for _ in range(ROUNDS):
            mine = rig.sink(ours, ["/auto/v0"], total=ROUND_BYTES, relay=us).cpu_per_gb
            pairs.append((mine, rig.sink(theirs, ["/a"], total=ROUND_BYTES, relay=them).cpu_per_gb))
    mine, other = (statistics.median(p[i] for p in pairs) for i in (0, 1))
    ratio = statistics.median(a / b for a, b in pairs)
    return [
        Row(
            "R1 one unpaced reader",
            f"{mine:.2f} CPU s/GB",
            f"{other:.2f} nginx default",
            ratio,
            "at most 0.6",
        )
    ]


def r2() -> list[Row]:
    """Two hundred different streams of 8 Mbit/s."""
    with rig.source("paced") as port:
        urls = [[f"{_base(port)}/s{n}"] for n in range(STREAMS)]
        with rig.ours(urls) as (us, ours):
            mine = _steady(us, ours, [f"/auto/v{n}" for n in range(STREAMS)])
        with rig.nginx(port) as (them, theirs):
            other = _steady(them, theirs, [f"/s{n}" for n in range(STREAMS)])
    core, their_core = mine.cpu_s / SECONDS, other.cpu_s / SECONDS
    worst = min(mine.rates) / (rig.RATE_BPS / 8 * rig.true_share())
    return [
        Row(
            "R2 200 streams of 8 Mbit/s",
            f"{core:.1%} of a core",
            f"{their_core:.1%} nginx default",
            core / their_core,
            "at most 0.8, and 24 % of a core",
        ),
        Row("R2 bytes to the worst served", f"{worst:.2%}", "the source", worst, "at least 99.5 %"),
        Row("R2 longest gap", f"{max(mine.gap_ms):.0f} ms", "250 ms", max(mine.gap_ms) / 250, "at most 1"),
        Row("R2 memory", f"{mine.rss_mb:.0f} MB", "80 MB", mine.rss_mb / 80, "at most 1"),
    ]


def _steady(relay: rig.Process, port: int, paths: Sequence[str]) -> rig.Seen:
    return rig.sink(port, paths, seconds=SECONDS, warm_s=WARM_S, relay=relay)


def r3() -> list[Row]:
    """What the relay adds to the first byte of an 8 Mbit/s stream, a new tune each time."""
    with rig.source("paced") as port:
        urls = [[f"{_base(port)}/s{n}"] for n in range(FIRSTS)]
        direct, ours = [], []
        with rig.ours(urls) as (_, relay):
            for n in range(FIRSTS):
                direct += rig.sink(port, [f"/s{n}"], total=1).first_ms
                ours += rig.sink(relay, [f"/auto/v{n}"], total=1).first_ms
                time.sleep(0.05)
    rows = []
    for name, pick, goal in (("median", 0.5, 1.0), ("p95", 0.95, 2.0)):
        mine, other = (_quantile(values, pick) for values in (ours, direct))
        rows.append(
            Row(
                f"R3 first byte, {name}",
                f"{mine:.2f} ms",
                f"{other:.2f} ms direct",
                mine - other,
                f"at most +{goal:.0f} ms (the ratio is the difference)",
            )
        )
    return rows


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def r4() -> list[Row]:
    """Two hundred readers of one stream."""
    with rig.source("paced") as port, rig.ours([[f"{_base(port)}/one"]]) as (us, ours):
        seen = _steady(us, ours, ["/auto/v0"] * STREAMS)
        upstreams = rig.connections_to(us, port)
    core = seen.cpu_s / SECONDS
    return [
        Row("R4 200 readers of one stream", f"{core:.1%} of a core", "15 %", core / 0.15, "at most 1"),
        Row("R4 upstream connections", str(upstreams), "1", float(upstreams), "1"),
        Row("R4 memory", f"{seen.rss_mb:.0f} MB", "80 MB", seen.rss_mb / 80, "at most 1"),
    ]


def r5() -> list[Row]:
    """The first byte behind a way that refuses, answers an error, or says nothing."""
    closed = free_port()
    with rig.source("paced") as port:
        kinds = {
            "none": "",
            "refused": f"{_base(closed)}/x",
            "error": f"{_base(port)}/status/x",
            "silent": f"{_base(port)}/silent/x",
        }
        rounds = 9
        urls = []
        for kind, dead in kinds.items():
            for n in range(rounds):
                good = f"{_base(port)}/{kind}{n}"
                urls.append([dead.replace("/x", f"/{kind}{n}"), good] if dead else [good])
        with rig.ours(urls) as (_, relay):
            medians = {}
            for index, kind in enumerate(kinds):
                count = 3 if kind == "silent" else rounds
                firsts = []
                for n in range(count):
                    firsts += rig.sink(relay, [f"/auto/v{index * rounds + n}"], total=1).first_ms
                medians[kind] = statistics.median(firsts)
    rows = []
    for kind, limit in (("refused", 5.0), ("error", 5.0), ("silent", 3010.0)):
        added = medians[kind] - medians["none"]
        rows.append(
            Row(
                f"R5 behind one {kind} way",
                f"{added:+.1f} ms",
                f"+{limit:.0f} ms",
                added / limit,
                "at most 1",
            )
        )
    return rows


def r6() -> list[Row]:
    """HLS of transport-stream segments instead of a transport stream, CPU per stream."""
    count = HLS_STREAMS
    with rig.source("hls") as port:
        urls = [[f"{_base(port)}/h{n}.m3u8"] for n in range(count)]
        with rig.ours(urls) as (us, ours):
            hls = _steady(us, ours, [f"/auto/v{n}" for n in range(count)])
    with rig.source("paced") as port:
        urls = [[f"{_base(port)}/s{n}"] for n in range(STREAMS)]
        with rig.ours(urls) as (us, ours):
            plain = _steady(us, ours, [f"/auto/v{n}" for n in range(STREAMS)])
    mine, other = hls.cpu_s / SECONDS / count, plain.cpu_s / SECONDS / STREAMS
    return [
        Row(
            f"R6 {count} HLS streams, each",
            f"{mine:.3%} of a core",
            f"{other:.3%} as TS (R2)",
            mine / other,
            "at most 1.5",
        )
    ]


BENCHMARKS: Final[dict[str, Callable[[], list[Row]]]] = {
    "R1": r1,
    "R2": r2,
    "R3": r3,
    "R4": r4,
    "R5": r5,
    "R6": r6,
}
