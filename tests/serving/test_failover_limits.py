"""Every kind of failure of iptv-streams.md B4 and C1, at a start and in mid-stream, within the design's limits."""

from pathlib import Path

import pytest

from tests.benchmarks.failover import CASES, Form, Moment, measured
from tests.conftest import Run


@pytest.mark.accepts("STR-3", "STR-4")
@pytest.mark.parametrize("moment", ["start", "mid-stream"])
@pytest.mark.parametrize("form", ["ts", "hls"])
def test_next_good_packet_is_in_time(run: Run[None], clips: Path, form: Form, moment: Moment) -> None:
    """The next way is on within 3 s of the detection, and no counter breaks for the player."""

    async def main() -> None:
        cases = [case for case in CASES if (case.form, case.moment) == (form, moment)]
        outcomes = await measured(cases, clips, decoded=False)
        late = {o.case.name: (o.seconds, o.case.limit_s) for o in outcomes if o.seconds > o.case.limit_s}
        assert late == {}
        assert {c.name: c.switches for c in cases} == {o.case.name: o.switched for o in outcomes}
        assert {o.case.name: o.continuity for o in outcomes if o.continuity} == {}

    run(main)
