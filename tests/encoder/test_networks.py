"""Shapes of E at several sizes, and where its output starts."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.config import Config, DataConfig, EncoderConfig, GanConfig
from jaxstyle.encoder import networks
from jaxstyle.stylegan2 import networks as gan_networks
from jaxstyle.stylegan2 import state as gan_state
from tests import tiny


def _config(space="w", resolution=8, widths=(8, 8)):
    return dataclasses.replace(
        tiny.config(data={"resolution": resolution}),
        encoder=EncoderConfig(space=space, widths=widths),
    )


def _statistics(width):
    random = np.random.default_rng(0)
    mean = random.normal(size=width).astype(np.float32)
    spread = random.uniform(0.1, 2, width).astype(np.float32)
    return jnp.asarray(mean), jnp.asarray(spread)


@pytest.mark.parametrize("space, rows", [("w", 1), ("w_plus", 4)])
def test_codes_of_each_space(space, rows):
    network = networks.encoder(_config(space))
    images = jnp.asarray(tiny.images(3))
    shown = jnp.asarray(tiny.images(3, seed=1))
    mean, spread = _statistics(8)
    before = jnp.broadcast_to(mean, (3, rows, 8))
    key = jax.random.PRNGKey(0)
    params = jax.jit(network.init)(key, images, shown, before, spread)
    encode = jax.jit(network.apply)
    codes = np.asarray(encode(params, images, shown, before, spread))
    assert codes.shape == (3, rows, 8) and codes.dtype == np.float32
    # Near the mean in units of the spread at the start, and not on it.
    offset = (codes - np.asarray(mean)) / np.asarray(spread)
    assert 0.05 < offset.std() < 1
    assert np.ptp(offset, axis=0).min() > 0
    # What is shown matters as much as the image.
    other = encode(params, images, images, before, spread)
    assert np.abs(other - codes).max() > 0.01
    # The head speaks in units of the spread about the present codes.
    moved = encode(params, images, shown, before + 1, 2 * spread)
    expected = np.asarray(mean) + 1 + 2 * np.asarray(spread) * offset
    np.testing.assert_allclose(moved, expected, atol=1e-5)


@pytest.mark.parametrize("space, rows", [("w", 1), ("w_plus", 14)])
def test_256_px(space, rows):
    config = Config(
        data=DataConfig(resolution=256, channels=1, source="npz", path="x"),
        gan=GanConfig(),
        encoder=EncoderConfig(
            space=space, widths=(32, 64, 128, 256, 256, 256, 256)
        ),
    )
    network = networks.encoder(config)
    images = jnp.zeros((2, 256, 256, 1))
    given = images, images, jnp.zeros((2, rows, 512)), jnp.zeros(512)
    params = jax.eval_shape(network.init, jax.random.PRNGKey(0), *given)
    codes = jax.eval_shape(network.apply, params, *given)
    assert codes.shape == (2, rows, 512)
    head = params["params"]["head"]["kernel"]
    assert head.shape == (4 * 4 * 256, rows * 512)
    noise = gan_networks.fixed_noise(config)
    generator = gan_networks.generator(config)
    rendered = jax.eval_shape(
        lambda codes: generator.init_with_output(
            jax.random.PRNGKey(0), codes, noise, method="render"
        )[0],
        codes,
    )
    assert rendered.shape == images.shape


def test_spread_of_w():
    config = _config()
    generator = gan_networks.generator(config)
    z = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    params = gan_state.create(config).g_ema
    w = np.asarray(generator.apply(params, z, method="map"))
    of_w = jax.jit(networks.spread_of_w, static_argnums=0)
    mean, spread = of_w(generator, params, z)
    np.testing.assert_allclose(mean, w.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(spread, w.std(axis=0), atol=1e-5)
    # A mapping that never moves must not lead to a division by zero.
    still = jax.tree.map(np.zeros_like, params)
    _, spread = of_w(generator, still, z)
    np.testing.assert_allclose(spread, np.full(8, 1e-3), rtol=1e-6)


def test_the_feature_network_takes_any_batch():
    """Its features are D's own, image by image."""
    config = _config()
    images = jnp.asarray(tiny.images(6))
    discriminator = gan_networks.discriminator(config)
    params = gan_state.create(config).d_params
    _, expected = jax.jit(discriminator.apply)(params, images[:4])
    # Six do not fall into groups of four.
    network = networks.feature_network(config)
    _, features = jax.jit(network.apply)(params, images)
    assert len(features) == len(expected) == 1
    assert features[0].shape == (6, 4, 4, 8)
    np.testing.assert_allclose(features[0][:4], expected[0], atol=1e-5)
