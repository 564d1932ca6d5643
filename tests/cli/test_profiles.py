"""Profiles that cost the sound: off by default, said in the plan (COR-2)."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.e2e.world import SPEC, world

OF_A_DVR = SPEC.replace("  sports: {{}}", "  sports: {{stream: {{profile: salvage}}}}")
OF_A_SOURCE = SPEC.replace("hosts: [{hosts}]", "stream: {{profile: salvage}}, hosts: [{hosts}]").replace(
    "  sports: {{}}", "  sports: {{stream: {{profile: remux}}}}"
)


@pytest.mark.program("ffmpeg")
@pytest.mark.accepts("COR-2")
def test_no_audio_is_said(run: Run[None], tmp_path: Path) -> None:
    """By default nobody is silenced; a DVR's profile and a source's each warn with W321, a DVR's own word wins."""

    async def main() -> None:
        async with world(tmp_path, channels=20) as home:
            assert 0 == (await home.ptctl("refresh")).code
            assert "W321" not in (await home.ptctl("plan", "--cached")).text
            home.write_spec(OF_A_DVR)
            assert "no audio on 3 channels of sports" in (await home.ptctl("plan", "--cached")).out
            home.write_spec(OF_A_SOURCE)
            plan = json.loads((await home.ptctl("plan", "--cached", "-f", "json")).out)
            warned = [w for w in plan["warnings"] if w["code"] == "W321"]
            assert 1 == len(warned)
            assert "no audio" in warned[0]["message"]
            assert 'source "panel"' in warned[0]["message"]
            silenced = warned[0]["message"]
            home.write_spec(OF_A_SOURCE.replace("profile: remux", "profile: copy"))
            plan = json.loads((await home.ptctl("plan", "--cached", "-f", "json")).out)
            assert [silenced] == [w["message"] for w in plan["warnings"] if w["code"] == "W321"]

    run(main)
