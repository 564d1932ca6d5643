"""`python -m tests.fuzz TARGET SECONDS [FOLDER]`: feed one reader with what libFuzzer makes of its seeds.

Ends with an error for an exception, an input that takes over five seconds, or over 600 MB; the input is kept in FOLDER
(`crash-…`, `timeout-…`, `oom-…`), and so is the corpus. `python -m tests.fuzz TARGET 0 FILE` runs one input again.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["reconciler"]):
    from tests.fuzz.targets import TARGETS

SLOWEST_S: Final = 5
LARGEST_MB: Final = 600
LONGEST_BYTES: Final = 8192


def main(name: str, seconds: int, folder: Path) -> None:
    """Fuzz for so many seconds. Ends the process."""
    target = TARGETS[name]
    if folder.is_file():
        target.reads(folder.read_bytes())
        return
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in target.words), "utf-8")
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST_S}",
        f"-rss_limit_mb={LARGEST_MB}",
        f"-max_len={LONGEST_BYTES}",
        f"-dict={words}",
        f"-artifact_prefix={folder}/",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target.reads)
    atheris.Fuzz()


def _quoted(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    where = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp(prefix="ptctl-fuzz-"))
    main(sys.argv[1], int(sys.argv[2]), where)
