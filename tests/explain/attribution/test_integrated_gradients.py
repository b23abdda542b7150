"""Integrated gradients against integrals that are known, and completeness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle.classifier.networks import Classifier
from jaxstyle.explain.attribution import integrated_gradients


class Power:
    """logit = sum of weights * x^degree over pixels and channels."""

    def __init__(self, degree):
        self.degree = degree

    def apply(self, params, x):
        return jnp.sum(params * x**self.degree, axis=(1, 2, 3))[:, None]


def _arrays(seed, *shapes):
    random = np.random.default_rng(seed)
    return [random.uniform(-1, 1, s).astype(np.float32) for s in shapes]


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_is_the_path_integral(degree):
    """k n x^(n-1) along the line from b to x, worked out by hand."""
    weights, images, baseline = _arrays(0, (4, 4, 2), (3, 4, 4, 2), (4, 4, 2))
    run = integrated_gradients.heatmaps(
        Power(degree), weights[None], 2, baseline
    )
    signs = np.array([1, -1, 1])
    actual = run(images, signs)
    # (x - b) times the mean of the gradient is k (x^n - b^n).
    expected = weights * (images**degree - baseline**degree)
    expected = signs[:, None, None] * expected.sum(axis=-1)
    assert actual.shape == (3, 4, 4) and actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=2e-4)


def test_few_points_lie_at_the_middles_of_their_parts():
    """x^2 has a straight gradient, of which the midpoint is the mean."""
    weights, images, baseline = _arrays(1, (4, 4, 1), (2, 4, 4, 1), (4, 4, 1))
    expected = (weights * (images**2 - baseline**2)).sum(axis=-1)
    for steps in (1, 3):
        run = integrated_gradients.heatmaps(
            Power(2), weights[None], 2, baseline, steps
        )
        np.testing.assert_allclose(run(images, np.ones(2)), expected, atol=1e-5)


class Smooth:
    """A hidden layer of tanh."""

    def apply(self, params, x):
        first, last = params
        return jnp.tanh(x.reshape(len(x), -1) @ first) @ last


@pytest.mark.parametrize("black", [True, False])
def test_a_map_sums_to_the_rise_of_the_score(black):
    """Completeness (section 3)."""
    first, last, images = _arrays(2, (32, 8), (8, 1), (3, 4, 4, 2))
    baseline = np.full((4, 4, 2), -1, np.float32) if black else images.mean(0)
    run = integrated_gradients.heatmaps(Smooth(), (first, last), 2, baseline)
    signs = np.array([1, -1, -1])

    def logit(x):
        return (np.tanh(x.reshape(len(x), -1) @ first) @ last)[:, 0]

    rise = signs * (logit(images) - logit(baseline[None]))
    assert np.abs(rise).min() > 0.05
    total = run(images, signs).sum(axis=(1, 2))
    np.testing.assert_allclose(total, rise, atol=2e-3)


@pytest.fixture(scope="module")
def classifier():
    network = Classifier((8, 8), 1)
    (images,) = _arrays(3, (3, 8, 8, 1))
    params = jax.jit(network.init)(jax.random.PRNGKey(0), images)
    return network, params, images


def test_a_classifier_s_gradients_at_each_point(classifier):
    network, params, images = classifier
    baseline = images.mean(axis=0)
    gradient = jax.jit(
        jax.grad(lambda x: jnp.sum(network.apply(params, x)[:, 0]))
    )
    shares = np.float32([1 / 6, 3 / 6, 5 / 6])
    gradients = [
        gradient(baseline + share * (images - baseline)) for share in shares
    ]
    expected = (images - baseline) * np.mean(gradients, axis=0)
    run = integrated_gradients.heatmaps(network, params, 2, baseline, 3)
    actual = run(images, np.ones(3))
    assert np.abs(actual).max() > 1e-4
    np.testing.assert_allclose(actual, expected[..., 0], atol=1e-5)


def test_any_number_of_images_each_its_own(classifier):
    network, params, images = classifier
    run = integrated_gradients.heatmaps(network, params, 2, images[0], 4)
    together = run(images, np.ones(3))
    for n in range(3):
        alone = run(images[n : n + 1], np.ones(1))
        np.testing.assert_allclose(together[n : n + 1], alone, atol=1e-5)
    # An image that is the baseline has nothing to explain.
    np.testing.assert_array_equal(together[0], 0)
    assert np.abs(together[1:]).max() > 0
