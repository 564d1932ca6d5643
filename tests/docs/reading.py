"""The documents as the tests see them: blocks with what stands above them, links, headings.

A comment line directly above a block says what is special: `<!-- not run: why -->`, `<!-- exit: 4 -->`,
`<!-- command: demo -->` (run by `.ci/run`), `<!-- lines of FILE -->` (output that a stored file holds). A block whose
first line is `# file: NAME` is a file, one with `# in NAME` is a part of a file.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "Block", "anchors", "blocks", "documents", "links"]

ROOT: Final = Path(__file__).resolve().parents[2]
_COMMENT: Final = re.compile(r"<!-- (not run|exit|command|lines of):? (.*) -->")
_FENCE: Final = re.compile(r"^ *```([a-z]*)$")
_LINK: Final = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, its line, and the comment above it."""

    document: str
    line: int
    language: str
    text: str
    mark: str = ""
    value: str = ""

    @property
    def file(self) -> str:
        """The name after `# file:` in the first line, or nothing."""
        first = self.text.partition("\n")[0]
        return first.removeprefix("# file: ").strip() if first.startswith("# file: ") else ""

    @property
    def addition(self) -> str:
        """The name after `# in` in the first line: the file that this is a part of."""
        first = self.text.partition("\n")[0]
        return first.removeprefix("# in ").strip() if first.startswith("# in ") else ""

    @property
    def runs(self) -> bool:
        """Whether these are commands that the tests run."""
        return self.language == "sh" and not self.file and self.mark in {"", "exit"}

    @property
    def exit(self) -> int:
        """The status these commands end with."""
        return int(self.value) if self.mark == "exit" else 0


def documents() -> list[Path]:
    """Every document for users: the README, docs/, the READMEs of the examples. Sorted."""
    found = [ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for folder in ("docs", "examples"):
        found += sorted((ROOT / folder).rglob("*.md"))
    return found


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found = []
    language, indent, begun, mark = "", "", 0, ("", "")
    held: list[str] = []
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if begun and fence and not fence[1]:
            text = "\n".join(held) + "\n"
            found.append(Block(str(path.relative_to(ROOT)), begun, language, text, *mark))
            begun, mark = 0, ("", "")
        elif begun:
            held.append(line.removeprefix(indent))
        elif fence:
            language, begun, held = fence[1], number, []
            indent = line[: len(line) - len(line.lstrip())]
        elif line.strip():
            comment = _COMMENT.fullmatch(line.strip())
            mark = (comment[1], comment[2]) if comment else ("", "")
    assert not begun, f"{path}:{begun}: the block does not end"
    return found


def links(path: Path) -> list[str]:
    """What a document points to or shows inside the repository; addresses of the web are left out."""
    text = re.sub(r"^ *```.*?^ *```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [link for link in _LINK.findall(text) if "://" not in link]


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    found = set()
    for heading in _HEADING.findall(path.read_text("utf-8")):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).strip().replace(" ", "-")
        found.add(slug)
    return found
