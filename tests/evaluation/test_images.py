"""Image comparisons against their formulas."""

import numpy as np
import pytest

from jaxstyle.evaluation import images


def _pair(side, channels, count=3):
    generator = np.random.default_rng(0)
    a = generator.uniform(-1, 1, (count, side, side, channels))
    noise = generator.normal(0, 0.2, a.shape)
    return a.astype(np.float32), np.clip(a + noise, -1, 1).astype(np.float32)


def _slow_ssim(x, y, window):
    """Wang et al. 2004, eq. 13, one window and one channel at a time.

    Of levels from 0 to 255, as there.
    """
    x, y = (x + 1) * 127.5, (y + 1) * 127.5
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for channel in range(x.shape[-1]):
        for row in range(x.shape[0] - window + 1):
            for column in range(x.shape[1] - window + 1):
                cut = np.s_[
                    row : row + window, column : column + window, channel
                ]
                u, v = x[cut].ravel(), y[cut].ravel()
                cov = np.cov(u, v)
                top = (2 * u.mean() * v.mean() + c1) * (2 * cov[0, 1] + c2)
                low = u.mean() ** 2 + v.mean() ** 2 + c1
                values.append(top / low / (cov[0, 0] + cov[1, 1] + c2))
    return np.mean(values)


@pytest.mark.parametrize("side, channels, window", [(16, 3, 7), (8, 1, 3)])
def test_ssim(side, channels, window):
    a, b = _pair(side, channels)
    actual = images.ssim(a, b)
    expected = [
        _slow_ssim(x.astype(float), y.astype(float), window)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(actual, expected, rtol=1e-6)
    np.testing.assert_allclose(images.ssim(a, a), np.ones(3))


def test_psnr_and_l1():
    a = np.zeros((2, 8, 8, 1), np.float32)
    b = a.copy()
    b[1] = 0.2
    # 10 log10(2^2 / 0.2^2) = 20 dB.
    np.testing.assert_allclose(images.psnr(a, b), [100, 20], rtol=1e-6)
    np.testing.assert_allclose(images.l1(a, b), [0, 0.2], rtol=1e-6)
    b[1, :4] = -0.2
    np.testing.assert_allclose(images.l1(a, b), [0, 0.2], rtol=1e-6)


@pytest.mark.parametrize("name", ["l1", "psnr", "ssim"])
def test_shapes_must_match(name):
    with pytest.raises(ValueError, match="cannot be compared"):
        getattr(images, name)(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 3)))
