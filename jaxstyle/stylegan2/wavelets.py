"""Wavelet filters of the augmentations, as matrices along one image axis.

Karras et al. 2020 (arXiv:2006.06676, appendix B) resample with the symlet of
six vanishing moments and split frequencies with that of two. Here both have
the same magnitudes without the delay: a symmetric filter commutes with
mirroring and turning, and with the reflections that continue the image
beyond its border (those that do not repeat the border's pixel).

A dense matrix beats shifting and adding on XLA:CPU, forward and backward
together, and is what GPUs and TPUs do best.
"""

import functools
import math

import numpy as np

# Taps on each side of the centre; the next ones would be below 1e-6.
REACH = 13
# Half of the power of the symlet of two moments: its filter, then reversed.
_HALF_BAND = np.array([-1, 0, 9, 16, 9, 0, -1]) / 32


@functools.cache
def low_pass() -> np.ndarray:
    """float64 [2 * REACH + 1], symmetric, orthonormal to its even shifts.

    The root of the power of Daubechies' filters with six vanishing moments
    ("Ten lectures on wavelets", 1992, equation 6.1.12), whose phase is free.
    """
    angle = np.pi * np.arange(256) / 256  # half of the frequency
    cos, sin = np.cos(angle) ** 2, np.sin(angle) ** 2
    power = sum(math.comb(5 + k, k) * sin**k for k in range(6)) * 2 * cos**6
    taps = np.fft.ifft(np.sqrt(power)).real
    return np.roll(taps, REACH)[: 2 * REACH + 1]


@functools.cache
def doubling(size: int) -> np.ndarray:
    """float32 [2 * size - 1, size]: samples at pixels and half-way.

    Pixel n is sample 2n. Followed by `halving` this is the identity.
    """
    samples = np.arange(2 * size - 1)[:, None]
    pixels = np.arange(-REACH, size + REACH)[None]
    taps = samples - 2 * pixels + REACH
    spread = np.where(
        (taps >= 0) & (taps <= 2 * REACH),
        low_pass()[np.clip(taps, 0, 2 * REACH)],
        0,
    )
    matrix = math.sqrt(2) * spread @ _reflection(pixels[0], size)
    return matrix.astype(np.float32)


@functools.cache
def halving(size: int) -> np.ndarray:
    """float32 [size, 2 * size - 1 + 2 * REACH]: every other sample, filtered.

    The samples begin REACH before the first pixel.
    """
    taps = low_pass() / math.sqrt(2)
    matrix = np.zeros((size, 2 * size - 1 + 2 * REACH), np.float32)
    for pixel in range(size):
        matrix[pixel, 2 * pixel : 2 * pixel + len(taps)] = taps
    return matrix


@functools.cache
def bands(size: int) -> np.ndarray:
    """float32 [4, size, size]: octaves that add up to the identity.

    They begin at 0, 1/8, 1/4 and 1/2 of the highest frequency.
    """
    rest, filters = np.ones(1), []
    for octave in range(3):
        low = _dilated(_HALF_BAND, 2**octave)
        high = -low
        high[len(low) // 2] += 1
        filters.insert(0, np.convolve(rest, high))
        rest = np.convolve(rest, low)
    return np.stack([_filtering(taps, size) for taps in (rest, *filters)])


def _reflection(index: np.ndarray, size: int) -> np.ndarray:
    """[N, size]: picks the pixels at `index`, however far outside."""
    index = np.mod(index, 2 * (size - 1))
    return np.eye(size)[np.minimum(index, 2 * (size - 1) - index)]


def _dilated(taps: np.ndarray, step: int) -> np.ndarray:
    wide = np.zeros((len(taps) - 1) * step + 1)
    wide[::step] = taps
    return wide


def _filtering(taps: np.ndarray, size: int) -> np.ndarray:
    """[size, size]: convolution with a symmetric filter."""
    reach, pixels = len(taps) // 2, np.arange(size)
    matrix = np.zeros((size, size))
    for offset, tap in zip(range(-reach, reach + 1), taps, strict=True):
        matrix += tap * _reflection(pixels + offset, size)
    return matrix.astype(np.float32)
