"""`apply --content-only`, which `serve`'s loop runs: what needs more than loads and maps waits, and that is no failure."""

import json
from pathlib import Path

import pytest

from tests.cli.settled import settled
from tests.conftest import Run
from tests.e2e.world import SPEC, world

CONTENT = ("apply", "--yes", "--skip-blocked", "--content-only")


@pytest.mark.accepts("STM-5")
def test_new_dvrs_wait_for_a_whole_apply(run: Run[None], tmp_path: Path) -> None:
    """Nothing is in Plex yet: files are published, no write is sent, exit 0, and the DVRs that wait are named."""

    async def main() -> None:
        async with world(tmp_path) as home, home.serving(ready=False):
            done = await home.ptctl(*CONTENT, "-f", "json", "--wait", "60s")
            assert 0 == done.code, done.text
            assert ["locals", "rest", "sports"] == json.loads(done.out)["waiting"]
            assert "that waits for  ptctl apply" in done.err
            assert [] == home.plex.writes()
            assert (home.state / "artifacts" / "current").exists()

    run(main)


def test_others_go_on_beside_one_that_waits(run: Run[None], tmp_path: Path) -> None:
    """A switched-off channel of one DVR is put back while another's edited tuner count waits."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            published = json.loads((home.state / "artifacts/current/manifest.json").read_text("utf-8"))
            locals_ = next(d for d in published["dvrs"] if d["name"] == "locals")
            number = min(locals_["channels"])
            home.plex.set_channel(locals_["device_id"], number, enabled=False)
            home.write_spec(SPEC.replace("  rest: {{}}\n", "  rest: {{tuners: 4}}\n"))
            done = await home.ptctl(*CONTENT, "-f", "json")
            assert 0 == done.code, done.text
            assert ["rest"] == json.loads(done.out)["waiting"]
            assert 2 == (await home.ptctl("plan", "--exit-code", "--only", "rest")).code
            assert 0 == (await home.ptctl("plan", "--exit-code", "--skip", "rest")).code
            assert 0 == (await home.ptctl("apply", "--yes")).code

    run(main)
