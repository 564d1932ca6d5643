"""Lists of broken streams that older programs wrote, from the command line (PVL-2, PVL-3)."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.e2e.world import SPEC, world

LISTED = SPEC + "probes: {{mode: 'off', blacklist: [threadfin-stream-blacklist.json]}}\n"


@pytest.mark.accepts("PVL-3", "PVL-5", "PVL-2")
def test_the_old_list_is_read_as_it_is(run: Run[None], tmp_path: Path) -> None:
    """List of addresses, list of objects, object of reasons: each takes the one channel out, the plan says why, no byte changes."""

    async def main() -> None:
        async with world(tmp_path, channels=20) as home:
            assert 0 == (await home.ptctl("refresh")).code
            lineup = json.loads((home.state / "artifacts/current/manifest.json").read_text())["dvrs"][0]
            number, channel = next(iter(lineup["channels"].items()))
            url = f"http://old.example.net:8080/live/somebody/secret-word/{channel.partition('/')[2]}.ts"
            home.write_spec(LISTED)
            path = home.directory / "threadfin-stream-blacklist.json"
            for document in (
                [url],
                [{"url": url, "name": "A name", "id": "7", "reason": "no video"}],
                {url: "no video"},
            ):
                path.write_text(json.dumps(document))
                before = path.read_bytes()
                plan = await home.ptctl("plan", "--cached", "--channels", lineup["name"])
                assert f"- {number}" in plan.out, plan.text
                assert 1 == sum(line.lstrip().startswith("- ") for line in plan.out.splitlines()), plan.out
                why = "no video" if document != [url] else "threadfin-stream-blacklist.json"
                explained = await home.ptctl("explain", "channel", channel)
                assert why in plan.out + explained.out, explained.text
                assert "secret-word" not in plan.text + explained.text
                assert before == path.read_bytes()
            path.write_text("[[1]]")
            broken = await home.ptctl("plan", "--cached")
            assert 1 == broken.code
            assert "threadfin-stream-blacklist.json" in broken.err

    run(main)
