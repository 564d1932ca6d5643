"""G1 to G3: a guide of 1.06 GB to the lineups that want some of it, beside `xmllint --stream --noout` of the same file.

The guide is made here, from a fixed seed, in a temporary directory: 10,000 channels, 7 days, 1.68 million programmes. Every
measured step is a process of its own, so that its CPU time and its peak memory are its own. `python -m
tests.benchmarks.guides make PATH` writes the guide alone.
"""

import gzip
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from reconciler.catalog.guide_times import time_text, time_value

__all__ = ["BENCHMARKS", "DAYS", "Row", "made_guide", "median_of", "spent", "xmltv_id"]

CHANNELS: Final = 10_000
DAYS: Final = 7
BEGIN: Final = time_value("20260822000000") or 0
ROUNDS: Final = 3

G1_RATIO: Final = 0.65
G1_PEAK_MB: Final = 64
G2_RATIO: Final = 1.25
G3_RATIO: Final = 0.85
G3_PEAK_MB: Final = 80
DVRS: Final = 13
PER_DVR: Final = 479

_WORDS: Final = re.findall(
    r"\S+",
    "the of and a to in is that for it as was with be by on not he his but at are this have from or had an they which "
    "one you were her all she there would their we him been has when who will more no if out so said what up its about "
    "into than them can only other new some could time these two may then do first any my now such like our over man me "
    "even most made after also did many before must through back years where much your way well down should because each "
    "just those people how too little state good very make world still own see men work long get here between both life "
    "being under never day same another know while last might us great old year off come since against go came right used "
    "take three detective murder kitchen island storm winter garden family secret journey champion final season border "
    "café fiancée Zürich señor naïve façade Müller København Łódź",
)


class Row(NamedTuple):
    """One line of the benchmarks' table."""

    what: str
    ours: str
    beside: str
    ratio: float
    goal: str


def made_guide(path: Path, *, channels: int = CHANNELS, days: int = DAYS, begin: int = BEGIN) -> int:
    """Write the guide to `path`; its size in bytes. The same for the same arguments.

    `begin` is its first second (UTC): whoever writes lineups with today's window needs one of today.
    """
    size = 0
    with path.open("wb") as out:
        for part in _guide_text(random.Random(20260822), channels, days, begin):
            size += out.write(part.encode())
    return size


def _guide_text(dice: random.Random, channels: int, days: int, begin: int) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tv SYSTEM "xmltv.dtd">\n<tv generator-info-name="made">\n'
    for number in range(channels):
        yield (
            f'  <channel id="{xmltv_id(number)}">\n    <display-name>Channel {number}</display-name>\n'
            f'    <icon src="https://img.example.net/logo/{number}.png"/>\n  </channel>\n'
        )
    titles = [_phrase(dice, 1, 4).title() for _ in range(4000)]
    subs = [_phrase(dice, 2, 6).capitalize() for _ in range(6000)]
    about = [_about(dice) for _ in range(9000)]
    kinds = ["Series", "News", "Sports", "Movie", "Kids", "Documentary", "Drama &amp; Crime", "Talk"]
    names = [f"{_phrase(dice, 1, 1).title()} {_phrase(dice, 1, 1).title()}" for _ in range(2000)]
    for number in range(channels):
        yield "".join(
            _channel_day(dice, number, (begin, begin + days * 86400), (titles, subs, about, kinds, names))
        )
    yield "</tv>\n"


def xmltv_id(number: int) -> str:
    """The id of the guide's `number`-th channel."""
    return f"ch{number:05d}.{('us', 'uk', 'de', 'fr', 'es')[number % 5]}"


def _phrase(dice: random.Random, least: int, most: int) -> str:
    return " ".join(dice.choices(_WORDS, k=dice.randint(least, most)))


def _about(dice: random.Random) -> str:
    sentences = [_phrase(dice, 8, 20).capitalize() for _ in range(dice.randint(1, 4))]
    text = ". ".join(sentences) + "."
    return text.replace(" and ", " &amp; ", 1) if dice.random() < 0.1 else text


