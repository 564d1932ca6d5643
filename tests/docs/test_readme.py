"""Documents are true: commands run, files are valid, links lead somewhere, pictures are outputs."""

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click
import pytest
import trio
import yaml

from reconciler.sandbox.plex_records import XMLTV, LineupEntry
from reconciler.spec import load
from tests.cli.test_adopt import OLD, add_dvr, shown_by, write_threadfin
from tests.conftest import Run
from tests.deploy.calls import parses
from tests.docs.reading import ROOT, anchors, blocks, documents, links
from tests.docs.session import Session
from tests.e2e.world import World, world


def name(path: Path) -> str:
    """A document's path in the repository."""
    return str(path.relative_to(ROOT))


ALL: Final = documents()
TYPED: Final = [path for path in ALL if any(block.runs for block in blocks(path))]
README: Final = ROOT / "README.md"


def threadfins(home: World) -> dict[str, str]:
    """Three old instances in a folder and their DVRs in Plex; the document's keys -> theirs."""
    words = {}
    for place, (old, key) in enumerate(zip(OLD, ("3", "6", "9"), strict=True)):
        numbers = write_threadfin(home, home.directory / "threadfin", old, place)
        dvr = add_dvr(home, old, place, [(number, channel.name) for number, channel in numbers.items()])
        words[f"adopt {old} --plex {key}"] = f"adopt {old} --plex {dvr.key}"
    return words


def xteve(home: World) -> dict[str, str]:
    """One old xTeVe, which has all channels, and its DVR in Plex."""
    folder = home.directory / "livetv"
    numbers = write_threadfin(home, home.directory / "old", "rest", 0)
    (home.directory / "old/rest").rename(folder)
    file = folder / "settings.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"user.agent": "xTeVe"}), "utf-8")
    dvr = add_dvr(home, "rest", 0, [(number, channel.name) for number, channel in numbers.items()])
    dvr.lineups = tuple(lineup.replace("threadfin.xml", "xteve.xml") for lineup in dvr.lineups)
    home.plex.machine.state.save_dvr(dvr)
    return {"adopt livetv --plex 3": f"adopt livetv --plex {dvr.key}"}


def dispatcharr(home: World) -> dict[str, str]:
    """A DVR in Plex of a tuner below a path, with its guide at another one; the program itself is a list and a guide."""
    listed = shown_by(home, "rest")[:20]
    base = f"http://127.0.0.1:{home.ports[0]}"
    dvr = home.plex.add_foreign_dvr(
        "12345678",
        title="Dispatcharr",
        uri=f"{base}/hdhr",
        lineup=f"lineup://{XMLTV}/{quote(f'{base}/output/epg', safe='')}#Dispatcharr",
        channels=[str(n) for n, _ in enumerate(listed, 1)],
        make="Dispatcharr",
        model="HDTC-2US",
    )
    device = home.plex.device("12345678")
    device.lineup = tuple(
        LineupEntry(str(n), channel.name, f"{base}/proxy/{n}") for n, channel in enumerate(listed, 1)
    )
    home.plex.machine.state.save_device(device)
    home.plex.add_rule(dvr, "Something")
    return {
        "http://dispatcharr:9191/output/m3u": f"{home.provider.urls[0]}/list.m3u",
        "http://dispatcharr:9191/output/epg": f"{home.provider.urls[0]}/guide.xml",
        "adopt dispatcharr --plex 3": f"adopt dispatcharr --plex {dvr.key}",
    }


def tunarr(home: World) -> dict[str, str]:
    """A playlist and a guide without an account."""
    return {
        "http://tunarr:8000/api/channels.m3u": f"{home.provider.urls[0]}/list.m3u",
        "http://tunarr:8000/api/xmltv.xml": f"{home.provider.urls[0]}/guide.xml",
    }


WORDS: Final[dict[str, Callable[[World], dict[str, str]]]] = {
    "moving-from-threadfin": threadfins,
    "moving-from-xteve": xteve,
    "moving-from-dispatcharr": dispatcharr,
    "moving-from-a-playlist": tunarr,
}
"""What must be there before the reader begins, by document; the document's words -> this world's."""


