"""L1 and L2: lists of 100,000 entries, beside a plain line loop with an attribute pattern and beside `json.loads`.

The lists are made here from a fixed seed. Each step is a process of its own that reads the file in pieces and reports
the CPU time of the work alone and its peak memory. The peer of L1 does what the loop of a well-known IPTV manager does:
strip each line, find the attributes by one pattern, look names up without regard to case, keep a dictionary per entry.
"""

import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["BENCHMARKS", "Row"]

ENTRIES: Final = 100_000
ROUNDS: Final = 5
PIECE_BYTES: Final = 1 << 16
L1_RATIO: Final = 0.35
L1_NASTY_RATIO: Final = 1.5
L1_PEAK_MB: Final = 130
L2_RATIO: Final = 0.5
L2_PEAK_MB: Final = 110

_ATTRIBUTE: Final = re.compile(r"([^\s]+)=([\"'])(.*?)\2")


class Row(NamedTuple):
    """One line of the benchmarks' table."""

    what: str
    ours: str
    beside: str
    ratio: float
    goal: str


class Spent(NamedTuple):
    """What one process used for its work."""

    cpu_s: float
    peak_mb: float


# --- lists -----------------------------------------------------------------------------------------------------


def _panel_row(i: int, dice: random.Random) -> str:
    logo = f"http://logos.example.net/images/{dice.getrandbits(64):016x}/logo{i}.png"
    return (
        f'#EXTINF:-1 tvg-id="chan{i}.us" tvg-name="US: Channel {i} HD" tvg-logo="{logo}" '
        f'group-title="US| GROUP {i % 300}",US: Channel {i} HD\nhttp://tv1.example.net:8080/someuser/somepass/{i}\n'
    )


def _public_row(i: int, dice: random.Random) -> str:
    tail = "".join(f' {k}="{v}"' for k, v in (("tvg-chno", i), ("tvg-country", "DE")) if dice.random() < 0.5)
    return (
        f'#EXTINF:-1 tvg-id="kanal{i}.de" tvg-logo="https://l.example.org/{i}.png?a=1&b=2"{tail} '
        f'group-title="Sender {i % 90}",Kanal {i}, Süd\nhttps://cdn{i % 997}.example.org/{dice.getrandbits(48):x}/a.m3u8\n'
    )


def _nasty_row(i: int, dice: random.Random) -> str:
    rows = (
        f'#EXTINF:-1 tvg-id="x{i} tvg-name="Name {i}" group-title="G {i % 50}",Odd {i}\nhttp://h/{i}\n',
        f'#EXTINF:-1 tvg-id="x{i}" group-title="G, {i % 50}",Pipe {i}\nhttp://h/{i}|User-Agent=A%20B&Referer=http://r/\n',
        f'#EXTINF:-1 tvg-id="x{i}" group-title="G",Opt {i}\n#EXTVLCOPT:http-user-agent=VLC {i % 9}\nhttp://h/{i}\n',
        f"#EXTINF:-1 tvg-id=x{i} tvg-name='Int'l {i}' group-title=G,Bare {i}\nhttp://h/{i}\n\n",
        f'#EXTINF:0 tvg-ID="x{i}" tvg-name="A &amp; B {i}", C {i}, D\n#EXTGRP:Own {i % 9}\nhttp://h/a b/{i}\n',
        f'#EXTINF:-1 tvg-name="The "Best" {i}" group-title="G",Quoted {i}\nhttp://h/{i}\nhttp://i/{i}\n',
    )
    return dice.choice(rows)


def _quoted_row(i: int, _: random.Random) -> str:
    return f'#EXTINF:-1 tvg-id="x{i} tvg-name="Name {i}" group-title="G {i % 50}",Odd {i}\nhttp://h/{i}\n'


def _m3u(path: Path, row: Callable[[int, random.Random], str]) -> None:
    dice = random.Random(7)
    with path.open("w", encoding="utf-8") as out:
        out.write("#EXTM3U\n")
        out.writelines(row(i, dice) for i in range(ENTRIES))


def _streams(path: Path) -> None:
    r"""As PHP writes it: slashes escaped, letters outside ASCII as \\u, a few fields null now and then."""
    dice = random.Random(7)
    rows = (
        {
            "num": i + 1, "name": f"DE: Sender {i} {'Süd ' if i % 7 == 0 else ''}HD", "stream_type": "live",
            "stream_id": 100_000 + i, "stream_icon": f"http://logos.example.net/{dice.getrandbits(64):016x}/{i}.png",
            "epg_channel_id": f"sender{i}.de" if i % 3 else None, "added": "1690000000", "is_adult": "0",
            "category_id": str(1 + i % 300), "category_ids": [1 + i % 300], "custom_sid": "", "tv_archive": 0,
            "direct_source": "", "tv_archive_duration": 0,
        }
        for i in range(ENTRIES)
    )  # fmt: skip
    text = ",".join(json.dumps(row, separators=(",", ":")).replace("/", "\\/") for row in rows)
    path.write_text(f"[{text}]", "utf-8")


