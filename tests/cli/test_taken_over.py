"""What a plan takes over by DeviceID, and what it must leave to the ledger or to a person."""

import json
import shutil
from pathlib import Path

import pytest

from reconciler.sandbox.plex import FaultRule
from tests.cli.settled import INCOMPLETE, Guard, change_of, settled
from tests.conftest import Run
from tests.e2e.world import SPEC, World


def renamed(home: World) -> None:
    """The spec with a DVR under another name, and the word for it."""
    text = SPEC.replace("name: sports,", "name: games,").replace("  sports: {{}}\n", "  games: {{}}\n")
    home.write_spec(text.replace("plex: {{url", "moved: [{{dvr: sports, to: games}}]\nplex: {{url"))


def second_tuner(home: World) -> None:
    """Somebody put a tuner of his own into one of our DVRs."""
    other = home.plex.add_foreign_dvr()
    state = home.plex.machine.state
    locals_ = json.loads((home.state / "ledger.json").read_text("utf-8"))["dvrs"]
    key = next(d["dvr_key"] for d in locals_ if d["name"] == "locals")
    stranger = next(d for d in state.devices.values() if d.parent == other.key)
    stranger.parent = int(key)
    state.save_device(stranger)


def numbers(home: World) -> dict[str, tuple[str, int]]:
    """DVR and number by channel, as the ledger has them."""
    ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
    return {c["id"]: (c["dvr"], c["number"]) for c in ledger["channels"]}


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
            second_tuner(home)
            (home.state / "ledger.json").unlink()
            shown = await home.ptctl("plan", "--exit-code", "-f", "json")
            assert 4 == shown.code, shown.text
            kinds = {c["dvr"]: c for c in json.loads(shown.out)["changes"]}
            assert ["S401"] == [b["code"] for b in kinds["locals"]["blocks"]], shown.out
            assert "2 tuners" in kinds["locals"]["blocks"][0]["message"]
            assert {"adopt"} == {kinds[name]["kind"] for name in ("sports", "rest")}

    run(main)


@pytest.mark.accepts("OWN-1", "NUM-1")
def test_a_rebuild_goes_on_beside_a_dvr_that_it_cannot_take(run: Run[None], tmp_path: Path) -> None:
    """The whole state is lost, and one DVR has two tuners or names that cannot be read: the others keep their numbers, that
    one is named with what to do, exit 6; put right, the next plan takes it over with its numbers.
    """

    async def main() -> None:
        async with settled(tmp_path) as home:
            before = numbers(home)
            ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
            sports = next(d for d in ledger["dvrs"] if d["name"] == "sports")["device_key"]
            second_tuner(home)
            shutil.rmtree(home.state)
            names = FaultRule("500", "GET", f"/media/grabbers/devices/{sports}/channels$", times=0)
            home.plex.add_fault(names)
            shown = await home.ptctl("adopt", "--rebuild")
            assert INCOMPLETE == shown.code, shown.text
            assert "locals: NOT taken over, DVR" in shown.out, shown.text
            assert "2 tuners" in shown.out
            assert "sports: NOT taken over, the names of the channels of DVR" in shown.out
            kept = {id_: where for id_, where in before.items() if where[0] == "rest"}
            assert kept == numbers(home)
            home.plex.reset_faults()
            home.plex.set(load_delay_s=0.05)
            state = home.plex.machine.state
            for device in state.devices.values():
                if device.device_id == "10ABCDEF":
                    device.parent = None
                    state.save_device(device)
            guard = Guard(home)
            done = await home.ptctl("apply", "--yes")
            assert 0 == done.code, done.text
            assert before == numbers(home)
            assert [] == [w for w in guard.writes() if "reloadGuide" not in w]

    run(main)


@pytest.mark.accepts("OWN-1", "NUM-1")
def test_an_adoption_without_names_is_refused(run: Run[None], tmp_path: Path) -> None:
    """The names of the channels cannot be read: adopting would give every channel another number, so it is refused."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            ledger = json.loads((home.state / "ledger.json").read_text("utf-8"))
            sports = next(d for d in ledger["dvrs"] if d["name"] == "sports")
            home.write_spec(
                SPEC.replace("sports: {{}}", f'sports: {{{{device_id: "{sports["device_id"]}"}}}}')
            )
            before = (home.state / "ledger.json").read_bytes()
            path = f"/media/grabbers/devices/{sports['device_key']}/channels$"
            home.plex.add_fault(FaultRule("500", "GET", path, times=0))
            shown = await home.ptctl("adopt", "sports", "--plex", sports["dvr_key"])
            assert 1 == shown.code, shown.text
            assert "no number would find its channel again" in shown.err
            assert "--channels FILE" in shown.err
            assert before == (home.state / "ledger.json").read_bytes()

    run(main)
