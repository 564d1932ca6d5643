"""Text that becomes markup shows itself and nothing else."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from reconciler.serving.pages.markup import Html, element, join, sent, text


class Seen(HTMLParser):
    """What a parser finds: tags with attributes, and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Collect text."""
        self.text += data


hostile = st.one_of(
    st.text(),
    st.text(alphabet="<>&\"'/= \n\0!-scriptonload"),
    st.sampled_from(
        [
            "</script><script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "&lt;b&gt;",
            "<!--",
            "]]>",
            "\ud800 half",
            "\u202etxet",
            "javascript:alert(1)",
        ]
    ),
)


@given(hostile, hostile)
def test_text_stays_text(content: str, attribute: str) -> None:
    """Whatever stands in content and attribute, a parser finds one element and the text, control characters replaced."""
    parser = Seen()
    parser.feed(sent(element("p", content, title=attribute)).decode())
    parser.close()
    assert ["p"] == [tag for tag, _ in parser.tags]
    seen = parser.tags[0][1]
    assert {"title"} == set(seen)
    for before, after in ((content, parser.text), (attribute, seen["title"] or "")):
        assert len(before.replace("\r", "")) == len(after.replace("\r", ""))
        assert "".join(c for c in before if c.isalnum()) == "".join(c for c in after if c.isalnum())


@given(st.lists(hostile, max_size=5))
def test_join_escapes_what_is_not_markup(parts: list[str]) -> None:
    """Joined parts are the escaped parts; markup stays as it is."""
    assert "".join(text(part) for part in parts) == join(parts)
    assert "<b>x</b>&lt;i&gt;" == join([Html("<b>x</b>"), "<i>"])


def test_attributes() -> None:
    """None and False are left out, True stands alone, underscores become dashes."""
    made = element("a", "x", href="?a=1&b=2", hidden=True, title=None, lang=False, aria_label="y", class_="z")
    assert '<a href="?a=1&amp;b=2" hidden aria-label="y" class="z">x</a>' == made
    assert '<input type="text">' == element("input", type="text")
