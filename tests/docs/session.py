"""Somebody who follows a document: writes its files, types its commands at a terminal, one block after the other.

Host names of the documents lead to the sandbox of the test: they are replaced in everything that is written or typed,
and a spec gets free ports and short pauses. What is typed is otherwise what stands there; questions are answered "y".
"""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from tests import warm
from tests.docs.reading import Block
from tests.e2e.world import PASSWORD, TOKEN, USER, World

__all__ = ["Session", "Typed"]

LIMIT_S: Final = 100.0
QUIET_S: Final = 0.1
SETTINGS: Final = {"IPTV_USER": USER, "IPTV_PASS": PASSWORD, "PLEX_TOKEN": TOKEN, "PTCTL_ADMIN": "admin-9931"}


@dataclass(frozen=True, slots=True)
class Typed:
    """How a block ended, and what the terminal showed."""

    code: int
    shown: str


@dataclass(slots=True)
class Session:
    """One reader in one directory. `close` ends what was left running."""

    home: World
    words: Mapping[str, str] = field(default_factory=dict)
    """What the document says -> what it is in this test, besides addresses."""
    _left: list[tuple[int, int]] = field(default_factory=list)

    def place(self, text: str) -> str:
        """A text with the sandbox's addresses instead of the document's."""
        hub = f"http://127.0.0.1:{self.home.hub}"
        one, two = (*self.home.provider.urls, *self.home.provider.urls)[:2]
        for old, new in (
            ("http://tv1.example.net:8080", one),
            ("http://tv2.example.net:8080", two),
            ("http://plex:32400", self.home.plex.url),
            ("http://ptctl:5004", hub),
            ("http://localhost:5004", hub),
            *self.words.items(),
        ):
            text = text.replace(old, new)
        return text

    def write(self, block: Block) -> Path:
        """The file that a block is."""
        path = self.home.directory / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.place(block.text.partition("\n")[2]), "utf-8")
        if path.suffix == ".env":
            path.chmod(0o600)
        self.settle()
        return path

    def add(self, block: Block) -> Path:
        """Bring a part into the file it belongs to, as a reader with an editor would."""
        path = self.home.directory / block.addition
        whole = yaml.load(path.read_text("utf-8"), _Plain)
        part = yaml.load(self.place(block.text), _Plain)
        path.write_text(yaml.safe_dump(_merged(whole, part), sort_keys=False, allow_unicode=True), "utf-8")
        self.settle()
        return path

    def type(self, block: Block) -> Typed:
        """Run a block's commands in bash, as at a terminal. Stops at the first that fails."""
        master, slave = pty.openpty()
        mode = termios.tcgetattr(slave)
        mode[3] &= ~termios.ECHO  # what is answered is not what is shown
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        script = "set -eo pipefail\n" + self.place(block.text)
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.home.directory,
            env=self.environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        shown = bytearray()
        # Read to the very end: what was left running in the background still has this terminal.
        reader = threading.Thread(target=_read, args=(master, shown), daemon=True)
        reader.start()
        self._left.append((process.pid, master))
        os.write(master, b"y\n" * 8)
        try:
            code = process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{block.document}:{block.line}: no end\n{shown.decode()}") from None
        reader.join(QUIET_S)
        self.settle()
        return Typed(code, shown.decode("utf-8", "replace"))

    @property
    def environment(self) -> dict[str, str]:
        """The variables the documents speak of, and the programs."""
        path = f"{warm.program()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**self.home.environment, **SETTINGS, "PATH": path, "TERM": "dumb", "COLUMNS": "100"}

    def settle(self) -> None:
        """Give every spec in the directory the ports of this test and pauses that suit it."""
        for path in self.home.directory.glob("*.yaml"):
            text = path.read_text("utf-8")
            if re.search(r"(?m)^version: 1$", text):
                settled = _settled(text, self.home.hub, *self.home.ports)
                if settled != text:
                    path.write_text(settled, "utf-8")

    def close(self) -> None:
        """End every process that a block left behind."""
        for group, _ in self._left:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for _, master in self._left:
            os.close(master)
        self._left.clear()


class _Plain(yaml.SafeLoader):
    """YAML in which `on` is a word, as in a spec; only true and false are not."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _merged(whole: Any, part: Any) -> Any:  # Any: YAML
    """Mappings key by key; what is new in a list comes first, what has the name of an item replaces it."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return {**whole, **{key: _merged(whole.get(key), value) for key, value in part.items()}}
    if isinstance(whole, list) and isinstance(part, list) and all(isinstance(item, dict) for item in whole):
        names = {item.get("name") for item in part}
        return [*part, *(item for item in whole if item.get("name") not in names)]
    return part


def _read(master: int, shown: bytearray) -> None:
    """Everything the terminal shows, until nobody holds its other end."""
    with suppress(OSError):
        while data := os.read(master, 65536):
            shown += data


def _settled(text: str, hub: int, first: int, last: int) -> str:
    """A spec with these ports and short pauses. A second time it stays as it is."""
    if "pace: 5ms" not in text:
        text = re.sub(r"(?m)^(plex: \{.*credentials: \w+)\}", r"\1, pace: 5ms, poll: 100ms}", text)
        text = re.sub(r"(?m)^plex:\n", "plex:\n  pace: 5ms\n  poll: 100ms\n", text)
    text = re.sub(r"\bport: 50(\d\d)\b", lambda found: f"port: {first + int(found[1]) - 5}", text)
    text = text.replace(
        "http://127.0.0.1:5004", f"http://127.0.0.1:{hub}"
    )  # what `import plex` makes of this Plex
    ours = f"listen: 127.0.0.1:{hub}", f"ports: {first}-{last}"
    if ours[0] in text:
        return text
    text = re.sub(r'(?m)^(serve: \{.*?)listen: "?[0-9.]+:[0-9]+"?(, )?', r"\1", text)
    text = re.sub(r"(?m)^  (listen|ports): .*\n", "", text)
    text = re.sub(r"(?m)^serve: \{", f"serve: {{{', '.join(ours)}, ", text)
    return re.sub(r"(?m)^serve:\n", f"serve:\n  {ours[0]}\n  {ours[1]}\n", text)
