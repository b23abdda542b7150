"""The shared run folder, and a compilation cache."""

import pytest

from tests import made_run
from tests.stylegan2.conftest import compilation_cache  # noqa: F401


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """(config, root) of `made_run.whole`."""
    return made_run.shared(tmp_path_factory)