@pytest.mark.accepts("DOC-3")
@pytest.mark.parametrize("path", TYPED, ids=name)
def test_every_command_runs(run: Run[None], tmp_path: Path, path: Path) -> None:
    """Whoever follows the document from top to bottom gets no error but those it announces."""
    found = blocks(path)
    if shutil.which("curl") is None and any("curl" in block.text for block in found if block.runs):
        pytest.skip("needs curl")

    async def main() -> None:
        async with world(tmp_path / "home", spec=None, channels=60) as home:
            session = Session(home, WORDS[path.stem](home) if path.stem in WORDS else {})
            if path.parent.name == "how-to":  # they begin where the README ends
                session.write(next(block for block in blocks(README) if block.file))
            try:
                for block in found:
                    where = f"{block.document}:{block.line}"
                    if block.file:
                        session.write(block)
                    elif block.addition:
                        spec, diagnostics, _ = load(session.add(block))
                        assert spec is not None, (where, [d.summary for d in diagnostics])
                    elif block.runs:
                        typed = await trio.to_thread.run_sync(session.type, block)
                        assert block.exit == typed.code, f"{where}\n{block.text}\n{typed.shown}"
            finally:
                session.close()

    run(main)


@pytest.mark.accepts("DOC-3")
@pytest.mark.parametrize("path", ALL, ids=name)
def test_what_is_not_run_is_a_command_nevertheless(path: Path) -> None:
    """Lines that begin with `ptctl` in blocks that need another machine: command and options exist."""
    for block in blocks(path):
        if block.language == "sh" and block.mark == "not run":
            assert block.value, f"{block.document}:{block.line}: say why"
            text = block.text.replace("\\\n", " ")
            for line in text.splitlines():
                found = re.search(r"(?:^|-- |&& )ptctl (.*?)(?: [|>&#].*)?$", line)
                try:
                    assert found is None or parses(shlex.split(found[1]))
                except click.UsageError as error:
                    pytest.fail(f"{block.document}:{block.line}: {line}: {error.format_message()}")