# --- the work, each in its own process ------------------------------------------------------------------------------


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _ours_m3u(path: Path) -> int:
    from reconciler.catalog.address import Concealer
    from reconciler.catalog.playlist import parse
    from reconciler.secret import Secret

    concealer = Concealer([(Secret("someuser"), Secret("somepass"))])
    return len(parse(_pieces(path), source="main", concealer=concealer).entries)


def _ours_streams(path: Path) -> int:
    from reconciler.catalog.xtream import streams

    names = {str(i): f"DE| Gruppe {i}" for i in range(1, 301)}
    return len(streams(_pieces(path), source="main", kind="live", categories=names).entries)


def _line_loop(path: Path) -> int:
    found: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for raw in file:
            line = raw.strip()
            if line.startswith("#EXTINF"):
                content = line[len("#EXTINF:") :].strip()
                attributes, end = {}, 0
                for match in _ATTRIBUTE.finditer(content):
                    attributes[match[1]] = match[3]
                    end = match.end()
                rest = content[end:].strip()
                shown = rest[1:].strip() if rest.startswith(",") else content.rpartition(",")[2].strip()
                name = _caseless(attributes, "tvc-guide-title") or _caseless(attributes, "tvg-name") or shown
                found.append({"attributes": attributes, "display_name": shown, "name": name})
            elif found and line.startswith(("http", "rtsp", "rtp", "udp")):
                found[-1]["url"] = line
    return len(found)


def _caseless(attributes: dict[str, str], wanted: str) -> str:
    return next((v for k, v in attributes.items() if k.lower() == wanted), "")


def _json(path: Path) -> int:
    return len(json.loads(path.read_bytes()))


WORK: Final[dict[str, Callable[[Path], int]]] = {
    "ours-m3u": _ours_m3u,
    "ours-streams": _ours_streams,
    "line-loop": _line_loop,
    "json": _json,
}


def _median(work: str, path: Path) -> Spent:
    runs = []
    for _ in range(ROUNDS):
        out = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.lists", work, str(path)], check=True, capture_output=True
        )
        runs.append(json.loads(out.stdout))
    return Spent(statistics.median(r[0] for r in runs), max(r[1] for r in runs))


def _report(work: str, path: Path) -> None:
    WORK[work](path.with_name("tiny"))  # imports and compiled patterns are not the work
    begun = time.process_time()
    WORK[work](path)
    spent = time.process_time() - begun
    # not ru_maxrss: that begins with what the parent had when it started us
    peak = next(
        line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM")
    )
    print(json.dumps([spent, int(peak.split()[1]) / 1024]))


# --- rows ------------------------------------------------------------------------------------------------------


def _row(what: str, ours: Spent, beside: Spent, whose: str, ratio: float, peak_mb: int | None) -> Row:
    goal = f"≤ {ratio}" + (f", {peak_mb} MB" if peak_mb else "")
    return Row(
        what,
        f"{ours.cpu_s:.3f} s CPU, {ours.peak_mb:.0f} MB",
        f"{whose} {beside.cpu_s:.3f} s",
        round(ours.cpu_s / beside.cpu_s, 2),
        goal,
    )


def l1() -> list[Row]:
    """M3U lists: a panel's, a public one, and nasty ones."""
    kinds = (
        ("L1 100,000 entries of a panel's M3U", _panel_row, L1_RATIO, L1_PEAK_MB),
        ("L1 100,000 entries, attributes now and then", _public_row, L1_RATIO, L1_PEAK_MB),
        ("L1 every entry odd in its own way", _nasty_row, L1_NASTY_RATIO, None),
        ("L1 every entry with a quote missing", _quoted_row, L1_NASTY_RATIO, None),
    )
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "list.m3u"
        path.with_name("tiny").write_text('#EXTM3U\n#EXTINF:-1 tvg-id="x",A\nhttp://h/1\n', "utf-8")
        for what, make, ratio, peak_mb in kinds:
            _m3u(path, make)
            rows.append(
                _row(what, _median("ours-m3u", path), _median("line-loop", path), "line loop", ratio, peak_mb)
            )
    return rows


def l2() -> list[Row]:
    """A panel's `get_live_streams`."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "streams.json"
        path.with_name("tiny").write_text('[{"stream_id":1,"name":"A"}]', "utf-8")
        _streams(path)
        ours, beside = _median("ours-streams", path), _median("json", path)
        return [_row("L2 100,000 Xtream streams", ours, beside, "json.loads", L2_RATIO, L2_PEAK_MB)]


BENCHMARKS: Final[dict[str, Callable[[], list[Row]]]] = {"L1": l1, "L2": l2}


if __name__ == "__main__":
    _report(sys.argv[1], Path(sys.argv[2]))
