"""One training step: its loss, its devices, its seed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import parallel
from jaxstyle.classifier import state as state_lib
from jaxstyle.classifier import step as step_lib
from jaxstyle.config import ClassifierConfig, Config, DataConfig
from tests.classifier import synthetic

WEIGHTS = (0.75, 1.5)


def _config(seed=0):
    return Config(
        seed=seed,
        data=DataConfig(resolution=16, channels=1),
        classifier=ClassifierConfig(widths=(8,), learning_rate=1e-2),
    )


@pytest.fixture(scope="module")
def step():
    return jax.jit(step_lib.train_step(_config(), WEIGHTS, 100))


def _batch(seed=0):
    images, labels = synthetic.spots(8, seed)
    return {
        "image": (images[..., None] / 127.5 - 1).astype(np.float32),
        "class": labels.astype(np.int32),
    }


def test_classes_weigh_the_same():
    absent, present = step_lib.class_weights(np.array([1, 0, 0, 0]), 2)
    assert absent * 3 == pytest.approx(present * 1)
    assert absent * 3 + present * 1 == pytest.approx(4)
    weights = step_lib.class_weights(np.array([0, 1, 1, 2, 2, 2]), 3)
    np.testing.assert_allclose(weights, [2, 1, 2 / 3])


def test_loss_is_the_weighted_cross_entropy():
    logits = np.float32([-2, 0.5, 3, -1])
    targets = np.float32([0, 1, 0, 1])
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    losses = np.where(targets > 0, -1.5 * np.log(p), -0.75 * np.log(1 - p))
    actual = step_lib.balanced_loss(
        jnp.asarray(logits)[:, None], jnp.asarray(targets, jnp.int32), WEIGHTS
    )
    assert float(actual) == pytest.approx(losses.mean(), rel=1e-5)


def test_loss_of_several_classes_is_the_weighted_cross_entropy():
    logits = np.float32([[1, -2, 0.5], [0, 3, 1], [2, 2, -1]])
    p = np.exp(logits.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    losses = -np.log([p[0, 2], p[1, 1], p[2, 0]]) * [4, 2, 0.5]
    actual = step_lib.balanced_loss(
        jnp.asarray(logits), jnp.asarray([2, 1, 0]), (0.5, 2.0, 4.0)
    )
    assert float(actual) == pytest.approx(losses.mean(), rel=1e-5)


def test_two_devices_are_one_device(step):
    config = _config()
    two = parallel.train_step(
        step_lib.train_step(config, WEIGHTS, 100, parallel.AXIS)
    )
    state_1 = state_lib.create(config, 100)
    state_2 = state_lib.create(config, 100)
    for seed in range(3):
        batch = _batch(seed)
        state_1, metrics_1 = step(state_1, batch)
        state_2, metrics_2 = two(state_2, parallel.shard(batch))
        for name, value in metrics_1.items():
            np.testing.assert_allclose(value, metrics_2[name], rtol=1e-4)
    for a, b in zip(
        jax.tree.leaves(state_1), jax.tree.leaves(state_2), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    before = jax.tree.leaves(state_lib.create(config, 100).params)
    after = jax.tree.leaves(state_1.params)
    assert all(
        np.abs(np.asarray(a) - np.asarray(b)).max() > 1e-3
        for a, b in zip(before, after, strict=True)
    )


def test_the_seed_changes_the_weights_and_the_augmentation(step):
    a, b = (state_lib.create(_config(seed), 100) for seed in (0, 1))
    again = state_lib.create(_config(0), 100)
    kernel = ("params", "trunk", "stem", "kernel")
    values = []
    for state in (a, b, again):
        leaf = state.params
        for name in kernel:
            leaf = leaf[name]
        values.append(np.asarray(leaf))
    assert not np.allclose(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])
    moved = a.replace(rng=b.rng)
    assert float(step(a, _batch())[1]["loss"]) != float(
        step(moved, _batch())[1]["loss"]
    )


def test_each_step_draws_anew(step):
    state = state_lib.create(_config(), 100)
    later = state.replace(step=jnp.int32(1))
    assert float(step(state, _batch())[1]["loss"]) != float(
        step(later, _batch())[1]["loss"]
    )


def test_decay_spares_scales_and_biases():
    config = ClassifierConfig(weight_decay=0.5, learning_rate=0.1)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    adamw = state_lib.optimiser(config, 100)
    still = jax.tree.map(jnp.zeros_like, params)
    with jax.numpy_dtype_promotion("standard"):
        updates, _ = adamw.update(still, adamw.init(params), params)
    np.testing.assert_array_equal(updates["bias"], np.zeros(2))
    # The first of ten warm-up steps: -(0.1 / 10) * 0.5 * 1.
    np.testing.assert_allclose(
        updates["kernel"], np.full((2, 2), -5e-3), rtol=1e-5
    )


def test_the_best_epoch_is_kept():
    params = [{"w": jnp.full(2, value)} for value in (0.0, 1.0, 2.0, 3.0)]
    best = state_lib.nothing_yet(params[0])
    best = state_lib.after_epoch(best, params[1], 0.8, 0.5, 1)
    best = state_lib.after_epoch(best, params[2], 0.7, 0.1, 2)
    assert (int(best.epoch), int(best.waited)) == (1, 1)
    best = state_lib.after_epoch(best, params[3], 0.8, 0.6, 3)
    assert (int(best.epoch), int(best.waited)) == (1, 2)
    best = state_lib.after_epoch(best, params[2], 0.8, 0.4, 4)
    assert (int(best.epoch), int(best.waited)) == (4, 0)
    assert float(best.auc) == pytest.approx(0.8)
    np.testing.assert_array_equal(best.params["w"], [2, 2])
