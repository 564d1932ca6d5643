"""The help pages are true: their wrong example gives their code, their right one gives no error."""

import re
from pathlib import Path

import pytest

from reconciler.rendering import help_pages
from tests.spec.specs import loaded

ROOT = Path(__file__).parents[2]
PAGES = [page for code in help_pages.codes() if code.startswith("V") and (page := help_pages.page(code))]
# What cannot be shown by a few lines of YAML; test_hostile, test_files and test_credentials show these.
WITHOUT_EXAMPLE = {"V105", "V106", "V308"}


def used(letter: str) -> set[str]:
    """The codes that the program gives."""
    files = (ROOT / "reconciler").rglob("*.py")
    return {
        code for path in files for code in re.findall(rf'"({letter}[0-9]{{3}})"', path.read_text("utf-8"))
    }


@pytest.mark.accepts("VAL-2")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.code)
def test_the_wrong_example_gives_the_code(page: help_pages.Page, tmp_path: Path) -> None:
    """Whoever types the example in gets the finding that the page explains."""
    if page.code in WITHOUT_EXAMPLE:
        assert not page.wrong
        return
    found = [finding.code for finding in loaded(tmp_path, page.wrong)[1]]
    assert page.code in found


@pytest.mark.accepts("VAL-2")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.code)
def test_the_right_example_is_right(page: help_pages.Page, tmp_path: Path) -> None:
    """Whoever follows the page gets rid of the finding and gets no new error."""
    spec, diagnostics, _ = loaded(tmp_path, page.right)
    assert spec is not None, [finding.summary for finding in diagnostics]
    assert page.code not in [finding.code for finding in diagnostics]


def test_every_code_has_a_page() -> None:
    """No finding leaves its reader without an explanation, and no page explains what does not exist."""
    assert used("V") == {page.code for page in PAGES}


def test_every_warning_of_a_plan_has_a_page() -> None:
    """`ptctl help` knows what a plan prints."""
    assert used("W") == {code for code in help_pages.codes() if code.startswith("W")}


@pytest.mark.parametrize("code", help_pages.codes())
def test_a_page_says_what_and_what_next(code: str) -> None:
    """Every page has a short title, an explanation and a next step."""
    page = help_pages.page(code)
    assert page is not None
    assert 0 < len(page.title) <= 40
    assert len(page.what) > 40
    assert "\nNext: " in page.text
    assert page == help_pages.page(code.lower())


def test_an_unknown_code_has_no_page() -> None:
    """Neither a wrong code nor a path reads a file."""
    assert help_pages.page("V999") is None
    assert help_pages.page("../../secret") is None
    assert help_pages.title("nothing") == ""


def test_the_list_of_codes_is_current() -> None:
    """docs/codes.md is what the pages say."""
    assert help_pages.overview() == (ROOT / "docs/codes.md").read_text(encoding="utf-8")
