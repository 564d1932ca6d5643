"""`ptctl validate` as a process: where its words are in order it loads no option parser, and says the same as with one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.__main__ import main
from reconciler.cli.main import run

BROKEN = "version: 1\nname: home\nsuorces: {}\n"
WHOLE = """\
version: 1
name: home
credentials: {all: {token: {exec: [op, read]}}}
sources: {main: {kind: m3u, path: list.m3u}}
buckets: [{name: main, match: {}}]
dvrs: {main: {}}
"""
TRACED = [sys.executable, "-X", "importtime", "-m", "reconciler", "validate"]


def validate(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reconciler", "validate", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    (tmp_path / "broken.prod.yaml").write_text("name: other\n")
    (tmp_path / "whole.yaml").write_text(WHOLE)
    (tmp_path / "whole.prod.yaml").write_text("buckets: []\n")
    (tmp_path / "directory").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["broken.yaml"], 3),
        (["absent.yaml"], 3),
        (["directory"], 3),
        ([], 3),
        (["broken.yaml"] * 2, 3),
        (["-f", "json", "broken.yaml"], 3),
        (["--format=sarif", "broken.yaml", "--env", "prod"], 3),
        (["--env=prod", "whole.yaml", "-f", "junit", "--format", "github"], 3),
        (["--env", "none", "whole.yaml"], 3),
        (["whole.yaml", "--allow-exec"], 0),
        (["whole.yaml"], 3),
        (["whole.yaml", "-f"], 64),
        (["whole.yaml", "-f", "yaml"], 64),
        (["whole.yaml", "--env"], 64),
        (["whole.yaml", "--allow-exec=yes"], 64),
        (["whole.yaml", "--silent"], 64),
        (["--format=", "whole.yaml"], 64),
        (["--", "--allow-exec", "whole.yaml"], 3),
        (["--allow-exec", "-fjson", "whole.yaml"], 0),
        (["--env=", "--allow-exec", "whole.yaml"], 3),
    ],
)
def test_both_ways_say_the_same(
    folder: Path,
    words: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever the words, `ptctl` answers as its option parser does; `--no-color` before them asks for the parser."""
    monkeypatch.chdir(folder)
    ends = []
    for line in (["validate", *words], ["--no-color", "validate", *words]):
        monkeypatch.setattr(sys, "argv", ["ptctl", *line])
        with pytest.raises(SystemExit) as end:
            main()
        ends.append((end.value.code, *capfd.readouterr()))

    assert ends[0] == ends[1]
    assert ends[0][0] == code
    assert "Traceback" not in ends[0][2]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--no-color", "validate", "broken.yaml"], 3),
        (["validate", "broken.yaml", "--no-color"], 3),
        (["validate", "--traceback", "--no-color", "broken.yaml"], 3),
        (["catalog", "--no-color", "broken.yaml"], 3),
        (["validate", "--", "--no-color"], 3),  # a file of that name, and there is none
        (["validate", "--no-colour"], 64),
    ],
)
def test_the_options_of_ptctl_stand_anywhere(
    folder: Path, words: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the command or behind it, nobody has to know; behind `--` a word is a word."""
    monkeypatch.chdir(folder)
    assert code == run(words)


def test_a_terminal_that_is_not_utf_8(folder: Path) -> None:
    """It is shown what it can show, and the exit status is the spec's."""
    (folder / "wide.yaml").write_text("version: 1\nname: home\n日本: 1\n", "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "reconciler", "validate", "wide.yaml"],
        cwd=folder, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (3, "") == (ran.returncode, ran.stderr)
    assert r"\u65e5\u672c" in ran.stdout


@pytest.mark.parametrize("words", [[], ["-f", "json"], ["--env", "prod"], ["--allow-exec"]])
def test_no_option_parser_is_loaded(folder: Path, words: list[str]) -> None:
    """Loading one costs as much as the validation of the largest example (performance.md V1)."""
    ran = subprocess.run(
        [*TRACED, *words, "broken.yaml"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )

    modules = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert ran.returncode == 3
    assert "reconciler.spec" in modules
    assert modules & {"click", "inspect", "dataclasses", "jsonschema", "httpx", "trio"} == set()


@pytest.mark.parametrize("words", [f"validate {'broken.yaml ' * 3}", "schema spec"])
def test_a_reader_that_leaves_is_no_error(folder: Path, words: str) -> None:
    """As `head` does: with `validate`, which runs without an option parser, and with one."""
    command = f"{sys.executable} -m reconciler {words} | true"
    ran = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )

    assert "" == ran.stderr
