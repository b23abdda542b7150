"""What is burned in, and that no pixel of the image is touched."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from jaxstyle.clinical import canvas

LINES = ["SYNTHETIC walk, 2 of 11", "lambda = -1.5, f = 0.031"]


def _frame(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _inside(drawn, frame):
    height, width = np.multiply(frame.shape[:2], drawn.scale)
    rows = slice(drawn.top, drawn.top + height)
    return drawn.pixels[rows, drawn.left : drawn.left + width]


@pytest.mark.parametrize(
    "shape, scale",
    [
        ((32, 32, 3), 8),
        ((8, 16, 1), 16),
        ((60, 30, 3), 5),
        ((256, 256, 1), 1),
        ((1024, 512, 1), 1),
    ],
)
def test_every_pixel_of_the_frame_is_there(shape, scale):
    frame = _frame(*shape)
    drawn = canvas.drawn(frame, LINES)
    assert drawn.scale == scale
    expected = np.kron(frame, np.ones((scale, scale, 1), np.uint8))
    if shape[-1] == 1:
        expected = expected[..., 0]
    assert drawn.pixels.dtype == np.uint8
    np.testing.assert_array_equal(_inside(drawn, frame), expected)


def _text_alone(text, size):
    """Bright pixels of a text, by Pillow, cut out."""
    image = Image.new("L", (60 * size, 4 * size), 48)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text((30 * size, size), text, 255, font, "ma")
    return _cut_out(np.asarray(image))


def _cut_out(pixels):
    bright = pixels > 150
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    return bright[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize("shape, size", [((32, 32, 1), 14), ((900, 9, 1), 50)])
def test_the_words_can_be_read_in_the_bands(shape, size):
    frame = _frame(*shape)
    drawn = canvas.drawn(frame, LINES)
    # Without the line at the image's edge.
    above = drawn.pixels[: drawn.top - 1]
    # Half a pixel of centring may blur what is left and right of a letter.
    wanted = _text_alone(canvas.WORDS, size)
    found = _cut_out(above)
    assert found.shape[0] == wanted.shape[0]
    assert abs(found.shape[1] - wanted.shape[1]) <= 1
    assert found.sum() == pytest.approx(wanted.sum(), rel=0.1)
    below = drawn.pixels[drawn.top + shape[0] * drawn.scale + 1 :]
    lines = sum(_text_alone(text, size).sum() for text in LINES)
    assert (below > 150).sum() == pytest.approx(lines, rel=0.1)
    # None of them is cut off.
    for band in (above, below):
        edges = (band[0], band[-1], band[:, 0], band[:, -1])
        assert all(np.unique(edge).tolist() == [48] for edge in edges)


def test_other_numbers_are_other_pixels():
    frame = _frame(32, 32, 3)
    one = canvas.drawn(frame, LINES).pixels
    other = canvas.drawn(frame, [LINES[0], "lambda = -1.5, f = 0.032"]).pixels
    assert one.shape == other.shape
    differ = np.flatnonzero((one != other).any(axis=(1, 2)))
    assert len(differ) and differ[0] > 32 * 8


def test_a_black_image_can_be_told_from_its_bands():
    frame = np.zeros((8, 16, 1), np.uint8)
    drawn = canvas.drawn(frame, LINES)
    inside = _inside(drawn, frame)
    assert not inside.any()
    # All around it is drawn a line, where there is room.
    height, width = inside.shape
    assert (drawn.pixels[drawn.top - 1, drawn.left :][:width] == 255).all()
    assert (drawn.pixels[drawn.top + height, drawn.left :][:width] == 255).all()
    narrow = canvas.drawn(np.zeros((16, 4, 1), np.uint8), LINES)
    assert narrow.left > 0
    assert (narrow.pixels[narrow.top :, narrow.left - 1][:256] == 255).all()
    assert (narrow.pixels[:, 0] == 48).all()
