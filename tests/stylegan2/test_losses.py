"""The logistic losses against NumPy; latents and noise of a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.stylegan2 import losses, networks
from tests import tiny

KEY = jax.random.PRNGKey(0)


# --- logistic losses


def test_logistic_losses():
    logits = np.float32([-3.0, -0.2, 0.0, 1.5])
    sigmoid = 1 / (1 + np.exp(-np.float64(logits)))
    to_real, to_fake = -np.log(sigmoid).mean(), -np.log(1 - sigmoid).mean()
    given = jnp.asarray(logits)
    assert float(losses.generator_loss(given)) == pytest.approx(to_real)
    assert float(losses.real_loss(given)) == pytest.approx(to_real)
    assert float(losses.fake_loss(given)) == pytest.approx(to_fake)


def test_logistic_losses_and_slopes_of_certain_logits_are_finite():
    logits = jnp.asarray([-1e4, 1e4])
    for loss, mean, slope in (
        (losses.generator_loss, 5e3, [-0.5, 0.0]),
        (losses.real_loss, 5e3, [-0.5, 0.0]),
        (losses.fake_loss, 5e3, [0.0, 0.5]),
    ):
        value, gradient = jax.value_and_grad(loss)(logits)
        assert float(value) == pytest.approx(mean)
        np.testing.assert_allclose(gradient, slope, atol=1e-6)


# --- latents and noise

SHARE, ROWS, COUNT = 0.8, 8, 4096


@pytest.fixture(scope="module")
def mixer():
    """mixed(key, ids, share) of 32 px, where L = 8."""
    config = tiny.config(data={"resolution": 32})
    generator = networks.generator(config)
    z_dim = config.gan.z_dim
    mapping = networks.Mapping(config.gan.w_dim, config.gan.mapping_layers)
    own = mapping.init(KEY, jnp.ones((1, z_dim)))
    params = {"params": {"mapping": own["params"]}}

    def mixed(key, ids, share):
        ws, w = losses.mixed_codes(generator, params, key, ids, z_dim, share)
        return np.asarray(ws), np.asarray(w)

    return mixed


@pytest.fixture(scope="module")
def mixture(mixer):
    return mixer(KEY, jnp.arange(COUNT), SHARE)


def _first_rows(ws, w):
    """How many rows from the start hold the first code: [B]."""
    return np.sum(np.all(ws == w[:, None], axis=2), axis=1)


def test_a_mixed_image_takes_its_fine_rows_from_one_other_code(mixture):
    ws, w = mixture
    assert ws.shape == (COUNT, ROWS, 8) and w.shape == (COUNT, 8)
    cuts = _first_rows(ws, w)
    assert cuts.min() == 1
    for code, first, cut in zip(ws, w, cuts, strict=True):
        np.testing.assert_array_equal(
            code[:cut], np.broadcast_to(first, (cut, 8))
        )
        if cut < ROWS:
            np.testing.assert_array_equal(
                code[cut:], np.broadcast_to(code[-1], (ROWS - cut, 8))
            )
            assert not np.any(code[-1] == first)


def test_the_share_of_mixed_images_and_their_cuts(mixture):
    cuts = _first_rows(*mixture)
    mixed = cuts[cuts < ROWS]
    # Four standard deviations of a share of 4096 draws.
    assert len(mixed) / COUNT == pytest.approx(SHARE, abs=0.025)
    shares = np.bincount(mixed, minlength=ROWS)[1:] / len(mixed)
    np.testing.assert_allclose(shares, np.full(7, 1 / 7), atol=0.026)


@pytest.mark.parametrize(("share", "mixed"), [(0.0, False), (1.0, True)])
def test_no_image_or_every_image_is_mixed(mixer, share, mixed):
    cuts = _first_rows(*mixer(KEY, jnp.arange(64), share))
    assert np.all((cuts < ROWS) == mixed)


def test_codes_depend_on_the_sample_not_on_the_batch(mixer, mixture):
    ws, w = mixer(KEY, jnp.arange(60, 70), SHARE)
    np.testing.assert_allclose(ws, mixture[0][60:70], atol=1e-5)
    np.testing.assert_allclose(w, mixture[1][60:70], atol=1e-5)
    other, _ = mixer(jax.random.PRNGKey(1), jnp.arange(60, 70), SHARE)
    assert not np.any(np.all(other == ws, axis=(1, 2)))


def test_layer_noise_is_fresh_for_each_layer_and_sample():
    shapes = networks.noise_shapes(8)
    ids = jnp.arange(64)
    noise = losses.layer_noise(KEY, ids, shapes)
    assert [n.shape for n in noise] == [(64, *shape) for shape in shapes]
    for layer in noise:
        assert np.mean(layer) == pytest.approx(0, abs=4 / np.sqrt(layer.size))
        assert np.var(layer) == pytest.approx(1, abs=6 / np.sqrt(layer.size))
        assert len(np.unique(layer[:, 0, 0, 0])) == 64
    # Layers of one size do not share their numbers.
    assert not np.any(noise[1] == noise[2])
    part = losses.layer_noise(KEY, ids[32:], shapes)
    np.testing.assert_array_equal(part[2], noise[2][32:])
