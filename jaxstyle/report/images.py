"""Image files as data URIs, so that the page needs no other file."""

import base64
import io
import warnings
from pathlib import Path
from typing import NamedTuple

from PIL import Image

_GRID_SIZE = (1024, 1024)
_MOST_GRID_BYTES = 1_500_000
# Twice the width of the page's column, for dense displays; any height.
_COMPARISON_SIZE = (2176, 32_000)
_MOST_COMPARISON_BYTES = 4_000_000


class Bounded(NamedTuple):
    """A picture of bounded size.

    Attributes:
      uri: data URI.
      size: width and height in pixels.
      smaller: whether it is less than the file.
    """

    uri: str
    size: tuple[int, int]
    smaller: bool


def data_uri(path: Path) -> str:
    """The PNG as it is, byte for byte."""
    return _uri(path.read_bytes(), "png")


def sample_grid(folder: Path) -> tuple[float, str] | None:
    """The sample grid of the longest training, made small where it is huge.

    Args:
      folder: of `kimg_00012.5.png` and the like, whose names sort by time.

    Returns:
      Thousands of training images from its name, and its data URI; None
      if there is none.
    """
    newest = max(folder.glob("kimg_*.png"), default=None)
    if newest is None:
        return None
    kimg = float(newest.stem.removeprefix("kimg_"))
    return kimg, _bounded(newest, _GRID_SIZE, _MOST_GRID_BYTES).uri


def comparison(path: Path) -> Bounded | None:
    """The picture of a comparison, made small where it is huge.

    Returns:
      None where there is no such file or Pillow refuses its size.
    """
    if not path.exists():
        return None
    try:
        return _bounded(path, _COMPARISON_SIZE, _MOST_COMPARISON_BYTES)
    except Image.DecompressionBombError:
        return None


def side(path: Path) -> int:
    """Width of an image in pixels."""
    with Image.open(path) as image:
        return image.width


def _bounded(path: Path, size: tuple[int, int], most: int) -> Bounded:
    """The picture at most of this size, and of so many bytes if PNG can."""
    with warnings.catch_warnings():
        # Our own file, which is large because the images are.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        opened = Image.open(path)
    with opened as image:
        small = all(a <= b for a, b in zip(image.size, size, strict=True))
        if small and path.stat().st_size <= most:
            return Bounded(data_uri(path), image.size, False)
        picture = image.convert("RGB")
    picture.thumbnail(size, Image.Resampling.LANCZOS)
    png = io.BytesIO()
    picture.save(png, "PNG")
    if png.tell() <= most:
        return Bounded(_uri(png.getvalue(), "png"), picture.size, True)
    # An overview only, and not evidence: here JPEG is good enough.
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=88)
    return Bounded(_uri(jpeg.getvalue(), "jpeg"), picture.size, True)


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
