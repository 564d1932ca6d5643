"""A run asked for by a webhook."""

from pathlib import Path

import pytest

from reconciler.secret import Secret
from tests.conftest import Run
from tests.serving.stage import Stage, ask, one_source, served

TOKEN = "correct-horse"
BEARER = ("Authorization", f"Bearer {TOKEN}")
PATH = "/api/v1/runs"


@pytest.mark.accepts("STM-3", "SEC-2")
def test_a_webhook_rings_the_loop(run: Run[None], tmp_path: Path) -> None:
    """With the admin token 202 and the bell; without it 401, read 405, without a loop 503: and no bell."""

    async def main() -> None:
        stage = Stage(tmp_path, sources=one_source("http://127.0.0.1:9"))
        stage.publish()
        async with served(stage, stage.settings(admin_token=Secret(TOKEN))) as serving:
            assert 503 == (await ask(serving.hub, PATH, method="POST", headers=(BEARER,))).status
            rung: list[str] = []
            serving.runs.ask = rung.append
            assert 401 == (await ask(serving.hub, PATH, method="POST")).status
            wrong = ("Authorization", "Bearer wrong")
            assert 401 == (await ask(serving.hub, PATH, method="POST", headers=(wrong,))).status
            assert 405 == (await ask(serving.hub, PATH)).status
            assert [] == rung
            assert 202 == (await ask(serving.hub, PATH, method="POST", headers=(BEARER,))).status
            assert ["webhook"] == rung

    run(main)
