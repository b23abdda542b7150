"""One run of `configs/ihc.py:tiny`, for all tests that look at it."""

import pytest

from tests.launch.started import LAUNCHERS, launch


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("launched") / "run"


@pytest.fixture(scope="session")
def outputs(root):
    """What each launcher said, all having run in order."""
    said = {}
    for name in LAUNCHERS:
        status, said[name], _ = launch(name, root)
        assert status == 0, f"launch.{name}:\n{said[name]}"
    return said
