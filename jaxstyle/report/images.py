"""Image files as data URIs, so that the page needs no other file."""

import base64
import io
from pathlib import Path

from PIL import Image

_GRID_SIDE = 1024
_MOST_GRID_BYTES = 1_500_000


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
    with Image.open(newest) as image:
        small = max(image.size) <= _GRID_SIDE
        if small and newest.stat().st_size <= _MOST_GRID_BYTES:
            return kimg, data_uri(newest)
        grid = image.convert("RGB")
    grid.thumbnail((_GRID_SIDE, _GRID_SIDE), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    grid.save(png, "PNG")
    if png.tell() <= _MOST_GRID_BYTES:
        return kimg, _uri(png.getvalue(), "png")
    # An overview only, and not evidence: here JPEG is good enough.
    jpeg = io.BytesIO()
    grid.save(jpeg, "JPEG", quality=88)
    return kimg, _uri(jpeg.getvalue(), "jpeg")


def side(path: Path) -> int:
    """Width of an image in pixels."""
    with Image.open(path) as image:
        return image.width


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
