"""From nothing to active in one run, twice the same, and one DVR's trouble is its own."""

from pathlib import Path

import pytest

from tests.applying.house import house
from tests.conftest import Run

ONE = {"news": {1000: "BBC", 1001: "CNN", 1002: "Sky"}}
TWO = {**ONE, "sport": {1600: "ESPN", 1601: "DAZN"}}


@pytest.mark.accepts("DVR-1", "ACT-1", "ACT-5")
def test_one_dvr_from_nothing(tmp_path: Path, run: Run[None]) -> None:
    """Register, name and enable, create, switch on, in that order; the whole map is on and the guide shows it."""

    async def main() -> None:
        async with house(tmp_path) as home:
            result = await home.apply(ONE)
            assert result.complete, result.outcomes
            assert home.writes() == [
                "POST /media/grabbers/tv.plex.grabbers.hdhomerun/devices",
                "PUT /media/grabbers/devices/1",
                "POST /livetv/dvrs",
                "PUT /media/grabbers/devices/1/channelmap",
            ]
            device = home.plex.device(home.tuned("news").device_id)
            assert {"1000", "1001", "1002"} == {m.device for m in device.enabled_mappings}
            record = home.tuned("news")
            assert (record.device_key, record.dvr_key) == (str(device.key), str(device.parent))
            assert record.applied is not None
            assert record.applied.channels == 3

    run(main)


@pytest.mark.accepts("DVR-2", "APP-3", "STM-5")
def test_twice_changes_nothing(tmp_path: Path, run: Run[None]) -> None:
    """The second plan is empty, has no action, and no write arrives."""

    async def main() -> None:
        async with house(tmp_path) as home:
            await home.apply(TWO)
            before, text = home.writes(), home.plex.state_text()
            planned = await home.planned(TWO)
            assert planned.plan.empty
            assert planned.plan.actions == ()
            assert (await home.carry_out(planned)).complete
            assert (home.writes(), home.plex.state_text()) == (before, text)

    run(main)
