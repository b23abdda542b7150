"""States and positions on disk, whatever happens to the disk."""

import collections
import contextlib
import itertools
import logging
import os
import pathlib
import shutil
import subprocess
import sys
import textwrap

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import checkpoints, parallel
from jaxstyle.checkpoints import checksums, folder

ROOT = pathlib.Path(__file__).parents[1]


def _state(number):
    random = np.random.default_rng(number)
    return {
        # Orbax keeps large arrays and small ones in different files.
        "params": {"kernel": jnp.asarray(random.standard_normal((64, 64)))},
        "opt": (jnp.int32(number), [jnp.full((2,), number, jnp.float32)]),
        "half": jnp.asarray(random.standard_normal(3), jnp.bfloat16),
        "rng": jax.random.PRNGKey(number),
    }


def _same(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        x.dtype == y.dtype and np.array_equal(x, y)
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


def _batches():
    dataset = grain.MapDataset.range(10).seed(1).shuffle().repeat().batch(4)
    return iter(dataset.to_iter_dataset())


class _Position:
    """An iterator that is nothing but its position."""

    def __init__(self, at=0):
        self.at = at

    def get_state(self):
        return {"next": self.at}

    def set_state(self, state):
        self.at = state["next"]


def _open(path, keep=2):
    return checkpoints.Checkpoints(path / "checkpoints", keep)


def _save(path, *numbers, keep=2):
    """Checkpoints whose step, state and position are the same number."""
    saver = _open(path, keep)
    for number in numbers:
        saver.save(number, _state(number), _Position(number))
    saver.close()


def _restore(path):
    """(state, position) as a new process would see them."""
    saver, position = _open(path), _Position()
    try:
        return saver.restore_latest(_state(0), position), position.at
    finally:
        saver.close()


def _is_number(restored, number):
    state, position = restored
    return _same(state, _state(number)) and position == number


@pytest.fixture
def saver(tmp_path):
    with_two = _open(tmp_path)
    yield with_two
    with_two.close()


def _names(path):
    return sorted(os.listdir(path / "checkpoints"))


# --- saved and restored


def test_nothing_saved_leaves_state_and_iterator_alone(saver):
    state, batches = _state(0), _batches()
    first = next(batches)
    assert saver.restore_latest(state, batches) is state
    assert not np.array_equal(first, next(batches))


def test_state_and_position_come_back(saver, tmp_path):
    batches = _batches()
    for _ in range(3):
        next(batches)
    saver.save(3, _state(3), batches)
    following = [next(batches) for _ in range(4)]
    saver.close()

    again = _open(tmp_path)
    other = _batches()
    restored = again.restore_latest(_state(0), other)
    again.close()
    assert _same(restored, _state(3))
    np.testing.assert_array_equal(following, [next(other) for _ in range(4)])


def test_a_restored_state_lies_on_every_device(saver):
    saver.save(1, _state(1), _batches())
    restored = saver.restore_latest(_state(0), _batches())
    for leaf in jax.tree.leaves(restored):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == jax.device_count() == 2


def test_an_abstract_state_is_enough_to_restore(saver):
    saver.save(1, _state(1), _batches())
    like = jax.eval_shape(lambda: _state(0))
    assert _same(saver.restore_latest(like, _batches()), _state(1))


@pytest.mark.parametrize(
    ("like", "named"),
    [
        (
            {"kernel": np.zeros((3, 5), np.float32)},
            r"shape of kernel.*\[3, 5\]",
        ),
        ({"kernel": np.zeros((3, 4), np.int32)}, r"type.*kernel.*int32"),
        ({"bias": np.zeros((3, 4), np.float32)}, r"bias.*missing there"),
    ],
)
def test_another_model_is_refused_and_nothing_is_moved(
    saver, tmp_path, like, named
):
    saver.save(1, {"kernel": jnp.zeros((3, 4))}, _batches())
    with pytest.raises(ValueError, match=named):
        saver.restore_latest(like, _batches())
    assert os.listdir(tmp_path) == ["checkpoints"]
    assert _names(tmp_path) == ["1"]


def test_the_newest_are_kept(tmp_path):
    _save(tmp_path, 10, 20, 30)
    assert _names(tmp_path) == ["20", "30"]
    assert _is_number(_restore(tmp_path), 30)


def test_a_step_is_saved_once(saver, tmp_path):
    saver.save(5, _state(5), _Position())
    saver.save(5, _state(6), _Position())
    saver.close()
    assert _names(tmp_path) == ["5"]
    assert _same(_restore(tmp_path)[0], _state(5))


def test_an_earlier_step_is_refused(saver):
    saver.save(5, _state(5), _batches())
    with pytest.raises(ValueError, match="later than step 4"):
        saver.save(4, _state(4), _batches())


def test_an_unfinished_checkpoint_does_not_count(tmp_path, caplog):
    _save(tmp_path, 1)
    # What a kill in the middle of the next save leaves.
    finished = tmp_path / "checkpoints" / "1"
    torn = tmp_path / "checkpoints" / "9.orbax-checkpoint-tmp"
    torn.mkdir()
    for file in sorted(finished.rglob("*"))[:3]:
        if file.is_file():
            (torn / file.name).write_bytes(file.read_bytes()[:10])
    again = _open(tmp_path)
    assert _names(tmp_path) == ["1"]  # its space is free again
    assert _same(again.restore_latest(_state(0), _Position()), _state(1))
    again.save(2, _state(2), _Position(2))
    again.close()
    assert _is_number(_restore(tmp_path), 2)
    assert not [r for r in caplog.records if "damaged" in r.getMessage()]
    assert _names(tmp_path) == ["1", "2"]


def _ones_step():
    def step(state, batch):
        mean = parallel.pmean(jnp.mean(batch), parallel.AXIS)
        return state + mean, mean

    return parallel.train_step(step), parallel.shard(np.ones(2, np.float32))


def test_a_state_may_be_donated_while_it_is_being_saved(saver):
    """Saving goes on in the background while steps overwrite the state."""
    run, batch = _ones_step()
    state = parallel.replicated(jnp.zeros((512, 512)))
    state, _ = run(state, batch)
    saver.save(1, {"x": state}, _batches())
    for _ in range(20):
        donated = state
        state, _ = run(state, batch)
        assert donated.is_deleted()
    restored = saver.restore_latest({"x": state}, _batches())
    np.testing.assert_array_equal(restored["x"], np.ones((512, 512)))


def test_a_restored_state_may_be_donated(saver):
    """Its devices share no memory with each other or with the host."""
    run, batch = _ones_step()
    zeros = {"x": jnp.zeros((512, 512))}
    saver.save(1, {"x": jnp.ones((512, 512))}, _batches())
    state = saver.restore_latest(zeros, _batches())["x"]
    for _ in range(20):
        state, _ = run(state, batch)
    for shard in state.addressable_shards:
        np.testing.assert_array_equal(shard.data, np.full((512, 512), 21))


# --- damaged


def _half(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def _to_directory(file):
    file.unlink()
    file.mkdir()


_DAMAGES = {
    "deleted": pathlib.Path.unlink,
    "half": _half,
    "emptied": lambda file: file.write_bytes(b""),
    "flipped": _flip,
    "a directory": _to_directory,
}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A run with the checkpoints 1 and 2."""
    path = tmp_path_factory.mktemp("two")
    _save(path, 1, 2)
    return path


def _assert_whole_or_older(path, caplog, what):
    """Exactly the newest, or exactly the older one with a warning."""
    caplog.clear()
    restored = _restore(path)
    if _is_number(restored, 2):
        assert _names(path) == ["1", "2"], what
        return False
    assert _is_number(restored, 1), what
    newest = path / "checkpoints" / "2"
    told = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
        and f"{newest} is damaged" in record.getMessage()
    ]
    aside = path / "checkpoints.damaged" / "2"
    assert len(told) == 1 and str(aside) in told[0], what
    assert aside.exists() and not newest.exists(), what
    # Training comes to the same step again.
    _save(path, 2)
    assert _is_number(_restore(path), 2), what
    return True


@pytest.mark.parametrize("damage", _DAMAGES)
def test_any_damaged_file_gives_the_newest_or_the_older_one(
    two, tmp_path, caplog, damage
):
    newest = two / "checkpoints" / "2"
    files = [p.relative_to(newest) for p in newest.rglob("*") if p.is_file()]
    assert len(files) > 10
    fell_back = collections.Counter()
    for number, file in enumerate(files):
        copy = tmp_path / str(number)
        shutil.copytree(two, copy)
        _DAMAGES[damage](copy / "checkpoints" / "2" / file)
        what = f"{file} {damage}"
        fell_back[file.parts[0]] += _assert_whole_or_older(copy, caplog, what)
    # The record, and of the state at least its structure and both kinds of
    # data, cannot be done without.
    assert fell_back["record"] >= 1
    assert fell_back["state"] >= 3


def test_any_deleted_folder_gives_the_newest_or_the_older_one(
    two, tmp_path, caplog
):
    newest = two / "checkpoints" / "2"
    folders = [p.relative_to(newest) for p in newest.rglob("*") if p.is_dir()]
    for number, folder_name in enumerate(folders):
        copy = tmp_path / str(number)
        shutil.copytree(two, copy)
        shutil.rmtree(copy / "checkpoints" / "2" / folder_name)
        fell_back = _assert_whole_or_older(copy, caplog, folder_name)
        assert fell_back or folder_name.parts[0] == "state"


def test_an_emptied_checkpoint_gives_the_older_one(two, tmp_path, caplog):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    newest = copy / "checkpoints" / "2"
    shutil.rmtree(newest)
    newest.mkdir()
    assert _assert_whole_or_older(copy, caplog, "emptied")


def test_a_checkpoint_that_is_a_file_gives_the_older_one(two, tmp_path, caplog):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    newest = copy / "checkpoints" / "2"
    shutil.rmtree(newest)
    newest.write_text("")
    assert _assert_whole_or_older(copy, caplog, "a file")


@pytest.mark.parametrize("item", [folder.STATE, folder.RECORD])
def test_what_orbax_reads_without_complaint_is_still_checked(
    two, tmp_path, caplog, item
):
    """A whole item of another checkpoint: only the checksums can tell."""
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    newest = copy / "checkpoints" / "2"
    shutil.rmtree(newest / item)
    shutil.copytree(copy / "checkpoints" / "1" / item, newest / item)
    assert _assert_whole_or_older(copy, caplog, item)
    assert "is altered" in caplog.text


def test_a_position_that_was_altered_gives_the_older_one(two, tmp_path, caplog):
    """It is JSON of the right kind still: only its checksum can tell."""
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    record = copy / "checkpoints" / "2" / "record" / "metadata"
    text = record.read_text()
    altered = text.replace(r"{\"next\": 2}", r"{\"next\": 3}")
    assert altered != text
    record.write_text(altered)
    assert _assert_whole_or_older(copy, caplog, "altered")


def test_the_run_that_fell_back_saves_the_same_step_again(two, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    _flip(copy / "checkpoints" / "2" / "record" / "metadata")
    saver, position = _open(copy), _Position()
    assert _same(saver.restore_latest(_state(0), position), _state(1))
    for step in (2, 3):
        saver.save(step, _state(step), _Position(step))
    saver.close()
    assert _names(copy) == ["2", "3"]
    assert _is_number(_restore(copy), 3)


def test_a_damaged_older_one_is_not_in_the_way(two, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    for file in (copy / "checkpoints" / "1").rglob("*"):
        if file.is_file():
            _half(file)
    assert _is_number(_restore(copy), 2)
    _save(copy, 3)
    assert _names(copy) == ["2", "3"]
    assert not (copy / "checkpoints.damaged").exists()


def test_none_whole_is_an_error_that_moves_nothing(two, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)
    for step in ("1", "2"):
        _flip(copy / "checkpoints" / step / "record" / "metadata")
    # Twice: a run that is started again by itself must not begin anew.
    for _ in range(2):
        with pytest.raises(
            checkpoints.DamagedError,
            match=r"checkpoints/2 is damaged.*checkpoints/1 is damaged.*"
            r"Move that folder away, and .* starts from the beginning",
        ):
            _restore(copy)
        assert not (copy / "checkpoints.damaged").exists()
        assert _names(copy) == ["1", "2"]
    # As told.
    (copy / "checkpoints").rename(tmp_path / "away")
    position = _Position(7)
    saver, state = _open(copy), _state(0)
    assert saver.restore_latest(state, position) is state
    saver.close()
    assert position.at == 7


def test_damaged_ones_of_the_same_step_lie_side_by_side(tmp_path):
    for _ in range(2):
        _save(tmp_path, 1, 2)
        _flip(tmp_path / "checkpoints" / "2" / "record" / "metadata")
        assert _is_number(_restore(tmp_path), 1)
        shutil.rmtree(tmp_path / "checkpoints")
    assert sorted(os.listdir(tmp_path / "checkpoints.damaged")) == [
        "2",
        "2.1",
    ]


@pytest.mark.parametrize("error", [MemoryError, PermissionError])
def test_other_failures_are_no_damage(two, tmp_path, monkeypatch, error):
    copy = tmp_path / "run"
    shutil.copytree(two, copy)

    def fail(*args):
        raise error

    monkeypatch.setattr(checksums, "require_unaltered", fail)
    with pytest.raises(error):
        _restore(copy)
    assert _names(copy) == ["1", "2"]


def test_checksums_are_of_bytes_type_and_shape():
    """CRC-32 of a reference: RFC 1952 section 8, bit by bit."""
    leaf = np.asarray([[1.5, -2.0]], np.float32)
    register = 0xFFFFFFFF
    for byte in leaf.tobytes():
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    record = checksums.record({"a": [leaf]}, {"next": 3})
    leaves, position = checksums.opened(record)
    assert leaves == {"a/0": ["float32[1, 2]", register ^ 0xFFFFFFFF]}
    assert position == {"next": 3}
    for other in (leaf.view(np.int32), leaf.T, leaf + np.float32(1e-7)):
        with pytest.raises(ValueError, match="a/0 is altered"):
            checksums.require_unaltered(leaves, {"a": [other]})


# --- no room


def _disk_with(free, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def test_a_full_disk_is_told_before_anything_is_written(
    saver, tmp_path, monkeypatch
):
    saver.save(1, _state(1), _Position(1))
    large = {"x": np.zeros(100 * 2**20, np.uint8)}
    _disk_with(100 * 2**20, monkeypatch)
    with pytest.raises(
        checkpoints.CheckpointError,
        match=r"no room in .*checkpoints: .* 126\.0 MiB but 100\.0 MiB are "
        r"free; delete .* last whole checkpoint in .*checkpoints is that of "
        r"step 1,",
    ):
        saver.save(2, large, _Position(2))
    assert _names(tmp_path) == ["1"]
    _disk_with(127 * 2**20, monkeypatch)
    saver.save(2, large, _Position(2))
    saver.close()
    assert _names(tmp_path) == ["1", "2"]


def test_a_full_disk_before_the_first_checkpoint(saver, monkeypatch):
    _disk_with(0, monkeypatch)
    with pytest.raises(checkpoints.CheckpointError, match="no checkpoint yet"):
        saver.save(1, _state(1), _Position(1))


_FAILING_WRITES = """
    import pathlib, resource, sys
    from jaxstyle import checkpoints
    from tests.test_checkpoints import _Position, _open, _state

    def shortest(length):  # no file may become longer, in bytes
        limits = (length, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def save(saver, step):
        saver.save(step, _state(step), _Position(step))

    then = {
        "saving": lambda saver: save(saver, 3),
        "restoring": lambda saver: saver.restore_latest(_state(0), _Position()),
        "closing": lambda saver: saver.close(),
    }
    for name, do in then.items():
        saver = _open(pathlib.Path(sys.argv[1]) / name, keep=1)
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
            assert _names(path) == ["2.orbax-checkpoint-tmp", "4"]
        assert not {"2", "3"} & set(_names(path))
        assert _is_number(_restore(path), last)
        # With room again, training goes on.
        _save(path, 5)
        assert _names(path) == [str(last), "5"]
        assert _is_number(_restore(path), 5)


# --- exported trees


def test_a_tree_makes_a_round_trip(tmp_path):
    checkpoints.save_tree(tmp_path / "params", _state(4))
    like = jax.eval_shape(lambda: _state(0))
    loaded = checkpoints.load_tree(tmp_path / "params", like)
    assert _same(loaded, _state(4))
    for leaf in jax.tree.leaves(loaded):
        assert len(leaf.sharding.device_set) == jax.device_count()


def test_a_saved_tree_is_replaced(tmp_path):
    for number in (4, 5):
        checkpoints.save_tree(tmp_path / "params", _state(number))
    loaded = checkpoints.load_tree(tmp_path / "params", _state(0))
    assert _same(loaded, _state(5))
    assert os.listdir(tmp_path) == ["params"]


def test_a_missing_tree_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params is missing: run"):
        checkpoints.load_tree(tmp_path / "params", _state(0))


def test_a_tree_of_another_model_is_refused(tmp_path):
    checkpoints.save_tree(tmp_path / "params", {"kernel": jnp.zeros((3, 4))})
    like = {"kernel": jnp.zeros((3, 5))}
    with pytest.raises(ValueError, match=r"params is of another model"):
        checkpoints.load_tree(tmp_path / "params", like)


class _Killed(BaseException):
    pass


def _kill_at(monkeypatch, point):
    """Kills `save_tree` before its operation number `point`, from 0.

    Deleting is killed half-way. Returns whether that point was reached.
    """
    operations = iter(range(100))
    reached = []
    rename, rmtree = pathlib.Path.rename, shutil.rmtree

    def die():
        if next(operations) == point:
            reached.append(True)
            return True
        return False

    def dying_rename(self, target):
        if self.name.startswith("params") and die():
            raise _Killed
        return rename(self, target)

    def dying_rmtree(path, *args, **kwargs):
        if pathlib.Path(path).name == "params.old" and die():
            for file in list(pathlib.Path(path).rglob("*"))[::2]:
                if file.is_file():
                    file.unlink()
            raise _Killed
        return rmtree(path, *args, **kwargs)

    monkeypatch.setattr(pathlib.Path, "rename", dying_rename)
    monkeypatch.setattr(shutil, "rmtree", dying_rmtree)
    return reached


def test_a_tree_is_whole_wherever_a_kill_falls(tmp_path, monkeypatch):
    """Also where a second kill falls, amid what the first one left."""
    checkpoints.save_tree(tmp_path / "first", _state(4))
    points, older = 0, []
    for kills in itertools.product(range(3), range(4)):
        path = tmp_path / "run" / "params"
        shutil.copytree(tmp_path / "first", path)
        before = 4
        for number, point in zip((5, 6), kills, strict=True):
            with monkeypatch.context() as patch:
                reached = _kill_at(patch, point)
                with contextlib.suppress(_Killed):
                    checkpoints.save_tree(path, _state(number))
            loaded = checkpoints.load_tree(path, _state(0))
            old = bool(reached) and _same(loaded, _state(before))
            assert old or _same(loaded, _state(number)), kills
            before = before if old else number
            points += len(reached)
            older.append(old)
        checkpoints.save_tree(path, _state(7))
        assert _same(checkpoints.load_tree(path, _state(0)), _state(7))
        assert os.listdir(path.parent) == ["params"]
        shutil.rmtree(path.parent)
    assert points >= 20 and any(older) and not all(older)


def test_a_kill_while_a_tree_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "params"
    checkpoints.save_tree(path, _state(4))
    torn = tmp_path / "params.new.orbax-checkpoint-tmp"
    shutil.copytree(path / "record", torn / "record")
    assert _same(checkpoints.load_tree(path, _state(0)), _state(4))
    checkpoints.save_tree(path, _state(5))
    assert _same(checkpoints.load_tree(path, _state(0)), _state(5))
    assert os.listdir(tmp_path) == ["params"]


@pytest.mark.parametrize("damage", _DAMAGES)
def test_any_damaged_file_of_a_tree_is_noticed(tmp_path, damage):
    checkpoints.save_tree(tmp_path / "whole", _state(4))
    whole = tmp_path / "whole"
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    noticed = 0
    for number, file in enumerate(files):
        path = tmp_path / str(number) / "params"
        shutil.copytree(whole, path)
        _DAMAGES[damage](path / file)
        try:
            assert _same(checkpoints.load_tree(path, _state(0)), _state(4))
        except checkpoints.DamagedError as error:
            assert f"{path} is damaged" in str(error)
            assert "Run its stage again" in str(error)
            noticed += 1
    assert noticed >= 4


def test_a_tree_is_not_written_on_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "params"
    checkpoints.save_tree(path, _state(4))
    with monkeypatch.context() as patch:
        _disk_with(0, patch)
        with pytest.raises(
            checkpoints.CheckpointError,
            match=r"no room in .* what was in .*params before is left as it",
        ):
            checkpoints.save_tree(path, _state(5))
    assert _same(checkpoints.load_tree(path, _state(0)), _state(4))
