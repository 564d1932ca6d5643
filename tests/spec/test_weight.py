"""What a validation costs: only yaml is imported, and a cold start stays in proportion to an empty Python."""

import math
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "jsonschema",
    "httpx",
    "trio",
    "lxml",
    "rich",
    "hypercorn",
    "deepdiff",
    "h11",
    "asyncio",
    "ssl",
    "json",
    "difflib",
)
LEAST_TURNS = 3
MOST_TURNS = 20
PROGRAM = (
    "import sys; from reconciler.spec import check; from reconciler.rendering import diagnostics_text\n"
    "found, texts = check('examples/plex-home.yaml'); diagnostics_text.render(found, texts, color=False)\n"
)


def test_a_validation_imports_nothing_heavy() -> None:
    """Reading, checking and showing a spec needs yaml and the standard library's light parts; not even our model."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + "print('\\n'.join(sys.modules))"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    modules = set(done.stdout.split())
    assert set() == modules & set(HEAVY)
    assert "reconciler.spec.model" not in modules
    assert "yaml" in modules


@pytest.mark.slow
def test_a_cold_validation_is_in_proportion(tmp_path: Path) -> None:
    """At most eight times an empty Python (V1): CPU time of the best of several runs in turn, bytecode compiled, so that a
    busy machine does not fail it.
    """
    kinds = (
        ("-c", "pass"),
        ("-m", "reconciler", "validate", "examples/plex-home.yaml"),
        ("-m", "reconciler", "validate", "-f", "json", "examples/plex-home.yaml"),
    )
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def spent(words: tuple[str, ...]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            env=environment,
            check=True,
            timeout=60,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    for words in kinds:
        spent(words)  # compiles
    best = dict.fromkeys(kinds, math.inf)
    for turn in range(MOST_TURNS):
        for words in kinds:
            best[words] = min(best[words], spent(words))
        empty, *validations = best.values()
        if turn >= LEAST_TURNS and max(validations) <= 8 * empty:
            break
    assert max(validations) <= 8 * empty, best
