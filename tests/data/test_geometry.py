import numpy as np
import pytest

from jaxstyle.data import geometry, records
from tests.data import images


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32])
def test_integers_span_the_range_of_their_type(dtype):
    limits = np.iinfo(dtype)
    pixels = np.array([limits.min, limits.max], dtype)
    unit = geometry.to_unit(pixels, None)
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit, [0, 1])


def test_intensity_range_is_a_clipped_window():
    pixels = np.array([-1000, -160, 40, 240, 3000], np.int16)
    np.testing.assert_allclose(
        geometry.to_unit(pixels, (-160.0, 240.0)), [0, 0, 0.5, 1, 1]
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "NaN"), (np.inf, "infinite"), (1.5, "intensity_range")],
)
def test_floats_that_make_no_image(value, reason):
    pixels = np.array([[0.5, value]], np.float32)
    with pytest.raises(ValueError, match=reason):
        geometry.to_unit(pixels, None)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_storing_loses_nothing(dtype):
    pixels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    unit = geometry.to_unit(pixels, None)
    stored = records.to_stored(unit, np.dtype(dtype))
    np.testing.assert_array_equal(stored, pixels)
    np.testing.assert_array_equal(records.from_stored(stored), unit)


def test_stored_type_is_the_widest_needed():
    for given, expected in (
        ([np.uint8, np.bool_], np.uint8),
        ([np.uint8, np.int16], np.uint16),
        ([np.uint16, np.float16], np.float32),
        ([np.uint32], np.float32),
    ):
        dtypes = [np.dtype(dtype) for dtype in given]
        assert records.stored_dtype(dtypes) == expected


def test_grey_and_colour():
    colour = images.random_pixels(3, 4, 3).astype(np.float32) / 255
    red, green, blue = np.moveaxis(colour, -1, 0)
    grey = geometry.with_channels(colour, 1)
    np.testing.assert_allclose(
        grey[..., 0], 0.299 * red + 0.587 * green + 0.114 * blue, rtol=1e-6
    )
    back = geometry.with_channels(grey, 3)
    for channel in range(3):
        np.testing.assert_array_equal(back[..., channel], grey[..., 0])
    assert geometry.with_channels(colour, 3) is colour


def _overlaps(old: int, new: int) -> np.ndarray:
    """[new, old]: how much of each new pixel each old one covers."""
    scale = old / new
    weights = np.zeros((new, old))
    for i in range(new):
        for j in range(old):
            covered = min(j + 1, (i + 1) * scale) - max(j, i * scale)
            weights[i, j] = max(0, covered) / scale
    return weights


@pytest.mark.parametrize("channels", [1, 3])
def test_shrinking_averages_exact_areas_and_pads(channels):
    image = images.random_pixels(12, 9, channels).astype(np.float32) / 255
    out = geometry.square(image, 8)
    assert out.shape == (8, 8, channels) and out.dtype == np.float32
    # 12 x 9 become 8 x 6, centred in 8 x 8.
    expected = np.einsum(
        "yh,xw,hwc->yxc", _overlaps(12, 8), _overlaps(9, 6), image
    )
    np.testing.assert_allclose(out[:, 1:7], expected, atol=2e-7)
    assert not out[:, :1].any() and not out[:, 7:].any()


def test_whole_factors_average_blocks():
    image = images.random_pixels(16, 16, 1).astype(np.float32) / 255
    blocks = image.reshape(8, 2, 8, 2, 1).mean(axis=(1, 3))
    np.testing.assert_allclose(geometry.square(image, 8), blocks, atol=1e-7)


def test_enlarging_is_bilinear_and_pads_above_and_below():
    image = np.array([[[0.0], [1.0]]], np.float32)
    out = geometry.square(image, 8)[..., 0]
    # Centres of new pixels lie at (i + 0.5) / 4 - 0.5 in old ones.
    line = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    np.testing.assert_allclose(out[2:6], np.tile(line, (4, 1)), atol=1e-6)
    assert not out[:2].any() and not out[6:].any()


def test_an_image_of_the_right_size_is_left_alone():
    image = images.random_pixels(8, 8, 3).astype(np.float32) / 255
    np.testing.assert_array_equal(geometry.square(image, 8), image)


def test_extreme_aspect_keeps_a_pixel():
    out = geometry.square(np.ones((1, 100, 1), np.float32), 8)
    np.testing.assert_array_equal(
        out[..., 0].sum(axis=1) > 0, [0, 0, 0, 1, 0, 0, 0, 0]
    )
