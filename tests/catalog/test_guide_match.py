"""Matching channels to guides: order of guides, ways of matching, uniqueness."""

import random
import time

import pytest

from reconciler.catalog.guide_index import GuideChannel, GuideIndex
from reconciler.catalog.guide_match import GuideMatch, MatchInput, match, normalise_id
from reconciler.spec.model import Guide


def guide(name: str, *ways: str, empty: bool = False, **channels: str) -> tuple[Guide, GuideIndex]:
    """A guide with channels by id (underscores stand for dots) and name."""
    known = {
        i.replace("_", "."): GuideChannel(i.replace("_", "."), tuple(n.split(",")))
        for i, n in channels.items()
    }
    programmes = {} if empty else dict.fromkeys(known, 5)
    return Guide(name, match=ways or ("id",)), GuideIndex(known, programmes)  # type: ignore[arg-type]


def found(channels: list[MatchInput], *guides: tuple[Guide, GuideIndex]) -> dict[str, tuple[str, str, str]]:
    """Guide, id and way by channel."""
    return {i: (m.guide, m.xmltv_id, m.how) for i, m in match(channels, guides).items()}


def test_order_of_guides_is_priority_per_channel() -> None:
    """The first guide that knows a channel wins, another channel may come from the second."""
    channels = [MatchInput("1", "a.uk", "A"), MatchInput("2", "b.uk", "B"), MatchInput("3", "", "C")]
    guides = guide("main", a_uk="A"), guide("extra", a_uk="A", b_uk="B")
    assert {"1": ("main", "a.uk", "id"), "2": ("extra", "b.uk", "id")} == found(channels, *guides)


def test_a_guide_with_programmes_goes_before_one_that_only_declares() -> None:
    """A channel declared without any programme is told by the next guide that has some; if none has, by the first."""
    channels = [MatchInput("1", "a.uk", "A")]
    full, empty, also = (
        guide("full", a_uk="A"),
        guide("empty", a_uk="A", empty=True),
        guide("also", a_uk="A", empty=True),
    )
    assert {"1": ("full", "a.uk", "id")} == found(channels, empty, full)
    assert {"1": ("empty", "a.uk", "id")} == found(channels, empty, also)


def test_only_the_ways_the_spec_allows() -> None:
    """By default the raw id alone: neither case nor names play a part."""
    channels = [MatchInput("1", "A.uk", "Channel A")]
    assert {} == found(channels, guide("main", a_uk="Channel A"))
    assert {"1": ("main", "a.uk", "id-normalised")} == found(
        channels, guide("main", "id", "id-normalised", a_uk="x")
    )
    assert {"1": ("main", "a.uk", "name")} == found(channels, guide("main", "name", a_uk="Channel A"))


@pytest.mark.parametrize(
    ("normal", "ids"),
    [
        (
            "bbc1.uk",
            ["bbc1.uk", "BBC1.uk", "bbc1hd.uk", "BBC-1.UK", " bbc 1 fhd.uk", "BBC1.uk@HD", "bbc1.uk@sd"],
        ),
        ("bbc1ukeast", ["BBC1.uk@East"]),  # another feed is another channel
        ("bbc1.de", ["bbc1.de"]),
        ("bbc1", ["BBC1", "bbc1HD", "bbc_1"]),
        ("hd", ["HD"]),
        ("film4+1.uk", ["Film4+1.uk"]),
    ],
)
def test_normalised_ids(normal: str, ids: list[str]) -> None:
    """Case, punctuation and quality are no part of an id; the country is."""
    assert [normal] * len(ids) == [normalise_id(i) for i in ids]


def test_variants_share_an_id() -> None:
    """HD and SD of one channel are told by the same guide channel; two guide ids that become one are nobody's."""
    channels = [MatchInput("1", "bbc1hd.uk", "x"), MatchInput("2", "BBC1.uk", "y")]
    assert {"1": ("g", "bbc1.uk", "id-normalised"), "2": ("g", "bbc1.uk", "id-normalised")} == found(
        channels, guide("g", "id-normalised", bbc1_uk="x")
    )
    both = guide("g", "id-normalised", bbc1_uk="x", bbc1sd_uk="x")
    assert {"2": ("g", "bbc1.uk", "id-normalised")} == found(channels, both)


def test_names_must_be_unique_on_both_sides() -> None:
    """Two channels, or two guide ids, of one name: no match. A second name may decide."""
    twins = [MatchInput("1", "", "BBC One"), MatchInput("2", "", "UK: BBC 1 HD"), MatchInput("3", "", "ITV")]
    assert {"3": ("g", "i", "name")} == found(twins, guide("g", "name", b="BBC One", i="ITV HD,103"))
    assert {} == found(twins[2:], guide("g", "name", i="ITV", j="itv"))
    assert {"4": ("g", "i", "name")} == found(
        [MatchInput("4", "", "Nothing", "ITV")], guide("g", "name", i="ITV")
    )


def test_numbers_are_no_names() -> None:
    """A display-name that is a number says nothing about the channel called that."""
    assert {} == found([MatchInput("1", "", "101")], guide("g", "name", a="101"))


def test_time_shifted_channels_are_others() -> None:
    """`+1` is another channel, for names and for likeness."""
    channels = [MatchInput("1", "", "Film Four +1")]
    assert {} == found(channels, guide("g", "name", "fuzzy", f="Film4"))
    assert {"1": ("g", "p", "name")} == found(channels, guide("g", "name", f="Film4", p="Film4+1"))


