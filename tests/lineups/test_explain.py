"""Why a channel is where it is, and what an empty guide means for it."""

from dataclasses import replace

import pytest

from reconciler.catalog.guide_index import Coverage, CoverageQuestion
from reconciler.catalog.guide_prune import PruneHistory
from reconciler.ledger.model import Ledger
from reconciler.lineups.explain import explain
from reconciler.lineups.pruning import GuideSeen, pruned, questions
from reconciler.spec.model import (
    Bucket,
    Drop,
    Dvr,
    Filter,
    Guide,
    GuideOptions,
    Merge,
    Only,
    Override,
    Prune,
    Rename,
)
from tests.lineups.worlds import TODAY, catalog, entry, everything, field, guide, numbers, run, simple_spec

NEWS = Bucket("news", field("group", "NEWS"))
REST = Bucket("rest", everything)


def test_the_way_of_a_channel() -> None:
    """Every filter and the bucket are there in order, with what they did; the place comes from the ledger."""
    spec = replace(
        simple_spec(NEWS, REST),
        filters=(
            Filter("adult", Drop(field("group", "XXX"))),
            Filter("tidy", Rename("name", r" HD$", "")),
            Filter("one", Merge(("guide_id",))),
            Filter("listed", Only(field("guide", "listed")), ("rest",)),
        ),
        overrides=(Override("main/1", logo="https://x/y.png"),),
    )
    listed = [
        entry(1, "CNN HD", "NEWS", guide_id="cnn.us", number=1),
        entry(2, "CNN SD", "NEWS", guide_id="cnn.us", number=2),
        entry(3, "Late", "XXX"),
        entry(4, "None", "Else"),
    ]
    ledger = run(spec, listed, guides={"main": guide("cnn.us")}).ledger

    def ask(query: str) -> list[tuple[str, list[tuple[str, str]]]]:
        found = explain(query, spec, catalog(*listed), {"main": guide("cnn.us")}, ledger, today=TODAY)
        return [(f"{e.dvr} {e.number}", [(v.stage, v.verdict) for v in e.events]) for e in found]

    (one,) = ask("main/1")[:1]
    assert (
        "news 1000",
        [
            ("source main", 'listed in group "NEWS"'),
            ("overrides", "set"),
            ("filter adult", "kept (no match)"),
            ("filter tidy", "'CNN HD' -> 'CNN'"),
            ("filter one", "stands for 2 alternatives"),
            ("bucket news", "matched"),
            ("filter listed", "not for this bucket"),
        ],
    ) == one
    assert [("filter one", "an alternative of main/1")] == ask("CNN SD")[0][1][-1:]
    assert ("filter adult", "dropped") == ask("late")[0][1][-1]
    assert ("filter listed", "dropped") == ask("none")[0][1][-1]
    assert ["news 1000", "news 1000"] == [place for place, _ in ask("cnn.us")]
    assert [] == ask("nothing of that name")
    assert [] == ask("")


def test_held_and_full_are_explained() -> None:
    """A channel that stays against its rule says so, and so does one that found no room."""
    spec = simple_spec(
        NEWS,
        Bucket("rest", everything, overflow="drop"),
        dvrs={"news": Dvr("news", "news"), "rest": Dvr("rest", "rest", limit=1)},
        guides={},
    )
    ledger = run(spec, [entry(1, "CNN", "NEWS")]).ledger
    listed = [entry(1, "CNN", "VIP"), entry(2, "A"), entry(3, "B")]
    found = explain("main/1", spec, catalog(*listed), {}, ledger, today=TODAY)[0]
    assert ("bucket rest", "held in news, where it lives") == (
        found.events[-1].stage,
        found.events[-1].verdict,
    )
    assert found.held is not None
    found = explain("B", spec, catalog(*listed), {}, ledger, today=TODAY)[0]
    assert ("room in rest", "none left: left out") == (found.events[-1].stage, found.events[-1].verdict)


@pytest.mark.parametrize(
    ("name", "guide_id", "why"),
    [
        ("A", "a", ""),
        ("X", "x", 'none lists "x"'),
        ("X", "", "it has no guide id"),
        ("X", "A", 'none lists "A"; "a" of main looks like it: match: [id, id-normalised] there'),
        ("Alpha HD", "", 'it has no guide id; "a" of main looks like it: match: [id, name] there'),
    ],
)
def test_why_a_channel_has_no_guide(name: str, guide_id: str, why: str) -> None:
    """What was asked for, and by which other word of `match` a guide would tell it."""
    spec = simple_spec(REST, guides={"main": Guide("main", source="main")})
    listed, guides = catalog(entry(1, name, guide_id=guide_id)), {"main": guide("a", names={"a": ("Alpha",)})}
    (found,) = explain("main/1", spec, listed, guides, Ledger(), today=TODAY)
    assert ([why] if why else []) == [e.verdict for e in found.events if e.stage == "guide"]
    (found,) = explain("main/1", spec, listed, {}, Ledger(), today=TODAY)
    assert ("guide", "none could be had") == (found.events[-1].stage, found.events[-1].verdict)


@pytest.mark.accepts("EPG-1", "EPG-3", "EPG-4")
@pytest.mark.parametrize("scope", ["guide", "lineup"])
def test_an_empty_guide_prunes_after_so_many_good_ones(scope: str) -> None:
    """Off or out after two good guides with nothing, the number kept, back with the first that has something."""
    prune = Prune(empty_for_s=3 * 86400.0, runs=2, scope=scope)  # type: ignore[arg-type]
    spec = simple_spec(NEWS, dvrs={"news": Dvr("news", "news", guide=GuideOptions(prune=prune))})
    listed = [entry(1, "A", "NEWS", guide_id="a"), entry(2, "B", "NEWS", guide_id="b"), entry(3, "C", "NEWS")]
    guides = {"main": guide("a", "b")}
    desired = run(spec, listed, guides=guides)
    assert {"main": {"news": CoverageQuestion(100.0, 100.0 + 3 * 86400.0)}} == questions(desired, 100.0)
    history: dict[str, PruneHistory] = {}
    something, nothing = {"a": Coverage(5), "b": Coverage(5)}, {"a": Coverage(5)}
    seen = []
    for day, (answer, good) in enumerate(
        [(nothing, True), (nothing, False), (nothing, True), (something, True)]
    ):
        plain = run(spec, listed, desired.ledger, guides=guides)
        judged = pruned(plain, {"main": {"news": answer}}, {"main": GuideSeen(f"day {day}", good)}, history)
        history = dict(judged.history)
        after = run(spec, listed, desired.ledger, guides=guides, verdicts=judged.verdicts)
        assert desired.ledger is after.ledger
        seen.append([(r.number, r.off) for r in after.dvrs[0].lineup.rows])
    full = [(1000, False), (1001, False), (1002, False)]
    without = [(1000, False), (1001, True), (1002, False)]
    if scope == "lineup":
        without.pop(1)
    assert [full, full, without, full] == seen


def test_prune_asks_nothing_where_it_is_off() -> None:
    """Without `prune` no guide is asked and nobody is judged."""
    desired = run(simple_spec(NEWS), [entry(1, "A", "NEWS", guide_id="a")], guides={"main": guide("a")})
    assert {} == questions(desired, 0.0)
    assert {} == pruned(desired, {}, {}, {}).verdicts
    assert {"main/1": 1000} == numbers(desired, "news")
