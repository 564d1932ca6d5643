"""Pruning: only several good guides in a row take a channel out, one brings it back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.catalog.guide_index import Coverage, GuideIndex
from reconciler.catalog.guide_prune import PruneHistory, PruneObserved, PruneVerdict, decide, good_guide
from reconciler.spec.model import Prune

THREE_RUNS = Prune(empty_for_s=3 * 86400.0, runs=3)
EMPTY = Coverage(0, 0)


def run_through(seen: list[PruneObserved], options: Prune = THREE_RUNS) -> list[PruneVerdict]:
    """The verdicts on one channel over several runs."""
    history: dict[str, PruneHistory] = {}
    verdicts = []
    for one in seen:
        verdict = decide(history, {"main/1": one}, options)["main/1"]
        history["main/1"] = verdict.history
        verdicts.append(verdict)
    return verdicts


@pytest.mark.accepts("EPG-1")
def test_pruned_after_so_many_good_guides() -> None:
    """The third empty guide in a row prunes, not the first two, and the reason counts them."""
    verdicts = run_through([PruneObserved(EMPTY, f"day {n}") for n in range(4)])
    assert [v.pruned for v in verdicts] == [False, False, True, True]
    assert verdicts[0].reason == "no programmes in the next 3 days: 1 of 3 good guides"
    assert verdicts[2].reason == "no programmes in the next 3 days, 3 good guides in a row"


@pytest.mark.accepts("EPG-1")
def test_the_same_guide_counts_once() -> None:
    """Ten refreshes an hour apart that get the same guide are one good guide, not ten."""
    assert [v.pruned for v in run_through([PruneObserved(EMPTY, "same")] * 10)] == [False] * 10


@pytest.mark.accepts("EPG-1")
def test_a_failed_guide_prunes_nothing_and_forgets_nothing() -> None:
    """An unknown guide in between neither counts nor starts the count anew."""
    unknown = PruneObserved(None, "")
    seen = [
        PruneObserved(EMPTY, "1"),
        unknown,
        unknown,
        unknown,
        PruneObserved(EMPTY, "2"),
        PruneObserved(EMPTY, "3"),
    ]
    assert [v.pruned for v in run_through(seen)] == [False, False, False, False, False, True]


@pytest.mark.accepts("EPG-1")
def test_one_good_guide_with_programmes_starts_anew() -> None:
    """`runs` means in a row."""
    full = PruneObserved(Coverage(5, 0), "full")
    seen = [
        PruneObserved(EMPTY, "1"),
        PruneObserved(EMPTY, "2"),
        full,
        PruneObserved(EMPTY, "4"),
        PruneObserved(EMPTY, "5"),
    ]
    assert [v.pruned for v in run_through(seen)] == [False] * 5


@pytest.mark.accepts("EPG-4")
def test_it_returns_with_the_first_programme_and_stays_out_while_unknown() -> None:
    """A pruned channel stays pruned while its guide fails and comes back as soon as there is something to show."""
    seen = [PruneObserved(EMPTY, str(n)) for n in range(3)] + [
        PruneObserved(None, ""),
        PruneObserved(Coverage(1, 0), "9"),
    ]
    verdicts = run_through(seen)
    assert [v.pruned for v in verdicts] == [False, False, True, True, False]
    assert verdicts[-1].reason == "its guide has programmes again"
    assert PruneHistory(0, "9") == verdicts[-1].history


@pytest.mark.accepts("EPG-2")
def test_unavailable_counts_as_nothing() -> None:
    """Programmes that say there is none do not save a channel, and the reason says so."""
    verdicts = run_through([PruneObserved(Coverage(0, 40), str(n)) for n in range(3)])
    assert [v.pruned for v in verdicts] == [False, False, True]
    assert verdicts[-1].reason == "only unavailable programmes in the next 3 days, 3 good guides in a row"


@pytest.mark.accepts("EPG-3")
@pytest.mark.parametrize("scope", ["guide", "lineup"])
def test_scope_is_the_specs_word(scope: str) -> None:
    """What a pruned channel leaves is what the spec says."""
    options = Prune(runs=1, scope="guide" if scope == "guide" else "lineup")
    assert scope == run_through([PruneObserved(EMPTY, "1")], options)[0].scope


def test_a_guide_counts_only_when_fresh_whole_and_not_empty() -> None:
    """A stale copy, a truncated file and a guide without a programme prove nothing."""
    assert good_guide(GuideIndex({}, {"a": 1}), fresh=True)
    assert not good_guide(GuideIndex({}, {"a": 1}), fresh=False)
    assert not good_guide(GuideIndex({}, {"a": 1}, damaged=True), fresh=True)
    assert not good_guide(GuideIndex({}, {}), fresh=True)


@given(st.lists(st.sampled_from([None, 0, 1]), max_size=12), st.integers(1, 4))
def test_never_pruned_without_enough_empty_guides(counts: list[int | None], runs: int) -> None:
    """Whatever comes: pruned means that at least `runs` known guides in a row had nothing, unknown ones left aside."""
    seen = [PruneObserved(None if c is None else Coverage(c, 0), str(n)) for n, c in enumerate(counts)]
    for end, verdict in enumerate(run_through(seen, Prune(runs=runs)), start=1):
        known = [c for c in counts[:end] if c is not None]
        streak = next((n for n, c in enumerate(reversed(known)) if c), len(known))
        assert (streak >= runs) == verdict.pruned
