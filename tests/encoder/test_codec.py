"""Any number of images through E and G, compiled once."""

import jax
import numpy as np
import pytest

from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import networks
from jaxstyle.encoder import state as state_lib
from jaxstyle.encoder import train as encoder_train
from jaxstyle.stylegan2 import exports
from jaxstyle.stylegan2 import networks as gan_networks
from jaxstyle.stylegan2 import state as gan_state
from tests import compilations, made_run, tiny


@pytest.fixture(scope="module", params=["w", "w_plus"])
def parts(request):
    """(config, GAN, encoder, codec); three images at once, two devices."""
    config = made_run.settings("unused.npz", space=request.param, refinements=1)
    config.walk.batch_size = 3
    gan = exports.exported(gan_state.create(config))
    adam = state_lib.optimiser(config, 1, 1)
    trained = encoder_train.exported(state_lib.create(config, gan, adam))
    return config, gan, trained, codec_lib.Codec(config, gan, trained)


def test_ragged_numbers_are_as_one_by_one(parts):
    config, gan, trained, codec = parts
    images = tiny.images(7)
    rows = 1 if config.encoder.space == "w" else 4
    codes = codec.encode(images)
    assert codes.shape == (7, rows, 8) and codes.dtype == np.float32

    direct = np.broadcast_to(trained["w_mean"], codes.shape)
    for _ in range(2):
        direct = jax.jit(networks.encoder(config).apply)(
            trained["params"],
            images,
            codec.decode(direct),
            direct,
            trained["w_spread"],
        )
    np.testing.assert_allclose(codes, direct, atol=1e-5)
    again = codec.decode(codes)
    direct = jax.jit(
        lambda codes: gan_networks.generator(config).apply(
            gan["g_ema"], codes, codec.noise, method="render"
        )
    )(codes)
    np.testing.assert_allclose(again, direct, atol=1e-5)
    distance = codec.feature_distance(images, again)
    assert distance.shape == (7,)

    with compilations.counted() as count:
        for n in range(7):
            one = images[n : n + 1]
            np.testing.assert_allclose(
                codec.encode(one), codes[n : n + 1], atol=1e-5
            )
            np.testing.assert_allclose(
                codec.decode(codes[n : n + 1]), again[n : n + 1], atol=1e-5
            )
            np.testing.assert_allclose(
                codec.feature_distance(one, again[n : n + 1]),
                distance[n : n + 1],
                rtol=1e-4,
            )
        for number in (2, 3, 4, 6):
            np.testing.assert_allclose(
                codec.encode(images[:number]), codes[:number], atol=1e-5
            )
    assert count.names == []


def test_the_feature_distance_is_zero_at_home_and_counts_from_the_first(parts):
    codec = parts[-1]
    a, b = tiny.images(2), tiny.images(2, seed=1) * np.float32(0.1)
    np.testing.assert_allclose(codec.feature_distance(a, a), 0, atol=1e-6)
    there, back = codec.feature_distance(a, b), codec.feature_distance(b, a)
    assert np.all(there > 0) and np.all(np.abs(there - back) > 1e-3)


def test_sampled_codes_follow_their_seed(parts):
    config, gan, _, codec = parts
    codes = codec.sample_codes(5, seed=3)
    assert codes.shape == (5, 1, 8)
    np.testing.assert_array_equal(codes, codec.sample_codes(5, seed=3))
    assert np.all(np.any(codes != codec.sample_codes(5, seed=4), axis=-1))
    # Untruncated: those of the mapping network itself.
    z = np.random.default_rng(3).standard_normal((5, 8)).astype(np.float32)
    expected = jax.jit(
        lambda z: gan_networks.generator(config).apply(
            gan["g_ema"], z, method="map"
        )
    )(z)
    np.testing.assert_allclose(codes[:, 0], expected, atol=1e-5)


def test_no_images_are_refused(parts):
    with pytest.raises(ValueError, match="no images"):
        parts[-1].encode(tiny.images(0))
