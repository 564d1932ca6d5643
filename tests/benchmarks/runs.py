"""Whole commands as processes: validation (V1, V2), a refresh of everything (B1), a plan with nothing to change (P2).

The yardsticks run in the same rounds: an empty Python beside the small ones, `xmllint --stream --noout` of the guide beside
the refresh. Lists and guide come from a server of this machine; every source is of the size performance.md names.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from reconciler.catalog.guide_times import day_window
from reconciler.sandbox.wire import Exchange
from reconciler.sandbox.wire import serve as wire_serve
from tests.benchmarks.guides import DAYS, Row, made_guide, median_of, spent, xmltv_id

ROOT: Final = Path(__file__).resolve().parents[2]
ENTRIES: Final = 100_000
DVRS: Final = 13
PER_DVR: Final = 479
PIECE_BYTES: Final = 1 << 20
EMPTY: Final = [sys.executable, "-c", "pass"]
VALIDATE: Final = [sys.executable, "-m", "reconciler", "validate", str(ROOT / "examples/plex-home.yaml")]
SPEC: Final = """\
version: 1
name: bench
credentials: {{panel: {{username: "env:BENCH_USER", password: "env:BENCH_USER"}}}}
sources:
  list: {{kind: m3u, url: "{base}/list.m3u"}}
  panel: {{kind: xtream, hosts: ["{base}"], credentials: panel}}
guides: {{all: {{url: "{base}/guide.xml", match: [id]}}}}
buckets:
{buckets}
dvrs: {{{dvrs}}}
serve: {{listen: "127.0.0.1:5004", advertise: "http://127.0.0.1:5004", ports: 5005-5030}}
"""


def v1() -> list[Row]:
    """A cold `ptctl validate` of the largest example, bytecode compiled."""
    _compiled()
    ours, beside = median_of(VALIDATE), median_of(EMPTY)
    return [_row("V1 cold validate of plex-home.yaml, CPU", ours.cpu_s, beside.cpu_s, "python -c pass", 8.0)]


def v2() -> list[Row]:
    """`ptctl --version`."""
    _compiled()
    ours = median_of([sys.executable, "-m", "reconciler", "--version"])
    beside = median_of(EMPTY)
    return [_row("V2 ptctl --version, CPU", ours.cpu_s, beside.cpu_s, "python -c pass", 3.0)]


def b1() -> list[Row]:
    """A whole refresh, cold: 100,000 M3U entries, 100,000 Xtream streams, 1 GB of guide, into thirteen lineups."""
    _compiled()
    with tempfile.TemporaryDirectory(prefix="ptctl-bench-") as name:
        folder = Path(name)
        # of these days: a guide of others would leave nothing to write
        made_guide(folder / "guide.xml", begin=day_window(time.time(), DAYS)[0])
        _lists(folder)
        beside = spent(["xmllint", "--stream", "--noout", str(folder / "guide.xml")])
        with _server(folder) as base:
            _spec(folder, base)
            refresh = [sys.executable, "-m", "reconciler", "refresh", str(folder / "ptctl.yaml")]
            os.environ["BENCH_USER"] = "bench"
            cold = spent(refresh)
            rows = _served_rows(folder)
            began = time.monotonic()
            again = spent(refresh)
            wall = time.monotonic() - began
    what = f"B1 refresh of {2 * ENTRIES:,} entries and {DAYS} days of guide to {rows:,} channels, CPU"
    return [
        _row(what, cold.cpu_s, beside.cpu_s, "xmllint --stream", 1.3),
        _limit("B1 peak memory of that, MB", cold.peak_mb, 250),
        _limit("B1 again with nothing changed, wall s", wall, 1.0),
        _limit("B1 again, CPU s", again.cpu_s, 1.0),
    ]


def _compiled() -> None:
    """Bytecode on disk, as an installed package has it, whatever the environment says about writing it."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "reconciler"], cwd=ROOT, check=True)


def _row(what: str, ours: float, beside: float, whose: str, goal: float) -> Row:
    return Row(
        what, f"{ours:.3f} s", f"{beside:.3f} s {whose}", ours / max(beside, 1e-3), f"at most {goal:g}"
    )


def _limit(what: str, ours: float, limit: float) -> Row:
    return Row(what, f"{ours:.2f}", f"{limit:g}", ours / limit, "at most 1")


def _lists(folder: Path) -> None:
    known = DVRS * PER_DVR
    with (folder / "list.m3u").open("w") as out:
        out.write("#EXTM3U\n")
        for number in range(ENTRIES):
            guide = xmltv_id(number) if number < known else ""
            group = f"G{number % DVRS}|" if number < known else f"Other {number % 300}"
            out.write(
                f'#EXTINF:-1 tvg-id="{guide}" tvg-name="Channel {number}" tvg-logo="http://img.example.net/{number}.png" '
                f'group-title="{group}",Channel {number} HD\nhttp://tv.example.net:8080/live/u/p/{number}.ts\n'
            )
    streams = [
        {
            "num": n,
            "name": f"Panel {n}",
            "stream_type": "live",
            "stream_id": n,
            "epg_channel_id": None,
            "category_id": str(n % 300),
        }
        for n in range(ENTRIES)
    ]
    (folder / "streams.json").write_text(json.dumps(streams))
    categories = [{"category_id": str(n), "category_name": f"Rest {n}", "parent_id": 0} for n in range(300)]
    (folder / "categories.json").write_text(json.dumps(categories))


def _spec(folder: Path, base: str) -> None:
    buckets = "\n".join(f'  - {{name: g{n}, match: {{group: "G{n}|"}}}}' for n in range(DVRS))
    dvrs = ", ".join(f"g{n}: {{}}" for n in range(DVRS))
    (folder / "ptctl.yaml").write_text(SPEC.format(base=base, buckets=buckets, dvrs=dvrs))


def _served_rows(folder: Path) -> int:
    lineups = (folder / ".ptctl/artifacts/current").glob("*/lineup.json")
    return sum(len(json.loads(path.read_bytes())) for path in lineups)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """The files of `folder` from a process of its own, so that its time is not ours."""
    command = [sys.executable, "-m", "tests.benchmarks.runs", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.send_signal(signal.SIGTERM)


async def _serve(folder: Path) -> None:
    login = json.dumps(
        {"user_info": {"auth": 1, "status": "Active", "max_connections": "4"}, "server_info": {}}
    )
    actions = {"get_live_streams": "streams.json", "get_live_categories": "categories.json"}

    async def answer(exchange: Exchange) -> None:
        request = exchange.request
        name = (
            actions.get(request.arg("action"))
            if request.path == "/player_api.php"
            else request.path.lstrip("/")
        )
        if request.path == "/player_api.php" and name is None:
            await exchange.respond(200, login, "application/json")
            return
        path = folder / str(name)
        if not path.is_file():
            await exchange.respond(404)
            return
        size = path.stat().st_size
        tag = f'"{size}"'
        if request.headers.get("if-none-match") == tag:
            await exchange.respond(304, headers=(("ETag", tag),))
            return
        await exchange.start(200, (("Content-Length", str(size)), ("ETag", tag)))
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                await exchange.send(piece)
        await exchange.finish()

    async with trio.open_nursery() as nursery:
        port: int = await nursery.start(wire_serve, answer)
        print(port, flush=True)


BENCHMARKS: Final[dict[str, Callable[[], list[Row]]]] = {"B1": b1, "V1": v1, "V2": v2}


if __name__ == "__main__":
    trio.run(_serve, Path(sys.argv[1]))
