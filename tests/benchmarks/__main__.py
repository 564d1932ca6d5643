"""`python -m tests.benchmarks [--markdown] [NAME…]`: one table of what, ours, what stands beside it, ratio and goal.

Every module here with a `BENCHMARKS` mapping (name -> function that gives rows) takes part; names are those of
performance.md (`L1`, `R2`, …), a part of a name means all that begin with it. `--markdown` writes docs/benchmarks.md.
Absolute figures drift from machine to machine: that is why each row has a limit or a peer measured in the same round.
"""

import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import tests.benchmarks
from tests.benchmarks.page import PATH, machine, page

__all__ = ["registry", "table"]

COLUMNS: Final = ("what", "ours", "beside it", "ratio", "goal")
Benchmark = Callable[[], Iterable[tuple[str, str, str, float, str]]]


class Found(NamedTuple):
    """A benchmark and the module it comes from."""

    module: str
    run: Benchmark


def registry() -> dict[str, Found]:
    """All benchmarks by name, in the order of names."""
    found: dict[str, Found] = {}
    for module in pkgutil.iter_modules(tests.benchmarks.__path__):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"tests.benchmarks.{module.name}")
        for name, run in getattr(loaded, "BENCHMARKS", {}).items():
            if name in found:
                raise SystemExit(f"benchmark {name!r} is in {found[name].module} and in {module.name}")
            found[name] = Found(module.name, run)
    return dict(sorted(found.items()))


def table(rows: Sequence[tuple[str, str, str, float, str]]) -> str:
    """Rows under their headings, columns padded."""
    cells = [COLUMNS, *((w, o, b, f"{r:.2f}", g) for w, o, b, r, g in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def main(words: Sequence[str]) -> int:
    """Run what was asked for (everything without names); 64 for a name that nothing begins with."""
    if words[:1] == ["soak"]:  # minutes of load and no ratio: never part of "everything"
        from tests.benchmarks.soak import main as soak

        return soak(words[1:])
    as_page = "--markdown" in words
    where = machine() if as_page else ""  # before the benchmarks themselves make it busy
    words = [word for word in words if word != "--markdown"]
    every = registry()
    wanted = [name for name in every if not words or any(name.startswith(w.upper()) for w in words)]
    unknown = [w for w in words if not any(name.startswith(w.upper()) for name in every)]
    if unknown:
        print(f"no benchmark is called {unknown[0]!r}: there are {', '.join(every)}", file=sys.stderr)
        return 64
    found: dict[str, list[tuple[str, str, str, float, str]]] = {}
    for name in wanted:
        begun = time.monotonic()
        print(f"{name} …", file=sys.stderr, flush=True)
        found[name] = list(every[name].run())
        print(f"{name} took {time.monotonic() - begun:.0f} s", file=sys.stderr)
        print(table(found[name]), file=sys.stderr, flush=True)  # a run of half an hour that dies leaves these
    print(table([row for rows in found.values() for row in rows]))
    if as_page:
        PATH.write_text(page(found, where), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
