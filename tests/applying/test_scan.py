"""The scan that some servers need before they know a tuner's channels (plex-livetv.md 2.6): once, and only there."""

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.sandbox.plex import FaultRule, PlexOptions
from tests.applying.house import ONE, QUICK, House, house, on
from tests.conftest import Run

NEEDED = PlexOptions(load_delay_s=0.05, lineup_needs_scan=True, scan_needs_source=True)
SCANNED = replace(QUICK, map_s=1.0, list_s=0.3)


def scans(home: House) -> int:
    """How many were asked for."""
    return len([w for w in home.writes() if w.startswith("POST ") and w.endswith("/scan")])


@pytest.mark.accepts("ACT-1")
def test_a_tuner_that_must_be_scanned(tmp_path: Path, run: Run[None]) -> None:
    """Its channels are unknown to Plex, and later stale: one scan each time, and all are on."""

    async def main() -> None:
        async with house(tmp_path, options=NEEDED) as home:
            home.timing = SCANNED
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert (scans(home), on(home, "news")) == (1, {"1000", "1001", "1002"})
            more = {"news": {**ONE["news"], 1003: "Arte"}}
            assert (await home.apply(more)).complete
            assert (scans(home), on(home, "news")) == (2, {"1000", "1001", "1002", "1003"})
            assert (await home.planned(more)).plan.empty

    run(main)


@pytest.mark.accepts("ACT-8", "DVR-1")
def test_no_scan_where_it_cannot_help(tmp_path: Path, run: Run[None]) -> None:
    """Plex knows the tuner's channels, and its guide lacks one: that one is told by name, nothing is scanned."""

    async def main() -> None:
        async with house(tmp_path) as home:
            home.timing = SCANNED
            home.guide_holes = frozenset({1002})
            result = await home.apply(ONE)
            assert result.remarks == ("news: Plex does not pair 1002 Sky",)
            assert scans(home) == 0

    run(main)


@pytest.mark.accepts("APP-2")
def test_a_scan_that_is_refused(tmp_path: Path, run: Run[None]) -> None:
    """500, as straight after a tuner was added: said, not tried again in that run, and the next one ends the work."""

    async def main() -> None:
        async with house(tmp_path, options=NEEDED) as home:
            home.timing = SCANNED
            home.plex.add_fault(FaultRule("500", "POST", "/scan$", times=2))
            result = await home.apply(ONE)
            (failed,) = result.failed
            assert "channel map still empty" in failed.text
            assert any(step.text.startswith("no scan: ") for step in home.progress)
            assert (await home.apply(ONE)).complete
            assert on(home, "news") == {"1000", "1001", "1002"}

    run(main)
