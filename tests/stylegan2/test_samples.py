"""Sample grids: their layout, and what they are drawn from."""

import numpy as np
import pytest

from jaxstyle.stylegan2 import networks, samples
from jaxstyle.stylegan2 import state as state_lib
from tests import tiny


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_is_filled_row_by_row(channels):
    random = np.random.default_rng(0)
    images = random.uniform(-1.2, 1.2, (6, 4, 5, channels)).astype(np.float32)
    picture = samples.grid(images, 3)
    assert picture.size == (3 * 5, 2 * 4)
    assert picture.mode == {1: "L", 3: "RGB"}[channels]
    pixels = np.asarray(picture).reshape(8, 15, channels)
    for number, image in enumerate(images):
        row, column = divmod(number, 3)
        tile = pixels[4 * row :, 5 * column :][:4, :5]
        exact = np.clip((np.float64(image) + 1) / 2, 0, 1) * 255
        assert np.abs(tile - exact).max() <= 0.501


def test_a_grid_shows_truncated_samples_of_the_average():
    config = tiny.config(truncation_psi=0.0)
    state = state_lib.create(config)
    w_avg = np.random.default_rng(0).standard_normal(8).astype(np.float32)
    state = state.replace(w_avg=w_avg)
    draw = samples.drawer(config)
    picture = np.asarray(draw(state))
    # At psi = 0 every sample is the image of the mean code.
    expected = networks.generator(config).apply(
        state.g_ema,
        w_avg[None],
        networks.fixed_noise(config),
        method="render",
    )
    expected = np.clip(np.asarray(expected[0]) * 127.5 + 127.5, 0, 255)
    assert picture.shape == (64, 64, 3)
    tiles = picture.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4)
    assert np.abs(tiles - expected).max() <= 0.51
    # Drawn again it is the same, whatever the raw parameters are.
    again = draw(state.replace(g_params=None))
    np.testing.assert_array_equal(picture, again)


def test_samples_of_a_grid_differ():
    config = tiny.config()
    picture = np.asarray(samples.drawer(config)(state_lib.create(config)))
    tiles = picture.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4)
    assert len(np.unique(tiles.reshape(64, -1), axis=0)) == 64
