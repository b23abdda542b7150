"""Pictures read back, against the pixels that were written."""

import numpy as np
import pytest

from jaxstyle.evaluation import images, pictures
from tests.evaluation import saved


@pytest.fixture
def walks(tmp_path):
    """Five of 8 px, of which each third flips."""
    return [
        saved.walk(
            tmp_path,
            str(n),
            saved.noise(n, 8, 8, 3),
            saved.noise(10 + n, 4, 8, 8, 3),
            asked=n % 2,
            start=1,
            flip=2 if n % 3 == 0 else None,
        )
        for n in range(5)
    ]


def _signed(levels):
    return levels / 127.5 - 1


def test_each_image_has_its_three_pictures(walks):
    read = list(pictures.batches(walks, 2))
    assert [len(some) for some, _ in read] == [2, 2, 1]
    assert [walk for some, _ in read for walk in some] == walks
    answers = [2, 3, 0, 2, 0]
    for n in range(5):
        batch = read[n // 2][1]
        frames = saved.noise(10 + n, 4, 8, 8, 3)
        expected = (saved.noise(n, 8, 8, 3), frames[1], frames[answers[n]])
        for picture, levels in zip(batch, expected, strict=True):
            assert picture.dtype == np.float32
            np.testing.assert_allclose(
                picture[n % 2], _signed(levels), atol=1e-6
            )


def test_one_look_finds_what_whole_arrays_would(walks):
    sizes = []

    def network(x):
        sizes.append(len(x))
        return x.mean(axis=(1, 2))

    seen = pictures.look(walks, {"colour": network}, 2)
    assert max(sizes) == 2 and sum(sizes) == 15
    original, reconstruction, counterfactual = (
        np.concatenate(parts)
        for parts in zip(
            *(p for _, p in pictures.batches(walks, 5)), strict=True
        )
    )
    np.testing.assert_allclose(seen.psnr, images.psnr(original, reconstruction))
    np.testing.assert_allclose(seen.ssim, images.ssim(original, reconstruction))
    np.testing.assert_allclose(
        seen.change_ssim, images.ssim(counterfactual, reconstruction)
    )
    (features,) = seen.features.values()
    for actual, x in zip(
        features, (original, reconstruction, counterfactual), strict=True
    ):
        np.testing.assert_allclose(actual, x.mean(axis=(1, 2)), rtol=1e-6)
    # Every third walk flips; reading went wrong if these were alike.
    assert len(np.unique(seen.changed)) > 1


def test_a_pixel_has_changed_beyond_the_reconstruction_s_error():
    """Errors 0 to 99 levels: the 95th percentile of them is 94.05."""
    levels = np.arange(100.0).reshape(1, 10, 10, 1)
    zero = np.full((1, 10, 10, 1), -1, np.float32)
    original = _signed(levels).astype(np.float32)
    for change, expected in ((0, 0), (94, 0), (95, 1)):
        moved = np.full_like(zero, _signed(change))
        found = pictures.changed_share(pictures.Pictures(original, zero, moved))
        np.testing.assert_array_equal(found, [expected])
    half = np.where(levels < 50, _signed(95), -1).astype(np.float32)
    found = pictures.changed_share(pictures.Pictures(original, zero, half))
    np.testing.assert_array_equal(found, [0.5])


def test_an_equal_difference_is_no_change():
    """In whole levels, summed over channels, wherever the pixels lie."""
    start = np.arange(0, 192, 3).reshape(1, 8, 8, 1) + np.zeros(3)
    off = start + np.array([1, 0, 2])
    moved = start + np.array([0, 3, 0])
    x = [_signed(a).astype(np.float32) for a in (off, start, moved)]
    np.testing.assert_array_equal(
        pictures.changed_share(pictures.Pictures(*x)), [0]
    )
    x[2] = _signed(start + np.array([0, 3, 1])).astype(np.float32)
    np.testing.assert_array_equal(
        pictures.changed_share(pictures.Pictures(*x)), [1]
    )


def test_each_image_has_its_own_limit():
    random = np.random.default_rng(0)
    clean = random.uniform(-1, 0, (2, 8, 8, 1)).astype(np.float32)
    off = clean + np.array([0.5, 0.0], np.float32)[:, None, None, None]
    moved = clean + np.float32(0.25)
    found = pictures.changed_share(pictures.Pictures(off, clean, moved))
    np.testing.assert_array_equal(found, [0, 1])
