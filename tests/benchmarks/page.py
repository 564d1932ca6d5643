"""docs/benchmarks.md, written from a run: `python -m tests.benchmarks --markdown`.

What is measured stands there always, results only of a run, with the machine and how busy it was: on a machine that
does other things as well, everything that takes wall time (gaps, starts, answers) says nothing.
"""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

__all__ = ["MEASURED", "PATH", "SECTIONS", "machine", "page"]

PATH: Final = Path(__file__).resolve().parents[2] / "docs/benchmarks.md"
SECTIONS: Final[Mapping[str, str]] = {
    "R": "Relaying streams",
    "S": "Being thirteen tuners",
    "G": "Guides: 1.06 GB of XMLTV, 10,000 channels, 7 days",
    "L": "Lists of 100,000 entries",
    "B": "A whole refresh",
    "P": "Planning",
    "C": "The channel-map request",
    "V": "Starting",
    "F": "Failing providers",
}
MEASURED: Final[Mapping[str, str]] = {
    "R1": "one reader as fast as it can: CPU per GB, beside nginx with its defaults",
    "R2": "200 different streams of 8 Mbit/s: CPU beside nginx, bytes to the worst served, longest gap, memory",
    "R3": "what the first byte waits longer than without a relay",
    "R4": "200 readers of one stream: one upstream, CPU, memory",
    "R5": "the first byte behind dead sources: per refusal, per error, per silence",
    "R6": "HLS upstream instead of MPEG-TS: CPU per stream beside R2",
    "S1": "from the start of `serve` to all thirteen lineups of 479 channels, and its memory",
    "S2": "one `lineup.json` of 479 channels on an open connection",
    "S3": "a guide of 50 MB: CPU per GB, memory",
    "S4": "thirteen DVRs and nobody watching: CPU",
    "G1": "a guide of 1.06 GB, 10,000 channels, to 500 channels, every kept programme parsed and written anew: CPU beside xmllint",
    "G2": "the same from gzip",
    "G3": "the same to thirteen lineups in one pass",
    "L1": "an M3U of 100,000 entries: CPU beside a plain line loop, memory",
    "L2": "100,000 streams of a panel: CPU beside `json.loads`, memory",
    "B1": "a whole refresh of both and of the guide: CPU beside xmllint alone, memory; then once more with nothing changed",
    "P1": "comparing 50,000 channels of which 1 % changed",
    "P2": "a plan of thirteen DVRs with nothing to do: CPU, requests",
    "C1": "the channel-map request of 480 channels: bytes, time to build it",
    "V1": "a cold `ptctl validate` beside an empty Python",
    "V2": "`ptctl --version` beside an empty Python",
    "FAILOVER": "every way in which a provider fails: time to the next good packet, breaks that ffmpeg sees",
}
INTRO: Final = """\
# Benchmarks

Absolute figures belong to one machine. So each benchmark measures a limit or a peer (nginx, xmllint, a plain loop) in the same rounds, and the ratio is what counts.
`python -m tests.benchmarks R2 S1` runs some and prints their table; without names it runs all, which takes a quarter of an hour on an idle machine.
`python -m tests.benchmarks --markdown` also writes this page, with the results.

| | What is measured |
|---|---|
{measured}
"""
RESULTS: Final = "Measured on {where}."
HEAD: Final = "| | What | ptctl | Beside it | Ratio | Goal |\n|---|---|---|---|--:|---|"


def machine() -> str:
    """The processor, how many of its cores this process may use, memory, system, Python, and how busy it is."""
    text = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    model = found[1] if found else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[2]
    return (
        f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}; "
        f"load average of the 15 minutes before: {busy:.1f}"
    )


def page(results: Mapping[str, Sequence[tuple[str, str, str, float, str]]], where: str) -> str:
    """The document: `results` are the rows of each benchmark by its name, `where` is the machine."""
    parts = [INTRO.format(measured="\n".join(f"| {name} | {text} |" for name, text in MEASURED.items()))]
    if results:
        parts.append(RESULTS.format(where=where) + "\n")
    for letter, title in SECTIONS.items():
        rows = [
            f"| {name} | {' | '.join(_cell(text) for text in (what.removeprefix(name).strip(), ours, beside))} | {ratio:.2f} | {_cell(goal)} |"
            for name, found in results.items()
            if name.startswith(letter)
            for what, ours, beside, ratio, goal in found
        ]
        if rows:
            parts.append("\n".join([f"## {title}", "", HEAD, *rows]) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
