"""Width, colour and what may reach a terminal: names are written by providers, tuners and Plex."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.rendering.ink import Role, cells, cut, encodable, harmless, pad, paint

ROLES: dict[Role, str] = {
    "add": "32", "good": "32", "change": "33", "caution": "1;33", "danger": "31", "blocked": "1;31", "place": "34",
    "dim": "2", "head": "1",
}  # fmt: skip
"""Green, yellow and red as output.md 1 has them, bold or not, blue for places, dim; as ECMA-48 numbers them."""


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b", "a\u202eb", "\x07", "\ud800"])
def test_what_is_written_out_keeps_its_column(text: str) -> None:
    """A table stays one: the width is that of what will stand there."""
    assert len(harmless(text, color=False)) == cells(text)


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("ESPN 8", 6),
        ("日本", 4),
        ("e\u0301", 1),
        ("🎬", 2),
        ("\u200fקשת", 3),
        ("ﾊﾝ", 2),
        ("\uff21", 2),
        ("a\u20dd", 1),
    ],
)
def test_cells_are_those_of_a_terminal(text: str, width: int) -> None:
    """Wide and full-width signs take two cells, combining and direction marks none."""
    assert width == cells(text)


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("ESPN 8", 6, "ESPN 8"),
        ("ESPN 8", 5, "ESPN…"),
        ("ESPN 8", 1, "…"),
        ("ESPN 8", 0, "…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("one\ntwo", 20, "one two"),
    ],
)
def test_a_name_is_cut_by_cells(text: str, width: int, shown: str) -> None:
    """The sign that says so has its place, a blank before it goes, no sign is cut in half; a name is one line."""
    assert shown == cut(text, width)


@given(st.text(), st.integers(1, 40))
def test_what_is_cut_fits(text: str, width: int) -> None:
    """Never wider than asked for, and as it was where it fitted."""
    assert cells(cut(text, width)) <= width
    assert width == cells(pad(cut(text, width), width))
    assert text.replace("\n", " ") == cut(text, max(1, cells(text)))


@given(st.text(alphabet=st.characters(), max_size=30))
def test_no_text_moves_a_cursor(text: str) -> None:
    """Every text may be written to any stream, and a JSON document says the same as before."""
    for color in (True, False):
        shown = harmless(text, color=color)
        shown.encode()
        assert not [c for c in shown if c not in "\n\t" and (c < " " or "\x7f" <= c <= "\x9f")] or color
    document = json.dumps([text], ensure_ascii=False)
    assert [text] == json.loads(harmless(document, color=False))


@pytest.mark.parametrize(
    ("text", "plain", "colored"),
    [
        ("\x1b[2J", r"\u001b[2J", r"\u001b[2J"),
        ("\x9b2J", r"\u009b2J", r"\u009b2J"),
        ("\x1b]0;t\x07", r"\u001b]0;t\u0007", r"\u001b]0;t\u0007"),
        ("a\r\nb\tc", "a\\u000d\nb\tc", "a\\u000d\nb\tc"),
        ("a\u202eb\u2066c", r"a\u202eb\u2066c", r"a\u202eb\u2066c"),
        ("\x1b[31mred\x1b[0m", r"\u001b[31mred\u001b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[8mhidden", r"\u001b[8mhidden", r"\u001b[8mhidden"),
        ("قناة\u200f 日本 é", "قناة\u200f 日本 é", "قناة\u200f 日本 é"),
    ],
)
def test_control_characters_are_written_out(text: str, plain: str, colored: str) -> None:
    """Cursor, title, hidden text and turned direction do not get through; ordinary text of any script does."""
    assert plain == harmless(text, color=False)
    assert colored == harmless(text, color=True)


@pytest.mark.parametrize("role", ROLES)
def test_our_colours_get_through(role: Role) -> None:
    """What is painted is shown so, and only where colour is wanted."""
    painted = paint("news", role, color=True)
    assert f"\x1b[{ROLES[role]}mnews\x1b[0m" == painted
    assert painted == harmless(painted, color=True)
    assert "news" == paint("news", role, color=False)
    assert "" == paint("", role, color=True)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "Ä 日 🎬 …"),
        ("latin-1", "Ä \\u65e5 \\ud83c\\udfac \\u2026"),
        ("ascii", "\\u00c4 \\u65e5 \\ud83c\\udfac \\u2026"),
    ],
)
def test_a_stream_that_is_not_utf_8(encoding: str, shown: str) -> None:
    """What it has stands as it is, the rest as in JSON, so that a document says the same."""
    assert shown == encodable("Ä 日 🎬 …", encoding)
    assert "Ä 日 🎬 …" == json.loads(encodable(json.dumps("Ä 日 🎬 …", ensure_ascii=False), encoding))
