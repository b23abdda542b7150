"""Walks against G called by hand, on one device."""

import jax
import numpy as np
import pytest
from PIL import Image

from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import state as state_lib
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import render_files, walk
from jaxstyle.explain.direction import Linear, Region
from jaxstyle.stylegan2 import exports
from jaxstyle.stylegan2 import networks as gan_networks
from jaxstyle.stylegan2 import state as gan_state
from tests import compilations, made_run, tiny


class Brightness:
    def predict(self, images):
        return images.mean(axis=(1, 2, 3))[:, None]


@pytest.fixture(scope="module", params=["w", "w_plus"])
def parts(request):
    """(config, codec, direction, walker); three at once, on two devices."""
    config = made_run.settings("unused.npz", space=request.param)
    config.walk.batch_size = 3
    gan = exports.exported(gan_state.create(config))
    adam = state_lib.optimiser(config, 1, 1)
    trained = encoder_train.exported(state_lib.create(config, gan, adam))
    codec = codec_lib.Codec(config, gan, trained)
    alpha = np.random.default_rng(0).normal(size=8).astype(np.float32)
    alpha /= np.linalg.norm(alpha)
    region = Region(np.zeros(8), np.eye(8), 5.0)
    direction = Linear(alpha, alpha.astype(np.float64), 0.0, region)
    walker = walk.Walker(config, codec, direction, Brightness())
    return config, codec, direction, walker


def _lambdas(count, frames=4, seed=0):
    random = np.random.default_rng(seed)
    return np.sort(random.normal(size=(count, frames)) * 2).astype(np.float32)


def test_frames_are_those_of_moved_codes(parts):
    """Also with two devices, and three images at once, for five."""
    config, codec, direction, walker = parts
    codes, lambdas = codec.encode(tiny.images(5)), _lambdas(5)
    frames = walker.frames(codes, lambdas)
    assert frames.shape == (5, 4, 8, 8, 3) and frames.dtype == np.float32

    generator = gan_networks.generator(config)
    noise = gan_networks.fixed_noise(config)
    render_one = jax.jit(
        lambda code: generator.apply(
            codec.gan["g_ema"], code[None], noise, method="render"
        )[0]
    )
    for n in range(5):
        for k in range(4):
            moved = codes[n] + lambdas[n, k] * direction.alpha
            expected = np.clip(render_one(moved), -1, 1)
            # A level is 2 / 255 wide, and rounding may go either way.
            assert np.abs(frames[n, k] - expected).max() < 1.1 / 255
    # They do move, and by more than a level.
    assert np.abs(frames[:, 0] - frames[:, -1]).max() > 0.1


def test_no_recompilation_over_a_ragged_folder(parts):
    _, codec, _, walker = parts
    codes, lambdas = codec.encode(tiny.images(9)), _lambdas(9)
    expected = walker.frames(codes, lambdas)
    with compilations.counted() as count:
        for size in (1, 2, 3, 4, 7, 9):
            frames = walker.frames(codes[:size], lambdas[:size])
            assert np.abs(frames - expected[:size]).max() < 2.1 / 255
            assert np.mean(frames != expected[:size]) < 0.01
    assert count.names == []


def test_f_judges_the_frames_that_are_shown(parts):
    _, codec, _, walker = parts
    codes, lambdas = codec.encode(tiny.images(4)), _lambdas(4)
    frames = walker.frames(codes, lambdas)
    expected = (frames / 2 + 0.5).mean(axis=(2, 3, 4))
    judged = walker.judge(codes, lambdas)
    assert judged.shape == (4, 4)
    np.testing.assert_allclose(judged, expected, atol=1e-3)
    np.testing.assert_allclose(walker.judge_frames(frames), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_as_stored_is_a_trip_through_a_file(channels, tmp_path):
    random = np.random.default_rng(channels)
    image = random.uniform(-1.2, 1.2, (16, 16, channels)).astype(np.float32)
    stored = walk.as_stored(image)
    for name, pixels in (("once", image), ("twice", stored)):
        render_files.save_png(tmp_path / f"{name}.png", pixels)
        levels = np.asarray(Image.open(tmp_path / f"{name}.png"))
        assert levels.dtype == np.uint8
        read = levels.reshape(image.shape) / 127.5 - 1
        np.testing.assert_allclose(stored, read, atol=1e-6)
    assert stored.dtype == np.float32
    assert np.abs(stored - np.clip(image, -1, 1)).max() <= 1 / 255 + 1e-6
