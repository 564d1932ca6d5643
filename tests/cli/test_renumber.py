"""`ptctl renumber` and `apply --resume`: numbers move by one word alone; a run that stopped goes on where it stopped."""

import json
from pathlib import Path

import pytest

from reconciler.sandbox.plex import FaultRule
from tests.cli.settled import INCOMPLETE, REFUSED, STALE, Guard, settled
from tests.conftest import Run
from tests.e2e.world import SPEC, World


def numbers(home: World, dvr: str) -> dict[str, str]:
    """The published lineup: name by number."""
    rows = json.loads((home.state / "artifacts/current" / dvr / "lineup.json").read_text("utf-8"))
    return {row["GuideNumber"]: row["GuideName"] for row in rows}


@pytest.mark.accepts("PLN-7")
def test_renumbering_takes_its_word(run: Run[None], tmp_path: Path) -> None:
    """S204 without `--allow renumber:locals`: exit 4, no write, every move shown; with it the gaps close, others stay."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            home.write_spec(
                SPEC.replace(
                    'match: {{group: "US| Locals"}}',
                    'match: {{group: "US| Locals"}}, sort: [{{quality: uhd}}]',
                )
            )
            guard = Guard(home)
            before, others = numbers(home, "locals"), numbers(home, "sports")
            best = next(name for name in before.values() if name.endswith("UHD"))
            assert best != before["1000"]
            assert 0 == (await home.ptctl("plan", "--exit-code")).code  # an order is for newcomers
            refused = await home.ptctl("renumber", "locals", "--yes")
            assert refused.code == REFUSED, refused.text
            assert "S204" in refused.out
            assert "renumber again with  --allow renumber:locals" in refused.out
            told = json.loads((await home.ptctl("renumber", "locals", "--yes", "-f", "json")).out)
            assert ["ptctl renumber locals --allow renumber:locals"] == [
                e["next_step"] for e in told["errors"]
            ]
            wrong = await home.ptctl("renumber", "locals", "--yes", "--allow", "renumber:sports")
            assert wrong.code == REFUSED, wrong.text
            assert [] == guard.writes()
            assert before == numbers(home, "locals")
            done = await home.ptctl("renumber", "locals", "--yes", "--allow", "renumber:locals")
            assert done.code == 0, done.text
            assert [] != guard.writes()
            after = numbers(home, "locals")
            assert before.keys() == after.keys()
            assert sorted(before.values()) == sorted(after.values())
            assert best == after["1000"]
            assert others == numbers(home, "sports")
            assert 0 == (await home.ptctl("plan", "--exit-code")).code
            nobody = await home.ptctl("renumber", "local", "--yes")
            assert nobody.code == 64, nobody.text
            assert 'did you mean "locals"' in nobody.err

    run(main)


@pytest.mark.accepts("APP-8", "APP-2")
def test_a_run_is_resumed_where_it_stopped(run: Run[None], tmp_path: Path) -> None:
    """A failed create leaves one DVR undone; `history` names it, `--resume` finishes it and touches no other; then nothing is undone."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            home.write_spec(
                SPEC.replace(
                    "  - {{name: rest,",
                    '  - {{name: docs, match: {{group: "*Documentary*"}}}}\n'
                    '  - {{name: movies, match: {{group: "*Movies*"}}}}\n  - {{name: rest,',
                ).replace("  rest: {{}}\n", "  rest: {{}}\n  docs: {{}}\n  movies: {{}}\n")
            )
            home.plex.add_fault(FaultRule("500", method="POST", path="/livetv/dvrs", nth=1))
            guard = Guard(home)
            stopped = await home.ptctl("apply", "--yes", "--allow", "shrink:rest")
            assert stopped.code == INCOMPLETE, stopped.text
            assert [] != guard.writes()
            listed = json.loads((await home.ptctl("history", "-f", "json")).out)["runs"][0]
            number, failed = listed["number"], [s for s in listed["steps"] if s["outcome"] == "failed"]
            assert {"allow": ["shrink:rest"]} == listed["head"]["arguments"]
            assert ["create-dvr"] == [s["kind"] for s in failed]
            assert INCOMPLETE == listed["exit"]
            one = await home.ptctl("history", str(number))
            assert f"ptctl apply --resume {number}" in one.out
            for wrong in (("--resume", "99"), ("--resume", str(number), "--only", "docs")):
                assert 64 == (await home.ptctl("apply", "--yes", *wrong)).code
            text = home.spec.read_text("utf-8")
            home.spec.write_text(text.replace("rest: {}", "rest: {tuners: 3}"))
            other = await home.ptctl("apply", "--yes", "--resume", str(number))
            assert other.code == STALE, other.text
            home.spec.write_text(text)
            assert [] == guard.writes()
            resumed = await home.ptctl("apply", "--yes", "--resume", str(number))
            assert resumed.code == 0, resumed.text
            done = json.loads((await home.ptctl("history", "-f", "json")).out)["runs"][0]
            assert {failed[0]["dvr"]} == {s["dvr"] for s in done["steps"] if s["dvr"]}
            assert 0 == (await home.ptctl("plan", "--exit-code")).code
            again = await home.ptctl("apply", "--yes", "--resume", str(done["number"]))
            assert again.code == 64, again.text
            assert "left nothing undone" in again.err

    run(main)