def _channel_day(
    dice: random.Random,
    number: int,
    span: tuple[int, int],
    pools: tuple[list[str], list[str], list[str], list[str], list[str]],
) -> Iterator[str]:
    titles, subs, about, kinds, names = pools
    channel = xmltv_id(number)
    lengths = [900, 1800, 1800, 3600, 3600, 3600, 5400, 8100]
    start, end = span
    while start < end:
        stop = start + dice.choice(lengths)
        luck = dice.random()
        when = f'start="{time_text(start)} +0000" stop="{time_text(stop)} +0000"'
        parts = [
            f'  <programme {when} channel="{channel}">\n',
            f'    <title lang="en">{dice.choice(titles)}</title>\n',
        ]
        if luck < 0.6:
            parts.append(f'    <sub-title lang="en">{dice.choice(subs)}</sub-title>\n')
        parts.append(f'    <desc lang="en">{dice.choice(about)}</desc>\n')
        if luck < 0.2:
            parts.append(
                f"    <credits>\n      <director>{dice.choice(names)}</director>\n      <actor>{dice.choice(names)}</actor>\n    </credits>\n"
            )
        if luck > 0.5:
            parts.append(f"    <date>{1990 + int(luck * 36)}</date>\n")
        parts.append(f'    <category lang="en">{dice.choice(kinds)}</category>\n')
        parts.append(f'    <icon src="https://img.example.net/art/{dice.randrange(1 << 30):08x}.jpg"/>\n')
        if luck < 0.5:
            season, episode = dice.randint(0, 20), dice.randint(0, 23)
            parts.append(f'    <episode-num system="xmltv_ns">{season}.{episode}.</episode-num>\n')
            if luck < 0.3:
                parts.append(
                    f'    <episode-num system="onscreen">S{season + 1:02d}E{episode + 1:02d}</episode-num>\n'
                )
        if luck < 0.15:
            parts.append("    <new/>\n")
        elif luck < 0.3:
            parts.append("    <previously-shown/>\n")
        parts.append(
            '    <rating system="VCHIP">\n      <value>TV-PG</value>\n    </rating>\n  </programme>\n'
        )
        yield "".join(parts)
        start = stop


# --- measuring -----------------------------------------------------------------------------------------------


class Spent(NamedTuple):
    """What a process took: CPU seconds of user and kernel, and its peak memory."""

    cpu_s: float
    peak_mb: float


# A new process begins with the peak of the one that started it, so a small one in between starts the measured one.
_LAUNCH: Final = """\
import os, sys
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""


def spent(arguments: list[str]) -> Spent:
    """Run a program to its end; what it took. Fails where it fails."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCH, *arguments]
    said = subprocess.run(launcher, stdout=subprocess.PIPE, text=True, check=True).stdout
    cpu_s, peak_mb, code = said.split()
    if int(code):
        raise subprocess.CalledProcessError(int(code), arguments)
    return Spent(float(cpu_s), float(peak_mb))


def median_of(arguments: list[str]) -> Spent:
    """The round with the median CPU time."""
    return sorted(spent(arguments) for _ in range(ROUNDS))[ROUNDS // 2]


def _ours(guide: Path, dvrs: int, per_dvr: int, target: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "tests.benchmarks.guides",
        "write",
        str(guide),
        str(dvrs),
        str(per_dvr),
        str(target),
    ]


def _write(guide: Path, dvrs: int, per_dvr: int, target: Path) -> None:
    """The measured process: the guide to so many lineups. Channels are spread over the guide as lineups are."""
    from contextlib import ExitStack

    from reconciler.catalog.guide_bytes import open_guide
    from reconciler.catalog.guide_times import day_window
    from reconciler.catalog.guide_write import DvrGuide, GuideInput, GuideWanted, write_guides

    chosen = random.Random(479).sample(range(CHANNELS), dvrs * per_dvr)
    wanted = [
        GuideWanted(f"dvr{place // per_dvr}", 1000 + place, f"Channel {number}", "", "made", xmltv_id(number))
        for place, number in enumerate(chosen)
    ]
    with ExitStack() as stack:
        outs = [stack.enter_context((target / f"{n}.xml").open("wb")) for n in range(dvrs)]
        scratch = stack.enter_context(tempfile.TemporaryFile(dir=target))
        window = day_window(BEGIN + 4 * 3600, DAYS)
        report = write_guides(
            [GuideInput("made", lambda: open_guide(guide))],
            wanted,
            [DvrGuide(f"dvr{n}", out, window) for n, out in enumerate(outs)],
            scratch,
        )
    print({dvr: sum(c.programmes for c in rows.values()) for dvr, rows in report.rows.items()})


def _beside(body: Callable[[Path, Path], list[Row]]) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="ptctl-guides-") as directory:
        guide = (
            Path(os.environ.get("PTCTL_BENCH_GUIDE", ""))
            if os.environ.get("PTCTL_BENCH_GUIDE")
            else Path(directory) / "guide.xml"
        )
        if not guide.exists():
            made_guide(guide)
        return body(guide, Path(directory))


