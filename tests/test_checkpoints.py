"""States and positions on disk."""

import os

import grain
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import checkpoints, parallel


def _state(number):
    random = np.random.default_rng(number)
    return {
        "params": {"kernel": jnp.asarray(random.standard_normal((3, 4)))},
        "opt": (jnp.int32(number), [jnp.full((2,), number, jnp.float32)]),
        "rng": jax.random.PRNGKey(number),
    }


def _assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def _batches():
    dataset = grain.MapDataset.range(10).seed(1).shuffle().repeat().batch(4)
    return iter(dataset.to_iter_dataset())


@pytest.fixture
def saver(tmp_path):
    with_two = checkpoints.Checkpoints(tmp_path / "checkpoints", 2)
    yield with_two
    with_two.close()


def _names(tmp_path):
    return sorted(os.listdir(tmp_path / "checkpoints"))


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

    again = checkpoints.Checkpoints(tmp_path / "checkpoints", 2)
    other = _batches()
    restored = again.restore_latest(_state(0), other)
    again.close()
    _assert_same(restored, _state(3))
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
    _assert_same(saver.restore_latest(like, _batches()), _state(1))


def test_another_shape_is_refused(saver):
    saver.save(1, {"kernel": jnp.zeros((3, 4))}, _batches())
    like = {"kernel": jnp.zeros((3, 5))}
    with pytest.raises(ValueError, match="shape"):
        saver.restore_latest(like, _batches())


def test_the_newest_are_kept(saver, tmp_path):
    batches = _batches()
    for step in (10, 20, 30):
        saver.save(step, _state(step), batches)
    saver.close()
    assert _names(tmp_path) == ["20", "30"]
    again = checkpoints.Checkpoints(tmp_path / "checkpoints", 2)
    _assert_same(again.restore_latest(_state(0), batches), _state(30))
    again.close()


def test_a_step_is_saved_once(saver, tmp_path):
    saver.save(5, _state(5), _batches())
    saver.save(5, _state(6), _batches())
    saver.close()
    assert _names(tmp_path) == ["5"]


def test_an_unfinished_checkpoint_does_not_count(saver, tmp_path):
    saver.save(1, _state(1), _batches())
    saver.close()
    # What a kill in the middle of the next save leaves.
    finished = tmp_path / "checkpoints" / "1"
    torn = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    torn.mkdir()
    for file in sorted(finished.rglob("*"))[:3]:
        if file.is_file():
            (torn / file.name).write_bytes(file.read_bytes()[:10])
    again = checkpoints.Checkpoints(tmp_path / "checkpoints", 2)
    _assert_same(again.restore_latest(_state(0), _batches()), _state(1))
    again.save(2, _state(2), _batches())
    _assert_same(again.restore_latest(_state(0), _batches()), _state(2))
    again.close()


def test_a_state_may_be_donated_while_it_is_being_saved(saver):
    """Saving goes on in the background while steps overwrite the state."""

    def step(state, batch):
        mean = parallel.pmean(jnp.mean(batch), parallel.AXIS)
        return state + mean, mean

    run = parallel.train_step(step)
    state = parallel.replicated(jnp.zeros((512, 512)))
    batch = parallel.shard(np.ones(2, np.float32))
    state, _ = run(state, batch)
    saver.save(1, {"x": state}, _batches())
    for _ in range(20):
        state, _ = run(state, batch)
    saver._manager.wait_until_finished()
    restored = saver.restore_latest({"x": state}, _batches())
    np.testing.assert_array_equal(restored["x"], np.ones((512, 512)))


def test_a_tree_makes_a_round_trip(tmp_path):
    checkpoints.save_tree(tmp_path / "params", _state(4))
    like = jax.eval_shape(lambda: _state(0))
    _assert_same(checkpoints.load_tree(tmp_path / "params", like), _state(4))


def test_a_saved_tree_is_replaced(tmp_path):
    for number in (4, 5):
        checkpoints.save_tree(tmp_path / "params", _state(number))
    loaded = checkpoints.load_tree(tmp_path / "params", _state(0))
    _assert_same(loaded, _state(5))


def test_a_missing_tree_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"params is missing: run"):
        checkpoints.load_tree(tmp_path / "params", _state(0))
