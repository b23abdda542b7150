"""The wavelet matrices against the published taps and spectra."""

import numpy as np
import pytest

from jaxstyle.stylegan2 import wavelets

# As published, to 18 digits (Daubechies 1992, table 6.3, reversed).
SYM6 = [
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
]
ROOT = np.sqrt(3)
SYM2 = np.array([1 - ROOT, 3 - ROOT, 3 + ROOT, 1 + ROOT]) / np.sqrt(32)


def test_low_pass_is_the_symlet_without_its_delay():
    taps = wavelets.low_pass()
    expected = np.abs(np.fft.fft(SYM6, 64))
    np.testing.assert_allclose(
        np.abs(np.fft.fft(taps, 64)), expected, atol=5e-6
    )
    np.testing.assert_allclose(taps, taps[::-1], atol=1e-15)


def test_low_pass_is_orthonormal_to_its_even_shifts():
    taps = wavelets.low_pass()
    overlap = np.convolve(taps, taps[::-1])[::2]
    expected = np.zeros(len(overlap))
    expected[len(overlap) // 2] = 1
    np.testing.assert_allclose(overlap, expected, atol=3e-6)


@pytest.mark.parametrize("size", [4, 8, 32])
def test_halving_undoes_doubling(size):
    doubled = wavelets.doubling(size)
    around = np.pad(
        doubled, ((wavelets.REACH, wavelets.REACH), (0, 0)), mode="reflect"
    )
    np.testing.assert_allclose(
        wavelets.halving(size) @ around, np.eye(size), atol=1e-5
    )


@pytest.mark.parametrize("band", range(4))
@pytest.mark.parametrize("size", [8, 17])
def test_each_band_is_the_symlets_octave(band, size):
    signal = np.random.default_rng(band).standard_normal(size)
    # Reflection makes it periodic, where filters are products of spectra.
    around = np.concatenate([signal, signal[-2:0:-1]])
    frequency = 2 * np.pi * np.arange(len(around)) / len(around)

    def low(octave):
        waves = np.exp(-1j * np.outer(frequency * 2**octave, np.arange(4)))
        return np.abs(waves @ SYM2) ** 2 / 2

    gain = {
        0: low(0) * low(1) * low(2),
        1: low(0) * low(1) * (1 - low(2)),
        2: low(0) * (1 - low(1)),
        3: 1 - low(0),
    }[band]
    expected = np.fft.ifft(np.fft.fft(around) * gain).real[:size]
    actual = wavelets.bands(size)[band] @ signal
    np.testing.assert_allclose(actual, expected, atol=1e-6)
