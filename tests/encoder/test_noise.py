"""Noise maps: which are optimised, and what keeps them white."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxstyle.config import ConfigError, ProjectConfig
from jaxstyle.encoder import noise
from tests import tiny
from tests.encoder import noise_reference


def _config(weight, noise_from):
    return dataclasses.replace(
        tiny.config(noise_from=noise_from),
        project=ProjectConfig(noise_weight=weight),
    )


def test_the_regulariser_by_definition():
    random = np.random.default_rng(0)
    planes = [
        random.standard_normal((2, side, side, 1)).astype(np.float32)
        for side in (4, 8, 32, 32)
    ]
    # Stripes correlate down their columns.
    planes[2][:, :, ::2] += 1
    expected = sum(noise_reference.correlation(plane) for plane in planes)
    measure = jax.jit(noise.correlation)
    np.testing.assert_allclose(measure(planes), expected, rtol=1e-4)
    # A map of ones: 1 down, 1 across; halved once, twice its value.
    ones = np.ones((3, 16, 16, 1), np.float32)
    np.testing.assert_allclose(measure([ones]), 2 + 2 * 4.0**2, rtol=1e-5)


def test_each_map_has_mean_0_and_variance_1():
    random = np.random.default_rng(1)
    plane = random.normal(3, [[[[5]]], [[[0.1]]]], (2, 8, 8, 1))
    white = np.asarray(jax.jit(noise.normalised)(plane.astype(np.float32)))
    centred = plane - plane.mean((1, 2, 3), keepdims=True)
    expected = centred / plane.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(white, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "weight, noise_from, layers",
    [(0.0, 4, []), (1.0, 4, [0, 1, 2]), (1.0, 8, [1, 2]), (0.0, 16, [])],
)
def test_layers_that_have_noise_are_optimised(weight, noise_from, layers):
    assert noise.optimised_layers(_config(weight, noise_from)) == layers


def test_noise_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"project\.noise_weight = 1\.0"):
        noise.optimised_layers(_config(1.0, 16))


def test_g_gets_the_optimised_maps_in_their_places():
    fixed = [np.full((1, 4, 4, 1), n, np.float32) for n in range(3)]
    started = noise.start(fixed, [1, 2], 5)
    assert {name: x.shape for name, x in started.items()} == {
        "noise_01": (5, 4, 4, 1),
        "noise_02": (5, 4, 4, 1),
    }
    np.testing.assert_array_equal(started["noise_02"], 2)
    started["noise_02"] = "mine"
    taken = noise.for_layers(fixed, started)
    assert taken[0] is fixed[0]
    assert taken[1] is started["noise_01"] and taken[2] == "mine"
