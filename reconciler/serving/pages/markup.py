"""HTML that cannot be broken by what stands in it: text becomes markup by being escaped, and by nothing else.

Names, titles and descriptions come from providers and are hostile until shown otherwise. `Html` is markup; every other
string that is put into an element or an attribute is escaped on the way. This module refuses to know of pages.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import Final

__all__ = ["Content", "Html", "element", "join", "sent", "text"]


class Html(str):
    """Markup made here. Never build one from text that came from outside."""

    __slots__ = ()


Content = str | Iterable[str]

# C0 and C1 but the blanks, and what a browser or a terminal would obey: zero bytes, escapes, non-characters.
_UNSEEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


def text(value: str) -> Html:
    """Any text as markup that shows it, for content and for attributes in double quotes."""
    if isinstance(value, Html):
        return value
    return Html(escape(_UNSEEN.sub("\ufffd", value)))


def join(parts: Iterable[str], between: str = "") -> Html:
    """Parts after each other, escaped where they are not markup."""
    return Html(text(between).join([text(part) for part in parts]))


def element(name: str, content: Content = "", /, **attributes: str | int | bool | None) -> Html:
    """`<name …>content</name>`. An attribute that is None or False is left out, True stands alone.

    `class_` and `for_` lose their underscore, others in between become dashes: `aria_label` is `aria-label`.
    """
    inside = text(content) if isinstance(content, str) else join(content)
    opened = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        opened.append(attribute if value is True else f'{attribute}="{text(str(value))}"')
    if name in _VOID:
        return Html(f"<{' '.join(opened)}>")
    return Html(f"<{' '.join(opened)}>{inside}</{name}>")


def sent(page: str) -> bytes:
    """The bytes of a page. Halves of surrogate pairs, which JSON may hold, become question marks."""
    return page.encode("utf-8", "replace")


_VOID: Final = frozenset({"br", "col", "hr", "img", "input", "link", "meta"})
