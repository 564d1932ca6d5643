"""A guide's table of contents is kept, and made anew when the guide is another."""

import os
from pathlib import Path

import pytest

from reconciler.errors import ProviderError
from reconciler.sources.guide_indexes import guide_index

GUIDE = '<tv><channel id="a"><display-name>A</display-name></channel><programme channel="a" start="20260301000000" stop="20260301010000"><title>t</title></programme></tv>'


def test_the_table_is_read_back(tmp_path: Path) -> None:
    """The second reading gives the same table and does not need the guide's content."""
    guide = tmp_path / "guide.xml"
    guide.write_text(GUIDE, "utf-8")
    first = guide_index(guide, tmp_path / "cache")
    assert ({"a"}, {"a": 1}) == (set(first.channels), dict(first.programmes))
    times = guide.stat()
    guide.write_bytes(b"x" * len(GUIDE.encode()))
    os.utime(guide, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert first == guide_index(guide, tmp_path / "cache")


def test_a_changed_guide_is_read_again(tmp_path: Path) -> None:
    """Another size or time makes the table anew; there is one table per place."""
    guide = tmp_path / "guide.xml"
    guide.write_text(GUIDE, "utf-8")
    guide_index(guide, tmp_path / "cache")
    guide.write_text(GUIDE.replace('"a"', '"bb"'), "utf-8")
    assert {"bb"} == set(guide_index(guide, tmp_path / "cache").channels)
    assert 1 == len(list((tmp_path / "cache" / "indexes").iterdir()))


def test_copies_of_one_guide_share_a_table(tmp_path: Path) -> None:
    """Each copy has a name of its own, and the table of the one before it is not left behind."""
    for word in ("a", "bb"):
        guide = tmp_path / f"main.{word * 8:0<16}.data"
        guide.write_text(GUIDE.replace('"a"', f'"{word}"'), "utf-8")
        assert {word} == set(guide_index(guide, tmp_path / "cache").channels)
    assert 1 == len(list((tmp_path / "cache" / "indexes").iterdir()))


def test_a_broken_table_is_no_table(tmp_path: Path) -> None:
    """A cut-off table or one of another format is made anew."""
    guide = tmp_path / "guide.xml"
    guide.write_text(GUIDE, "utf-8")
    first = guide_index(guide, tmp_path / "cache")
    (kept,) = (tmp_path / "cache" / "indexes").iterdir()
    for text in ("{", "[]", '{"format": "other"}', kept.read_text("utf-8")[:-40]):
        kept.write_text(text, "utf-8")
        assert first == guide_index(guide, tmp_path / "cache")


def test_no_guide_keeps_no_table(tmp_path: Path) -> None:
    """What is no guide raises, and nothing is kept of it."""
    (tmp_path / "page.html").write_text("<html><body>no</body></html>")
    with pytest.raises(ProviderError):
        guide_index(tmp_path / "page.html", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    """Where the cache is no directory the table is made each time."""
    guide = tmp_path / "guide.xml"
    guide.write_text(GUIDE, "utf-8")
    (tmp_path / "cache").write_text("in the way")
    assert {"a"} == set(guide_index(guide, tmp_path / "cache").channels)
