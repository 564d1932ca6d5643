"""What is published reads back as it was meant: files say the same as the lineup they were made of."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.lineups.artifacts import files, manifest
from reconciler.planning.diff import churn
from reconciler.planning.published import published_rows
from reconciler.spec.model import Bucket
from tests.lineups.worlds import entry, everything, run, simple_spec

ALL = simple_spec(Bucket("all", everything))
# as lists have them: blanks that are doubled or do not break, quotes, entities, line ends of other systems
TEXT = st.text(
    st.characters(codec="utf-8") | st.sampled_from(" \u00a0\u2003\u2028\x85\t\"'&<\n"),
    max_size=12,
)


@settings(max_examples=40)
@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4))
@example(
    [
        ("ESPN  8", "http://logo.example/a b.png", "US  SPORT"),
        ("Sky\u00a0News", 'http://l/"x".png', "A\u2028B"),
    ]
)
def test_a_second_plan_finds_no_channel_changed(listed: list[tuple[str, str, str]]) -> None:
    """Whatever names, logos and groups a list has, the lineup of the next run equals the files of this one."""
    entries = [entry(i, name, group, logo=logo) for i, (name, logo, group) in enumerate(listed)]
    desired = run(ALL, entries)
    (target,) = desired.dvrs
    (public,) = manifest(ALL, desired, {"all": ""}).dvrs
    made = files(ALL, desired)
    before = published_rows(public, made["all/lineup.json"], made["all/playlist.m3u"])
    found = churn(before, target.lineup.rows, {})
    assert ((), (), ()) == (found.added, found.removed, found.changed)
