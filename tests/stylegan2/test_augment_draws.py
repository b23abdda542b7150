"""What is drawn against the paper's distributions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.config import AUGMENT_OPERATIONS
from jaxstyle.stylegan2 import augment_draws

KEY = jax.random.PRNGKey(0)
ROOT = np.sqrt(3)


def _ids(count):
    return jnp.arange(count, dtype=jnp.int32)


@functools.cache
def _drawn(p):
    return jax.tree.map(
        np.asarray,
        augment_draws.draw(KEY, _ids(4096), jnp.float32(p), AUGMENT_OPERATIONS),
    )


def test_operations_are_those_of_the_config():
    assert set(_drawn(1.0)) == set(AUGMENT_OPERATIONS)


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [
        ("x_flip", 0.5, 0.5),
        ("rotate90", 1.5, np.sqrt(1.25)),
        ("translate_integer", 0, 0.125 / ROOT),
        ("rotate", 0, np.pi / ROOT),
        ("translate", 0, 0.125),
        ("brightness", 0, 0.2),
        ("luma_flip", 0.5, 0.5),
        ("hue", 0, np.pi / ROOT),
        ("cutout", 0.5, 0.5 / ROOT),
    ],
)
def test_draws_follow_the_papers_distributions(name, mean, deviation):
    values = _drawn(1.0)[name]
    # Four standard errors of 4096 draws, and 5% of the deviation.
    np.testing.assert_allclose(values.mean(axis=0), mean, atol=deviation / 16)
    np.testing.assert_allclose(values.std(axis=0), deviation, rtol=0.05)


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("scale", 0.2),
        ("anisotropic_scale", 0.2),
        ("contrast", 0.5),
        ("saturation", 1),
        ("filter", 1),
    ],
)
def test_factors_are_normal_in_octaves(name, deviation):
    octaves = np.log2(_drawn(1.0)[name])
    np.testing.assert_allclose(octaves.mean(axis=0), 0, atol=deviation / 16)
    np.testing.assert_allclose(octaves.std(axis=0), deviation, rtol=0.05)


def test_noise_is_half_normal():
    sigma = _drawn(1.0)["noise"]
    assert sigma.min() >= 0
    assert np.sqrt(np.mean(sigma**2)) == pytest.approx(0.1, rel=0.05)


def test_whole_numbers_are_all_values():
    assert set(_drawn(1.0)["x_flip"].flat) == {0, 1}
    assert set(_drawn(1.0)["rotate90"].flat) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    "name", [n for n in AUGMENT_OPERATIONS if n not in ("rotate", "filter")]
)
def test_each_is_applied_with_probability_p(name):
    neutral, always, sometimes = (_drawn(p)[name] for p in (0.0, 1.0, 0.3))
    applied = np.all(sometimes == always, axis=1)
    # All numbers of an operation come and go together.
    assert np.all(applied | np.all(sometimes == neutral, axis=1))
    # Some values, such as no quarter turn, change nothing.
    idle = np.mean(np.all(neutral == always, axis=1))
    assert np.mean(applied) == pytest.approx(0.3 + 0.7 * idle, abs=0.03)


def test_bands_are_filtered_singly():
    assert np.mean(_drawn(0.3)["filter"] != 1) == pytest.approx(0.3, abs=0.02)
    some = np.mean(np.any(_drawn(0.3)["filter"] != 1, axis=1))
    assert some == pytest.approx(1 - 0.7**4, abs=0.03)


def test_one_of_two_rotations_happens_with_probability_p():
    angles = _drawn(0.3)["rotate"]
    some = np.mean(np.any(angles != 0, axis=1))
    assert some == pytest.approx(0.3, abs=0.03)
    once = np.mean(angles != 0, axis=0)
    np.testing.assert_allclose(once, 1 - np.sqrt(0.7), atol=0.03)


def test_operations_are_drawn_independently():
    draws = _drawn(1.0)
    columns = np.concatenate(
        [np.asarray(draws[name], np.float64) for name in draws], axis=1
    )
    correlation = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlation).max() < 0.08


def test_draws_do_not_depend_on_what_else_is_listed():
    alone = augment_draws.draw(KEY, _ids(4096), jnp.float32(0.3), ("scale",))
    assert list(alone) == ["scale"]
    np.testing.assert_array_equal(alone["scale"], _drawn(0.3)["scale"])


def test_unknown_operation_is_named():
    with pytest.raises(ValueError, match="unknown augmentation 'blur'"):
        augment_draws.draw(KEY, _ids(1), jnp.float32(1), ("scale", "blur"))
