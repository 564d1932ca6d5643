"""What a page holds, as the tests of pages read it."""

import time
from collections.abc import Callable
from typing import Any

from lxml import html

__all__ = ["best_of", "region", "text_of", "tree", "words_of"]


def tree(body: bytes) -> Any:
    """A page as lxml sees it. Any: its elements are untyped."""
    return html.document_fromstring(body.decode())


def text_of(body: bytes) -> str:
    """All text of a page, blanks made single."""
    return words_of(tree(body))


def words_of(found: Any) -> str:
    """All text of an element, pieces apart, blanks made single. Any: untyped."""
    return " ".join(" ".join(found.itertext()).split()).replace(" :", ":")


def region(body: bytes, name: str) -> str:
    """The text of one region."""
    return words_of(tree(body).xpath(f'//*[@data-region="{name}"]')[0])


def best_of(five: Callable[[], object]) -> float:
    """CPU seconds of the quickest of five."""
    times = []
    for _ in range(5):
        began = time.process_time()
        five()
        times.append(time.process_time() - began)
    return min(times)
