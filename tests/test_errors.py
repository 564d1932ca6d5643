"""The error tree: exit codes are those of the contract."""

import inspect

from reconciler import errors


def test_exit_codes_are_those_of_the_contract() -> None:
    """Every class of the tree has one of design.md 3's codes for failures."""
    tree = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.PtctlError)]
    assert {1, 3, 4, 5, 6, 7, 64} == {c.code for c in tree}


def test_all_is_complete_and_sorted() -> None:
    """`__all__` lists every class, in order."""
    public = sorted(
        n for n, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__
    )
    assert public == errors.__all__
