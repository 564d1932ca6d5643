"""examples/systemd: units that systemd accepts, closed where they should be, calling `ptctl` as it is."""

import shlex
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.box import ROOT
from tests.deploy.calls import parses

HERE: Final = ROOT / "examples/systemd"
SERVICES: Final = ("ptctl-serve.service", "ptctl-apply.service")
MOST_EXPOSED: Final = 2.0
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze"
)


def unit(name: str) -> RawConfigParser:
    """One unit file; each key of these files stands once in its section."""
    found = RawConfigParser(delimiters=("=",), comment_prefixes=("#",))
    found.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    found.read(HERE / name, "utf-8")
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_the_command_line_is_one_of_ptctl(name: str) -> None:
    """ExecStart parses, and names the spec and the state that the unit may reach."""
    program, *words = shlex.split(unit(name)["Service"]["ExecStart"])
    assert "/opt/ptctl/bin/ptctl" == program
    assert "/etc/ptctl/ptctl.yaml" in words
    assert parses(words)


def test_both_services_share_user_and_state() -> None:
    """What `apply` writes, `serve` can read: one dynamic user, one state directory."""
    serve, apply = (unit(name)["Service"] for name in SERVICES)
    for key in (
        "User",
        "DynamicUser",
        "StateDirectory",
        "Environment",
        "EnvironmentFile",
        "UMask",
        "ProtectSystem",
    ):
        assert serve[key] == apply[key], key
    assert "PTCTL_STATE=/var/lib/" + serve["StateDirectory"] in serve["Environment"]


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing, with the program where it is on this machine."""
    program = Path(sys.executable).with_name("ptctl")
    for path in HERE.iterdir():
        if path.suffix in {".service", ".timer"}:
            text = path.read_text("utf-8").replace("/opt/ptctl/bin/ptctl", str(program))
            (tmp_path / path.name).write_text(text, "utf-8")
    units = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (0, "") == (
        done.returncode,
        "".join(line for line in done.stderr.splitlines() if "ptctl" in line),
    )


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_little_exposure(name: str) -> None:
    """`systemd-analyze security` gives at most 2.0 of 10."""
    done = subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={MOST_EXPOSED * 10:.0f}",
            str(HERE / name),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
