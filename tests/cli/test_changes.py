"""Kinds of change that need no rule of their own, from the command line: what plan says is what apply does."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from reconciler.plex.database import library_path
from tests.cli.settled import REFUSED, Guard, change_of, settled
from tests.conftest import Run
from tests.e2e.world import SPEC, World, world

BLOCKED_LEFT = 8
FALLBACK = (
    "pace: 5ms, poll: 100ms}}",
    'pace: 5ms, poll: 100ms, database: {{path: "{data}", use: fallback}}}}',
)


def write(home: World, *changes: tuple[str, str], **more: object) -> None:
    """The spec with some lines changed."""
    text = SPEC
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    home.write_spec(text, **more)


def plex_ids(home: World) -> list[str]:
    """The DeviceIDs of all tuners Plex has."""
    return sorted(device.device_id for device in home.plex.machine.state.devices.values())


@pytest.mark.accepts("PLN-7")
def test_another_device_id_is_another_tuner(run: Run[None], tmp_path: Path) -> None:
    """S202: everything stays until allowed; then the old tuner and its DVR go, the new ones come, numbers stay."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            before = home.files()
            numbers = (home.state / "artifacts/current/sports/lineup.json").read_text("utf-8")
            old = json.loads((home.state / "artifacts/current/manifest.json").read_text("utf-8"))
            old_id = next(d["device_id"] for d in old["dvrs"] if d["name"] == "sports")
            write(home, ("  sports: {{}}\n", '  sports: {{device_id: "1234ABCD"}}\n'))
            shown = await guard.refused("S202")
            assert "--allow replace:sports" in shown.out
            assert before == home.files()
            change = change_of((await home.ptctl("plan", "-f", "json")).out, "sports")
            assert "replace" == change["kind"]
            assert (old_id, "1234ABCD") == (change["fields"][0]["before"], change["fields"][0]["after"])
            writes = await guard.done("--allow", "replace:sports")
            assert 1 == sum(w.startswith("DELETE /livetv/dvrs/") for w in writes)
            assert 1 == sum(w.startswith("DELETE /media/grabbers/devices/") for w in writes)
            assert "1234ABCD" in plex_ids(home)
            assert old_id not in plex_ids(home)
            after = (home.state / "artifacts/current/sports/lineup.json").read_text("utf-8")
            assert [r["GuideNumber"] for r in json.loads(numbers)] == [
                r["GuideNumber"] for r in json.loads(after)
            ]
            assert [] == await guard.done()

    run(main)


def test_a_forgotten_rename_waits_and_says_what_to_write(run: Run[None], tmp_path: Path) -> None:
    """A DVR under another name is a delete and an add until `moved:` says otherwise; skipping the block ends well."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            write(home, ("name: sports,", "name: games,"), ("  sports: {{}}\n", "  games: {{}}\n"))
            shown = await guard.refused("S201")
            assert "moved: [{dvr: sports, to: games}]" in shown.out
            games = change_of((await home.ptctl("plan", "-f", "json")).out, "games")
            assert 0 == games["counts"]["after"]  # its channels stay where they are on
            assert "until what is blocked is decided" in " ".join(games["details"])
            skipped = await home.ptctl("apply", "--yes", "--skip-blocked")
            assert skipped.code == BLOCKED_LEFT, skipped.text
            assert [] == guard.writes()

    run(main)


@pytest.mark.accepts("PLN-5")
def test_an_edited_title_is_no_drift(run: Run[None], tmp_path: Path) -> None:
    """What the spec changed never stands among what somebody changed in Plex."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            write(home, ("  sports: {{}}\n", "  sports: {{title: Sport, tuners: 4}}\n"))
            plan = json.loads((await home.ptctl("plan", "-f", "json")).out)
            assert [] == plan["drift"]
            assert [["S202"]] == [[b["code"] for b in c["blocks"]] for c in plan["changes"] if c["blocks"]]
            shown = await home.ptctl("plan")
            assert "it has no recording rules" in shown.out
            assert "tuner.count  2 -> 4" in shown.out

    run(main)


