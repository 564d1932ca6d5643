"""The commands that a drafted spec ends with run as they are printed."""

import shlex
from pathlib import Path

import pytest

from reconciler.cli.drafts import adopting, command


@pytest.mark.parametrize(
    ("out", "channels", "words"),
    [
        ("ptctl.yaml", None, []),
        ("ptctl.yaml", "ptctl.channels.json", ["--channels", "ptctl.channels.json"]),
        ("my home.yaml", None, ["--spec", "my home.yaml"]),
        ("a/b.yaml", "a/b.channels.json", ["--channels", "a/b.channels.json", "--spec", "a/b.yaml"]),
    ],
)
def test_the_command_that_adopts(out: str, channels: str | None, words: list[str]) -> None:
    """It names the spec where that is not the usual one, and the list where there is one; a shell reads the same words."""
    line = adopting("news", "41", Path(out), Path(channels) if channels else None)
    assert ["ptctl", "adopt", "news", "--plex", "41", *words] == shlex.split(line)


def test_a_path_is_one_word() -> None:
    """Blanks and quotes in it are the shell's business."""
    for path in ("ptctl.yaml", "my home.yaml", "it's.yaml"):
        assert ["ptctl", "plan", path] == shlex.split(command("plan", Path(path)))
