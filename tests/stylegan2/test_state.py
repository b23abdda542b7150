"""The state before the first step, and its optimisers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.config import GanConfig
from jaxstyle.stylegan2 import state as state_lib
from tests import tiny


@pytest.fixture(scope="module")
def states():
    """By seed."""
    return {seed: state_lib.create(tiny.config(seed)) for seed in (0, 1)}


def _named_leaves(tree):
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): np.asarray(x) for path, x in leaves}


def test_the_seed_changes_every_random_weight(states):
    for part in ("g_params", "d_params"):
        a = _named_leaves(getattr(states[0], part))
        b = _named_leaves(getattr(states[1], part))
        for name in a:
            if "kernel" in name or "const" in name:
                assert np.mean(a[name] == b[name]) < 0.01, name
            else:
                np.testing.assert_array_equal(a[name], b[name])
    assert not np.array_equal(states[0].rng, states[1].rng)


def test_the_same_seed_gives_the_same_state(states):
    again = _named_leaves(state_lib.create(tiny.config(0)))
    for name, leaf in _named_leaves(states[0]).items():
        np.testing.assert_array_equal(leaf, again[name])


def test_no_two_weights_share_their_numbers(states):
    kernels = [
        np.sort(leaf.ravel())[:64]
        for name, leaf in _named_leaves(
            (states[0].g_params, states[0].d_params)
        ).items()
        if "kernel" in name and leaf.size >= 64
    ]
    assert len(kernels) > 10
    assert len(np.unique(np.stack(kernels), axis=0)) == len(kernels)


def test_the_average_starts_at_the_generator_in_buffers_of_its_own(states):
    # Steps donate the state, and a buffer can be donated once.
    for a, b in zip(
        jax.tree.leaves(states[0].g_params),
        jax.tree.leaves(states[0].g_ema),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        assert a.unsafe_buffer_pointer() != b.unsafe_buffer_pointer()


def _adam(grads, rate, beta, steps):
    """Adam by Kingma and Ba's algorithm 1 with beta_1 = 0."""
    position, second = 0.0, 0.0
    for number in range(1, steps + 1):
        grad = grads[number - 1]
        second = beta * second + (1 - beta) * grad**2
        unbiased = second / (1 - beta**number)
        position -= rate * grad / (np.sqrt(unbiased) + 1e-8)
    return position


@pytest.mark.parametrize(("which", "interval"), [(0, 4), (1, 16)])
def test_optimisers_are_rescaled_for_their_lazy_regulariser(which, interval):
    config = GanConfig(learning_rate=0.002, g_reg_interval=4, d_reg_interval=16)
    adam = state_lib.optimisers(config)[which]
    grads = [0.5, -2.0, 1.0, 0.1]
    params = jnp.zeros(())
    opt = adam.init(params)
    with jax.numpy_dtype_promotion("standard"):
        for grad in grads:
            updates, opt = adam.update(jnp.float32(grad), opt, params)
            params = params + updates
    share = interval / (interval + 1)
    expected = _adam(grads, 0.002 * share, 0.99**share, 4)
    assert float(params) == pytest.approx(expected, rel=1e-5)
    unscaled = _adam(grads, 0.002, 0.99, 4)
    assert float(params) != pytest.approx(unscaled, rel=0.01)
