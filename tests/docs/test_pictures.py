"""The README's pictures are what the product prints and serves, and small enough for a first look."""

import re
import struct
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from tests.docs.pictures import CODES, FOLDER, MOST_BYTES, WIDTH, plan_lines, plan_svg
from tests.docs.reading import ROOT, links

SVG: Final = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    """The text of each line of a picture, blanks at the ends left out."""
    lines: dict[float, str] = {}
    for node in ET.fromstring(svg).iter(f"{SVG}text"):
        if "clip-path" in node.attrib:
            row = float(node.attrib["y"])
            lines[row] = lines.get(row, "") + (node.text or "")
    return [text.replace("\N{NO-BREAK SPACE}", " ").strip() for _, text in sorted(lines.items())]


@pytest.mark.accepts("DOC-3")
def test_the_plan_is_the_readmes_plan() -> None:
    """Line by line the text that stands beside it, in colours; with this rich or another. Else: python -m tests.docs.pictures."""
    stored = (FOLDER / "plan.svg").read_text("utf-8")
    expected = [re.sub(" +", " ", CODES.sub("", line)).strip() for line in plan_lines()]
    assert expected == [re.sub(" +", " ", line) for line in texts(stored)]
    assert texts(stored) == texts(plan_svg())
    assert len(set(re.findall(r"fill: (#[0-9a-f]{6})", stored))) > 3
    assert "http" not in stored.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.accepts("DOC-3")
def test_the_page_is_a_picture_of_its_size() -> None:
    """A PNG as wide as it was made, and the README shows both."""
    data = (FOLDER / "status.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert (WIDTH,) == struct.unpack(">I", data[16:20])
    shown = set(links(ROOT / "README.md"))
    assert {f"docs/pictures/{path.name}" for path in FOLDER.iterdir()} <= shown
    assert all(path.stat().st_size < MOST_BYTES for path in FOLDER.iterdir())
