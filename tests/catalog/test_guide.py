"""A guide's table of contents, and how much it says of each channel."""

import gzip
import re
from pathlib import Path

import pytest

from reconciler.catalog.guide import Coverage, CoverageQuestion, GuideChannel, coverage, index, open_guide
from reconciler.catalog.guide_prune import good_guide
from reconciler.catalog.guide_times import day_window, time_value
from reconciler.errors import ProviderError

GUIDE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tv SYSTEM "xmltv.dtd">
<tv>
 <channel id="a.uk"><display-name lang="en">Channel A</display-name><display-name>101</display-name><icon src="https://i/a.png"/></channel>
 <channel id="b.uk"><display-name>Tom &amp; B</display-name></channel>
 <channel id="a.uk"><display-name>Channel A</display-name><display-name>A HD</display-name></channel>
 <channel id=" c.uk "><display-name/></channel>
 <channel><display-name>no id</display-name></channel>
 <programme start="20260822100000 +0000" stop="20260822110000 +0000" channel="a.uk"><title>One</title></programme>
 <programme start="20260822110000 +0000" stop="20260822120000 +0000" channel="a.uk"><title lang="en">No Data Available</title></programme>
 <programme channel="a.uk" start="20260825110000 +0000"><title><![CDATA[Off Air]]></title></programme>
 <programme start="20260822100000 +0000" channel="undeclared"><title>Three</title></programme>
 <channel id="late"><display-name>Behind a programme</display-name></channel>
</tv>
"""
DAY = time_value("20260822") or 0


def test_index() -> None:
    """Channels with all their names, wherever they stand; counts of undeclared ids too; no damage."""
    found = index([GUIDE.encode()])
    assert {
        "a.uk": GuideChannel("a.uk", ("Channel A", "101", "A HD"), "https://i/a.png"),
        "b.uk": GuideChannel("b.uk", ("Tom & B",)),
        "c.uk": GuideChannel("c.uk"),
        "late": GuideChannel("late", ("Behind a programme",)),
    } == found.channels
    assert {"a.uk": 3, "undeclared": 1} == found.programmes
    assert (found.notes, found.damaged) == ((), False)
    assert found.lists("undeclared")
    assert found.lists("b.uk")
    assert not found.lists("B.uk")


def test_a_broken_channel_costs_only_itself() -> None:
    """A lone ampersand in one channel leaves the others as they are."""
    found = index([GUIDE.replace("Tom &amp; B", "Tom & B &eacute;").encode()])
    assert ("Tom & B é",) == found.channels["b.uk"].names
    assert found.channels.keys() == {"a.uk", "b.uk", "c.uk", "late"}


def test_a_truncated_guide_is_damaged(tmp_path: Path) -> None:
    """What is whole is there, `damaged` is set, the notes say why; so for a cut gzip file."""
    text = GUIDE.encode()
    found = index([text[: text.index(b"Three")]])
    assert found.damaged
    assert {"a.uk": 3} == found.programmes
    assert ("1 unfinished programme left out", "the guide ends early: '</tv>' is missing") == found.notes
    path = tmp_path / "guide.xml.gz"
    path.write_bytes(gzip.compress(text)[:-5])
    opened = index(open_guide(path))
    assert opened.damaged
    assert {"a.uk": 3, "undeclared": 1} == opened.programmes
    assert ("the gzip data ends early",) == opened.notes


def test_a_web_page_is_no_guide() -> None:
    """The provider's error page is named."""
    with pytest.raises(ProviderError, match="web page"):
        index([b"<!DOCTYPE html><html></html>"])


@pytest.mark.accepts("EPG-1")
def test_a_guide_whose_times_cannot_be_read_says_so() -> None:
    """Its channels are listed, and it never counts against one; a single odd time among others is nothing to tell."""
    odd = re.sub(r'start="[^"]*"', 'start="30.11.2026 14:00"', GUIDE)
    found = index([odd.encode()])
    assert ("the times of its programmes cannot be read (30.11.2026 14:00)",) == found.notes
    assert ({"a.uk": 3, "undeclared": 1}, False) == (found.programmes, good_guide(found, fresh=True))
    assert () == index([GUIDE.replace("20260822100000 +0000", "soon", 1).encode()]).notes


@pytest.mark.accepts("EPG-1", "EPG-2")
def test_coverage_in_a_window() -> None:
    """Programmes between two times, and apart those whose title says that there is none."""
    questions = {
        "day": CoverageQuestion(DAY, DAY + 86400),
        "day without": CoverageQuestion(DAY, DAY + 86400, ("No Data*", "off air")),
        "week without": CoverageQuestion(DAY, DAY + 7 * 86400, ("No Data*", "off air")),
        "later": CoverageQuestion(DAY + 86400, DAY + 2 * 86400),
    }
    found = coverage([GUIDE.encode()], questions)
    assert {"a.uk": Coverage(2, 0), "undeclared": Coverage(1, 0)} == found["day"]
    assert {"a.uk": Coverage(1, 1), "undeclared": Coverage(1, 0)} == found["day without"]
    assert Coverage(1, 2) == found["week without"]["a.uk"]
    assert {} == found["later"]


def test_coverage_follows_the_guides_shift() -> None:
    """A shifted guide is asked about shifted times."""
    night = {"n": CoverageQuestion(DAY + 86400, DAY + 2 * 86400)}
    assert {"a.uk": Coverage(2)} == coverage([GUIDE.encode()], night, shift_s=13.5 * 3600)["n"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["nz", "samsung-us", "samsung-de"])
def test_real_guides(shared: Path, name: str) -> None:
    """Real guides have channels and programmes for nearly all of them, and no damage."""
    found = index(open_guide(shared / f"{name}.xml.gz"))
    window = day_window(DAY + 7 * 3600, 2)
    there = coverage(open_guide(shared / f"{name}.xml.gz"), {"day": CoverageQuestion(*window)})["day"]
    assert len(found.channels) > 40
    assert not found.damaged
    assert set(there) <= set(found.programmes)
    assert len(there) > 0.7 * len(found.channels)
