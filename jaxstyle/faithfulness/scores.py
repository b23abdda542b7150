"""How well a map shows a mask: the same rules for every method.

Maps are [H, W] and not negative; 0 says that nothing is shown. No threshold
is tuned. A map that shows nothing gets 0 in all of them.
"""

import numpy as np
from scipy import ndimage

# Rounding tells values apart that are equal to this share.
_EQUAL = 1e-9


def iou(heat: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union with the map's strongest pixels, in [0, 1].

    As many of them are taken as the mask has, or all that are above 0 where
    those are fewer. Pixels that tie for the last places count by the share
    of them that is taken, so that no place in the image is preferred.

    Args:
      heat: [H, W], >= 0.
      mask: bool [H, W], not empty.
    """
    heat, mask = _checked(heat, mask)
    values, inside = heat.ravel(), mask.ravel()
    taken = min(int(inside.sum()), int(np.count_nonzero(values)))
    if taken == 0:
        return 0.0
    last = np.partition(values, -taken)[-taken]
    above, tied = values > last, values == last
    share = (taken - above.sum()) / tied.sum()
    hits = (above & inside).sum() + share * (tied & inside).sum()
    return float(hits / (taken + inside.sum() - hits))


def pointing(
    heat: np.ndarray, mask: np.ndarray, smoothing: float, tolerance: float
) -> float:
    """The pointing game: 1 if the map's maximum hits the mask, else 0.

    Zhang et al. 2018 (doi:10.1007/s11263-017-1059-x, section 4.1). Of
    several equal maxima the share that hits counts.

    Args:
      heat: [H, W], >= 0.
      mask: bool [H, W], not empty.
      smoothing: standard deviation in pixels of a Gaussian that the map is
        smoothed by before.
      tolerance: farthest distance in pixels from the mask that is a hit.
    """
    heat, mask = _checked(heat, mask)
    if heat.max() == 0:
        return 0.0
    # Reflected at the border, so that an even map stays even.
    smooth = ndimage.gaussian_filter(heat, smoothing, mode="reflect")
    highest = smooth >= smooth.max() * (1 - _EQUAL)
    near = np.asarray(ndimage.distance_transform_edt(~mask)) <= tolerance
    return float(np.mean(near[highest]))


def enrichment(heat: np.ndarray, mask: np.ndarray) -> float:
    """The share of the map's sum in the mask over the mask's of the area.

    1 is what a map gets by chance; the most is area / |mask|.

    Args:
      heat: [H, W], >= 0.
      mask: bool [H, W], not empty.
    """
    heat, mask = _checked(heat, mask)
    total = heat.sum()
    if total == 0:
        return 0.0
    return float(heat[mask].sum() / total / mask.mean())


def _checked(
    heat: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    heat, mask = np.asarray(heat, np.float64), np.asarray(mask, np.bool_)
    if heat.ndim != 2 or heat.shape != mask.shape or not mask.any():
        raise ValueError(
            f"a map {heat.shape} and a mask {mask.shape} of {mask.sum()} "
            "pixels: give two of one shape [H, W], and a mask with pixels"
        )
    if not np.isfinite(heat).all() or heat.min() < 0:
        raise ValueError("the map has values below 0, or that are no numbers")
    return heat, mask
