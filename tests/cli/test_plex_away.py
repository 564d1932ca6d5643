"""A Plex that does not answer is no refusal by a rule: exit 1, and nothing is written (design.md 3)."""

import sqlite3
from pathlib import Path

import pytest

from reconciler.plex.database import library_path
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


@pytest.mark.accepts("DBP-3", "DBP-6")
def test_a_database_that_is_left_alone_is_told_with_why(run: Run[None], tmp_path: Path) -> None:
    """The fallback is asked for and cannot act: in use, of another schema, not there. The plan says which."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            spec = SPEC.replace("poll: 100ms}}", 'poll: 100ms, database: {{path: "{data}", use: fallback}}}}')
            nobody = "http://127.0.0.1:1"
            home.write_spec(spec, plex=nobody, data=home.plex.directory)
            guard = Guard(home)
            shown = await home.ptctl("apply", "--yes")
            assert shown.code == FAILED, shown.text
            assert "its database is left alone: Plex's database is in use" in shown.out, shown.text
            home.write_spec(spec, plex=nobody, data=tmp_path / "nothing")
            shown = await home.ptctl("plan")
            assert "its database is left alone: there is no Plex database" in shown.out, shown.text
            await home.plex.stop()
            with sqlite3.connect(library_path(home.plex.directory)) as connection:
                connection.execute("DROP TABLE media_provider_resources")
            connection.close()
            home.write_spec(spec, data="./plex")  # beside the spec, as every path of it
            assert home.plex.directory == home.directory / "plex"
            shown = await home.ptctl("apply", "--yes")
            assert shown.code == FAILED, shown.text
            assert "its database is left alone: Plex's database has no table media_provider" in shown.out, (
                shown.text
            )
            assert [] == guard.writes()

    run(main)


@pytest.mark.accepts("UPD-3")
def test_a_token_of_somebody_else_is_called_that(run: Run[None], tmp_path: Path) -> None:
    """A shared user's token is good for looking and for nothing more (403): exit 1, and what to check."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            home.plex.set(shared_tokens=("a-guest-0042",))
            guard = Guard(home)
            shown = await home.ptctl("apply", "--yes", env={"TEST_TOKEN": "a-guest-0042"})
            assert shown.code == FAILED, shown.text
            assert "the token is not the owner's (403)" in shown.err, shown.text
            assert "check plex.credentials" in shown.err, shown.text
            assert "a-guest-0042" not in shown.text
            assert [] == guard.writes()

    run(main)
