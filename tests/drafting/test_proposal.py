"""Proposed buckets: everything has a place, none is larger than a DVR without saying where the rest goes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.drafting.bounds import LIMIT
from reconciler.drafting.draft import Vault
from reconciler.drafting.first import first_draft, tidying
from reconciler.drafting.proposal import Counted, Group, proposed
from reconciler.drafting.provider import Provider, sections
from reconciler.secret import Secret
from tests.drafting.reading import spec_of

PANEL = [
    Group("US| Locals", 412, 300),
    Group("US| News", 200, 150),
    Group("US| Entertainment", 700, 500),
    Group("SPORTS| US", 900, 300),
    Group("SPORTS| World", 500, 100),
    Group("UK| Entertainment", 300, 250),
    Group("IE| General", 60, 20),
    Group("[DE] Vollprogramm", 400, 200),
    Group("LATIN| General", 333, 33),
    Group("VIP 4K", 20, 0),
]
NAMES = st.sampled_from(
    [
        "US| News",
        "UK: Sports",
        "[FR] Cinéma",
        "|DE| Kids",
        "EU| South",
        "Sport",
        "No | Way",
        "24/7",
        "",
        "a*b?",
        "it",
        "ES - Cine",
    ]
) | st.text(max_size=12)
GROUPS = st.lists(
    st.builds(Group, NAMES, st.integers(1, 3000), st.integers(0, 10)), max_size=25, unique_by=lambda g: g.name
)


def names(found: tuple[Counted, ...]) -> list[str]:
    return [c.name for c in found]


def test_a_small_list_is_one_bucket() -> None:
    """What fits into one DVR is one bucket that takes everything."""
    (only,) = proposed([Group("A", 100, 5), Group("B", 380, 5)])
    assert ({"name": "channels", "match": {}, "overflow": "drop"}, 480) == (only.bucket, only.entries)


def test_a_panel_is_sorted_by_genre_and_country() -> None:
    """Large genres are split by country, what is left goes by country, the rest to the last bucket."""
    found = {c.name: c for c in proposed(PANEL)}
    assert 412 == found["locals"].entries
    assert {"all": [{"group": "*| US"}, {"group": "*sport*"}]} == found["sports-us"].bucket["match"]
    assert ("sports-us-b", 900) == (found["sports-us"].bucket["overflow"], found["sports-us"].entries)
    assert {"group": {"regex": r"(?i)^\[DE\]"}} == found["german"].bucket["match"]
    assert ["IE|*", "UK|*"] == found["ukie"].bucket["match"]["group"]  # type: ignore[index,call-overload]
    assert ({}, "drop", 20) == (
        found["rest"].bucket["match"],
        found["rest"].bucket["overflow"],
        found["rest"].entries,
    )


@given(GROUPS)
def test_nothing_is_lost_in_the_sums(groups: list[Group]) -> None:
    """Every channel is counted in exactly one bucket, there are at most fifteen, and names differ."""
    found = proposed(groups)
    assert sum(g.entries for g in groups) == sum(c.entries for c in found)
    assert len(found) <= 15
    assert len(set(names(found))) == len(found)
    for one in found:
        assert one.entries <= LIMIT or "overflow" in one.bucket


@settings(deadline=None, max_examples=50)  # each example is a whole validation
@given(GROUPS)
def test_every_proposal_is_a_valid_spec(groups: list[Group]) -> None:
    """Whatever the groups are called, the drafted spec has no error and no warning."""
    vault = Vault("ptctl.env")
    provider = Provider(hosts=("http://tv.example.net",), username=Secret("u-1"), password=Secret("p w"))
    draft = first_draft(
        "home",
        sections(provider, vault),
        vault,
        filters=tidying(["XXX| Adult", "+18 Films"], ["## US ##", "** x **"], {"ABC"}),
        buckets=[(c.bucket, c.note) for c in proposed(groups)],
        plex=("http://plex:32400", Secret("tok")),
        advertise="http://tuners:5004",
    )
    with TemporaryDirectory() as folder:
        _, codes = spec_of(draft, Path(folder))
    assert [] == codes


def test_headings_are_told_from_channels() -> None:
    """A heading's beginning becomes a rule only where no channel begins like it."""
    both = tidying([], ["## US ##", "-- UK --"], {"--Channel"})
    assert [{"name": "separators", "drop": {"name": "##*"}}] == both
    assert [] == tidying([], ["-- UK --"], {"--Channel"})


def test_groups_for_adults_that_the_rule_misses_are_named() -> None:
    """A group that counts as adult but escapes the pattern is dropped by its name."""
    (rule,) = tidying(["PORNO", "XXX"], [], set())
    assert {"is": "PORNO"} in rule["drop"]["group"]  # type: ignore[operator,index,call-overload]
