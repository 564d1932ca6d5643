"""Ctrl-C and SIGTERM in the middle: exit 130, the journal settled, nothing half written; the next run finishes."""

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest
import trio

from reconciler.sandbox.plex import PlexOptions
from tests import warm
from tests.conftest import Run
from tests.e2e.world import SPEC, World, world

ONE_LOAD: Final = SPEC.replace("pace: 5ms", "pace: 5ms, guide_loads: 1")


async def interrupted(home: World, *arguments: str, after: str, number: signal.Signals) -> tuple[int, str]:
    """Run a command, send a signal once a line on stderr has `after` in it; exit status and stderr."""
    reading, writing = os.pipe()
    process = await warm.start(
        arguments, cwd=home.directory, env=home.environment, stdout=subprocess.DEVNULL, stderr=writing
    )
    os.close(writing)
    said = b""
    async with trio.lowlevel.FdStream(reading) as stderr:
        with trio.fail_after(60):
            async for chunk in stderr:
                said += chunk
                if after.encode() in said:
                    process.send_signal(number)
                    after = "\0never again"
            return await process.wait(), said.decode()


@pytest.mark.accepts("APP-8")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_settles_the_journal_and_the_next_run_finishes(
    run: Run[None], tmp_path: Path, number: signal.Signals
) -> None:
    """130; history says interrupted; the second apply ends in the state of an undisturbed one, without duplicates."""

    async def main() -> None:
        async with (
            # one load after the other: after the first DVR there is more to interrupt
            world(tmp_path, options=PlexOptions(load_delay_s=1.0), spec=ONE_LOAD) as home,
            home.serving(ready=False),
        ):
            code, said = await interrupted(
                home, "apply", "--yes", "--wait", "30s", after="DVR created", number=number
            )
            assert code == 130, said
            runs = await home.ptctl("history")
            assert "interrupted" in runs.out, runs.text
            words = re.search(r"Next:  ptctl (apply --resume \d+)\ninterrupted\n$", said)
            assert words is not None, said
            again = await home.ptctl(*words[1].split(), "--yes", "--wait", "30s")
            assert again.code == 0, again.text
            state = home.plex.state()
            assert 3 == len(state["dvrs"])
            assert 3 == len(state["devices"])

    run(main)


@pytest.mark.accepts("ONE-4")
def test_sigterm_during_a_refresh_leaves_the_old_artifacts(run: Run[None], tmp_path: Path) -> None:
    """A refresh that is ended while it fetches leaves every published file as it was."""

    async def main() -> None:
        async with world(tmp_path) as home:
            assert 0 == (await home.ptctl("refresh")).code
            before = home.files()
            home.write_spec(
                home.spec.read_text().replace("{", "{{").replace("}", "}}") + "safety: {{minimum: 1}}\n"
            )
            code, said = await interrupted(home, "refresh", after="panel", number=signal.SIGTERM)
            assert code == 130, said
            assert before == home.files()
            assert 0 == (await home.ptctl("refresh")).code

    run(main)


@pytest.mark.accepts("ONE-1", "UPD-1")
def test_refresh_ends_by_itself_and_never_asks_plex(run: Run[None], tmp_path: Path) -> None:
    """Without a terminal and without an answer: exit 0, artifacts, not one request to Plex."""

    async def main() -> None:
        async with world(tmp_path) as home:
            result = await home.ptctl("refresh")
            assert result.code == 0, result.text
            assert [] == list(home.plex.journal.entries)
            assert (home.state / "artifacts/current/locals/lineup.json").is_file()
            asked = await home.ptctl("apply")
            assert asked.code == 64, asked.text
            assert "--yes" in asked.err

    run(main)


@pytest.mark.accepts("ONE-3")
def test_ignore_pin_says_so(run: Run[None], tmp_path: Path) -> None:
    """`--ignore-pin` names the sources whose pin it drops, for that run alone."""

    async def main() -> None:
        async with world(tmp_path) as home:
            text = home.spec.read_text()
            pinned = text.replace(
                "credentials: panel}", f'credentials: panel, stream: {{pin: "{home.provider.urls[1]}"}}}}', 1
            )
            assert pinned != text
            home.spec.write_text(pinned)
            assert 0 == (await home.ptctl("refresh")).code
            routes = home.state / "private/routes.json"
            assert f'"pin": "{home.provider.urls[1]}"' in routes.read_text()
            dropped = await home.ptctl("refresh", "--ignore-pin")
            assert dropped.code == 0, dropped.text
            assert "pinned hosts are ignored for this run: panel" in dropped.err
            assert '"pin": ""' in routes.read_text()

    run(main)
