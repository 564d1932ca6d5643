"""`ptctl status`: what the hub tells, and what is still known while it is away."""

import json
from pathlib import Path

from tests.cli.settled import CHANGES, settled
from tests.cli.test_safety import watching
from tests.conftest import Run
from tests.e2e.world import PASSWORD, TOKEN, USER, world


def test_status_tells_what_serve_does(run: Run[None], tmp_path: Path) -> None:
    """DVRs, tuners in use, streams, sources and the last run; `--busy` is 2 while somebody watches and 0 before."""

    async def main() -> None:
        async with settled(tmp_path) as home:
            assert 0 == (await home.ptctl("status", "--busy")).code
            dvr = json.loads((home.state / "artifacts/current/manifest.json").read_text())["dvrs"][0]
            async with watching(f"{dvr['base_url']}/auto/v{min(dvr['channels'])}"):
                shown = await home.ptctl("status")
                assert shown.code == 0, shown.text
                assert "1 of 6 tuners in use, 1 viewer" in shown.out, shown.out
                busy = await home.ptctl("status", "--busy")
                assert (CHANGES, "") == (busy.code, busy.out), busy.text
                document = json.loads((await home.ptctl("status", "-f", "json")).out)
            assert "ptctl-status/1" == document["format"]
            assert [("locals", 1)] == [(s["dvr"], s["viewers"]) for s in document["streams"]]
            assert ["current"] * 3 == [d["in_plex"] for d in document["dvrs"]]
            assert "apply" == document["run"]["command"]
            ours = home.spec.read_text("utf-8")
            home.spec.write_text(ours.replace("name: test-home", "name: other"), "utf-8")
            strange = await home.ptctl("status")
            assert 1 == strange.code, strange.text
            assert 'what answers serves "test-home" and not "other"' in strange.out
            busy = await home.ptctl("status", "--busy")
            assert 1 == busy.code, busy.text
            assert 'what answers serves "test-home" and not "other"' in busy.err
            for secret in (USER, PASSWORD, TOKEN):
                assert secret not in shown.out + json.dumps(document)

    run(main)


def test_without_serve_the_rest_is_told(run: Run[None], tmp_path: Path) -> None:
    """No answer: exit 1, what is published and which run was last, the command to start it; `--busy` cannot be known."""

    async def main() -> None:
        async with world(tmp_path) as home:
            assert 0 == (await home.ptctl("refresh")).code
            shown = await home.ptctl("status")
            assert shown.code == 1, shown.text
            assert "serve does not answer" in shown.out
            assert "refresh" in shown.out
            assert "Next:  ptctl serve" in shown.out
            away = json.loads((await home.ptctl("status", "-f", "json")).out)
            assert away["answers"] is False
            busy = await home.ptctl("status", "--busy")
            assert busy.code == 1, busy.text
            assert "cannot be known" in busy.err

    run(main)
