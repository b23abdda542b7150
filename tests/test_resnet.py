"""The ResNet trunk against NumPy, and its shapes up to 256 px."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.resnet import Block, Conv3x3, ResNet, pooled


def _images(shape, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, shape)
    return values.astype(np.float32)


def _conv(x, kernel):
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    out = np.zeros((*x.shape[:3], kernel.shape[-1]))
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + height, dx : dx + width]
            out += window @ kernel[dy, dx]
    return out


def _group_norm_relu(x, params, groups):
    shape = x.shape
    grouped = x.reshape(shape[0], -1, groups, shape[-1] // groups)
    mean = grouped.mean(axis=(1, 3), keepdims=True)
    variance = grouped.var(axis=(1, 3), keepdims=True)
    x = ((grouped - mean) / np.sqrt(variance + 1e-6)).reshape(shape)
    return np.maximum(x * params["scale"] + params["bias"], 0)


def _perturbed(params):
    """Scales and biases away from 1 and 0, so that a test sees them."""
    leaves, tree = jax.tree.flatten(params)
    generator = np.random.default_rng(1)
    return jax.tree.unflatten(
        tree,
        [
            np.asarray(leaf)
            + generator.normal(0, 0.1, leaf.shape).astype(np.float32)
            for leaf in leaves
        ],
    )


@pytest.mark.parametrize("downsample", [False, True])
def test_block_is_the_paper_s_formula(downsample):
    x = _images((2, 4, 6, 8))
    width = 16 if downsample else 8
    block = Block(width, downsample=downsample)
    params = _perturbed(block.init(jax.random.key(0), x)["params"])

    h = _group_norm_relu(x, params["norm_0"], 8)
    skip = x
    if downsample:
        h = (
            h[:, ::2, ::2]
            + h[:, 1::2, ::2]
            + h[:, ::2, 1::2]
            + h[:, 1::2, 1::2]
        ) / 4
        skip = h @ params["skip"]["kernel"]
    h = _conv(h, params["conv_0"]["kernel"])
    h = _group_norm_relu(h, params["norm_1"], 8)
    expected = skip + _conv(h, params["conv_1"]["kernel"])

    actual = block.apply({"params": params}, x)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_activations_are_the_same_in_any_batch():
    x = _images((5, 16, 16, 1))
    net = ResNet((4, 8), 1)
    params = jax.jit(net.init)(jax.random.key(0), x)
    apply = jax.jit(net.apply)
    whole, one = apply(params, x), apply(params, x[3:4])
    np.testing.assert_allclose(whole[3:4], one, rtol=1e-4, atol=1e-5)
    assert whole.shape == (5, 8, 8, 8)
    assert float(whole.min()) == 0.0 < float(whole.max())


@pytest.mark.parametrize(
    "side, channels, widths, expected",
    [
        (32, 3, (16, 32, 64), (8, 8, 64)),
        (64, 1, (16, 32, 64, 128), (8, 8, 128)),
        (256, 1, (16, 32, 64, 128, 256, 256), (8, 8, 256)),
    ],
)
def test_shapes(side, channels, widths, expected):
    net = ResNet(widths, 2)
    x = jax.ShapeDtypeStruct((2, side, side, channels), jnp.float32)
    out, params = jax.eval_shape(net.init_with_output, jax.random.key(0), x)
    assert out.shape == (2, *expected)
    assert out.dtype == jnp.float32
    blocks = [name for name in params["params"] if "block" in name]
    assert len(blocks) == 2 * len(widths)


def test_he_initialisation_keeps_the_kernel_variance():
    conv = Conv3x3(64)
    params = conv.init(jax.random.key(0), jnp.zeros((1, 8, 8, 64)))
    variance = np.var(params["params"]["kernel"])
    assert variance == pytest.approx(2 / (9 * 64), rel=0.05)


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="3 x 4 pixels cannot be halved"):
        pooled(jnp.zeros((1, 3, 4, 1)))
