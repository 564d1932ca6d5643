"""Matchers: every condition of the spec, on every field."""

import pytest

from reconciler.lineups.item import Item
from reconciler.lineups.matching import predicate
from reconciler.lineups.model import GuideLink
from reconciler.spec.model import (
    AllOf,
    AnyOf,
    Condition,
    Contains,
    Exists,
    FieldIs,
    FieldName,
    Glob,
    In,
    Is,
    Nothing,
    OneOf,
    Regex,
    Words,
)
from tests.lineups.worlds import entry

ITEM = Item(
    entry(
        7,
        "US: ABC 7 HD",
        "US| Locals [NY]",
        guide_id="abc7.us",
        number=107,
        country="US",
        url="http://Edge.example.net:8080/7.ts",
    ),
    "main/7",
)
HOSTS = {"main": ("tv1.example.net:8080",)}


@pytest.mark.parametrize(
    ("field", "condition", "expected"),
    [
        ("name", Glob("us: abc*"), True),
        ("name", Glob("ABC*"), False),
        ("name", Glob("*abc*"), True),
        ("name", Glob("*hd"), True),
        ("name", Glob("US: ABC 7 hd"), True),
        ("name", Glob("US: ABC ? HD"), True),
        ("name", Glob("US: ABC [6-8] HD"), True),
        ("name", Glob("*"), True),
        ("name", Glob(""), False),
        ("group", Glob("US| Locals*"), True),
        ("country", Is("US"), True),
        ("country", Is("us"), False),
        ("country", In(("CA", "US")), True),
        ("name", Contains("abc 7"), True),
        ("name", Words(("ABC", "NBC")), True),
        ("name", Words(("AB",)), False),
        ("name", Regex(r"^US:"), True),
        ("name", Regex(r"^us:"), False),
        ("name", OneOf((Glob("x"), Glob("US: ABC 7 HD"), Contains("zzz"))), True),
        ("name", OneOf((Glob("x"), Glob("y"))), False),
        ("language", Exists(wanted=True), False),
        ("language", Exists(wanted=False), True),
        ("quality", Is("hd"), True),
        ("number", Glob("10?"), True),
        ("source", Is("main"), True),
        ("kind", Is("live"), True),
        ("radio", Is("false"), True),
        ("radio", Exists(wanted=True), False),
        ("guide", Is("id"), True),
        ("guide", Is("any"), True),
        ("guide", Is("listed"), False),
        ("url_host", Glob("edge.example.net"), True),
        ("url_host", Glob("*:8080"), True),
        ("url_host", Glob("tv1*"), False),
    ],
)
def test_conditions(field: FieldName, condition: Condition, expected: bool) -> None:
    """Globs ignore case and cover the whole field; `is` and `in` do not ignore it; words are whole words."""
    assert expected is predicate(FieldIs(field, condition), HOSTS)(ITEM)


def test_combinations() -> None:
    """`all` of none is everything, `any` of none is nothing, `not` turns round."""
    yes, no = FieldIs("name", Glob("*")), FieldIs("name", Glob("no"))
    for matcher, expected in (
        (AllOf(()), True),
        (AnyOf(()), False),
        (AllOf((yes, no)), False),
        (AnyOf((no, yes)), True),
        (Nothing(no), True),
        (AllOf((yes, Nothing(AnyOf((no,))))), True),
    ):
        assert expected is predicate(matcher, HOSTS)(ITEM)


def test_a_panel_entry_has_all_its_hosts() -> None:
    """Where hosts and stream id make the address, the source's hosts are meant."""
    item = Item(entry(1, "A"), "main/1")
    assert predicate(FieldIs("url_host", Glob("tv1.example.net")), HOSTS)(item)
    assert not predicate(FieldIs("url_host", Glob("edge*")), HOSTS)(item)


def test_listed_by_name_has_no_id() -> None:
    """A channel that a guide knows by name is listed though it has no id of its own."""
    item = Item(entry(1, "A"), "main/1")
    item.link = GuideLink("main", "a.us", "name")
    listed, by_id = FieldIs("guide", Is("listed")), FieldIs("guide", Is("id"))
    assert [True, False] == [predicate(m, HOSTS)(item) for m in (listed, by_id)]