@pytest.mark.accepts("DOC-3")
@pytest.mark.parametrize("path", ALL, ids=name)
def test_nothing_escapes_by_its_spelling(path: Path) -> None:
    """Every fence is a block of a language that some test reads, and a command in a sentence exists with its options."""
    text = path.read_text("utf-8")
    found = blocks(path)
    assert 2 * len(found) == len(re.findall(r"^ *(?:```|~~~)", text, re.MULTILINE))
    assert {block.language for block in found} <= {"sh", "yaml", "text", "xml"}
    if path.parent.name == "reference":  # written from the commands themselves
        return
    for line in re.findall(r"`ptctl ([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        try:
            parses(shlex.split(line.replace("…", "x")))
        except click.exceptions.Exit:  # --version, --help
            continue
        except click.UsageError as error:
            # a sentence may leave out what a command line must have, and name a file that is only an example
            left_out = isinstance(error, click.MissingParameter | click.exceptions.NoArgsIsHelpError)
            if not left_out and not re.search(r"FILE|COMMAND", line):
                pytest.fail(f"{name(path)}: {line}: {error.format_message()}")


@pytest.mark.accepts("DOC-3")
@pytest.mark.parametrize("path", ALL, ids=name)
def test_every_yaml_block_is_valid(path: Path, tmp_path: Path) -> None:
    """A whole spec loads without an error or a warning; a part of one is YAML with keys of the language."""
    for block in blocks(path):
        if block.language != "yaml":
            continue
        where = f"{block.document}:{block.line}"
        value = yaml.safe_load(block.text)
        assert value is not None, where
        if isinstance(value, dict) and value.get("version") == 1:
            file = tmp_path / "ptctl.yaml"
            file.write_text(block.text, "utf-8")
            spec, diagnostics, _ = load(file)
            assert spec is not None, (where, [d.summary for d in diagnostics])
            assert [] == [(d.code, d.summary) for d in diagnostics], where


@pytest.mark.parametrize("path", ALL, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link inside the repository names a file that is there, and a heading that it has."""
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{name(path)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(path)}: {link}"


@pytest.mark.parametrize("path", ALL, ids=name)
def test_pictures_are_outputs(path: Path) -> None:
    """A block that is said to show lines of a stored output shows no other ones."""
    for block in blocks(path):
        if block.mark == "lines of":
            stored = (ROOT / block.value).read_text("utf-8").splitlines()
            shown = [line for line in block.text.splitlines() if not line.startswith("$ ")]
            assert [] == [line for line in shown if line not in stored], f"{block.document}:{block.line}"


@pytest.mark.accepts("DOC-3")
def test_the_readme_has_what_a_stranger_needs() -> None:
    """A picture of a plan, two commands, a spec in 40 lines, the promises, the move, three ways to run it, questions."""
    headings = re.findall(r"^## (.*)$", README.read_text("utf-8"), re.MULTILINE)
    for heading in (
        "Two commands",
        "The spec",
        "What it will never do",
        "Moving over from Threadfin",
        "Docker, Kubernetes, systemd",
        "FAQ",
    ):
        assert heading in headings
    found = blocks(README)
    assert ["demo", "test"] == [block.value for block in found if block.mark == "command"]
    assert any(block.mark == "lines of" and block.text.startswith("$ ptctl plan") for block in found)
    (spec,) = (block for block in found if block.file == "ptctl.yaml")
    assert spec.text.count("\n") - 1 <= 40


@pytest.mark.accepts("DOC-3", "DEM-1")
def test_the_two_commands_end_in_what_is_there() -> None:
    """After the installation they run `ptctl demo`, which `tests/e2e/test_first_light.py` runs, and pytest, from extras that
    exist.
    """
    demo, test = (block.text.strip().split(" && ") for block in blocks(README) if block.mark == "command")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for words in (demo, test):
        assert "python3 -m venv .venv" == words[0]
        assert set(re.findall(r"\.\[(\w+)\]", words[1])) <= set(extras)
    assert (".venv/bin/ptctl demo", ".venv/bin/python -m pytest") == (demo[-1], test[-1])


@pytest.mark.accepts("STM-6")
def test_the_safe_refresh_interval_is_written_down(tmp_path: Path) -> None:
    """The document names the default and the limit that the code has: below it `validate` warns, at it not."""
    text = (ROOT / "docs/how-to/choose-a-refresh-interval.md").read_text("utf-8")
    assert "Safe: 6 h. Allowed without a warning: 1 h and more." in text
    quick = (ROOT / "examples/quickstart.yaml").read_text("utf-8")
    (tmp_path / "quickstart.m3u").touch()
    for every, codes in (("59m", ["V305"]), ("60m", []), ("6h", [])):
        file = tmp_path / "ptctl.yaml"
        file.write_text(f"{quick}  refresh: {{every: {every}}}\n", "utf-8")
        spec, diagnostics, _ = load(file)
        assert spec is not None
        assert codes == [d.code for d in diagnostics]
    assert load(ROOT / "examples/quickstart.yaml")[0].serve.refresh_every_s == 6 * 3600  # type: ignore[union-attr]


def test_every_document_is_led_to() -> None:
    """Whoever begins at the README or at docs/README.md reaches every document."""
    seen: set[Path] = set()
    left = [README]
    while left:
        path = left.pop()
        if path in seen:
            continue
        seen.add(path)
        for link in links(path):
            target = (path.parent / link.partition("#")[0]).resolve()
            if target.is_dir() and not (target / "README.md").exists():
                seen |= set(target.glob("*.md"))
            elif target.is_dir():
                target /= "README.md"
            if target.suffix == ".md" and target.exists():
                left.append(target)
    assert [] == [name(path) for path in ALL if path not in seen]
