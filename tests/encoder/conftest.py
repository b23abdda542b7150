"""The shared run folder."""

import pytest

from tests import made_run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """(config, root) of `made_run.whole`."""
    return made_run.shared(tmp_path_factory)
