"""How alike two images are, pixel by pixel."""

import numpy as np
from skimage import metrics

RANGE = 2.0  # From -1 to 1.
MOST_PSNR = 100.0
_SMALL_SIDE = 16


def l1(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference of each pair of images.

    Args:
      a: [N, H, W, C] in [-1, 1].
      b: likewise.

    Returns:
      float64 [N] in [0, 2].
    """
    a, b = _checked(a, b)
    return np.mean(np.abs(a - b), axis=(1, 2, 3))


def psnr(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, float64 [N].

    At most 100 dB, which equal images get instead of infinity.

    Args:
      a: [N, H, W, C] in [-1, 1].
      b: likewise.
    """
    a, b = _checked(a, b)
    error = np.mean(np.square(a - b), axis=(1, 2, 3))
    least = RANGE**2 / 10 ** (MOST_PSNR / 10)
    return 10 * np.log10(RANGE**2 / np.maximum(error, least))


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Structural similarity, float64 [N] in [-1, 1].

    Wang et al. 2004 (doi:10.1109/TIP.2003.819861), mean over a uniform 7x7
    window (3x3 under 16 pixels a side), and over channels. Its comparison
    of means takes black as 0, so pixels are shifted to [0, 2] first.

    Args:
      a: [N, H, W, C] in [-1, 1].
      b: likewise.
    """
    a, b = _checked(a, b)
    window = 3 if min(a.shape[1:3]) < _SMALL_SIDE else 7
    values = [
        metrics.structural_similarity(
            x, y, win_size=window, data_range=RANGE, channel_axis=-1
        )
        for x, y in zip(a + 1, b + 1, strict=True)
    ]
    return np.asarray(values, np.float64)


def _checked(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 4:
        raise ValueError(
            f"images of shapes {a.shape} and {b.shape} cannot be compared; "
            "give [N, H, W, C] twice"
        )
    return a, b
