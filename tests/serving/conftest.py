"""One folder of clips for all tests of the stream path: making them is what takes time."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the simulated channels' clips are kept for the whole run."""
    return tmp_path_factory.mktemp("clips")
