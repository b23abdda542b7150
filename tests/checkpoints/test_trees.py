"""Single trees: round trips, kills and damages."""

import contextlib
import itertools
import os
import pathlib
import shutil

import jax
import jax.numpy as jnp
import pytest

from jaxstyle import checkpoints
from tests.checkpoints import on_disk


def test_a_tree_makes_a_round_trip(tmp_path):
    checkpoints.save_tree(tmp_path / "params", on_disk.state(4))
    like = jax.eval_shape(lambda: on_disk.state(0))
    loaded = checkpoints.load_tree(tmp_path / "params", like)
    assert on_disk.same(loaded, on_disk.state(4))
    for leaf in jax.tree.leaves(loaded):
        assert len(leaf.sharding.device_set) == jax.device_count()


def test_a_saved_tree_is_replaced(tmp_path):
    for number in (4, 5):
        checkpoints.save_tree(tmp_path / "params", on_disk.state(number))
    loaded = checkpoints.load_tree(tmp_path / "params", on_disk.state(0))
    assert on_disk.same(loaded, on_disk.state(5))
    assert os.listdir(tmp_path) == ["params"]


def test_a_missing_tree_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params is missing: run"):
        checkpoints.load_tree(tmp_path / "params", on_disk.state(0))


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
    checkpoints.save_tree(tmp_path / "first", on_disk.state(4))
    points, older = 0, []
    for kills in itertools.product(range(3), range(4)):
        path = tmp_path / "run" / "params"
        shutil.copytree(tmp_path / "first", path)
        before = 4
        for number, point in zip((5, 6), kills, strict=True):
            with monkeypatch.context() as patch:
                reached = _kill_at(patch, point)
                with contextlib.suppress(_Killed):
                    checkpoints.save_tree(path, on_disk.state(number))
            loaded = checkpoints.load_tree(path, on_disk.state(0))
            old = bool(reached) and on_disk.same(loaded, on_disk.state(before))
            assert old or on_disk.same(loaded, on_disk.state(number)), kills
            before = before if old else number
            points += len(reached)
            older.append(old)
        checkpoints.save_tree(path, on_disk.state(7))
        assert on_disk.same(
            checkpoints.load_tree(path, on_disk.state(0)), on_disk.state(7)
        )
        assert os.listdir(path.parent) == ["params"]
        shutil.rmtree(path.parent)
    assert points >= 20 and any(older) and not all(older)


def test_a_kill_while_a_tree_is_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "params"
    checkpoints.save_tree(path, on_disk.state(4))
    torn = tmp_path / "params.new.orbax-checkpoint-tmp"
    shutil.copytree(path / "record", torn / "record")
    assert on_disk.same(
        checkpoints.load_tree(path, on_disk.state(0)), on_disk.state(4)
    )
    checkpoints.save_tree(path, on_disk.state(5))
    assert on_disk.same(
        checkpoints.load_tree(path, on_disk.state(0)), on_disk.state(5)
    )
    assert os.listdir(tmp_path) == ["params"]


@pytest.mark.parametrize("damage", on_disk.DAMAGES)
def test_any_damaged_file_of_a_tree_is_noticed(tmp_path, damage):
    checkpoints.save_tree(tmp_path / "whole", on_disk.state(4))
    whole = tmp_path / "whole"
    files = [p.relative_to(whole) for p in whole.rglob("*") if p.is_file()]
    noticed = 0
    for number, file in enumerate(files):
        path = tmp_path / str(number) / "params"
        shutil.copytree(whole, path)
        on_disk.DAMAGES[damage](path / file)
        try:
            assert on_disk.same(
                checkpoints.load_tree(path, on_disk.state(0)), on_disk.state(4)
            )
        except checkpoints.DamagedError as error:
            assert f"{path} is damaged" in str(error)
            assert "Run its stage again" in str(error)
            noticed += 1
    assert noticed >= 4


def test_a_tree_is_not_written_on_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "params"
    checkpoints.save_tree(path, on_disk.state(4))
    with monkeypatch.context() as patch:
        on_disk.with_room(0, patch)
        with pytest.raises(
            checkpoints.CheckpointError,
            match=r"no room in .* what was in .*params before is left as it",
        ):
            checkpoints.save_tree(path, on_disk.state(5))
    assert on_disk.same(
        checkpoints.load_tree(path, on_disk.state(0)), on_disk.state(4)
    )
