"""A full disk, and writes that fail."""

import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from jaxstyle import checkpoints
from tests.checkpoints import on_disk

ROOT = pathlib.Path(__file__).parents[2]


def test_a_full_disk_is_told_before_anything_is_written(
    saver, tmp_path, monkeypatch
):
    saver.save(1, on_disk.state(1), on_disk.Position(1))
    large = {"x": np.zeros(100 * 2**20, np.uint8)}
    on_disk.with_room(100 * 2**20, monkeypatch)
    with pytest.raises(
        checkpoints.CheckpointError,
        match=r"no room in .*checkpoints: .* 126\.0 MiB but 100\.0 MiB are "
        r"free; delete .* last whole checkpoint in .*checkpoints is that of "
        r"step 1,",
    ):
        saver.save(2, large, on_disk.Position(2))
    assert on_disk.names(tmp_path) == ["1"]
    on_disk.with_room(127 * 2**20, monkeypatch)
    saver.save(2, large, on_disk.Position(2))
    saver.close()
    assert on_disk.names(tmp_path) == ["1", "2"]


def test_a_full_disk_before_the_first_checkpoint(saver, monkeypatch):
    on_disk.with_room(0, monkeypatch)
    with pytest.raises(checkpoints.CheckpointError, match="no checkpoint yet"):
        saver.save(1, on_disk.state(1), on_disk.Position(1))


_FAILING_WRITES = """
    import pathlib, resource, sys
    from jaxstyle import checkpoints
    from tests.checkpoints import on_disk

    def shortest(length):  # no file may become longer, in bytes
        limits = (length, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def save(saver, step):
        saver.save(step, on_disk.state(step), on_disk.Position(step))

    then = {
        "saving": lambda saver: save(saver, 3),
        "restoring": lambda saver: saver.restore_latest(
            on_disk.state(0), on_disk.Position()
        ),
        "closing": lambda saver: saver.close(),
    }
    for name, do in then.items():
        saver = on_disk.series(pathlib.Path(sys.argv[1]) / name, keep=1)
        save(saver, 1)
        saver._manager.wait_until_finished()
        shortest(8192)
        save(saver, 2)
        try:
            do(saver)
        except checkpoints.CheckpointError as error:
            print(f"{name}: {error}")
        shortest(resource.RLIM_INFINITY)
        if name == "saving":  # the same process may go on
            save(saver, 4)
        saver.close()
"""


def test_a_failing_write_is_told_and_leaves_the_last_checkpoint(tmp_path):
    """Whatever is done first after a write that failed in the background."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_FAILING_WRITES), tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert list(told) == ["saving", "restoring", "closing"], done.stderr
    for name, message in told.items():
        path = tmp_path / name
        assert f"{path}/checkpoints could not be written" in message
        assert "checkpoints is that of step 1, from which" in message
        last = 1
        if name == "saving":
            last = 4
            # One is kept; what is left of 2 goes when the next run starts.
            assert on_disk.names(path) == ["2.orbax-checkpoint-tmp", "4"]
        assert not {"2", "3"} & set(on_disk.names(path))
        assert on_disk.is_number(on_disk.restore(path), last)
        # With room again, training goes on.
        on_disk.save(path, 5)
        assert on_disk.names(path) == [str(last), "5"]
        assert on_disk.is_number(on_disk.restore(path), 5)
