"""What `explain dvr` says of a bucket."""

import pytest

from reconciler.ledger.model import DvrRecord
from reconciler.lineups.model import Funnel
from reconciler.rendering.explain_text import render_dvr, render_unbucketed


@pytest.mark.accepts("SPL-5")
def test_a_funnel_reads_from_left_to_right() -> None:
    """Entries, channels and kept ones fall; how many of the entries have a guide stands beside them, as a part of them."""
    record = DvrRecord("rest", device_id="1050A", port=5005, slug="rest", title="Rest", block=(1000, 1599))
    text = render_dvr(record, Funnel("rest", 860, 810, 713, 857, 480), [], [], color=False)
    (line,) = [line.strip() for line in text.splitlines() if line.strip().startswith("bucket rest")]
    assert " ".join(line.split()) == (
        "bucket rest 860 entries (810 with a guide id, 713 in a guide) -> 857 channels after merging -> 480 kept"
    )


def test_groups_that_fit_no_bucket() -> None:
    """The largest first, as given; a channel without a group is told apart from a group of any name."""
    assert "every channel fits a bucket\n" == render_unbucketed([])
    assert "1 channel fits no bucket\n  no group        1\n" == render_unbucketed([("", 1)])
    long = "G" * 60
    lines = render_unbucketed([(long, 1200), ("UK", 3)]).splitlines()
    assert "1,203 channels fit no bucket" == lines[0]
    assert [f"  {'G' * 49}…    1,200", f"  {'UK':<50}        3"] == lines[1:]
