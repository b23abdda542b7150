"""Checkpoints to save to, and saved ones."""

import pytest

from tests.checkpoints import on_disk


@pytest.fixture
def saver(tmp_path):
    with_two = on_disk.series(tmp_path)
    yield with_two
    with_two.close()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run with the checkpoints 1 and 2."""
    path = tmp_path_factory.mktemp("two")
    on_disk.save(path, 1, 2)
    return path
