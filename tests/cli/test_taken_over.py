"""What a plan takes over by DeviceID, and what it must leave to the ledger or to a person."""

import json
from pathlib import Path

import pytest

from tests.cli.settled import Guard, change_of, settled
from tests.conftest import Run
from tests.e2e.world import SPEC, World


def renamed(home: World) -> None:
    """The spec with a DVR under another name, and the word for it."""
    text = SPEC.replace("name: sports,", "name: games,").replace("  sports: {{}}\n", "  games: {{}}\n")
    home.write_spec(text.replace("plex: {{url", "moved: [{{dvr: sports, to: games}}]\nplex: {{url"))


@pytest.mark.accepts("OWN-1", "PLN-9")
def test_a_rename_beside_somebody_elses_tuner(run: Run[None], tmp_path: Path) -> None:
    """`moved:` is the ledger's own DVR under another name: nothing is adopted, though Plex has a tuner nobody knows."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            home.plex.add_foreign_dvr()
            guard = Guard(home)
            before = json.loads((home.state / "ledger.json").read_text("utf-8"))
            renamed(home)
            shown = await home.ptctl("plan", "-f", "json")
            assert 0 == shown.code, shown.text
            assert "move" == change_of(shown.out, "games")["kind"]
            assert [] == await guard.done()
            after = json.loads((home.state / "ledger.json").read_text("utf-8"))
            assert {(c["id"], c["number"]) for c in before["channels"]} == {
                (c["id"], c["number"]) for c in after["channels"]
            }
            assert all(not d.get("adopted") for d in after["dvrs"])

    run(main)


@pytest.mark.accepts("OWN-1", "PLN-8")
def test_a_dvr_with_a_second_tuner_is_left_to_a_person(run: Run[None], tmp_path: Path) -> None:
    """No ledger, and somebody's tuner in one of our DVRs: that one is S401 and says why, the others are adopted."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            other = home.plex.add_foreign_dvr()
            state = home.plex.machine.state
            locals_ = json.loads((home.state / "ledger.json").read_text("utf-8"))["dvrs"]
            key = next(d["dvr_key"] for d in locals_ if d["name"] == "locals")
            stranger = next(d for d in state.devices.values() if d.parent == other.key)
            stranger.parent = int(key)
            state.save_device(stranger)
            (home.state / "ledger.json").unlink()
            shown = await home.ptctl("plan", "--exit-code", "-f", "json")
            assert 4 == shown.code, shown.text
            kinds = {c["dvr"]: c for c in json.loads(shown.out)["changes"]}
            assert ["S401"] == [b["code"] for b in kinds["locals"]["blocks"]], shown.out
            assert "2 tuners" in kinds["locals"]["blocks"][0]["message"]
            assert {"adopt"} == {kinds[name]["kind"] for name in ("sports", "rest")}

    run(main)
