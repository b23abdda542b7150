"""Occlusion against its definition, pixel by pixel."""

import jax
import numpy as np
import pytest

from jaxstyle.classifier.networks import Classifier
from jaxstyle.explain.attribution import occlusion


def _slow(score, image, fill, patch, stride):
    """For each pixel the mean over all squares that it is in."""
    height, width = image.shape[:2]

    def starts(side):
        first = list(range(0, side - patch + 1, stride))
        return first if first[-1] == side - patch else [*first, side - patch]

    heat = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            falls = []
            for top in starts(height):
                for left in starts(width):
                    inside = top <= y < top + patch and left <= x < left + patch
                    if not inside:
                        continue
                    covered = image.copy()
                    rows, columns = (
                        slice(top, top + patch),
                        slice(left, left + patch),
                    )
                    covered[rows, columns] = fill[rows, columns]
                    falls.append(
                        score(image[None])[0] - score(covered[None])[0]
                    )
            heat[y, x] = np.mean(falls)
    return heat


def _bright(images):
    return np.square(images).sum(axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("patch", "stride"), [(2, 1), (3, 2), (4, 3), (2, 2), (8, 8)]
)
def test_is_the_mean_fall_under_the_squares_of_a_pixel(patch, stride):
    random = np.random.default_rng(0)
    image, fill = random.uniform(-1, 1, (2, 8, 9, 2)).astype(np.float32)
    actual = occlusion.occlusion(_bright, image, fill, patch, stride)
    assert actual.shape == (8, 9) and actual.dtype == np.float32
    expected = _slow(_bright, image, fill, patch, stride)
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_only_squares_over_the_spot_count():
    """f sees one pixel; its fall is shared by what the squares cover."""
    image = np.zeros((8, 8, 1), np.float32)
    image[2, 5] = 1

    def score(images):
        return images[:, 2, 5, 0]

    before = image.copy()
    heat = occlusion.occlusion(score, image, np.zeros_like(image), 2, 2)
    np.testing.assert_array_equal(image, before)
    expected = np.zeros((8, 8))
    expected[2:4, 4:6] = 1
    np.testing.assert_array_equal(heat, expected)


@pytest.mark.parametrize(("patch", "stride"), [(9, 1), (2, 3), (2, 0)])
def test_squares_that_do_not_cover_are_refused(patch, stride):
    image = np.zeros((8, 8, 1), np.float32)
    with pytest.raises(ValueError, match=rf"patch = {patch}, stride ="):
        occlusion.occlusion(_bright, image, image, patch, stride)


def test_a_classifier_s_logit_and_the_sign_of_each_image():
    network = Classifier((8, 8), 1)
    random = np.random.default_rng(1)
    images = random.uniform(-1, 1, (3, 8, 8, 1)).astype(np.float32)
    params = jax.jit(network.init)(jax.random.PRNGKey(0), images)
    fill = images.mean(axis=0)
    run = occlusion.heatmaps(network, params, 4, fill, 4, 2)
    signs = np.array([1, -1, 1])
    heat = run(images, signs)
    assert heat.shape == (3, 8, 8) and heat.dtype == np.float32
    apply = jax.jit(network.apply)

    def logit(shown):
        return np.asarray(apply(params, shown))[:, 0]

    for n in range(3):
        expected = occlusion.occlusion(logit, images[n], fill, 4, 2)
        assert np.abs(expected).max() > 1e-4
        np.testing.assert_allclose(heat[n], signs[n] * expected, atol=1e-5)
