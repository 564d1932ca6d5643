"""What somebody meets in the first hour with a list and a guide in files, and no server at all."""

import re
import shlex
from pathlib import Path

import pytest

from reconciler.cli.examples import EXAMPLES
from reconciler.cli.main import COMMANDS, run
from tests.deploy.calls import parses

LIST = '#EXTM3U\n#EXTINF:-1 tvg-id="one" group-title="News",One News\nhttp://192.0.2.1/1.ts\n'
GUIDE = (
    '<tv><channel id="one"><display-name>One News</display-name></channel>'
    '<programme channel="one" start="20300101000000 +0000" stop="20300101010000 +0000"><title>A</title></programme></tv>'
)
SPEC = (
    "version: 1\nname: home\nsources: {main: {kind: m3u, path: list.m3u}}\n"
    "buckets: [{name: news, match: {}}]\ndvrs: {news: {}}\n"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with blanks and an umlaut in its name, a list and a guide in it; the working directory."""
    folder = tmp_path / "Müller Live TV"
    folder.mkdir()
    (folder / "list.m3u").write_text(LIST, "utf-8")
    (folder / "guide.xml").write_text(GUIDE, "utf-8")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("words", [[], ["import"]])
def test_no_command_shows_the_help_and_no_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`ptctl` alone: all commands, on stderr, with the status of a wrong command line."""
    assert 64 == run(words)
    shown = capsys.readouterr()
    assert "" == shown.out
    assert shown.err.startswith("Usage: ptctl")
    assert "error[" not in shown.err


@pytest.mark.parametrize(
    "command",
    [*EXAMPLES, *(name for name in COMMANDS if name not in {"import", "explain", "completion", *EXAMPLES})],
)
def test_the_help_of_a_command_has_examples(
    home: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ready to be copied: the command exists with these options, and no line is wider than a terminal."""
    (home / "threadfin").mkdir()
    (home / "ptctl.channels.json").touch()
    assert 0 == run([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert "\n  Examples:\n" in shown
    assert [] == [line for line in shown.splitlines() if len(line) > 80]
    for line in EXAMPLES[command]:
        assert all(f" {part}\n" in f"{shown}\n" for part in line.splitlines())
        typed = re.search(r"ptctl ([^>)]*)", line.replace("\\\n", ""))
        assert typed is not None
        words = shlex.split(typed[1])
        assert words[: len(command.split())] == command.split()
        assert parses(words)


def test_a_guide_may_be_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--guide guide.xml` becomes `path`; without a guide init says what is missing, and a wrong path is named."""
    assert 64 == run(["init", "--m3u", "list.m3u", "--guide", "gude.xml", "--no-plex", "--yes"])
    assert 'there is no file "gude.xml"\nNext:  give the guide\'s path or address' in capsys.readouterr().err
    assert 0 == run(["init", "--m3u", "list.m3u", "--no-plex", "--yes"])
    assert "0 % in a guide\nNo guide lists them: give an XMLTV guide with --guide" in capsys.readouterr().out
    with_guide = ["init", "--m3u", "list.m3u", "--guide", "guide.xml", "--no-plex", "--yes", "--overwrite"]
    assert 0 == run(with_guide)
    shown = capsys.readouterr().out
    assert "1 channel in 1 group, 100 % in a guide\n\nProposed" in shown
    assert "Wrote ptctl.yaml   1 DVR, 1 channel\n" in shown
    spec = (home / "ptctl.yaml").read_text("utf-8")
    assert "\nname: muller-live-tv\n" in spec
    assert "  extra: {path: guide.xml, match: [id, name]}\n" in spec


def test_nothing_is_explained_by_a_list_that_nobody_has(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first fetch explain does not say that every channel fits; after it a near name is proposed."""
    (home / "ptctl.yaml").write_text(SPEC, "utf-8")
    for words in (["unbucketed"], ["dvr", "news"], ["channel", "One"]):
        assert 1 == run(["explain", *words])
        said = capsys.readouterr()
        assert "" == said.out
        assert "error[P300]: there is no copy of main that could be read" in said.err
        assert "Next:  ptctl refresh\n" in said.err
    assert 1 == run(["plan", "--cached"])
    assert (
        "no copy of it: it was not fetched yet; nothing is published yet\nNext:  ptctl refresh"
        in capsys.readouterr().err
    )
    assert 0 == run(["refresh"])
    capsys.readouterr()
    assert 64 == run(["explain", "channel", "One Nws"])
    assert 'no channel "One Nws" in the last fetch; did you mean "One News"?' in capsys.readouterr().err


def test_a_refresh_says_what_it_left_as_it_was(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 4 with a word about why, when something else was done in the same run."""
    (home / "ptctl.yaml").write_text(SPEC, "utf-8")
    assert 0 == run(["refresh"])
    (home / "ptctl.yaml").write_text(SPEC.replace("news", "other"), "utf-8")
    capsys.readouterr()
    assert 4 == run(["refresh"])
    shown = capsys.readouterr().out
    assert "Done: " in shown
    assert "Blocked - left as it was:\n  news       S201  plan again with  --allow delete:news\n" in shown


def test_new_tickets_reach_serve_though_nothing_else_changed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list whose addresses have another ticket each time: routes follow also where the run has the ledger to write."""
    (home / "ptctl.yaml").write_text(SPEC, "utf-8")
    for ticket in ("AAAA1111", "BBBB2222", "CCCC3333"):
        address = f"http://192.0.2.6:9981/stream/channel/a1b2c3d4e5f60718293a4b5c6d7e8f11?ticket={ticket}&profile=pass"
        (home / "list.m3u").write_text(LIST.replace("http://192.0.2.1/1.ts", address), "utf-8")
        assert 0 == run(["refresh"])
        assert ticket in (home / ".ptctl/private/routes.json").read_text("utf-8"), capsys.readouterr().out


def test_an_account_beside_a_playlist_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be passed over without a word, and its owner would think that it is used."""
    monkeypatch.setenv("IPTV_USER", "u")
    assert 64 == run(["init", "--m3u", "list.m3u", "--username-env", "IPTV_USER", "--no-plex"])
    assert "belong to a panel, and this is a playlist" in capsys.readouterr().err
    assert not (home / "ptctl.yaml").exists()


def test_a_second_spec_in_the_folder_takes_nothing_over(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody tries something beside what runs: the state is that of the first, and stays it."""
    (home / "ptctl.yaml").write_text(SPEC, "utf-8")
    assert 0 == run(["refresh"])
    ledger = (home / ".ptctl/ledger.json").read_bytes()
    other = SPEC.replace("name: home", "name: trial").replace("news", "other")
    (home / "trial.yaml").write_text(other, "utf-8")
    capsys.readouterr()
    for command in ("plan", "refresh"):
        assert 1 == run([command, "trial.yaml"])
        said = capsys.readouterr().err
        assert 'is the state of "home", and this spec is "trial" with other DVRs' in said
        assert "state: .ptctl-trial" in said
    assert ledger == (home / ".ptctl/ledger.json").read_bytes()
    (home / "trial.yaml").write_text(f"{other}state: .ptctl-trial\n", "utf-8")
    assert 0 == run(["refresh", "trial.yaml"])
    (home / "ptctl.yaml").write_text(SPEC.replace("name: home", "name: house"), "utf-8")
    assert 0 == run(["refresh"])  # the same DVRs: it was renamed
