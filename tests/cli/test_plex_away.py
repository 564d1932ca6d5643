"""A Plex that does not answer is no refusal by a rule: exit 1, and nothing is written (design.md 3)."""

from pathlib import Path

import pytest

from reconciler.sandbox.plex import FaultRule
from tests.cli.settled import Guard, settled
from tests.conftest import Run
from tests.e2e.world import SPEC

FAILED = 1


@pytest.mark.accepts("UPD-3", "PLN-8")
@pytest.mark.parametrize("away", ["500", "empty", "nobody"])
def test_a_plex_that_does_not_answer_is_exit_1(run: Run[None], tmp_path: Path, away: str) -> None:
    """An error page, an empty 200 and a closed port: plan, apply, and apply of "the rest" all end with 1 and say where to look."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            guard = Guard(home)
            if away == "nobody":
                home.write_spec(SPEC, plex="http://127.0.0.1:1")
            else:
                home.plex.add_fault(FaultRule(away, "GET", "^/identity$", times=0))  # type: ignore[arg-type]
            before = home.files()
            for words in (
                ["plan"],
                ["plan", "--exit-code"],
                ["apply", "--yes"],
                ["apply", "--yes", "--skip-blocked"],
            ):
                shown = await home.ptctl(*words)
                assert shown.code == FAILED, shown.text
                assert "Plex could not be read: " in shown.out
                assert "ptctl doctor, and plan again when it can be read" in shown.out, shown.text
            assert [] == guard.writes()
            assert before == home.files()

    run(main)