def test_likeness_only_when_asked_and_clear() -> None:
    """Near enough and clearly nearest: proposed with its likeness. Off by default, never against an exact match."""
    channels = [MatchInput("1", "", "Discovery Science Channel")]
    science = guide("g", "fuzzy", s="Discovery Science Chanel", h="Discovery History Channel")
    (only,) = match(channels, [science]).values()
    assert ("s", "fuzzy") == (only.xmltv_id, only.how)
    assert 0.86 <= only.confidence < 1
    assert {} == found(channels, guide("g", "name", s="Discovery Science Chanel"))
    assert {} == found([MatchInput("1", "", "ESPN 2")], guide("g", "fuzzy", e="ESPN", f="ESPN 3"))
    exact = guide("late", "name", d="Discovery Science Channel")
    assert {"1": ("late", "d", "name")} == found(channels, science, exact)


def test_the_order_of_channels_plays_no_part() -> None:
    """The same matches whatever the order, and none for channels without id and name."""
    channels = [MatchInput(str(n), f"id{n % 7}", f"Name {n % 11}") for n in range(40)] + [
        MatchInput("x", "", "")
    ]
    guides = guide("g", "id", "id-normalised", "name", "fuzzy", id1="Name 1", ID2="Name 5", z="Name 9")
    expected = match(channels, [guides])
    random.Random(5).shuffle(channels)
    assert expected == match(channels, [guides])
    assert "x" not in expected
    assert GuideMatch("g", "id1", "id") == expected["1"]


def test_a_likeness_alone_is_clear() -> None:
    """One name that is like enough needs no second to be ahead of; its likeness is told to two digits."""
    (only,) = match(
        [MatchInput("1", "", "Sky Sports Main Event")], [guide("g", "fuzzy", s="Sky Sport Main Event")]
    ).values()
    assert GuideMatch("g", "s", "fuzzy", 0.9) == only


def test_two_that_are_alike_are_neither() -> None:
    """Two guide channels as near as each other: no answer is better than a wrong one. One that lies behind does no harm."""
    channels = [MatchInput("1", "", "Sky Sports Main Event")]
    assert {} == found(channels, guide("g", "fuzzy", a="Sky Sport Main Event", b="Sky Sports Main Evens"))
    both = guide("g", "fuzzy", a="Sky Sport Main Event", b="Sky Sports Mix")
    assert {"1": ("g", "a", "fuzzy")} == found(channels, both)


def test_one_channel_by_two_names_is_one() -> None:
    """A guide channel that is like both the name and the guide name counts once, with the nearer likeness."""
    channel = MatchInput("1", "", "Sky Sports Main Event X", "Sky Sports Main Event")
    (only,) = match([channel], [guide("g", "fuzzy", s="Sky Sport Main Event")]).values()
    assert ("s", 0.9) == (only.xmltv_id, only.confidence)


def test_names_are_compared_over_their_rarest_words() -> None:
    """Common words do not hide the guide channel that shares the rare ones; words in another order make no difference."""
    common = {f"c{n}": f"Zzz Sports {n} Channel" for n in range(30)}
    like = guide("g", "fuzzy", right="Quillon Yonder Zzz Sports Chanel", **common)  # type: ignore[arg-type]
    assert {"1": ("g", "right", "fuzzy")} == found(
        [MatchInput("1", "", "Sports Zzz Quillon Yonder Channel")], like
    )


def test_numbers_in_another_order_are_the_same() -> None:
    """`2 Kanal 5` and `5 Kanal 2` have the same numbers; `+1` is a number as well."""
    like = guide("g", "fuzzy", k="5 Kanal 2 Extra Sport")
    assert {"1": ("g", "k", "fuzzy")} == found([MatchInput("1", "", "2 Kanal 5 Extra Sport")], like)
    assert {} == found(
        [MatchInput("1", "", "Kanal Extra Sport Plus +1")], guide("g", "fuzzy", k="Kanal Extra Sport Plus")
    )


def test_an_id_as_it_is_written_goes_before_one_that_is_like_it() -> None:
    """Of two ids that are equal without case and quality, the one that differs in case alone is meant; else neither."""
    two = guide("g", "id-normalised", BBC1_uk="A", bbc1hd_uk="B")
    assert {"1": ("g", "BBC1.uk", "id-normalised")} == found([MatchInput("1", " bbc1.UK ", "x")], two)
    assert {} == found([MatchInput("1", "bbc-1.uk", "x")], two)


def test_a_name_belongs_to_one_channel() -> None:
    """Two channels of that name on our side, or on the guide's, and nobody gets it; the guide name goes first."""
    assert {} == found([MatchInput("1", "", "A"), MatchInput("2", "", "a")], guide("g", "name", x="A"))
    assert {} == found([MatchInput("1", "", "A")], guide("g", "name", x="A", y="a"))
    named = [MatchInput("1", "", "A", "B")]
    assert {"1": ("g", "y", "name")} == found(named, guide("g", "name", x="A", y="B"))


def test_a_name_that_thousands_have() -> None:
    """Event channels: a likeness is looked for once for all of one name, and many of a guide's one name are none."""
    events = [MatchInput(str(n), "", "Event Channel Ppv") for n in range(3000)]
    same = GuideIndex({f"c{n}": GuideChannel(f"c{n}", ("Event Chanel Ppv",)) for n in range(3000)}, {})
    began = time.process_time()
    assert {} == match(events, [(Guide("g", path="g.xml", match=("fuzzy",)), same)])
    assert time.process_time() - began < 2.0  # by pairs it took a minute
    one = GuideIndex({"c": same.channels["c7"]}, {})
    assert 3000 == len(match(events, [(Guide("g", path="g.xml", match=("fuzzy",)), one)]))
