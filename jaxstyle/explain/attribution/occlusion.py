"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxstyle import parallel
from jaxstyle.classifier.networks import Classifier
from jaxstyle.explain.attribution.grad_cam import Heatmaps


def heatmaps(
    network: Classifier,
    params: Any,
    batch_size: int,
    fill: np.ndarray,
    patch: int,
    stride: int,
) -> Heatmaps:
    """How much a classifier's logit falls where an image is covered.

    Args:
      network: a classifier with one logit.
      params: its parameters.
      batch_size: occluded images in one call.
      fill: float32 [H, W, C] in [-1, 1], what covers, such as the mean image.
      patch: side of the squares in pixels.
      stride: pixels from one to the next.

    Returns:
      `heatmaps(images, signs)`: maps float32 [N, H, W] of the fall of
      sign * logit, signed. Any N, compiled once.
    """
    run = parallel.batched(network.apply, batch_size)

    def score(images: np.ndarray) -> np.ndarray:
        return run(params, images)[:, 0]

    def apply(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
        maps = [
            np.float32(sign) * occlusion(score, image, fill, patch, stride)
            for image, sign in zip(images, signs, strict=True)
        ]
        return np.stack(maps)

    return apply


def occlusion(
    score: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    fill: np.ndarray,
    patch: int,
    stride: int,
) -> np.ndarray:
    """The mean fall of the score over the squares that cover a pixel.

    The last square of a row or column ends at the border, so that each
    pixel is covered.

    Args:
      score: images float32 [M, H, W, C] -> [M]; a black box will do.
      image: float32 [H, W, C].
      fill: likewise, what covers.
      patch: side of the squares in pixels, at most that of the image.
      stride: pixels from one to the next, at most `patch`.

    Returns:
      float32 [H, W].

    Raises:
      ValueError: if squares are larger than the image, or leave gaps.
    """
    height, width = image.shape[:2]
    if not 0 < stride <= patch <= min(height, width):
        raise ValueError(
            f"patch = {patch}, stride = {stride}: use 0 < stride <= patch <= "
            f"the side of the {height} x {width} image"
        )
    windows = [
        (slice(top, top + patch), slice(left, left + patch))
        for top in _starts(height, patch, stride)
        for left in _starts(width, patch, stride)
    ]
    shown = np.repeat(image[None].astype(np.float32), len(windows) + 1, axis=0)
    for copy, window in zip(shown[1:], windows, strict=True):
        copy[window] = fill[window]
    scores = score(shown)
    total, covers = np.zeros((2, height, width), np.float32)
    for window, fall in zip(windows, scores[0] - scores[1:], strict=True):
        total[window] += fall
        covers[window] += 1
    return total / covers


def _starts(side: int, patch: int, stride: int) -> list[int]:
    return sorted({*range(0, side - patch + 1, stride), side - patch})
