"""From pixels of any kind to square float images of the model's size."""

import math

import numpy as np
from PIL import Image

# ITU-R BT.601-7, section 2.5.1: the weights of R, G and B in luma.
LUMA = (0.299, 0.587, 0.114)
# The longer side of a pixel in units of the shorter one.
MAX_STRETCH = 100


def to_unit(
    pixels: np.ndarray, intensity_range: tuple[float, float] | None
) -> np.ndarray:
    """Maps source values to float32 in [0, 1], black to white.

    Args:
      pixels: any shape; booleans, integers or floats.
      intensity_range: values for black and white; what lies outside is
        clipped. None takes the whole range of an integer type and [0, 1]
        for floats.

    Raises:
      ValueError: if a value is not finite, if a float lies outside [0, 1]
        where no range is given, or if the range is none.
    """
    if not np.isfinite(pixels).all():
        raise ValueError("has pixels that are NaN or infinite")
    black, white = ends(pixels, intensity_range)
    # A float32 holds 24 bits: enough for 16-bit pixels, not for 32-bit ones.
    wide = np.float32 if pixels.dtype.itemsize <= 2 else np.float64
    # What is too large for the type is beyond white.
    with np.errstate(over="ignore"):
        span = wide(white - black)
        if not (math.isfinite(black) and 0 < span < math.inf):
            raise ValueError(
                f"has {black:g} for black and {white:g} for white; set "
                "data.intensity_range"
            )
        unit = (pixels.astype(wide) - wide(black)) / span
    return np.clip(unit, 0, 1).astype(np.float32)


def ends(
    pixels: np.ndarray, intensity_range: tuple[float, float] | None
) -> tuple[float, float]:
    """The values for black and white, as `to_unit` takes them."""
    return intensity_range or _full_range(pixels)


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """[H, W, 1 or 3] -> [H, W, channels]: luma (BT.601), or copies."""
    if image.shape[-1] == channels:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    return (image @ np.asarray(LUMA, image.dtype))[..., None]


def square(
    image: np.ndarray,
    resolution: int,
    fit: str = "pad",
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Fits an image into a square, its aspect ratio kept.

    Shrinking averages over the exact area of each new pixel; enlarging is
    bilinear. The image is centred.

    Args:
      image: float32 [H, W, C].
      resolution: side R of the square in pixels.
      fit: "pad" adds black to the shorter sides; "crop" leaves out what is
        beyond the square in the middle.
      size: height and width whose ratio is that of the image, where its
        pixels are not square.

    Returns:
      float32 [R, R, C].
    """
    height, width = size or image.shape[:2]
    if fit == "crop":
        image = _middle(image, min(height, width) / np.array([height, width]))
        height = width = resolution
    top, left, new_height, new_width = _place(resolution, height, width)
    out = np.zeros((resolution, resolution, image.shape[-1]), np.float32)
    out[top : top + new_height, left : left + new_width] = resized(
        image, new_height, new_width
    )
    return out


def unpad(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """The part of padded squares that shows the image: undoes "pad".

    Args:
      images: [..., R, R, C] as `square` makes them.
      height: of the image before, as the prepared data have it.
      width: likewise.

    Returns:
      A view [..., H', W', C] of the height and width that `square` gave it;
      the longer of them is R.
    """
    top, left, new_height, new_width = _place(images.shape[-2], height, width)
    rows = slice(top, top + new_height)
    return images[..., rows, left : left + new_width, :]


def in_square_pixels(
    height: int, width: int, spacing: tuple[float, float]
) -> tuple[int, int]:
    """Height and width in units of the shorter side of a pixel.

    Args:
      height: in pixels.
      width: in pixels.
      spacing: height and width of a pixel.

    Raises:
      ValueError: if no camera has such pixels.
    """
    unit = min(spacing)
    # Spacings are rounded in files: a difference of 1% is none.
    if not unit > 0 or max(spacing) / unit < 1.01:
        return height, width
    if max(spacing) / unit > MAX_STRETCH:
        raise ValueError(
            f"claims that its pixels are {spacing[0]:g} high and "
            f"{spacing[1]:g} wide"
        )
    return round(height * spacing[0] / unit), round(width * spacing[1] / unit)


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 [H, W, C] in [0, 1] -> [height, width, C], as in `square`."""
    before = image.shape[:2]
    if before == (height, width):
        return image
    if (height < before[0]) != (width < before[1]) and width != before[1]:
        # One side shrinks while the other is enlarged.
        image = resized(image, height, before[1])
    shrink = height < image.shape[0] or width < image.shape[1]
    resize = _shrunk if shrink else _enlarged
    planes = [
        resize(plane, height, width) for plane in np.moveaxis(image, -1, 0)
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 1)


def _place(resolution: int, height: int, width: int) -> tuple[int, ...]:
    """(top, left, height, width) of an image in its square."""
    scale = resolution / max(height, width)
    new_height = max(1, round(height * scale))
    new_width = max(1, round(width * scale))
    top = (resolution - new_height) // 2
    left = (resolution - new_width) // 2
    return top, left, new_height, new_width


def _middle(image: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """The middle of an image, by its share of the height and the width."""
    kept = np.maximum(1, np.rint(image.shape[:2] * shares)).astype(int)
    top, left = (np.array(image.shape[:2]) - kept) // 2
    return image[top : top + kept[0], left : left + kept[1]]


def model_image(
    pixels: np.ndarray,
    resolution: int,
    channels: int,
    intensity_range: tuple[float, float] | None,
    fit: str = "pad",
) -> np.ndarray:
    """[H, W, 1 or 3] of any type -> float32 [R, R, channels] in [0, 1].

    Raises:
      ValueError: as `to_unit`.
    """
    unit = to_unit(pixels, intensity_range)
    return square(with_channels(unit, channels), resolution, fit)


def _full_range(pixels: np.ndarray) -> tuple[float, float]:
    if pixels.dtype == np.bool_:
        return 0.0, 1.0
    if np.issubdtype(pixels.dtype, np.integer):
        limits = np.iinfo(pixels.dtype)
        return float(limits.min), float(limits.max)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise ValueError(
            f"has float values from {low:g} to {high:g}, outside [0, 1]; "
            "set data.intensity_range to the values for black and white"
        )
    return 0.0, 1.0


def _enlarged(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def _shrunk(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    rows = _area_means(plane, height)
    return _area_means(rows.T, width).T.astype(np.float32)


def _area_means(plane: np.ndarray, count: int) -> np.ndarray:
    """Means over `count` equal stretches of axis 0, fractions included.

    Pillow's box filter takes a pixel wholly or not at all, so it is exact
    for whole factors only.
    """
    sums = np.zeros((len(plane) + 1, plane.shape[1]))
    np.cumsum(plane, axis=0, out=sums[1:])
    edges = np.linspace(0, len(plane), count + 1)
    whole = np.minimum(edges.astype(np.int64), len(plane) - 1)
    part = (edges - whole)[:, None]
    at_edges = (1 - part) * sums[whole] + part * sums[whole + 1]
    return np.diff(at_edges, axis=0) * (count / len(plane))
