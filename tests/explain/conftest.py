"""The shared run folder."""

import pytest

from jaxstyle.explain import render
from tests import made_run


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """(config, root) of `made_run.whole`."""
    return made_run.shared(tmp_path_factory)


@pytest.fixture(scope="module")
def rendered(made):
    """(config, root, result) with the whole test split rendered."""
    config, root = made
    return config, root, render.run(config, root)
