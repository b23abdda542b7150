"""Retrieval and change in features, against brute force and geometry."""

import numpy as np
import pytest

from jaxstyle.evaluation import identity
from jaxstyle.evaluation.pictures import Pictures


def _features(count, dimension, moved, seed=0):
    random = np.random.default_rng(seed)
    original = random.normal(size=(count, dimension)).astype(np.float32)
    near = original + moved * random.normal(size=(count, dimension))
    return Pictures(original, original, near.astype(np.float32))


def test_retrieval_by_brute_force(monkeypatch):
    monkeypatch.setattr(identity, "_BLOCK", 7)
    features = _features(30, 4, 0.7)
    spread = features.original.std(axis=0)
    expected = [
        np.argmin([np.linalg.norm((x - y) / spread) for y in features.original])
        == n
        for n, x in enumerate(features.counterfactual)
    ]
    assert 0 < np.mean(expected) < 1
    np.testing.assert_array_equal(identity.retrieved(features), expected)


def test_scales_of_features_do_not_count():
    """A feature of large numbers that tells nothing, one of small that does."""
    random = np.random.default_rng(0)
    own = np.arange(20.0)[:, None]
    loud = 1000 * random.choice([-1, 1], (20, 1))
    features = Pictures(
        np.hstack([own, loud]),
        np.hstack([own, loud]),
        np.hstack([own + 0.1, loud * 0.999]),
    )
    np.testing.assert_array_equal(identity.retrieved(features), np.ones(20))


def test_features_that_tell_nothing_reach_chance():
    same = np.ones((8, 3), np.float32)
    shares = identity.retrieved(Pictures(same, same, same))
    np.testing.assert_allclose(shares, 1 / 8)
    twins = np.repeat(np.arange(4.0), 2)[:, None]
    shares = identity.retrieved(Pictures(twins, twins, twins))
    np.testing.assert_allclose(shares, 1 / 2)


def test_counterfactuals_of_one_image_are_one_image_s():
    features = _features(10, 3, 0.0)
    collapsed = np.repeat(features.original[:1], 10, axis=0)
    shares = identity.retrieved(features._replace(counterfactual=collapsed))
    np.testing.assert_array_equal(shares, [1] + [0] * 9)


def test_change_is_in_units_of_another_image():
    features = _features(40, 5, 0.5)
    x, z = (
        (a - features.original.mean(axis=0)) / features.original.std(axis=0)
        for a in (features.original, features.counterfactual)
    )
    unit = np.mean(
        [
            np.linalg.norm(x[i] - x[j])
            for i in range(40)
            for j in range(40)
            if i != j
        ]
    )
    np.testing.assert_allclose(
        identity.feature_change(features, 0),
        np.linalg.norm(x - z, axis=1) / unit,
        rtol=1e-5,
    )


def test_change_is_against_the_reconstruction():
    features = _features(10, 3, 0.5)
    still = features._replace(reconstruction=features.counterfactual)
    np.testing.assert_array_equal(identity.feature_change(still, 0), 0)


def test_a_random_part_stands_for_many(monkeypatch):
    features = _features(300, 5, 0.5)
    whole = identity.feature_change(features, 0)
    monkeypatch.setattr(identity, "_MOST_PAIRED", 100)
    part = identity.feature_change(features, 0)
    assert 0 < np.abs(part / whole - 1).max() < 0.1


@pytest.mark.parametrize("count", [1, 4])
def test_without_different_originals_there_is_no_unit(count):
    same = np.ones((count, 3), np.float32)
    change = identity.feature_change(Pictures(same, same, 2 * same), 0)
    assert change.shape == (count,) and np.isnan(change).all()
