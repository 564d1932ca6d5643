"""What every test gets: an empty environment, a bounded `trio.run`, and honest skips.

A test that needs a program of the operating system (`@pytest.mark.program("ffprobe")`) or the shared samples
(`@pytest.mark.shared`) is skipped where they are missing, with the reason; under CI=true it fails instead, so that
nothing is skipped unseen. Outcomes of marked tests are kept for `python -m tests.acceptance`.
"""

import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import trio
from hypothesis import settings

from tests.acceptance import OUTCOMES, ROOT

T = TypeVar("T")
Run = Callable[[Callable[[], Awaitable[T]]], T]

# Four tests run at once on two cores: how long an example takes says nothing here (the benchmarks measure time).
settings.register_profile("ptctl", deadline=None)
settings.load_profile("ptctl")

SHARED: Final = ROOT.parent / "shared"
TEST_LIMIT_S: Final = 240.0
SUM_S: Final = 0.4
KEPT_VARIABLES: Final = ("PATH", "HOME", "LANG", "TMPDIR", "CI", "VIRTUAL_ENV", "COVERAGE_PROCESS_START")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies, tokens and PTCTL_ variables of the developer's shell play no part."""
    for name in set(os.environ) - set(KEPT_VARIABLES):
        if name.upper().endswith("_PROXY") or name.startswith(("PTCTL_", "PLEX_", "IPTV_", "NO_COLOR")):
            monkeypatch.delenv(name)


@pytest.fixture
def run() -> Run[Any]:
    """`run(main)`: trio.run with a limit, so that a test that waits for ever fails and says so."""

    def runner(main: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            with trio.fail_after(TEST_LIMIT_S):
                return await main()

        try:
            return trio.run(bounded)
        except BaseExceptionGroup as group:
            # Nurseries wrap what a test asserts; the assertion itself is what a reader wants to see.
            leaf: BaseException = group
            while isinstance(leaf, BaseExceptionGroup) and len(leaf.exceptions) == 1:
                leaf = leaf.exceptions[0]
            raise leaf from None

    return runner


def slowness() -> float:
    """How much longer than on a quiet machine the same work takes now; at least 1. For limits in seconds of CPU: two cores
    that share one are slower, and what this adds up takes `SUM_S` where nothing else runs.
    """
    begun = time.process_time()
    sum(i * i for i in range(5_000_000))
    return max(1.0, (time.process_time() - begun) / SUM_S)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real playlists and guides. For tests marked `shared`."""
    return SHARED / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--acceptance-marks`: print which tests carry which acceptance ids, as one line of JSON."""
    parser.addoption("--acceptance-marks", action="store_true", help="print test -> acceptance ids as JSON")


def _marks(item: pytest.Item) -> list[str]:
    return [str(i) for mark in item.iter_markers("accepts") for i in mark.args]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Answer `--acceptance-marks`."""
    if config.getoption("--acceptance-marks"):
        print(json.dumps({item.nodeid: _marks(item) for item in items if _marks(item)}))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program or sample is missing; in CI let it fail."""
    missing = [str(m.args[0]) for m in item.iter_markers("program") if shutil.which(m.args[0]) is None]
    if next(item.iter_markers("shared"), None) and not SHARED.is_dir():
        missing.append("../shared")
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {', '.join(missing)}", pytrace=False)
    elif missing:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let each report carry the ids of its test: tests run in several processes, the record is one."""
    report = yield
    if _marks(item):
        report.user_properties.append(("accepts", _marks(item)))
    return report


_OUTCOMES: Final[dict[str, str]] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember how each marked test ended. Called in the process that pytest was started in, and in its workers."""
    marked = any(name == "accepts" for name, _ in report.user_properties)
    if marked and (report.when == "call" or not report.passed):
        _OUTCOMES[report.nodeid] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Merge this run's outcomes into the record."""
    if _OUTCOMES and not hasattr(session.config, "workerinput"):
        known = json.loads(OUTCOMES.read_text("utf-8")) if OUTCOMES.exists() else {}
        OUTCOMES.parent.mkdir(exist_ok=True)
        OUTCOMES.write_text(json.dumps({**known, **_OUTCOMES}, indent=1, sort_keys=True), "utf-8")
