"""Shortcuts that are planted into images, so that the truth is known.

A planter is a pure function of an image, random numbers and a strength. It
returns the changed image and the pixels that it acted on; no other pixel
changes (inside, one may keep its value by chance). Places and sizes are
shares of the side; each kind has a region of its own but for the blob, so
that they rarely overlap.
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

# (image float32 [R, R, C] in [0, 1], random numbers, strength) -> (image
# likewise, mask bool [R, R]).
Planter = Callable[
    [np.ndarray, np.random.Generator, float], tuple[np.ndarray, np.ndarray]
]

# Where a kind lies, up to the jitter: rows from the top, columns from the
# left. The marker's and the texture's is that of their upper left corner.
_MARKER, _BLUR, _TEXTURE = (0.08, 0.72), (0.32, 0.55), (0.66, 0.62)
_JITTER = 1 / 16
_BLUR_RADIUS = 0.17
_BAND = (0.2, 0.3)
_BLOB_CENTRE, _BLOB_RADIUS = (0.3, 0.7), (0.12, 0.18)
_TEXTURE_SIDE = 0.25
_LETTER = np.asarray(
    [[1, 1, 1, 0], [1, 0, 0, 1], [1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 0, 1]],
    np.bool_,
)


def marker(
    image: np.ndarray, random: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A small bright letter in the upper right, as radiographs have.

    Its pixels go so far towards white, a share.
    """
    cell = _cell(image)
    letter = np.kron(_LETTER, np.ones((cell, cell), np.bool_))
    rows, columns = _window(image, random, _MARKER, letter.shape)
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[rows, columns] = letter
    return _mixed(image, np.ones_like(image), strength * mask), mask


def blur(
    image: np.ndarray, random: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A disc that is blurred by a Gaussian.

    Its standard deviation is `strength` thirty-seconds of the side.
    """
    side = len(image)
    centre = np.asarray(_BLUR) * side + random.uniform(-1, 1, 2) * (
        _JITTER * side
    )
    mask = _distances(image, centre) < _BLUR_RADIUS * side
    sigma = strength * side / 32
    smooth = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")
    return _mixed(image, smooth, mask), mask


def brightness(
    image: np.ndarray, random: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A band along the left edge that is brighter by `strength`."""
    side = len(image)
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[:, : max(1, round(random.uniform(*_BAND) * side))] = True
    return _added(image, strength * mask), mask


def blob(
    image: np.ndarray, random: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A round soft spot anywhere about the middle, as a lesion.

    Brighter by `strength` at its centre, by nothing at its rim (a
    paraboloid).
    """
    side = len(image)
    centre = random.uniform(*_BLOB_CENTRE, 2) * side
    radius = random.uniform(*_BLOB_RADIUS) * side
    share = _distances(image, centre) / max(radius, 1.0)
    mask = share < 1
    return _added(image, strength * np.where(mask, 1 - share**2, 0)), mask


def texture(
    image: np.ndarray, random: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A square of the finest chequered pattern, `strength` up and down."""
    size = max(2, round(_TEXTURE_SIDE * len(image)))
    rows, columns = _window(image, random, _TEXTURE, (size, size))
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[rows, columns] = True
    y, x = np.indices(mask.shape) // _cell(image)
    return _added(
        image, strength * np.where((y + x) % 2, mask, -1 * mask)
    ), mask


PLANTERS: dict[str, Planter] = {
    "marker": marker,
    "blur": blur,
    "brightness": brightness,
    "blob": blob,
    "texture": texture,
}


def _cell(image: np.ndarray) -> int:
    """The finest detail: a pixel at 32 px, and likewise at other sides."""
    return max(1, len(image) // 32)


def _window(
    image: np.ndarray,
    random: np.random.Generator,
    place: tuple[float, float],
    shape: tuple[int, ...],
) -> tuple[slice, slice]:
    """A window of this shape near `place`, inside of the image."""
    side = len(image)
    most = round(_JITTER * side)
    moved = np.rint(np.asarray(place) * side) + random.integers(
        -most, most + 1, 2
    )
    start = np.clip(moved, 0, side - np.asarray(shape)).astype(int)
    rows, columns = (
        slice(first, first + size)
        for first, size in zip(start.tolist(), shape, strict=True)
    )
    return rows, columns


def _distances(image: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Of each pixel's middle from a place in pixels, [R, R]."""
    y, x = np.indices(image.shape[:2]) + 0.5
    return np.hypot(y - centre[0], x - centre[1])


def _mixed(
    image: np.ndarray, other: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    return image + weight[..., None].astype(np.float32) * (other - image)


def _added(image: np.ndarray, amount: np.ndarray) -> np.ndarray:
    return np.clip(image + amount[..., None].astype(np.float32), 0, 1)
