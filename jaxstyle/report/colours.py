"""Colour maps: signed differences, and heat laid over an image."""

import numpy as np

# Differences beyond this share of the full intensity range are drawn in the
# strongest colour. It is fixed, so that strips can be compared with another.
DIFFERENCE_LIMIT = 0.3

_DIVERGING = (
    (13, 42, 108),
    (58, 128, 200),
    (248, 248, 248),
    (222, 92, 66),
    (122, 8, 30),
)
_HEAT = ((66, 10, 104), (188, 48, 80), (249, 142, 9), (252, 245, 160))
_LUMINANCE = np.asarray([0.299, 0.587, 0.114], np.float32)
_STRONGEST_HEAT = 0.75


def diverging_table() -> np.ndarray:
    """Colours from darker (blue) over no change (light) to brighter (red).

    Returns:
      uint8 [255, 3]; row 127 is exactly "no change".
    """
    return _interpolated(_DIVERGING, np.linspace(0.0, 1.0, 255))


def to_rgb(image: np.ndarray) -> np.ndarray:
    """float [H, W, 1 or 3] in [-1, 1] as uint8 [H, W, 3]."""
    levels = np.rint((np.clip(image, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.broadcast_to(levels, (*levels.shape[:2], 3))


def difference_map(
    a: np.ndarray, b: np.ndarray, limit: float = DIFFERENCE_LIMIT
) -> np.ndarray:
    """Where `a` is brighter (red) or darker (blue) than `b`.

    Args:
      a: float [H, W, C] in [-1, 1], the counterfactual.
      b: float [H, W, C] in [-1, 1], the reconstruction.
      limit: mean change over the channels, as a share of the full intensity
        range, that gets the strongest colour.

    Returns:
      uint8 [H, W, 3].

    Raises:
      ValueError: if the shapes differ or `limit` is not positive.
    """
    if a.shape != b.shape or limit <= 0:
        raise ValueError(
            f"shapes {a.shape} and {b.shape}, limit {limit}: give two images "
            "of one shape and a positive limit"
        )
    change = (a.astype(np.float64) - b.astype(np.float64)).mean(-1) / 2
    share = np.clip(change / limit, -1, 1)
    # Half up, as Math.round does in the page's script.
    index = np.floor(share * 127 + 0.5).astype(np.int32) + 127
    return diverging_table()[index]


def heatmap_overlay(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Heat in colour over the image in grey, so that colour means heat only.

    Args:
      image: float [H, W, 1 or 3] in [-1, 1].
      heat: float [H, W] in [0, 1]; 0 leaves the grey image visible.

    Returns:
      uint8 [H, W, 3].

    Raises:
      ValueError: if the heat map's size is not the image's.
    """
    if heat.shape != image.shape[:2]:
        raise ValueError(
            f"heat {heat.shape} does not fit the image {image.shape}; resize "
            "it to the image first"
        )
    heat = np.clip(heat, 0, 1)
    grey = (to_rgb(image).astype(np.float32) @ _LUMINANCE)[..., None]
    colour = _interpolated(_HEAT, heat).astype(np.float32)
    opacity = _STRONGEST_HEAT * heat[..., None]
    blended = grey * (1 - opacity) + colour * opacity
    return np.rint(blended).astype(np.uint8)


def _interpolated(
    anchors: tuple[tuple[int, int, int], ...], where: np.ndarray
) -> np.ndarray:
    stops = np.linspace(0.0, 1.0, len(anchors))
    channels = [
        np.interp(where, stops, values) for values in zip(*anchors, strict=True)
    ]
    return np.rint(np.stack(channels, -1)).astype(np.uint8)
