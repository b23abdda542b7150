"""Distribution metrics against algebra, SciPy and brute force."""

import numpy as np
import pytest
from scipy import linalg

from jaxstyle.evaluation import distribution


def _features(count, dimension, seed, shift=0.0, scale=1.0):
    generator = np.random.default_rng(seed)
    mix = generator.normal(size=(dimension, dimension))
    return scale * generator.normal(size=(count, dimension)) @ mix + shift


def test_frechet_distance_is_the_textbook_formula():
    a, b = _features(60, 5, 0), _features(80, 5, 1, shift=0.5)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    cross = np.trace(np.real(linalg.sqrtm(cov_a @ cov_b)))
    shift = np.square(a.mean(0) - b.mean(0)).sum()
    expected = shift + np.trace(cov_a) + np.trace(cov_b) - 2 * cross
    actual = distribution.frechet_distance(a, b)
    assert actual == pytest.approx(expected, rel=1e-8)
    assert distribution.frechet_distance(b, a) == pytest.approx(actual)


def test_frechet_distance_of_known_sets():
    a = _features(50, 4, 0)
    assert distribution.frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    # A shift by d costs |d|^2; doubling costs tr(A) (2 - 1)^2.
    moved = distribution.frechet_distance(a, a + np.array([3, 0, 4, 0]))
    assert moved == pytest.approx(25)
    centred = a - a.mean(axis=0)
    doubled = distribution.frechet_distance(centred, 2 * centred)
    assert doubled == pytest.approx(np.trace(np.cov(a.T)))


def test_frechet_distance_of_fewer_images_than_features():
    a, b = _features(6, 20, 0), _features(7, 20, 1)
    assert np.isfinite(distribution.frechet_distance(a, b))
    assert distribution.frechet_distance(a, a) == pytest.approx(0, abs=1e-5)
    # In 20 features, but of 3 dimensions: as far apart as in those.
    basis, _ = np.linalg.qr(_features(20, 3, 2))
    a, b = _features(10, 3, 0), _features(12, 3, 1, shift=0.5)
    assert distribution.frechet_distance(
        a @ basis.T, b @ basis.T
    ) == pytest.approx(distribution.frechet_distance(a, b), rel=1e-8)


def test_kid_is_the_double_sum(monkeypatch):
    monkeypatch.setattr(distribution, "_BLOCK", 4)
    a, b = _features(9, 3, 0), _features(6, 3, 1)

    def kernel(x, y):
        return (np.dot(x, y) / 3 + 1) ** 3

    def mean(pairs):
        return np.mean([kernel(x, y) for x, y in pairs])

    def others(rows):
        return [
            (x, y)
            for i, x in enumerate(rows)
            for j, y in enumerate(rows)
            if i != j
        ]

    expected = mean(others(a)) + mean(others(b))
    expected -= 2 * mean([(x, y) for x in a for y in b])
    assert distribution.kid(a, b) == pytest.approx(expected)


def test_kid_is_unbiased():
    generator = np.random.default_rng(0)
    values = [
        distribution.kid(
            generator.normal(size=(10, 2)), generator.normal(size=(10, 2))
        )
        for _ in range(400)
    ]
    error = np.std(values) / np.sqrt(400)
    assert abs(np.mean(values)) < 3 * error
    assert min(values) < 0


def test_precision_and_recall_by_brute_force(monkeypatch):
    monkeypatch.setattr(distribution, "_BLOCK", 5)
    real, fake = _features(13, 3, 0), _features(11, 3, 1, shift=1.0)

    def inside(points, manifold, k):
        hits = 0
        for point in points:
            for i, centre in enumerate(manifold):
                rest = np.delete(manifold, i, axis=0)
                radius = np.sort(np.linalg.norm(rest - centre, axis=1))[k - 1]
                if np.linalg.norm(point - centre) <= radius:
                    hits += 1
                    break
        return hits / len(points)

    precision, recall = distribution.precision_recall(real, fake, 2)
    assert precision == pytest.approx(inside(fake, real, 2))
    assert recall == pytest.approx(inside(real, fake, 2))
    assert 0 < precision < 1 and 0 < recall < 1


def test_precision_and_recall_tell_quality_from_variety():
    generator = np.random.default_rng(0)
    real = generator.normal(size=(200, 2))
    narrow = 0.1 * generator.normal(size=(200, 2))
    precision, recall = distribution.precision_recall(real, narrow, 3)
    assert precision > 0.95 and recall < 0.2
    assert distribution.precision_recall(real, real + 100, 3) == (0, 0)
    assert distribution.precision_recall(real, real, 3) == (1, 1)


def test_nearest_distance(monkeypatch):
    monkeypatch.setattr(distribution, "_BLOCK", 2)
    train = np.array([[0.0, 0], [10, 0]])
    generated = np.array([[0.0, 3], [10, 0], [14, 3]])
    actual = distribution.nearest_distance(generated, train)
    assert actual == pytest.approx((3 + 0 + 5) / 3)


@pytest.mark.parametrize(
    "a, b, message",
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), "cannot be compared"),
        (np.zeros(3), np.zeros(3), "cannot be compared"),
        (np.zeros((1, 2)), np.zeros((3, 2)), "2 are needed"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "NaN"),
    ],
)
def test_wrong_features_are_told(a, b, message):
    with pytest.raises(ValueError, match=message):
        distribution.frechet_distance(a, b)
