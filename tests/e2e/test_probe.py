"""Probes from the command line: what does not play is shown in the plan before it is taken out."""

import json
from pathlib import Path

import pytest

from reconciler.sandbox.faults import Fault
from tests.conftest import Run
from tests.e2e.world import SPEC, USER, world

PROBING = SPEC + "probes: {{mode: smoke, every: 1m, concurrency: 4, breaker: 60%, expire: 7d}}\n"


@pytest.mark.accepts("PVL-5", "PVL-1", "SMK-5", "BUS-1")
def test_a_dead_channel_is_shown_before_it_goes(run: Run[None], tmp_path: Path) -> None:
    """One channel without bytes on every host: probe remembers it, plan shows it leaving with the reason, refresh drops it."""

    async def main() -> None:
        async with world(tmp_path, spec=PROBING, channels=20) as home:
            assert 0 == (await home.ptctl("refresh")).code
            lineup = json.loads((home.state / "artifacts/current/manifest.json").read_text())["dvrs"][0]
            number, channel = next(iter(lineup["channels"].items()))
            stream = int(channel.partition("/")[2])
            home.provider.faults.switch_on(Fault("empty", path="stream", channel=stream))
            probed = await home.ptctl("probe")
            assert probed.code == 0, probed.text
            assert "1 do not" in probed.out, probed.text
            assert "one connection of each account free" in probed.out  # serve is away, and that is said
            listed = await home.ptctl("probe", "--list")
            assert channel in listed.out
            again = await home.ptctl("probe")
            assert "0 channels tried" in again.out, again.text
            plan = await home.ptctl("plan", "--cached", "--channels", lineup["name"])
            assert f"- {number}" in plan.out, plan.text
            assert home.files()
            before = json.loads(
                (home.state / "artifacts/current" / lineup["slug"] / "lineup.json").read_text()
            )
            assert number in {row["GuideNumber"] for row in before}
            assert 0 == (await home.ptctl("refresh")).code
            after = json.loads(
                (home.state / "artifacts/current" / lineup["slug"] / "lineup.json").read_text()
            )
            assert number not in {row["GuideNumber"] for row in after}

    run(main)


@pytest.mark.accepts("PVL-1", "EPG-4", "NUM-1", "SMK-3")
def test_a_channel_that_plays_again_returns(run: Run[None], tmp_path: Path) -> None:
    """Bad and taken out; its fault ends; tried again it returns to its number, and nothing else was ever in doubt.

    There are more channels than connections, and the panel counts each playlist ten seconds longer than we look at it.
    """

    async def main() -> None:
        async with world(tmp_path, spec=PROBING, channels=20, connections=14) as home:
            assert 0 == (await home.ptctl("refresh")).code
            lineup = json.loads((home.state / "artifacts/current/manifest.json").read_text())["dvrs"][0]
            rows = home.state / "artifacts/current" / lineup["slug"] / "lineup.json"
            before = json.loads(rows.read_text())
            number, channel = next(iter(lineup["channels"].items()))
            fault = Fault("empty", path="stream", channel=int(channel.partition("/")[2]))
            home.provider.faults.switch_on(fault)
            probed = await home.ptctl("probe")
            assert "1 do not, 0 undecided" in probed.out, probed.text
            assert (
                home.provider.peak(USER) < 14
            )  # the last connection stays a viewer's, also as the panel counts
            assert 0 == (await home.ptctl("refresh")).code
            assert number not in {row["GuideNumber"] for row in json.loads(rows.read_text())}
            home.provider.faults.switch_off(fault)
            again = await home.ptctl("probe", "--every")
            assert "0 do not, 0 undecided" in again.out, again.text
            plan = await home.ptctl("plan", "--cached", "--channels", lineup["name"])
            assert f"+ {number}" in plan.out, plan.text
            assert 0 == (await home.ptctl("refresh")).code
            assert before == json.loads(rows.read_text())

    run(main)


@pytest.mark.accepts("SMK-4")
def test_an_outage_takes_nothing_away(run: Run[None], tmp_path: Path) -> None:
    """Every stream fails: exit 1, nothing remembered, nothing in the plan."""

    async def main() -> None:
        async with world(tmp_path, spec=PROBING.replace("60%", "30%"), channels=20) as home:
            assert 0 == (await home.ptctl("refresh")).code
            home.provider.faults.switch_on(Fault("empty", path="stream"))
            probed = await home.ptctl("probe")
            assert probed.code == 1, probed.text
            assert "outage" in probed.out
            assert "no stream is known to be bad" in (await home.ptctl("probe", "--list")).out

    run(main)
