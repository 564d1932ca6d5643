"""The error tree: exit codes are those of the contract."""

import inspect

from reconciler import errors
from reconciler.rendering import help_pages


def test_exit_codes_are_those_of_the_contract() -> None:
    """Every class of the tree has one of design.md 3's codes for failures."""
    tree = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.PtctlError)]
    assert {1, 3, 5, 6, 7, 64, 130} == {c.code for c in tree}


def test_every_error_has_a_page_of_its_own() -> None:
    """`ptctl help` explains each code that an error is printed with, and no other P code."""
    tree = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.PtctlError)]
    pages = [code for code in help_pages.codes() if code.startswith("P")]
    assert sorted(c.page for c in tree) == pages


def test_no_error_leaves_one_alone() -> None:
    """Where nobody knew a next step, the page of the code is one."""
    assert "ptctl refresh" == errors.StateError("broken", next_step="ptctl refresh").advice
    assert "ptctl help P202" == errors.StateError("broken").advice


def test_all_is_complete_and_sorted() -> None:
    """`__all__` lists every class, in order."""
    public = sorted(
        n for n, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    )
    assert public == errors.__all__
