"""`ptctl validate` as a process: with nothing but paths it loads no option parser, and says the same as with options."""

import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = "version: 1\nname: home\nsuorces: {}\n"
TRACED = [sys.executable, "-X", "importtime", "-m", "reconciler", "validate"]


def validate(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler", "validate", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    (tmp_path / "directory").mkdir()
    return tmp_path


@pytest.mark.parametrize("paths", [["broken.yaml"], ["absent.yaml"], ["directory"], [], ["broken.yaml"] * 2])
def test_paths_alone_say_what_options_say(folder: Path, paths: list[str]) -> None:
    plain, parsed = validate(*paths, cwd=folder), validate("-f", "text", *paths, cwd=folder)

    assert (parsed.returncode, parsed.stdout, parsed.stderr) == (3, plain.stdout, plain.stderr)
    assert plain.returncode == 3
    assert "Traceback" not in plain.stderr


def test_paths_alone_load_no_option_parser(folder: Path) -> None:
    """Loading one costs as much as the validation of the largest example (performance.md V1)."""
    ran = subprocess.run(
        [*TRACED, "broken.yaml"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )

    modules = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert ran.returncode == 3
    assert "reconciler.spec" in modules
    assert modules & {"click", "inspect", "dataclasses", "jsonschema", "httpx", "trio"} == set()


def test_a_reader_that_leaves_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m reconciler validate {' '.join(['broken.yaml'] * 3)} | true"
    ran = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )

    assert "Traceback" not in ran.stderr
