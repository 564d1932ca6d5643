"""examples/ci and the pre-commit hook: their commands run as they stand, without secrets where there are none."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import trio
import yaml

from tests import warm
from tests.conftest import Run
from tests.deploy.box import ROOT
from tests.e2e.world import PASSWORD, TOKEN, USER, World, world

HERE: Final = ROOT / "examples/ci"
SHELL: Final = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": "/nonexistent"}


def document(name: str) -> dict[str, Any]:  # Any: YAML
    """One of the files. `on` is a key there, not a truth value."""
    text = (HERE / name).read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(re.sub(r"(?m)^on:", "'on':", text))
    return found


def steps(system: str, job: str) -> list[str]:
    """The shell of a job that calls `ptctl` or git, without installing and without talking to the forge."""
    if system == "github":
        found = [step.get("run", "") for step in document("github.yaml")["jobs"][job]["steps"]]
    else:
        found = [*document("gitlab.yaml")[job]["script"], *document("gitlab.yaml")[job]["after_script"]]
    return [text for text in found if re.search(r"(?m)^(ptctl|git) ", text)]


async def shell(script: str, home: World, **env: str) -> str:
    """Run a step where the job would run it; what it printed."""
    done = await trio.run_process(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=home.directory,
        env={**SHELL, "PATH": f"{warm.program()}:{SHELL['PATH']}", **env},
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout.decode()}{done.stderr.decode()}"
    return done.stdout.decode()


@pytest.mark.accepts("GIT-1")
@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_the_jobs_do_what_they_say(run: Run[None], tmp_path: Path, system: str) -> None:
    """Apply with secrets leaves a snapshot; review without any shows the author's change, and nothing else, as Markdown."""

    async def main() -> None:
        async with world(tmp_path / "home") as home:
            secrets = {"TEST_USER": USER, "TEST_PASS": PASSWORD, "TEST_TOKEN": TOKEN}
            async with home.serving(ready=False):
                for step in steps(system, "apply"):
                    await shell(step, home, PTCTL_STATE=str(home.state), **secrets)
            git = "git -c user.name=x -c user.email=x@example.net"
            await shell(
                f"git init -q && git add ptctl.yaml && {git} commit -qm spec && git update-ref refs/remotes/origin/main HEAD",
                home,
            )
            text = home.spec.read_text("utf-8")
            home.spec.write_text(text.replace('group: "SPORTS|*"', 'group: "SPORTS| US"'), "utf-8")
            summary = tmp_path / "summary.md"
            for step in steps(system, "review"):
                await shell(
                    step,
                    home,
                    BASE="origin/main",
                    GITHUB_STEP_SUMMARY=str(summary),
                    PTCTL_STATE=str(tmp_path / "none"),
                )
            plan = (home.directory / "plan.md").read_text("utf-8")
            assert "sports" in plan
            assert "|" in plan
            assert not re.search(r"(?m)^\| .*\blocals\b", plan), plan
            if system == "github":
                assert plan == summary.read_text("utf-8")
            else:
                assert "<testsuite" in (home.directory / "validate.xml").read_text("utf-8")
            for secret in (USER, PASSWORD, TOKEN):
                assert secret not in plan

    run(main)


def test_only_reviews_run_without_secrets_and_only_merges_apply() -> None:
    """Each job runs for its event alone; the review has no secret; two applies never run at once."""
    jobs = document("github.yaml")["jobs"]
    assert "secrets." not in str(jobs["review"])
    assert ("github.event_name == 'pull_request'", "github.event_name == 'push'") == (
        jobs["review"]["if"],
        jobs["apply"]["if"],
    )
    assert jobs["apply"]["concurrency"]
    assert {"push": {"branches": ["main"]}, "pull_request": None} == document("github.yaml")["on"]
    gitlab = document("gitlab.yaml")
    assert "IPTV" not in str(gitlab["review"])
    assert gitlab["apply"]["resource_group"]


def test_the_hook_checks_specs_and_nothing_else(tmp_path: Path) -> None:
    """Its entry takes the files that pre-commit passes; its pattern catches specs, not overlays."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert {"id", "name", "entry", "language", "files"} <= set(hook)
    pattern = re.compile(hook["files"])
    assert [True, True, False, False] == [
        bool(pattern.search(path)) for path in ("ptctl.yaml", "home/ptctl.yaml", "ptctl.prod.yaml", "x.yaml")
    ]
    good, bad = tmp_path / "ptctl.yaml", tmp_path / "bad.yaml"
    good.write_bytes((ROOT / "examples/quickstart.yaml").read_bytes())
    (tmp_path / "quickstart.m3u").write_bytes((ROOT / "examples/quickstart.m3u").read_bytes())
    bad.write_text("version: 1\n", "utf-8")
    for paths, code in (([good], 0), ([good, bad], 3)):
        done = subprocess.run(
            [*hook["entry"].split(), *map(str, paths)], env=SHELL, capture_output=True, check=False
        )
        assert code == done.returncode, done.stderr
