"""A frame as it leaves the project: words burned in around its pixels.

The words stand in bands above and below the image, never on it: what covers
a pixel could hide a finding, or pass for one. Both bands say that the image
is synthetic, so that either may be cropped off.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = "SYNTHETIC - NOT FOR DIAGNOSIS"

# Frames are enlarged to this side at least, by a whole factor.
_SMALLEST = 256
_SMALLEST_FONT = 14
# Of the longer side: viewers fit it to their window, words included.
_FONT_SHARE = 18
# Readable whatever window a viewer sets, and neither of them black.
_BAND, _INK = 48, 255


class Canvas(NamedTuple):
    """An image with its bands.

    Attributes:
      pixels: uint8 [H, W] or [H, W, 3].
      top: first row of the frame.
      left: its first column.
      scale: rows and columns that show each of its pixels.
    """

    pixels: np.ndarray
    top: int
    left: int
    scale: int


def drawn(frame: np.ndarray, below: Sequence[str]) -> Canvas:
    """Enlarges a frame by repetition, under `WORDS` and above more lines.

    Args:
      frame: uint8 [h, w, 1 or 3].
      below: lines of the lower band.

    Returns:
      A canvas of which the frame is the middle, pixel by pixel.
    """
    scale = max(1, math.ceil(_SMALLEST / max(frame.shape[:2])))
    image = frame.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = image.shape[:2]
    font = ImageFont.load_default(
        max(_SMALLEST_FONT, max(height, width) // _FONT_SHARE)
    )
    ascent, descent = font.getmetrics()  # type: ignore[union-attr]
    line = ascent + descent
    gap = line // 3
    widest = math.ceil(max(font.getlength(text) for text in (WORDS, *below)))
    top = line + 2 * gap
    total = max(width, widest + 2 * gap)
    left = (total - width) // 2
    under = top + height + gap
    size = (total, under + len(below) * line + gap)
    canvas = Image.new("RGB", size, (_BAND, _BAND, _BAND))
    draw = ImageDraw.Draw(canvas)
    # Where the image ends, should it be as dark as the bands.
    box = (left - 1, top - 1, left + width, top + height)
    draw.rectangle(box, outline=(_INK, _INK, _INK))
    for number, text in enumerate((WORDS, *below)):
        y = under + (number - 1) * line if number else gap
        draw.text((total / 2, y), text, (_INK, _INK, _INK), font, "ma")
    pixels = np.array(canvas)
    pixels[top : top + height, left : left + width] = image
    grey = frame.shape[-1] == 1
    return Canvas(pixels[..., 0] if grey else pixels, top, left, scale)
