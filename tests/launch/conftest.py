"""One run of `configs/ihc.py:tiny`, for all tests that look at it."""

import fcntl
import json

import pytest

from tests.launch.started import LAUNCHERS, launch


@pytest.fixture(scope="session")
def root(tmp_path_factory, worker_id):
    base = tmp_path_factory.getbasetemp()
    # Workers that test beside each other share the run.
    folder = (base if worker_id == "master" else base.parent) / "launched"
    folder.mkdir(exist_ok=True)
    return folder / "run"


@pytest.fixture(scope="session")
def outputs(root):
    """What each launcher said, all having run in order."""
    told = root.with_name("outputs.json")
    with root.with_name("lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            told.write_text(json.dumps(_launched(root)))
    return json.loads(told.read_text())


def _launched(root):
    said = {}
    for name in LAUNCHERS:
        status, said[name], _ = launch(name, root)
        assert status == 0, f"launch.{name}:\n{said[name]}"
    return said
