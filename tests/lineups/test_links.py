"""When guides are asked, and what is remembered of their answers."""

import pytest

from reconciler.catalog.guide_index import GuideChannel, GuideIndex
from reconciler.lineups.item import Item, channel_of, guide_icon
from reconciler.lineups.links import Links
from reconciler.spec.model import Bucket, Guide
from tests.lineups.worlds import entry, everything, guide, simple_spec

BOTH = guide("a", "b", names={"a": ("Alpha",), "b": ("Beta Channel Europe",)})


def links(*match: str) -> Links:
    """One guide that matches in these ways, and one that could not be had."""
    spec = simple_spec(
        Bucket("all", everything),
        guides={"away": Guide("away", source="main"), "main": Guide("main", source="main", match=match)},  # type: ignore[arg-type]  # the words of the spec
    )
    return Links(spec, {"main": BOTH})


def item(key: int, name: str, guide_id: str = "") -> Item:
    """An entry as an item."""
    return Item(entry(key, name, guide_id=guide_id), f"main/{key}")


def told(some: Item) -> str:
    """The XMLTV id of its link."""
    return some.link.xmltv_id if some.link else ""


def test_by_id_alone_names_play_no_part() -> None:
    """A channel without an id has no programmes, whatever its name."""
    some = [item(1, "Alpha", "b"), item(2, "Beta")]
    links("id").ensure(some)
    assert ["b", ""] == [told(i) for i in some]


def test_by_name_where_a_guide_says_so() -> None:
    """Also for channels without any id; `fuzzy` asks for the name as well."""
    some = [item(1, "Alpha"), item(2, "else")]
    links("id", "name").ensure(some)
    assert ["a", ""] == [told(i) for i in some]
    some = [item(1, "Beta Chanel Europe")]
    links("fuzzy").ensure(some)
    assert ["b"] == [told(i) for i in some]


def test_an_answer_is_remembered_until_the_name_or_id_changes() -> None:
    """A filter that changes either says so; then the old answer is gone, even where there is no new one."""
    asked, some = links("id"), item(1, "Alpha", "a")
    asked.ensure([some])
    some.guide_id = "b"
    asked.ensure([some])
    assert "a" == told(some)
    some.linked = False
    asked.ensure([some])
    assert "b" == told(some)
    some.guide_id, some.linked = "", False
    asked.ensure([some])
    assert "" == told(some)


def test_a_merged_channel_has_the_first_programmes_of_its_entries() -> None:
    """Its own, else those of the next that a guide tells; every entry is asked for itself."""
    first, second, third = item(1, "X"), item(2, "Beta", "b"), item(3, "Alpha", "a")
    first.members = (first, second, third)
    links("id").ensure([first])
    assert ("b", "b", "a") == (told(first), told(second), told(third))
    own, other = item(1, "Alpha", "a"), item(2, "Beta", "b")
    own.members = (own, other)
    links("id").ensure([own])
    assert ("a", "b") == (told(own), told(other))
    alone = item(4, "Z")
    links("id").ensure([alone])
    assert "" == told(alone)


def test_one_guide_by_id_and_one_by_name() -> None:
    """A channel without an id is asked of the one that goes by names."""
    spec = simple_spec(
        Bucket("all", everything),
        guides={"ids": Guide("ids", source="main"), "names": Guide("names", source="main", match=("name",))},
    )
    some = [item(1, "Alpha"), item(2, "else", "b")]
    Links(spec, {"ids": BOTH, "names": BOTH}).ensure(some)
    assert [("names", "a"), ("ids", "b")] == [(i.link.guide, i.link.xmltv_id) for i in some if i.link]


def test_a_guide_lends_its_logo() -> None:
    """Where the list has none that a client could fetch; a merged channel takes that of the first that has one."""
    pictured = GuideIndex(
        {
            "a": GuideChannel("a", ("A",), "http://g/a.png"),
            "b": GuideChannel("b", ("B",), "icons/b.png"),
        },
        {},
    )
    spec = simple_spec(Bucket("all", everything), guides={"main": Guide("main", source="main")})
    given = {"": "http://g/a.png", "http://l/1.png": "http://l/1.png", "images/1.png": "http://g/a.png"}
    some = [Item(entry(n, "A", guide_id="a", logo=logo), f"main/{n}") for n, logo in enumerate(given)]
    bare = item(8, "B", "b")
    merged = item(9, "C")
    merged.members = (merged, some[0])
    links = Links(spec, {"main": pictured})
    links.ensure([*some, bare, merged])
    assert [*given.values(), "", "http://g/a.png"] == [
        channel_of(i, i.id, (), links.icon).logo for i in (*some, bare, merged)
    ]


@pytest.mark.parametrize(
    ("icon", "logo"),
    [
        ("http://g/a.png?w=100", "http://g/a.png?w=100"),
        ("logo:0123456789ab", "logo:0123456789ab"),  # in a snapshot
        ("http://u:p@g/a.png", ""),
        ("http://g/img.php?id=1&password=p", ""),
        ("https://g/img?Token=t", ""),
        ("a.png", ""),
    ],
)
def test_a_guide_lends_no_account(icon: str, logo: str) -> None:
    """Its pictures go to Plex and to players, and nobody has looked for accounts in a guide."""
    assert logo == guide_icon(icon)