def _row(what: str, ours: Spent, beside: Spent, whose: str, goal: float, peak_mb: int | None) -> Row:
    wanted = f"<= {goal}" + (f", {peak_mb} MB" if peak_mb else "")
    return Row(
        what,
        f"{ours.cpu_s:.2f} s CPU, {ours.peak_mb:.0f} MB",
        f"{whose} {beside.cpu_s:.2f} s",
        round(ours.cpu_s / beside.cpu_s, 2),
        wanted,
    )


def g1() -> list[Row]:
    """1.06 GB to one lineup of 500 channels."""

    def body(guide: Path, directory: Path) -> list[Row]:
        lint = median_of(["xmllint", "--stream", "--noout", str(guide)])
        ours = median_of(_ours(guide, 1, 500, directory))
        return [_row("G1 guide of 1 GB to 500 channels", ours, lint, "xmllint", G1_RATIO, G1_PEAK_MB)]

    return _beside(body)


def g2() -> list[Row]:
    """The same from gzip: beside G1 itself, and beside what G1 may take.

    Unpacking costs the same whatever follows; the quicker G1 becomes, the larger its share.
    """

    def body(guide: Path, directory: Path) -> list[Row]:
        packed = directory / "guide.xml.gz"
        with guide.open("rb") as plain, gzip.open(packed, "wb", compresslevel=6) as out:
            while block := plain.read(1 << 20):
                out.write(block)
        lint = median_of(["xmllint", "--stream", "--noout", str(guide)])
        plainly = median_of(_ours(guide, 1, 500, directory))
        ours = median_of(_ours(packed, 1, 500, directory))
        allowed = Spent(G1_RATIO * lint.cpu_s, G1_PEAK_MB)
        return [
            _row("G2 the same from .gz", ours, plainly, "G1", G2_RATIO, None),
            _row("G2 beside what G1 may take", ours, allowed, f"{G1_RATIO} x xmllint", G2_RATIO, G1_PEAK_MB),
        ]

    return _beside(body)


def g3() -> list[Row]:
    """The same to thirteen lineups in one pass."""

    def body(guide: Path, directory: Path) -> list[Row]:
        lint = median_of(["xmllint", "--stream", "--noout", str(guide)])
        ours = median_of(_ours(guide, DVRS, PER_DVR, directory))
        what = f"G3 guide of 1 GB to {DVRS} lineups, {DVRS * PER_DVR:,} channels"
        return [_row(what, ours, lint, "xmllint", G3_RATIO, G3_PEAK_MB)]

    return _beside(body)


BENCHMARKS: Final[dict[str, Callable[[], list[Row]]]] = {"G1": g1, "G2": g2, "G3": g3}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", path]:
            print(made_guide(Path(path)))
        case ["write", guide, dvrs, per_dvr, target]:
            _write(Path(guide), int(dvrs), int(per_dvr), Path(target))
        case names:
            for name in names or BENCHMARKS:
                for row in BENCHMARKS[name]():
                    print(*row, sep=" | ")
