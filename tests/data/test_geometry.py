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


@pytest.mark.parametrize("shape", [(12, 9), (9, 12), (8, 8), (5, 16), (1, 3)])
def test_unpadding_gives_the_image_back(shape):
    image = images.random_pixels(*shape, 3).astype(np.float32) / 255
    image[image == 0] = 0.5
    squares = np.stack([geometry.square(image, 8)] * 2)
    out = geometry.unpad(squares, *shape)
    assert out.shape[0] == 2 and max(out.shape[1:3]) == 8
    # All that is not black, and nothing else.
    assert (out > 0).all()
    assert (squares > 0).sum() == out.size
    ratio = out.shape[1] / out.shape[2]
    assert abs(np.log(ratio / (shape[0] / shape[1]))) < np.log(1.5)


@pytest.mark.parametrize("shape", [(12, 8), (8, 12), (7, 16)])
def test_cropping_takes_the_middle(shape):
    image = images.random_pixels(*shape, 1).astype(np.float32) / 255
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    middle = image[top : top + side, left : left + side]
    np.testing.assert_allclose(
        geometry.square(image, 8, "crop"), geometry.square(middle, 8)
    )


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_flat_pixels_are_stretched(fit):
    """Pixels of 2 x 1 mm: as if each row were there twice."""
    image = images.random_pixels(6, 8, 1).astype(np.float32) / 255
    size = geometry.in_square_pixels(6, 8, (2.0, 1.0))
    assert size == (12, 8)
    out = geometry.square(image, 8, fit, size)
    # Rows of the same height as 8 of 12 or all 12 pixels; bilinear between.
    whole = geometry.resized(image, 12, 8)
    expected = geometry.square(whole, 8, fit)
    assert np.abs(out - expected).mean() < 0.1
    height, width = np.nonzero(out[..., 0])[0], np.nonzero(out[..., 0])[1]
    spans = np.ptp(height) + 1, np.ptp(width) + 1
    assert spans == ((8, 5) if fit == "pad" else (8, 8))
    assert geometry.in_square_pixels(6, 8, (1.0, 1.005)) == (6, 8)
    assert geometry.in_square_pixels(6, 8, (0.0, 1.0)) == (6, 8)


def test_one_side_shrinks_while_the_other_grows():
    image = images.random_pixels(16, 4, 1).astype(np.float32) / 255
    out = geometry.resized(image, 8, 8)
    rows = image.reshape(8, 2, 4, 1).mean(axis=1)
    np.testing.assert_allclose(out, geometry.resized(rows, 8, 8), atol=1e-6)
    assert np.abs(out[:, ::2] - rows).max() < 0.5
