"""One directory of clips for all tests of the sandbox: making a clip takes longer than most tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips are kept for the whole run."""
    return tmp_path_factory.mktemp("clips")
