"""Grad-CAM against finite differences, and the right way up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.transform import resize

from jaxstyle.classifier.networks import Classifier
from jaxstyle.explain.attribution import grad_cam


@pytest.fixture(scope="module")
def classifier():
    network = Classifier((8, 8), 1)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1))
    images = images.astype(np.float32)
    params = jax.jit(network.init)(jax.random.PRNGKey(0), images)
    return network, params, images


def _slow(network, params, image, sign):
    """Eqs. 1 and 2, with the gradient by central differences."""
    activations = np.asarray(
        network.apply(params, image[None], method="features_map")
    )
    _, height, width, channels = activations.shape
    step = np.float32(0.5)
    moved = np.repeat(activations, 2 * activations.size, axis=0)
    for n in range(activations.size):
        moved[2 * n].reshape(-1)[n] += step
        moved[2 * n + 1].reshape(-1)[n] -= step
    logits = np.asarray(network.apply(params, moved, method="head"))[:, 0]
    gradient = sign * (logits[::2] - logits[1::2]) / (2 * step)
    gradient = gradient.reshape(height, width, channels)
    weights = gradient.mean(axis=(0, 1))
    heat = np.maximum((activations[0] * weights).sum(axis=-1), 0)
    # scikit-image's bilinear, half-pixel centres, edges repeated.
    heat = resize(heat, image.shape[:2], order=1, mode="edge")
    return heat / heat.max() if heat.max() > 0 else heat


@pytest.mark.parametrize("sign", [1, -1])
def test_is_the_paper_s_formula(classifier, sign):
    network, params, images = classifier
    signs = np.full(3, sign, np.float32)
    actual = grad_cam.grad_cam(network, params, jnp.asarray(images), signs)
    assert actual.shape == (3, 8, 8)
    lit = 0
    for image, heat in zip(images, actual, strict=True):
        expected = _slow(network, params, image, sign)
        np.testing.assert_allclose(heat, expected, atol=2e-3)
        lit += expected.max() > 0
    assert lit > 0


def _spot_detector():
    """A trunk whose first channel is the brightness of the image."""

    class Bright:
        def apply(self, params, x, method):
            if method == "features_map":
                cells = x.reshape(len(x), 4, 4, 4, 4, 1).mean(axis=(2, 4))
                return jnp.concatenate([cells + 1, jnp.ones_like(cells)], -1)
            return x.mean(axis=(1, 2)) @ params

    return Bright(), jnp.float32([[1.0], [0.0]])


def test_a_spot_at_the_top_left_lights_the_top_left():
    network, params = _spot_detector()
    images = np.full((2, 16, 16, 1), -1, np.float32)
    images[0, :4, :4] = 1
    images[1, :4, 12:] = 1
    run = grad_cam.heatmaps(network, params, batch_size=4)
    heat = run(images, np.ones(2))
    assert heat.dtype == np.float32 and heat.shape == (2, 16, 16)
    assert heat[0, :4, :4].min() > 0.3 and heat[0, 0, 0] == 1
    assert heat[0, 8:].max() == 0 and heat[0, :, 8:].max() == 0
    assert heat[1, 0, 15] == 1 and heat[1, :, :8].max() == 0
    # There is no evidence against the finding.
    np.testing.assert_array_equal(run(images, -np.ones(2)), 0)


def test_any_number_of_images_each_with_its_sign(classifier):
    network, params, images = classifier
    run = grad_cam.heatmaps(network, params, batch_size=2)
    signs = np.array([1, -1, 1])
    together = run(images, signs)
    for n in range(3):
        alone = run(images[n : n + 1], signs[n : n + 1])
        np.testing.assert_allclose(together[n : n + 1], alone, atol=1e-5)
    assert together.min() >= 0 and together.max() <= 1
