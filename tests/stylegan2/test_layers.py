"""The layers against the papers' equations, in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.stylegan2 import layers
from tests import reference

KEY = jax.random.PRNGKey(0)


def _normal(seed, *shape):
    random = np.random.default_rng(seed)
    return random.standard_normal(shape).astype(np.float32)


def _scrambled(layer, *inputs):
    """Initial parameters with the zeros replaced by numbers that show."""
    params = layer.init(KEY, *inputs)
    leaves, tree = jax.tree.flatten(params)
    leaves = [
        leaf + 0.3 * _normal(number, *leaf.shape)
        for number, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(tree, leaves)


def _modulated_by_definition(x, params, w, up, demodulate):
    """Equations 1 to 3 with a kernel per image."""
    affine, kernel = params["affine"], np.float64(params["kernel"])
    matrix = np.float64(affine["kernel"]) / np.sqrt(w.shape[1])
    styles = w @ matrix + np.float64(affine["bias"])
    kernel = kernel / np.sqrt(np.prod(kernel.shape[:3]))
    images = []
    for image, style in zip(x, styles, strict=True):
        own = kernel * style[None, None, :, None]
        if demodulate:
            own = own / np.sqrt(np.sum(own**2, axis=(0, 1, 2)) + 1e-8)
        apply = reference.upsample_conv3x3 if up else reference.conv
        images.append(apply(image[None], own)[0])
    return np.stack(images)


@pytest.mark.parametrize(
    ("size", "up", "demodulate"),
    [(3, False, True), (3, True, True), (3, False, False), (1, False, False)],
)
def test_modulated_convolution_is_a_kernel_per_image(size, up, demodulate):
    layer = layers.ModulatedConv(
        4, kernel_size=size, up=up, demodulate=demodulate
    )
    x, w = _normal(1, 3, 4, 6, 5), _normal(2, 3, 7)
    params = _scrambled(layer, x, w)
    expected = _modulated_by_definition(x, params["params"], w, up, demodulate)
    np.testing.assert_allclose(layer.apply(params, x, w), expected, atol=1e-5)


def test_demodulated_outputs_have_unit_variance():
    layer = layers.ModulatedConv(32)
    # Styles far from 1, which demodulation must undo.
    x, w = _normal(1, 8, 18, 18, 64), 5 * _normal(2, 8, 16)
    y = np.asarray(layer.apply(layer.init(KEY, x, w), x, w))
    by_image = np.var(y[:, 1:-1, 1:-1], axis=(1, 2, 3))
    np.testing.assert_allclose(by_image, np.ones(8), atol=0.1)


def test_without_demodulation_the_style_sets_the_variance():
    layer = layers.ModulatedConv(32, demodulate=False)
    x, w = _normal(1, 4, 16, 16, 64), 5 * _normal(2, 4, 16)
    params = layer.init(KEY, x, w)
    y = np.asarray(layer.apply(params, x, w))[:, 1:-1, 1:-1]
    matrix = np.asarray(params["params"]["affine"]["kernel"]) / 4
    power = np.mean((w @ matrix + 1) ** 2, axis=1)
    np.testing.assert_allclose(np.var(y, axis=(1, 2, 3)), power, rtol=0.2)


@pytest.mark.parametrize("slow", [1.0, 0.01])
def test_dense_scales_its_weights_at_run_time(slow):
    layer = layers.Dense(48, bias_init=2.0, lr_multiplier=slow)
    x = _normal(1, 64, 300)
    params = layer.init(KEY, x)
    kernel = np.float64(params["params"]["kernel"])
    bias = np.float64(params["params"]["bias"])
    # What is stored has variance 1 / slow^2 ...
    assert kernel.std() * slow == pytest.approx(1, rel=0.02)
    np.testing.assert_allclose(bias, np.full(48, 2.0 / slow), rtol=1e-6)
    # ... and what is applied keeps the variance of the input.
    y = np.asarray(layer.apply(params, x))
    np.testing.assert_allclose(
        y, slow * (x @ kernel / np.sqrt(300) + bias), atol=1e-4
    )
    assert np.std(y - 2) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("slow", [1.0, 0.01])
def test_lr_multiplier_slows_the_function_down(slow):
    """A step of fixed size on the parameters moves outputs by `slow`."""
    layer = layers.Dense(4, lr_multiplier=slow)
    x = _normal(1, 2, 16)
    params = layer.init(KEY, x)
    grads = jax.grad(lambda p: jnp.sum(layer.apply(p, x)))(params)["params"]
    expected = np.sum(x, axis=0)[:, None] * slow / 4 * np.ones((1, 4))
    np.testing.assert_allclose(grads["kernel"], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(grads["bias"], np.full(4, 2 * slow), rtol=1e-5)


def test_leaky_relu():
    x = jnp.asarray([-2.0, -0.5, 0.0, 3.0])
    expected = np.sqrt(2) * np.array([-0.4, -0.1, 0.0, 3.0])
    np.testing.assert_allclose(layers.leaky_relu(x), expected, rtol=1e-6)


def test_second_moment_becomes_one():
    z = 3 * _normal(1, 4, 50) + 1
    y = np.asarray(layers.normalise_second_moment(z))
    np.testing.assert_allclose(np.mean(y**2, axis=1), np.ones(4), rtol=1e-5)
    ratio = y / z
    np.testing.assert_allclose(
        ratio, np.broadcast_to(ratio[:, :1], z.shape), rtol=1e-4
    )
    assert np.all(np.isfinite(layers.normalise_second_moment(0 * z)))


def _deviation_by_definition(x, group):
    planes = []
    for start in range(0, len(x), group):
        images = np.float64(x[start : start + group])
        value = np.mean(np.sqrt(np.var(images, axis=0) + 1e-8))
        planes += [np.full((*x.shape[1:3], 1), value)] * group
    return np.concatenate([x, np.stack(planes)], axis=3)


@pytest.mark.parametrize("group", [1, 2, 4, 8])
def test_minibatch_deviation_is_its_definition(group):
    # Each image has a scale of its own, so that groups show.
    scale = np.arange(1, 9, dtype=np.float32)[:, None, None, None]
    x = _normal(1, 8, 3, 4, 5) * scale
    y = layers.minibatch_deviation(jnp.asarray(x), group)
    np.testing.assert_allclose(
        y, _deviation_by_definition(x, group), rtol=1e-4, atol=1e-4
    )


def test_minibatch_deviation_of_a_split_batch_is_that_of_the_whole():
    x = jnp.asarray(_normal(1, 8, 3, 3, 2))
    whole = layers.minibatch_deviation(x, 4)
    parts = [layers.minibatch_deviation(x[i : i + 4], 4) for i in (0, 4)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))
    assert float(whole[0, 0, 0, -1]) != float(whole[4, 0, 0, -1])


def test_minibatch_deviation_of_equal_images_has_a_finite_gradient():
    x = jnp.ones((4, 2, 2, 1))
    slope = jax.grad(lambda x: jnp.sum(layers.minibatch_deviation(x, 4)))(x)
    assert np.all(np.isfinite(slope))


def test_styled_layer_adds_noise_and_bias_before_its_activation():
    layer = layers.StyledLayer(4)
    x, w, noise = (
        _normal(1, 2, 4, 4, 3),
        _normal(2, 2, 5),
        _normal(3, 2, 4, 4, 1),
    )
    params = _scrambled(layer, x, w, noise)
    own = params["params"]
    before = _modulated_by_definition(x, own["conv"], w, False, True)
    expected = reference.leaky_relu(
        before
        + noise * np.float64(own["noise_strength"])
        + np.float64(own["bias"])
    )
    actual = layer.apply(params, x, w, noise)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_one_noise_serves_all_images():
    layer = layers.StyledLayer(4, up=True)
    x, w, noise = (
        _normal(1, 2, 4, 4, 3),
        _normal(2, 2, 5),
        _normal(3, 1, 8, 8, 1),
    )
    params = _scrambled(layer, x, w, noise)
    np.testing.assert_array_equal(
        layer.apply(params, x, w, noise),
        layer.apply(params, x, w, np.repeat(noise, 2, axis=0)),
    )


def test_noise_has_no_say_at_first():
    layer = layers.StyledLayer(4)
    x, w, noise = (
        _normal(1, 2, 4, 4, 3),
        _normal(2, 2, 5),
        _normal(3, 2, 4, 4, 1),
    )
    params = layer.init(KEY, x, w, noise)
    np.testing.assert_array_equal(
        layer.apply(params, x, w, noise), layer.apply(params, x, w, 0 * noise)
    )


def test_to_rgb_modulates_without_demodulation():
    layer = layers.ToRGB(3)
    x, w = _normal(1, 2, 4, 4, 6), _normal(2, 2, 5)
    params = _scrambled(layer, x, w)
    own = params["params"]
    expected = _modulated_by_definition(x, own["conv"], w, False, False)
    expected = expected + np.float64(own["bias"])
    np.testing.assert_allclose(layer.apply(params, x, w), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "down", "activate", "definition"),
    [
        (3, False, True, reference.conv),
        (3, True, True, reference.downsample_conv3x3),
        (1, False, True, reference.conv),
        (
            1,
            True,
            False,
            lambda x, kernel: reference.conv(reference.downsample(x), kernel),
        ),
    ],
)
def test_plain_convolution(size, down, activate, definition):
    layer = layers.Conv(4, kernel_size=size, down=down, activate=activate)
    x = _normal(1, 2, 6, 4, 5)
    params = _scrambled(layer, x)
    own = params["params"]
    kernel = np.float64(own["kernel"]) / np.sqrt(size * size * 5)
    expected = definition(x, kernel)
    if activate:
        expected = reference.leaky_relu(expected + np.float64(own["bias"]))
    assert ("bias" in own) == activate
    np.testing.assert_allclose(layer.apply(params, x), expected, atol=1e-5)
