"""Matchers: every condition of the spec, on every field."""

import pytest

from reconciler.catalog.entry import Entry
from reconciler.lineups.item import Item
from reconciler.lineups.matching import predicate, text_test, uses_field
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


@pytest.mark.parametrize(
    ("condition", "text", "expected"),
    [
        (Words(("A", "A B")), "x A B", True),
        (Words(("B", "A")), "xA yB", False),
        (Words(("+1",)), "ITV +1 HD", True),
        (Words(("+1",)), "ITV +10", False),
        (Words(("C", "D")), "x d", True),
        (OneOf((Glob("a?c"), Glob("b*"))), "abc", True),
        (OneOf((Glob("a?c"), Contains("zz"))), "bzz", True),
        (OneOf((Glob("A"), Glob("b*"))), "Bcd", True),
        (OneOf((Glob("A"), Glob("b*"), Glob("*z"))), "az", True),
        (OneOf((Glob("A"), Glob("b*"), Glob("*z"))), "A", True),
        (OneOf((Glob("A"), Glob("b*"), Glob("*z"))), "c", False),
        (OneOf((Glob("A*"), Glob("*c"))), "abc", True),
        (OneOf((Glob("A*"), Glob("*c"))), "bcx", False),
        (OneOf((Is("A"),)), "a", False),
        (Glob("*mid*"), "a MID b", True),
        (Glob("**"), "anything", True),
        (Glob("a*b"), "A x B", True),
        (Glob("a*b"), "A x", False),
        (Exists(wanted=True), "x", True),
        (Exists(wanted=False), "x", False),
    ],
)
def test_texts(condition: Condition, text: str, expected: bool) -> None:
    """Several words, several globs with and without wildcards, and those that hold only together."""
    assert expected is bool(text_test(condition)(text))


@pytest.mark.parametrize(
    ("field", "condition", "made", "expected"),
    [
        ("radio", Is("true"), entry(1, "A", radio=True), True),
        ("radio", Is("true"), entry(1, "A"), False),
        ("radio", Is("false"), entry(1, "A", radio=True), False),
        ("radio", Exists(wanted=True), entry(1, "A", radio=True), True),
        ("number", Is(""), entry(1, "A"), True),
        ("number", Is("107"), entry(1, "A", number=107), True),
        ("guide", Exists(wanted=True), entry(1, "A", guide_id="a.us"), True),
        ("guide", Exists(wanted=True), entry(1, "A"), False),
        ("guide", Exists(wanted=False), entry(1, "A"), True),
        ("url_host", Is("b.example.net"), entry(1, "A", url="http://a.example.net/1", more_urls=("http://b.example.net/1",)), True),
        ("url_host", Is("c.example.net"), entry(1, "A", url="http://a.example.net/1", more_urls=("http://b.example.net/1",)), False),
        ("url_host", Is(""), entry("", "A", source="locals"), True),
        ("url_host", Is("tv2.example.net"), entry(1, "A"), True),
        ("url_host", Is("tv3.example.net"), entry(1, "A"), False),
    ],
)  # fmt: skip
def test_fields(field: FieldName, condition: Condition, made: Entry, expected: bool) -> None:
    """Fields that are no text: truth, number, the guide, and the hosts of all addresses."""
    hosts = {"main": ("tv1.example.net:8080", "tv2.example.net")}
    assert expected is predicate(FieldIs(field, condition), hosts)(Item(made, "main/1"))


def test_a_link_alone_is_a_guide() -> None:
    """`guide: exists` holds for a channel found by name as for one with an id."""
    item = Item(entry(1, "A"), "main/1")
    item.link = GuideLink("main", "a.us", "name")
    assert predicate(FieldIs("guide", Exists(wanted=True)), HOSTS)(item)


def test_whether_a_field_is_asked() -> None:
    """Anywhere within, and not for other fields: on it hangs whether guides are matched before."""
    guide, name = FieldIs("guide", Is("listed")), FieldIs("name", Glob("*"))
    for matcher, expected in (
        (guide, True),
        (name, False),
        (AllOf((name, guide)), True),
        (AnyOf((name, AllOf((name, Nothing(guide))))), True),
        (AllOf((name, Nothing(name))), False),
    ):
        assert expected is uses_field(matcher, "guide")


def test_a_matcher_of_one_is_that_one() -> None:
    """`all` and `any` with a single part say what the part says."""
    no = FieldIs("name", Glob("no"))
    assert [False, False] == [predicate(m, HOSTS)(ITEM) for m in (AllOf((no,)), AnyOf((no,)))]
