"""The optimal transport between two classes of codes."""

import numpy as np
import pytest
from scipy import linalg

from jaxstyle.explain.direction import Linear, Region, transport
from jaxstyle.explain.direction.labels import Wanted

DIM = 5


def _covariance(random):
    root = random.normal(size=(DIM, DIM))
    return root @ root.T + 0.2 * np.eye(DIM)


def _wanted(labels, weights=None):
    ones = np.ones(len(labels))
    return Wanted(labels, ones if weights is None else weights, ones)


def _linear(normal):
    alpha = (normal / np.linalg.norm(normal)).astype(np.float32)
    return Linear(alpha, normal, 0.0, Region(np.zeros(DIM), np.eye(DIM), 9.0))


def test_it_takes_one_covariance_to_the_other_as_near_as_can_be():
    random = np.random.default_rng(0)
    own, other = _covariance(random), _covariance(random)
    matrix = transport.matrix(own, other)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    assert np.linalg.eigvalsh(matrix).min() > 0
    np.testing.assert_allclose(matrix @ own @ matrix, other, atol=1e-9)
    # The mean squared way is the Frechet distance of the two.
    left = matrix - np.eye(DIM)
    way = np.trace(left @ own @ left)
    product = np.real(linalg.sqrtm(own @ other))
    assert way == pytest.approx(np.trace(own + other - 2 * product))
    # So is that of no other map, such as one that turns on the way.
    turn = linalg.expm(0.3 * np.diag(np.ones(DIM - 1), 1))
    turn, _ = np.linalg.qr(turn)
    root = np.real(linalg.sqrtm(other))
    longer = root @ turn @ np.linalg.inv(np.real(linalg.sqrtm(own)))
    np.testing.assert_allclose(longer @ own @ longer.T, other, atol=1e-9)
    left = longer - np.eye(DIM)
    assert np.trace(left @ own @ left.T) > way


@pytest.fixture(scope="module")
def classes():
    """Codes [2, 4000, D] of two classes far apart, and their transport."""
    random = np.random.default_rng(1)
    shift = np.array([8.0, 3, 0, 0, 0])
    x = np.stack(
        [
            random.multivariate_normal(mean, _covariance(random), 4000)
            for mean in (-shift / 2, shift / 2)
        ]
    )
    labels = np.repeat([0, 1], 4000)
    found = transport.between(
        _linear(shift), x.reshape(-1, DIM), _wanted(labels)
    )
    return x, found


@pytest.mark.parametrize("own", [0, 1])
def test_a_class_becomes_the_other_one(classes, own):
    """Moved along its line by the transport's length: mean and covariance."""
    x, found = classes
    points = x[own][found.logits(x[own][:, None]) * (own - 0.5) > 0]
    assert len(points) > 3900
    image = x[1 - own].mean(0) + (points - x[own].mean(0)) @ transport.matrix(
        *(np.cov(each.T) for each in (x[own], x[1 - own]))
    )
    ways = found.ways(points[:, None])
    assert ways.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(ways, axis=1), 1, rtol=1e-5)
    # The line towards the finding, so that the positives go against it.
    towards = (image - points) * (1 - 2 * own)
    lengths = np.linalg.norm(towards, axis=1)
    rising = towards @ found.normal > 0
    assert rising.mean() > 0.99
    np.testing.assert_allclose(
        (lengths[:, None] * ways)[rising], towards[rising], atol=0.02
    )


def test_the_latent_logit_rises_along_every_line(classes):
    x, found = classes
    # Far out, where the other class's narrower spread pulls back.
    far = x.reshape(-1, 1, DIM) * 4
    assert np.all(found.ways(far) @ found.normal > 0)
    moved = found.along(far, np.tile([[0.0, 1.0]], (len(far), 1)))
    assert np.all(np.diff(moved, axis=1) >= 0)


def test_soft_labels_count_by_their_weights():
    """A code of weight 1/2 in both classes is in both, with half of it."""
    random = np.random.default_rng(2)
    x = random.normal(size=(300, DIM)) * np.linspace(0.5, 2, DIM)
    p = random.uniform(size=300)
    normal = np.eye(DIM)[0]
    labels = np.repeat([0, 1], 300)
    soft = transport.between(
        _linear(normal), x, _wanted(labels, np.concatenate([1 - p, p]))
    )
    for k, weights in enumerate((1 - p, p)):
        mean = weights @ x / weights.sum()
        np.testing.assert_allclose(soft.means[k], mean)
    covariances = [
        (weights * (x - mean).T) @ (x - mean) / weights.sum()
        for weights, mean in zip((1 - p, p), soft.means, strict=True)
    ]
    basis = soft.components
    inside = [basis.T @ each @ basis for each in covariances]
    matrix = np.eye(DIM) + soft.stretches[0]
    np.testing.assert_allclose(matrix @ inside[0] @ matrix, inside[1])


def test_few_codes_move_by_the_means_alone():
    """No covariance is matched that so few codes do not tell."""
    random = np.random.default_rng(3)
    x = random.normal(size=(18, DIM))
    labels = np.repeat([0, 1], 9)
    x[9:, 0] += 4
    found = transport.between(_linear(np.eye(DIM)[0]), x, _wanted(labels))
    assert found.components.shape == (DIM, 0)
    apart = x[9:].mean(0) - x[:9].mean(0)
    expected = np.tile(apart / np.linalg.norm(apart), (18, 1))
    np.testing.assert_allclose(found.ways(x[:, None]), expected, rtol=1e-5)


def test_what_was_projected_out_stays_out():
    random = np.random.default_rng(4)
    x = random.normal(size=(500, DIM))
    x[250:] = 2 * x[250:] + 1
    x[:, 2] = 0
    labels = np.repeat([0, 1], 250)
    found = transport.between(_linear(np.ones(DIM)), x, _wanted(labels))
    assert found.components.shape == (DIM, DIM - 1)
    ways = found.ways(random.normal(size=(50, 1, DIM)))
    own = np.all(ways != found.alpha, axis=1)
    assert own.sum() > 20
    np.testing.assert_allclose(ways[own][:, 2], 0, atol=1e-6)
