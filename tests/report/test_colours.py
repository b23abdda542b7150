"""Colour maps against scalar references."""

import numpy as np
import pytest

from jaxstyle.report import colours


def _image(shape, seed):
    values = np.random.default_rng(seed).uniform(-1, 1, shape)
    return values.astype(np.float32)


def test_table_goes_from_blue_over_neutral_to_red():
    table = colours.diverging_table().astype(int)
    assert table.shape == (255, 3)
    assert len(set(table[127])) == 1 and table[127, 0] > 240
    assert (table[:120, 2] > table[:120, 0]).all()
    assert (table[135:, 0] > table[135:, 2]).all()
    light = table.sum(1)
    assert (np.diff(light[:128]) >= 0).all()
    assert (np.diff(light[127:]) <= 0).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_difference_map_pixel_by_pixel(channels):
    a, b = _image((4, 5, channels), 0), _image((4, 5, channels), 1)
    got = colours.difference_map(a, b, limit=0.4)
    table = colours.diverging_table()
    for y in range(4):
        for x in range(5):
            parts = zip(a[y, x].tolist(), b[y, x].tolist(), strict=True)
            change = sum(p - q for p, q in parts) / channels / 2
            share = min(max(change / 0.4, -1), 1)
            # No tie at this seed, so that any rounding agrees.
            np.testing.assert_array_equal(
                got[y, x], table[round(share * 127) + 127]
            )


def test_difference_map_marks_sign_and_limit():
    zero = np.zeros((2, 2, 3), np.float32)
    table = colours.diverging_table()
    for change, row in ((0.0, 127), (0.6, 254), (2.0, 254), (-0.6, 0)):
        got = colours.difference_map(zero + np.float32(change), zero)
        assert (got == table[row]).all(), change


def test_difference_map_refuses_what_does_not_fit():
    image = np.zeros((2, 2, 1), np.float32)
    with pytest.raises(ValueError, match="one shape"):
        colours.difference_map(image, np.zeros((2, 3, 1), np.float32))
    with pytest.raises(ValueError, match="positive limit"):
        colours.difference_map(image, image, 0.0)


def test_to_rgb_keeps_every_8_bit_level():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    image = levels.astype(np.float32) / np.float32(127.5) - np.float32(1)
    got = colours.to_rgb(image)
    np.testing.assert_array_equal(got, levels.repeat(3, -1))


def test_heat_is_colour_and_no_heat_is_grey():
    image = _image((8, 8, 3), 2)
    heat = np.zeros((8, 8), np.float32)
    heat[2:4] = 1
    got = colours.heatmap_overlay(image, heat).astype(int)
    spread = got.max(-1) - got.min(-1)
    assert (spread[heat == 0] == 0).all()
    assert (spread[heat == 1] > 40).all()
    grey = colours.to_rgb(image) @ np.asarray([0.299, 0.587, 0.114])
    np.testing.assert_allclose(got[0, :, 0], grey[0], atol=0.51)


def test_heat_must_have_the_images_size():
    with pytest.raises(ValueError, match="resize"):
        colours.heatmap_overlay(
            np.zeros((8, 8, 3), np.float32), np.zeros((4, 4), np.float32)
        )