def test_hints_are_whole_commands(run: Run[None], tmp_path: Path) -> None:
    """What to run next repeats spec, environment and choices; a run of an environment can be gone on with."""

    async def main() -> None:
        async with world(tmp_path) as home:
            odd = home.directory / "my home.yaml"
            home.spec.rename(odd)
            (home.directory / "my home.prod.yaml").write_text("dvrs: {rest: {tuners: 3}}\n", "utf-8")
            shown = await home.ptctl("plan", str(odd), "--env", "prod", "--only", "locals")
            assert f"Next:  ptctl apply '{odd}' --env prod --only locals\n" in shown.out
            undone = await home.ptctl("apply", str(odd), "--env", "prod", "--yes")
            assert undone.code == 6, undone.text
            assert (
                f"ptctl serve '{odd}' --env prod   and then   ptctl apply '{odd}' --env prod --resume 1"
                in (undone.out)
            )
            assert "not-started" not in undone.err
            assert "  not finished: locals, " in undone.out
            async with home.serving(str(odd), "--env", "prod"):
                done = await home.ptctl("apply", str(odd), "--resume", "1", "--yes")
                assert done.code == 0, done.text
                assert {2, 3} == {d.tuners for d in home.plex.machine.state.devices.values()}

    run(main)


def test_copies_that_were_asked_for_are_no_failure(run: Run[None], tmp_path: Path) -> None:
    """`--cached` asks nobody, so it warns of nobody."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            shown = await home.ptctl("plan", "--cached")
            assert shown.code == 0, shown.text
            assert "could not be fetched" not in shown.out
            assert "No changes." in shown.out

    run(main)


def test_a_full_dvr_says_what_it_leaves_out(run: Run[None], tmp_path: Path) -> None:
    """Newcomers that find no room under `overflow: drop` are left out, in words."""

    async def main() -> None:
        async with world(tmp_path, channels=60) as home:
            write(home, ("  rest: {{}}\n", "  rest: {{limit: 10}}\n"))
            shown = await home.ptctl("plan")
            assert "found it full and are left out" in shown.out
            assert "new matches are left out" in shown.out

    run(main)


def test_a_channel_is_explained_by_its_number(run: Run[None], tmp_path: Path) -> None:
    """The number is what Plex shows."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            lineup = json.loads((home.state / "artifacts/current/locals/lineup.json").read_text("utf-8"))
            row = lineup[3]
            shown = await home.ptctl("explain", "channel", row["GuideNumber"])
            assert shown.code == 0, shown.text
            assert shown.out.startswith(row["GuideName"])

    run(main)


@pytest.mark.accepts("DBP-1", "DBP-2")
def test_a_stopped_plex_is_repaired_in_its_database(run: Run[None], tmp_path: Path) -> None:
    """From the command line: only addresses, after a copy that goes back as the run says, and the next plan confirms."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            more: dict[str, Any] = {"data": home.plex.directory}
            write(home, FALLBACK, **more)
            assert (await home.ptctl("apply", "--yes")).code == 0
            library = library_path(home.plex.directory)
            moved = ('advertise: "http://127.0.0.1:{hub}"', 'advertise: "http://localhost:{hub}"')
            write(home, FALLBACK, moved, **more)
            refused = await home.ptctl("apply", "--yes")
            assert refused.code == REFUSED, refused.text  # S202 while Plex runs
            await home.plex.stop()
            shown = await home.ptctl("plan")
            assert "W314" in shown.out, shown.text
            assert "tuner.uri" in shown.out
            assert "localhost" in shown.out
            before = library.read_bytes()
            done = await home.ptctl("apply", "--yes")
            assert "values of Plex's database changed" in done.err, done.text
            assert before != library.read_bytes()
            note = next(line for line in done.out.splitlines() if "to go back" in line)
            command = note.partition("stop Plex, then  ")[2]
            changed = library.read_bytes()
            await trio.run_process(["sh", "-c", command])
            assert before == library.read_bytes()
            library.write_bytes(changed)
            await home.plex.start()
            plan = await home.ptctl("plan", "--exit-code")
            assert plan.code in {0, 2}, plan.text
            assert "S202" not in plan.out

    run(main)
