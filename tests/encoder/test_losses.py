"""The encoder's losses against loops in NumPy."""

import jax.numpy as jnp
import numpy as np

from jaxstyle.encoder import losses


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_latent_loss():
    codes, w, spread = _random(3, 2, 4), _random(3, 4, seed=1), [1, 2, 3, 4]
    expected = np.mean(
        [
            (codes[n, row, d] - w[n, d]) ** 2 / spread[d] ** 2
            for n in range(3)
            for row in range(2)
            for d in range(4)
        ]
    )
    actual = losses.latent_loss(codes, w, jnp.float32(spread))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


def test_image_loss():
    a, b = _random(2, 3, 3, 1), _random(2, 3, 3, 1, seed=1)
    expected = sum(abs(x - y) for x, y in zip(a.flat, b.flat, strict=True)) / 18
    np.testing.assert_allclose(losses.image_loss(a, b), expected, rtol=1e-5)


def test_feature_distance_and_loss():
    shapes = [(3, 4, 4, 2), (3, 2, 2, 5)]
    # Images of very different energy weigh alike.
    size = np.float32([1, 10, 100])[:, None, None, None]
    a = [_random(*shape, seed=n) * size for n, shape in enumerate(shapes)]
    b = [_random(*shape, seed=9 + n) * size for n, shape in enumerate(shapes)]
    expected = [
        np.mean(
            [
                ((x[n] - y[n]) ** 2).sum() / (y[n] ** 2).sum()
                for x, y in zip(a, b, strict=True)
            ]
        )
        for n in range(3)
    ]
    actual = losses.feature_distance(a, b)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    np.testing.assert_allclose(
        losses.feature_loss(a, b), np.mean(expected), rtol=1e-5
    )
    np.testing.assert_array_equal(losses.feature_distance(a, a), [0, 0, 0])


def test_a_batch_is_the_mean_of_its_halves():
    """So that every number of devices has the same loss."""
    a, b = _random(4, 2, 2, 3), _random(4, 2, 2, 3, seed=1) * 3
    whole = losses.feature_loss([a], [b])
    halves = [losses.feature_loss([a[n::2]], [b[n::2]]) for n in (0, 1)]
    np.testing.assert_allclose(whole, np.mean(halves), rtol=1e-5)


def test_predictor_loss_is_the_divergence_of_two_coins():
    logits, targets = _random(5) * 3, _random(5, seed=1) * 3
    p, q = 1 / (1 + np.exp(-targets)), 1 / (1 + np.exp(-logits))
    expected = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    distance = losses.predictor_distance(logits, targets)
    np.testing.assert_allclose(distance, expected, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        losses.predictor_loss(logits, targets), expected.mean(), rtol=1e-3
    )
    np.testing.assert_allclose(
        losses.predictor_distance(targets, targets), np.zeros(5), atol=1e-6
    )
    # Saturated answers stay finite.
    far = losses.predictor_distance(jnp.float32([-200]), jnp.float32([200]))
    np.testing.assert_allclose(far, [200])
