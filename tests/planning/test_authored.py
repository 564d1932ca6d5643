"""Two specs over one selection: only the author's change shows, with the fields that differ."""

from dataclasses import replace

import pytest

from reconciler.diagnostics import Span
from reconciler.planning.authored import over_base, with_fields
from reconciler.planning.codec import CodecError, decode, encode
from reconciler.planning.fields import differences
from reconciler.planning.inputs import PlanInputs, World
from reconciler.planning.plan import compose
from reconciler.planning.safety import judge
from reconciler.plex.model import Observed, Unknown
from reconciler.spec.model import Dvr, GuideOptions
from tests.planning.worlds import Home, generation_of, manifest_of

OLD = {"news": {1000: "BBC", 1001: "CNN"}, "sport": {1600: "ESPN"}}


@pytest.mark.accepts("GIT-1")
def test_only_the_authors_change_shows() -> None:
    """The source brought a channel meanwhile and Plex drifted: neither is in the plan, the new DVR and the tuners are."""
    main = {**OLD, "news": {**OLD["news"], 1002: "Fresh"}}
    base = Home(OLD, main).world()
    judged = judge(base)
    manifest = manifest_of(main)
    head_home = Home(main, {**main, "docs": {2200: "Doc"}}, dvr={"sport": {"tuners": 4}})
    head, rows = over_base(head_home.world(), judged, manifest)
    judgement = judge(head)
    new = manifest_of(head_home.after)
    inputs = PlanInputs(head, judgement, new, generation_of(new), generation_of(manifest), before=rows)
    plan = with_fields(compose(inputs).plan, base.spec, head.spec)
    assert {c.dvr: c.kind for c in plan.changes} == {"news": "same", "sport": "change", "docs": "add"}
    sport = next(c for c in plan.changes if c.dvr == "sport")
    assert [(f.path, f.before, f.after) for f in sport.fields] == [("tuners", "2", "4")]
    assert (plan.actions, plan.drift, plan.summary.add, plan.summary.change) == ((), (), 1, 1)


def test_differences_name_paths() -> None:
    """Nested fields by path; equal values give nothing; a missing side is empty."""
    before = Dvr("news", "news", guide=GuideOptions(days=7))
    after = Dvr("news", "news", guide=GuideOptions(days=3), tuners=4)
    assert [(f.path, f.before, f.after) for f in differences(before, after)] == [
        ("guide.days", "7", "3"),
        ("tuners", "2", "4"),
    ]
    assert differences(before, before) == ()
    moved = replace(before, at=Span("ptctl.yaml", 1, 1, 1, 2), also=("backup", "spare"), title="News")
    again = replace(before, at=Span("ptctl.yaml", 9, 1, 9, 2), also=("backup",))
    assert [(f.path, f.before, f.after) for f in differences(moved, again)] == [
        ("also.1", "spare", ""),
        ("title", "News", ""),
    ]


@pytest.mark.accepts("GIT-1")
def test_a_world_survives_writing_and_reading() -> None:
    """Ledger, observation and unknown parts come back from JSON as they were."""
    home = Home(OLD, OLD, rules=Unknown("no answer"))
    observed, ledger = home.observed(), home.ledger()
    assert decode(Observed, encode(observed)) == observed
    assert decode(type(ledger), encode(ledger)) == ledger
    published = home.published
    assert published is not None
    assert decode(type(published), encode(published)) == published
    with pytest.raises(CodecError, match=r"Observed\.requests"):
        decode(Observed, {**encode(observed), "requests": "many"})


def test_a_world_of_other_things_is_refused() -> None:
    """What has no JSON form is named, not dropped."""
    with pytest.raises(CodecError, match="object has no JSON form"):
        encode(object())
    world = Home(OLD, OLD).world()
    assert isinstance(world, World)
    assert replace(world, only=("news",)).skipped("sport")
