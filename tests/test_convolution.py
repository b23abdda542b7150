"""Each operation against its definition, forward and backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import test_util

from jaxstyle import convolution
from tests import reference

# name: (operation, its definition, shape of the kernel, scale of the size)
WITH_KERNEL = {
    "conv3x3": (convolution.conv3x3, reference.conv, (3, 3, 3, 2), 1),
    "conv1x1": (
        convolution.conv1x1,
        lambda x, kernel: reference.conv(x, kernel[None, None]),
        (3, 2),
        1,
    ),
    "upsample_conv3x3": (
        convolution.upsample_conv3x3,
        reference.upsample_conv3x3,
        (3, 3, 3, 2),
        2,
    ),
    "downsample_conv3x3": (
        convolution.downsample_conv3x3,
        reference.downsample_conv3x3,
        (3, 3, 3, 2),
        0.5,
    ),
}
PIXELS = {
    "upsample": (convolution.upsample, reference.upsample_pixels, 2),
    "downsample": (convolution.downsample, reference.downsample, 0.5),
}


def _normal(seed, shape):
    random = np.random.default_rng(seed)
    return random.standard_normal(shape).astype(np.float32)


def _image(seed=0):
    # Not square, so that exchanged axes show.
    return _normal(seed, (2, 4, 6, 3))


def _linear_gradient(function, at, cotangent):
    """d<function(x), cotangent>/dx of a linear function, by its values."""
    gradient = np.zeros(at.shape)
    for index in np.ndindex(*at.shape):
        unit = np.zeros(at.shape)
        unit[index] = 1
        gradient[index] = np.sum(function(unit) * cotangent)
    return gradient


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_convolution_is_its_definition(name):
    operation, definition, kernel_shape, scale = WITH_KERNEL[name]
    x, kernel = _image(), _normal(1, kernel_shape)
    y = operation(jnp.asarray(x), jnp.asarray(kernel))
    assert y.shape == (2, int(4 * scale), int(6 * scale), 2)
    assert y.dtype == jnp.float32
    np.testing.assert_allclose(y, definition(x, kernel), atol=1e-5)


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_gradients_of_convolution_are_those_of_its_definition(name):
    operation, definition, kernel_shape, _ = WITH_KERNEL[name]
    x, kernel = _image()[:1], _normal(1, kernel_shape)
    cotangent = _normal(2, definition(x, kernel).shape)
    _, pull = jax.vjp(operation, x, kernel)
    by_x, by_kernel = pull(jnp.asarray(cotangent))
    np.testing.assert_allclose(
        by_x,
        _linear_gradient(lambda x: definition(x, kernel), x, cotangent),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        by_kernel,
        _linear_gradient(lambda k: definition(x, k), kernel, cotangent),
        atol=1e-4,
    )


@pytest.mark.parametrize("name", WITH_KERNEL)
def test_second_derivatives_of_convolution(name):
    operation, _, kernel_shape, _ = WITH_KERNEL[name]
    test_util.check_grads(
        operation,
        (_image(), _normal(1, kernel_shape)),
        order=2,
        modes=["rev"],
        atol=0.05,
        rtol=0.05,
    )


# Not a whole number of tiles; the second is large only in width.
SIZES = [(50, 36), (2, 70)]
SEES_NEIGHBOURS = [name for name in WITH_KERNEL if name != "conv1x1"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SEES_NEIGHBOURS)
def test_large_images_have_the_same_convolutions(name, size, monkeypatch):
    monkeypatch.setattr(convolution, "_WIDE", 1)
    operation, definition, kernel_shape, _ = WITH_KERNEL[name]
    x, kernel = _normal(0, (1, *size, 3)), _normal(1, kernel_shape)
    y = operation(jnp.asarray(x), jnp.asarray(kernel))
    np.testing.assert_allclose(y, definition(x, kernel), atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SEES_NEIGHBOURS)
def test_large_images_have_the_derivatives_of_accelerators(
    name, size, monkeypatch
):
    # Accelerators have JAX's own weight gradients and dilated inputs.
    monkeypatch.setattr(convolution, "_WIDE", 1)
    operation, _, kernel_shape, _ = WITH_KERNEL[name]
    x, kernel = _normal(0, (2, *size, 3)), _normal(1, kernel_shape)
    on_cpu = _penalty_slopes(operation, x, kernel)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for only_cpu in ("_by_tiles", "_by_phases"):
        monkeypatch.delattr(convolution, only_cpu)
    elsewhere = _penalty_slopes(operation, x, kernel)
    for one, other in zip(elsewhere, on_cpu, strict=True):
        scale = float(jnp.max(jnp.abs(other)))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * scale)


def _penalty_slopes(operation, x, kernel):
    """First derivatives, and those of a penalty of the first, as in R1."""

    def energy(x, kernel):
        return jnp.sum(operation(x, kernel) ** 3)

    def penalty(x, kernel):
        by_x, by_kernel = jax.grad(energy, (0, 1))(x, kernel)
        return jnp.sum(by_x**2) + jnp.sum(by_kernel**2)

    x, kernel = jnp.asarray(x), jnp.asarray(kernel)
    first = jax.grad(energy, (0, 1))(x, kernel)
    return *first, *jax.grad(penalty, (0, 1))(x, kernel)


def test_large_is_told_by_size_and_channels():
    told = [
        convolution._large(jnp.zeros((1, *shape)), 32)
        for shape in ((32, 32, 64), (4, 33, 64), (33, 4, 63))
    ]
    assert told == [False, True, False]


@pytest.mark.parametrize("name", PIXELS)
def test_resampling_is_its_definition(name):
    operation, definition, scale = PIXELS[name]
    x = _image()
    y = operation(jnp.asarray(x))
    assert y.shape == (2, int(4 * scale), int(6 * scale), 3)
    np.testing.assert_allclose(y, definition(x), atol=1e-5)


@pytest.mark.parametrize("name", PIXELS)
def test_gradient_of_resampling_is_that_of_its_definition(name):
    operation, definition, _ = PIXELS[name]
    x = _image()[:1]
    cotangent = _normal(2, definition(x).shape)
    (by_x,) = jax.vjp(operation, x)[1](jnp.asarray(cotangent))
    np.testing.assert_allclose(
        by_x, _linear_gradient(definition, x, cotangent), atol=1e-5
    )


def test_upsampled_pixels_keep_a_constant_image():
    y = convolution.upsample(jnp.full((1, 4, 4, 1), 0.75))
    np.testing.assert_allclose(y, np.full((1, 8, 8, 1), 0.75), atol=1e-6)


def test_activations_are_surrounded_by_zeros():
    one = jnp.ones((1, 1, 1, 1))
    y = convolution.upsample_conv3x3(jnp.ones((1, 4, 4, 1)), one_tap(one))
    np.testing.assert_allclose(y[0, 1:-1, 1:-1, 0], np.ones((6, 6)), atol=1e-6)
    np.testing.assert_allclose(y[0, 0, 1:-1, 0], np.full(6, 0.75), atol=1e-6)


def one_tap(value):
    """A 3x3 kernel that only has its middle."""
    return jnp.pad(value, ((1, 1), (1, 1), (0, 0), (0, 0)))


def test_downsampling_keeps_a_constant_inside():
    y = convolution.downsample(jnp.ones((1, 8, 8, 1)))
    np.testing.assert_allclose(y[0, 1:-1, 1:-1, 0], np.ones((2, 2)), atol=1e-6)
