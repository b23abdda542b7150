"""Keys by name, and draws that depend on the sample alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import rng

KEY = jax.random.PRNGKey(3)
DRAWS = {"normal": rng.normal, "uniform": rng.uniform}


def test_names_make_different_keys_and_always_the_same():
    names = [
        "z",
        "noise",
        "mixing",
        "y",
        "path_length",
        "gan",
        "g",
        "d",
        "steps",
    ]
    keys = {tuple(np.asarray(rng.named(KEY, name)).tolist()) for name in names}
    assert len(keys) == len(names)
    assert tuple(np.asarray(KEY).tolist()) not in keys
    np.testing.assert_array_equal(rng.named(KEY, "z"), rng.named(KEY, "z"))
    other = rng.named(jax.random.PRNGKey(4), "z")
    assert not np.array_equal(rng.named(KEY, "z"), other)


def test_draws_of_different_names_are_uncorrelated():
    ids = jnp.arange(4096)
    a, b = (rng.normal(rng.named(KEY, name), ids, ()) for name in ("z", "y"))
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0, abs=4 / 64)


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_depends_on_its_sample_alone(name):
    draw = DRAWS[name]
    whole = draw(KEY, jnp.arange(8), (3, 2))
    assert whole.shape == (8, 3, 2) and whole.dtype == jnp.float32
    halves = [
        draw(KEY, jnp.arange(start, start + 4), (3, 2)) for start in (0, 4)
    ]
    np.testing.assert_array_equal(whole, np.concatenate(halves))
    shuffled = draw(KEY, jnp.asarray([5, 1]), (3, 2))
    np.testing.assert_array_equal(shuffled, np.stack([whole[5], whole[1]]))
    assert len(np.unique(whole)) == whole.size
    assert not np.any(whole == draw(rng.named(KEY, "z"), jnp.arange(8), (3, 2)))


def test_distributions():
    ids = jnp.arange(2048)
    normal = np.asarray(rng.normal(KEY, ids, (8,)))
    uniform = np.asarray(rng.uniform(KEY, ids, (8,)))
    # Four standard errors of 16384 draws.
    assert normal.mean() == pytest.approx(0, abs=4 / 128)
    assert normal.var() == pytest.approx(1, abs=4 * np.sqrt(2) / 128)
    assert uniform.min() >= 0 and uniform.max() < 1
    assert uniform.mean() == pytest.approx(0.5, abs=4 / 128 / np.sqrt(12))
    assert uniform.var() == pytest.approx(1 / 12, abs=0.003)
