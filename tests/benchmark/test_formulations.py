"""Each formulation against the library's: values, gradients, twice."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import convolution
from jaxstyle.benchmark import formulations, operations
from jaxstyle.stylegan2 import layers

LIBRARY = {
    "PLAIN": convolution.conv3x3,
    "UP": convolution.upsample_conv3x3,
    "DOWN": convolution.downsample_conv3x3,
}
CASES = [
    (group, name) for group in LIBRARY for name in getattr(formulations, group)
]


def _normal(seed, *shape):
    random = np.random.default_rng(seed)
    return jnp.asarray(random.standard_normal(shape), jnp.float32)


def _agree(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert a.shape == b.shape
        scale = float(jnp.max(jnp.abs(b)))
        np.testing.assert_allclose(a, b, atol=2e-5 * scale)


@pytest.mark.parametrize("order", operations.ORDERS)
@pytest.mark.parametrize(("group", "name"), CASES)
def test_formulation_is_the_librarys_operation(group, name, order):
    # Not square, and unequal channels, so that exchanged axes show.
    x, kernel = _normal(0, 2, 4, 6, 3), _normal(1, 3, 3, 3, 5)
    derive = operations.ORDERS[order]
    operation = getattr(formulations, group)[name]
    _agree(derive(operation)(x, kernel), derive(LIBRARY[group])(x, kernel))


@pytest.mark.parametrize("name", formulations.MODULATED)
def test_modulated_formulations_are_the_layer(name):
    x, w = _normal(0, 2, 4, 6, 3), _normal(1, 2, 7)
    layer = layers.ModulatedConv(5)
    params = layer.init(jax.random.PRNGKey(0), x, w)
    affine = params["params"]["affine"]
    kernel = params["params"]["kernel"] / math.sqrt(9 * 3)
    style = w @ (affine["kernel"] / math.sqrt(7)) + affine["bias"][None]
    operation = formulations.MODULATED[name]
    _agree(operation(x, kernel, style), layer.apply(params, x, w))


@pytest.mark.parametrize("order", operations.ORDERS)
def test_a_kernel_an_image_has_the_same_gradients(order):
    arguments = _normal(0, 2, 4, 6, 3), _normal(1, 3, 3, 3, 5), _normal(2, 2, 3)
    derive = operations.ORDERS[order]
    _agree(
        derive(formulations.grouped_convolution)(*arguments),
        derive(formulations.scaled_activations)(*arguments),
    )


@pytest.mark.parametrize("name", formulations.FILTERS)
@pytest.mark.parametrize("pad", [1, 2])
def test_filters_and_their_gradients_are_those_of_a_matrix(name, pad):
    x = _normal(0, 2, 4, 5, 3)
    # Row o of the matrix has the taps at o - pad to o - pad + 3.
    size = 5 + 2 * pad - 3
    matrix = np.zeros((size, 5 + 2 * pad))
    for row in range(size):
        matrix[row, row : row + 4] = np.array([1, 3, 3, 1]) / 8
    matrix = matrix[:, pad : pad + 5]
    operation = formulations.FILTERS[name]
    y, pull = jax.vjp(lambda x: operation(x, 2, pad), x)
    np.testing.assert_allclose(
        y, np.einsum("ow,bhwc->bhoc", matrix, x), atol=1e-6
    )
    slope = _normal(1, *y.shape)
    np.testing.assert_allclose(
        pull(slope)[0], np.einsum("ow,bhoc->bhwc", matrix, slope), atol=1e-6
    )
