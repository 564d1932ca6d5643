"""A ledger that was put back: the newest is taken, an older copy or another home's is refused (design.md 5)."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.e2e.world import SPEC, World, world

COMMANDS = (("plan",), ("plan", "--cached"), ("refresh",), ("apply", "--yes"))


async def refused(home: World, *words: str) -> None:
    """Every command that plans ends with 5, says the words, and leaves ledger, files and Plex alone."""
    before, calls = home.files(), len(home.plex.writes())
    for command in COMMANDS:
        ended = await home.ptctl(*command)
        assert 5 == ended.code, ended.text
        for word in words:
            assert word in ended.err, ended.text
        assert "ptctl adopt --rebuild" in ended.err
    assert before == home.files()
    assert calls == len(home.plex.writes())


@pytest.mark.parametrize("witness", ["state.db", "journal"])
def test_an_older_copy_is_refused(run: Run[None], tmp_path: Path, witness: str) -> None:
    """Refresh, copy the ledger, refresh twice with changes, put the copy back: 5; with the newest back, all is well."""

    async def main() -> None:
        async with world(tmp_path) as home:
            ledger = home.state / "ledger.json"
            assert 0 == (await home.ptctl("refresh")).code
            old = ledger.read_bytes()
            for turn in range(2):
                home.write_spec(SPEC.replace("rest: {{}}", f"rest: {{{{protect: {str(not turn).lower()}}}}}"))
                assert 0 == (await home.ptctl("refresh")).code
            new = ledger.read_bytes()
            assert json.loads(old)["serial"] + 2 == json.loads(new)["serial"]
            if witness == "journal":
                (home.state / "state.db").unlink()
            ledger.write_bytes(old)
            await refused(home, "an older copy: serial 1", "was written here")
            ledger.write_bytes(new)
            assert 0 == (await home.ptctl("plan")).code
            assert 0 == (await home.ptctl("refresh")).code

    run(main)


def test_another_lineage_is_refused(run: Run[None], tmp_path: Path) -> None:
    """The ledger of another home in our state directory: 5, nothing is touched."""

    async def main() -> None:
        async with world(tmp_path) as home:
            ledger = home.state / "ledger.json"
            assert 0 == (await home.ptctl("refresh")).code
            own = json.loads(ledger.read_text())
            ledger.write_text(ledger.read_text().replace(own["lineage"], "feedfeedfeedfeed"))
            await refused(home, "another lineage: feedfeedfeedfeed", own["lineage"])

    run(main)
