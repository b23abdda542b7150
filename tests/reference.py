"""Convolution and resampling in NumPy, by definition and in float64.

Every function inserts, filters and sums explicitly; none shares a
formulation with `jaxstyle.convolution`.
"""

import numpy as np

FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0
# More rows of surroundings than any kernel here reaches.
_FAR = 4


def correlate(x, kernel):
    """'VALID' cross-correlation: [B,H,W,I], [S,S,I,O] -> [B,H-S+1,W-S+1,O]."""
    x, kernel = np.float64(x), np.float64(kernel)
    size = kernel.shape[0]
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    y = np.zeros((x.shape[0], height, width, kernel.shape[3]))
    for row in range(size):
        for column in range(size):
            seen = x[:, row : row + height, column : column + width]
            y += np.tensordot(seen, kernel[row, column], axes=(3, 0))
    return y


def surround(x, before, after, mode="constant"):
    """Adds rows and columns of zeros, or of copies of the border."""
    around = (before, after)
    return np.pad(np.float64(x), ((0, 0), around, around, (0, 0)), mode=mode)


def blur(x, gain=1.0):
    """The FIR filter on each channel, 'VALID'."""
    channels = [
        correlate(x[..., c : c + 1], gain * FIR[:, :, None, None])
        for c in range(x.shape[3])
    ]
    return np.concatenate(channels, axis=3)


def insert_zeros(x):
    """Doubles the size: pixel n goes to 2n, zeros between."""
    batch, height, width, channels = x.shape
    y = np.zeros((batch, 2 * height, 2 * width, channels))
    y[:, ::2, ::2] = x
    return y


def conv(x, kernel):
    """'SAME' cross-correlation."""
    reach = kernel.shape[0] // 2
    return correlate(surround(x, reach, reach), kernel)


def upsample_conv3x3(x, kernel):
    """Zeros inserted, filtered with gain 4, convolved; zeros all around."""
    _, height, width, _ = x.shape
    wide = blur(insert_zeros(surround(x, _FAR, _FAR)), gain=4.0)
    # The filter's output m reads its inputs m - 2 to m + 1.
    y = correlate(wide, kernel)
    first = 2 * _FAR - 2 - 1
    return y[:, first : first + 2 * height, first : first + 2 * width]


def upsample_pixels(x):
    """Zeros inserted and filtered with gain 4; the border goes on."""
    _, height, width, _ = x.shape
    wide = blur(insert_zeros(surround(x, _FAR, _FAR, "edge")), gain=4.0)
    first = 2 * _FAR - 2
    return wide[:, first : first + 2 * height, first : first + 2 * width]


def downsample_conv3x3(x, kernel):
    """Filtered, convolved, every second pixel kept."""
    return correlate(blur(surround(x, 2, 2)), kernel)[:, ::2, ::2]


def downsample(x):
    """Filtered, every second pixel kept."""
    return blur(surround(x, 1, 1))[:, ::2, ::2]


def leaky_relu(x):
    """Slope 0.2 below zero, gain sqrt(2)."""
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)
