"""Every reader of foreign text, fuzzed: half a minute in all by default, ten minutes with `-m long`.

Random by nature: what a run finds is kept by its seed in the message, and goes into `FOUND` with its repair.
"""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.targets import TARGETS

ROOT: Final = Path(__file__).parents[2]
SHORT_S: Final = 5
LONG_S: Final = 100

# What fuzzing found once, by target.
FOUND: Final[dict[str, tuple[bytes, ...]]] = {
    "hls": (
        # a second media sequence in the middle gave two segments one number
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:6,\na.ts\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:6,\nb.ts\n",
        # the same behind a segment whose address is none
        b"#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:6,\na.ts\n#EXTINF:6,\n//h[\n#EXT-X-MEDIA-SEQUENCE:2\n#EXTINF:6,\nb.ts\n",
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_what_was_found_are_read(name: str) -> None:
    """The beginning of every run, without the fuzzer."""
    for data in (*TARGETS[name].seeds, *FOUND.get(name, ())):
        TARGETS[name].reads(data)


def fuzz(name: str, seconds: int, folder: Path) -> None:
    """Fuzz in a process of its own; fails with what it found, and the bytes of the input."""
    if find_spec("atheris") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have atheris", pytrace=False)
        pytest.skip("needs atheris, which is not made for this Python or system")
    command = [sys.executable, "-m", "tests.fuzz", name, str(seconds), str(folder)]
    ran = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 120,
        check=False,
    )
    inputs = [path for kind in ("crash", "timeout", "oom") for path in folder.glob(f"{kind}-*")]
    told = "\n".join(line for line in ran.stderr.splitlines() if not line.startswith(("INFO", "WARNING")))
    assert not inputs, f"{told}\n{[path.read_bytes() for path in inputs]}"
    assert ran.returncode == 0, told
    executed = next(line for line in told.splitlines() if "number_of_executed_units" in line)
    assert int(executed.rpartition(":")[2]) > len(TARGETS[name].seeds)


@pytest.mark.accepts("VAL-4")
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_a_reader(tmp_path: Path, name: str) -> None:
    """Five seconds each: no exception but the promised one, nothing slow, nothing large, both ways equal."""
    fuzz(name, SHORT_S, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks_a_reader_in_a_long_run(tmp_path: Path, name: str) -> None:
    """The same for ten minutes in all."""
    fuzz(name, LONG_S, tmp_path)
