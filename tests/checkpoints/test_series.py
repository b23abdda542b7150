"""States and positions come back, the newest and one more are kept."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import checkpoints, parallel
from tests.checkpoints import on_disk


def test_nothing_saved_leaves_state_and_iterator_alone(saver):
    state, batches = on_disk.state(0), on_disk.batches()
    first = next(batches)
    assert saver.restore_latest(state, batches) is state
    assert not np.array_equal(first, next(batches))


def test_state_and_position_come_back(saver, tmp_path):
    batches = on_disk.batches()
    for _ in range(3):
        next(batches)
    saver.save(3, on_disk.state(3), batches)
    following = [next(batches) for _ in range(4)]
    saver.close()

    again = on_disk.series(tmp_path)
    other = on_disk.batches()
    restored = again.restore_latest(on_disk.state(0), other)
    again.close()
    assert on_disk.same(restored, on_disk.state(3))
    np.testing.assert_array_equal(following, [next(other) for _ in range(4)])


def test_a_restored_state_lies_on_every_device(saver):
    saver.save(1, on_disk.state(1), on_disk.batches())
    restored = saver.restore_latest(on_disk.state(0), on_disk.batches())
    for leaf in jax.tree.leaves(restored):
        assert leaf.sharding.is_fully_replicated
        assert len(leaf.sharding.device_set) == jax.device_count() == 2


def test_an_abstract_state_is_enough_to_restore(saver):
    saver.save(1, on_disk.state(1), on_disk.batches())
    like = jax.eval_shape(lambda: on_disk.state(0))
    assert on_disk.same(
        saver.restore_latest(like, on_disk.batches()), on_disk.state(1)
    )


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
    saver.save(1, {"kernel": jnp.zeros((3, 4))}, on_disk.batches())
    with pytest.raises(ValueError, match=named):
        saver.restore_latest(like, on_disk.batches())
    assert os.listdir(tmp_path) == ["checkpoints"]
    assert on_disk.names(tmp_path) == ["1"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_state_that_is_not_finite_is_not_saved(saver, tmp_path, bad):
    """Nothing could go on from it, and it would push out one that could."""
    saver.save(1, on_disk.state(1), on_disk.batches())
    state = on_disk.state(2)
    state["opt"][1][0] = jnp.asarray([0, bad], jnp.float32)
    message = (
        r"\['opt'\]\[1\]\[0\] is not finite after step 2, which is not saved; "
        r".* last whole checkpoint in .* is that of step 1,"
    )
    with pytest.raises(checkpoints.CheckpointError, match=message):
        saver.save(2, state, on_disk.batches())
    assert on_disk.names(tmp_path) == ["1"]


def test_the_newest_are_kept(tmp_path):
    on_disk.save(tmp_path, 10, 20, 30)
    assert on_disk.names(tmp_path) == ["20", "30"]
    assert on_disk.is_number(on_disk.restore(tmp_path), 30)


def test_a_step_is_saved_once(saver, tmp_path):
    saver.save(5, on_disk.state(5), on_disk.Position())
    saver.save(5, on_disk.state(6), on_disk.Position())
    saver.close()
    assert on_disk.names(tmp_path) == ["5"]
    assert on_disk.same(on_disk.restore(tmp_path)[0], on_disk.state(5))


def test_an_earlier_step_is_refused(saver):
    saver.save(5, on_disk.state(5), on_disk.batches())
    with pytest.raises(ValueError, match="later than step 4"):
        saver.save(4, on_disk.state(4), on_disk.batches())


def test_an_unfinished_checkpoint_does_not_count(tmp_path, caplog):
    on_disk.save(tmp_path, 1)
    # What a kill in the middle of the next save leaves.
    finished = tmp_path / "checkpoints" / "1"
    torn = tmp_path / "checkpoints" / "9.orbax-checkpoint-tmp"
    torn.mkdir()
    for file in sorted(finished.rglob("*"))[:3]:
        if file.is_file():
            (torn / file.name).write_bytes(file.read_bytes()[:10])
    again = on_disk.series(tmp_path)
    assert on_disk.names(tmp_path) == ["1"]  # its space is free again
    assert on_disk.same(
        again.restore_latest(on_disk.state(0), on_disk.Position()),
        on_disk.state(1),
    )
    again.save(2, on_disk.state(2), on_disk.Position(2))
    again.close()
    assert on_disk.is_number(on_disk.restore(tmp_path), 2)
    assert not [r for r in caplog.records if "damaged" in r.getMessage()]
    assert on_disk.names(tmp_path) == ["1", "2"]


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
    saver.save(1, {"x": state}, on_disk.batches())
    for _ in range(20):
        donated = state
        state, _ = run(state, batch)
        assert donated.is_deleted()
    restored = saver.restore_latest({"x": state}, on_disk.batches())
    np.testing.assert_array_equal(restored["x"], np.ones((512, 512)))


def test_a_restored_state_may_be_donated(saver):
    """Its devices share no memory with each other or with the host."""
    run, batch = _ones_step()
    zeros = {"x": jnp.zeros((512, 512))}
    saver.save(1, {"x": jnp.ones((512, 512))}, on_disk.batches())
    state = saver.restore_latest(zeros, on_disk.batches())["x"]
    for _ in range(20):
        state, _ = run(state, batch)
    for shard in state.addressable_shards:
        np.testing.assert_array_equal(shard.data, np.full((512, 512), 21))
