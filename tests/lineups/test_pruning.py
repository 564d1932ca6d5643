"""What empty guides mean for lineups: who is judged, by which guides, and what is said of it."""

from collections.abc import Mapping

import pytest

from reconciler.catalog.guide_index import Coverage, CoverageQuestion
from reconciler.catalog.guide_prune import PruneHistory
from reconciler.lineups.model import Desired, Verdict
from reconciler.lineups.pruning import GuideSeen, pruned, questions
from reconciler.spec.model import Bucket, Dvr, Guide, GuideOptions, Prune
from tests.lineups.worlds import entry, everything, field, guide, run, simple_spec

ONE_RUN = Prune(empty_for_s=60.0, runs=1, unavailable=("Off*",))
TELLS = {"main": GuideSeen("today", good=True), "other": GuideSeen("today", good=True)}


def desired(first: Prune | None, second: Prune | None) -> Desired:
    """Two DVRs; `a` and `b` have a guide, `plain` has none."""
    dvrs = {
        name: Dvr(name, name, guide=GuideOptions(prune=prune))
        for name, prune in (("news", first), ("rest", second))
    }
    spec = simple_spec(
        Bucket("news", field("group", "N")),
        Bucket("rest", everything),
        dvrs=dvrs,
        guides={"main": Guide("main", source="main"), "other": Guide("other", source="main")},
    )
    listed = [
        entry(9, "Plain", "N", number=0), entry(1, "A", "N", guide_id="a"),
        entry(8, "Plain", "X", number=0), entry(2, "B", "X", guide_id="b"), entry(3, "C", "X", guide_id="c"),
    ]  # fmt: skip
    return run(spec, listed, guides={"main": guide("a", "b"), "other": guide("c")})


def judged(
    answers: Mapping[str, Coverage], seen: Mapping[str, GuideSeen] = TELLS, **of: Prune
) -> dict[str, Verdict]:
    """The verdicts, where both guides answer so for each DVR."""
    found = desired(of.get("news"), of.get("rest"))
    every = {g: dict.fromkeys(("news", "rest"), answers) for g in ("main", "other")}
    return dict(pruned(found, every, seen, {}).verdicts)


@pytest.mark.accepts("EPG-1")
def test_each_dvr_asks_its_own_guides() -> None:
    """A DVR that prunes nothing asks nothing, wherever it stands in the spec; channels without a guide ask nobody."""
    question = CoverageQuestion(100.0, 160.0, ("Off*",))
    assert {"main": {"news": question}} == questions(desired(ONE_RUN, None), 100.0)
    assert {"main": {"rest": question}, "other": {"rest": question}} == questions(
        desired(None, ONE_RUN), 100.0
    )


@pytest.mark.accepts("EPG-3")
def test_a_channel_without_programmes_is_switched_off_or_left_out() -> None:
    """Of a DVR with `prune` alone; those that no guide tells are judged by none."""
    why = "no programmes in the next 1 minute, 1 good guides in a row"
    assert {"main/1": Verdict("off", "guide", why)} == judged({}, news=ONE_RUN)
    lineup = Prune(empty_for_s=60.0, runs=1, scope="lineup")
    assert {"main/2": Verdict("out", "guide", why), "main/3": Verdict("out", "guide", why)} == judged(
        {}, rest=lineup
    )
    assert {"main/3"} == judged({"b": Coverage(1)}, rest=ONE_RUN).keys()


@pytest.mark.accepts("EPG-1")
def test_a_guide_that_is_not_good_today_judges_nobody() -> None:
    """One that failed, and one that was not had at all; the other one goes on."""
    bad = {"main": GuideSeen("today", good=False), "other": GuideSeen("today", good=True)}
    assert {"main/3"} == judged({}, bad, rest=ONE_RUN).keys()
    assert {"main/3"} == judged({}, {"other": bad["other"]}, rest=ONE_RUN).keys()


def test_what_to_remember() -> None:
    """A history for every judged channel, in the order of ids, with the guide that was counted."""
    found = desired(None, Prune(empty_for_s=60.0, runs=3))
    answers = {g: {"rest": {"b": Coverage(1)}} for g in ("main", "other")}
    seen = {"main": GuideSeen("m1", good=True), "other": GuideSeen("o1", good=True)}
    kept = pruned(found, answers, seen, {"main/2": PruneHistory(2, "m0")}).history
    assert [("main/2", PruneHistory(0, "m1")), ("main/3", PruneHistory(1, "o1"))] == list(kept.items())
