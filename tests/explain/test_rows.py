"""Walks on which each layer's row has a direction of its own."""

import dataclasses

import numpy as np
import pytest
from scipy import special

from jaxstyle.explain.direction import Linear, Region, fitting, rows
from jaxstyle.explain.direction.labels import Labelled, Wanted
from tests.explain import planted

DIM, ROWS = 6, 4


def _wanted(labels, weights=None):
    ones = np.ones(len(labels))
    return Wanted(labels, ones if weights is None else weights, ones)


def _linear(random, radius=3.0):
    root = random.normal(size=(DIM, DIM)) + 3 * np.eye(DIM)
    whitening = np.linalg.inv(root @ root.T)
    region = Region(random.normal(size=DIM), whitening, radius)
    normal = random.normal(size=DIM)
    alpha = (normal / np.linalg.norm(normal)).astype(np.float32)
    return Linear(alpha, normal, float(random.normal()), region)


def _classes(random, linear):
    """Codes [60, ROWS, DIM] whose rows differ each in another direction."""
    labels = np.arange(60) % 2
    apart = random.normal(size=(ROWS, DIM)) + linear.normal
    codes = random.normal(size=(60, ROWS, DIM)) + np.where(
        labels[:, None, None] == 1, apart, 0
    )
    return codes.astype(np.float32), labels


def _made(seed):
    random = np.random.default_rng(seed)
    linear = _linear(random)
    codes, labels = _classes(random, linear)
    removed = np.zeros((DIM, 0))
    return rows.between(linear, codes, _wanted(labels), removed), codes, labels


def test_each_row_walks_from_its_own_mean_to_the_other():
    found, codes, labels = _made(0)
    means = [codes[labels == k].astype(np.float64).mean(0) for k in (0, 1)]
    apart = means[1] - means[0]
    length = np.sqrt(sum(row @ row for row in apart) / ROWS)
    np.testing.assert_allclose(found.rows, apart / length, atol=1e-6)
    np.testing.assert_allclose(found.alpha, found.rows.mean(0), atol=1e-7)
    assert np.linalg.norm(found.alpha) < 1
    # A walk of that length takes all of one class to where the other is.
    moved = (
        codes[labels == 0]
        + found.offsets(codes[labels == 0], np.full((30, 1), length))[:, 0]
    )
    np.testing.assert_allclose(moved.mean(0), means[1], atol=1e-5)


def test_soft_labels_count_each_code_to_both_classes():
    random = np.random.default_rng(1)
    linear = _linear(random)
    codes, labels = _classes(random, linear)
    p = np.where(labels == 1, 0.8, 0.3)
    both = np.repeat([0, 1], 60)
    weights = np.concatenate([1 - p, p])
    soft = Wanted(both, weights, p)
    found = rows.between(linear, codes, soft, np.zeros((DIM, 0)))
    apart = np.average(codes, 0, p) - np.average(codes, 0, 1 - p)
    cosine = np.sum(found.rows * apart) / np.linalg.norm(apart)
    assert cosine / np.sqrt(ROWS) == pytest.approx(1, abs=1e-6)


def test_no_row_moves_along_what_is_removed():
    random = np.random.default_rng(2)
    linear = _linear(random)
    codes, labels = _classes(random, linear)
    removed, _ = np.linalg.qr(random.normal(size=(DIM, 2)))
    found = rows.between(linear, codes, _wanted(labels), removed)
    np.testing.assert_allclose(found.rows @ removed, 0, atol=1e-6)
    assert np.mean(np.sum(found.rows**2, axis=1)) == pytest.approx(1, rel=1e-6)


def test_the_closed_form_reaches_the_target():
    found, codes, _ = _made(3)
    targets = np.array([0.01, 0.3, 0.5, 0.95])
    lambdas = found.steps_to(codes, targets)
    offsets = found.offsets(codes, lambdas)
    assert offsets.shape == (60, 4, ROWS, DIM) and offsets.dtype == np.float32
    for k, target in enumerate(targets):
        moved = codes.astype(np.float64) + offsets[:, k]
        reached = special.expit(found.logits(moved))
        np.testing.assert_allclose(reached, target, atol=1e-5)
    # Lambda is the root mean square of the rows' lengths.
    lengths = np.sqrt(np.mean(np.sum(offsets**2, axis=3), axis=2))
    np.testing.assert_allclose(lengths, np.abs(lambdas), rtol=1e-5)


@pytest.mark.parametrize("count", [1, ROWS])
def test_the_trusted_range_by_brute_force(count):
    """Codes of one row, which stands for all, or of as many as move."""
    found, codes, _ = _made(4)
    codes = codes[:, :count].astype(np.float64) + found.region.centre
    # Some rows are inside of the region, and some are not.
    radius = float(np.quantile(found.region.distances(codes), 0.7))
    region = dataclasses.replace(found.region, radius=radius)
    found = dataclasses.replace(found, region=region)
    low, high = found.trusted_range(codes)
    assert np.all(low <= 0) and np.all(high >= 0)
    grid = np.linspace(-8, 8, 3201)
    lines = np.concatenate([found.rows, found.alpha[None]])
    points = np.concatenate(
        [
            np.broadcast_to(codes, (60, ROWS, DIM)),
            codes.mean(axis=1, keepdims=True),
        ],
        axis=1,
    )
    limit = np.maximum(region.distances(points), region.radius)
    moved = points[:, :, None] + grid[:, None] * lines[:, None]
    trusted = np.all(
        region.distances(moved) <= limit[..., None] * (1 + 1e-9), axis=1
    )
    outside = np.mean(limit[:, :ROWS] > radius)
    assert outside == pytest.approx(0.3, abs=0.01)
    assert np.ptp(high - low) > 1
    for n in range(60):
        np.testing.assert_allclose(
            [low[n], high[n]],
            [grid[trusted[n]].min(), grid[trusted[n]].max()],
            atol=1.01 * (grid[1] - grid[0]),
        )


def test_a_row_that_stays_sets_no_limit():
    region = Region(np.zeros(2), np.eye(2), 2.0)
    codes = np.array([[[1.0, 0], [0, 1.9]]])
    ways = np.array([[[1.0, 0], [0, 0]]])
    low, high = region.rows_range(codes, ways)
    np.testing.assert_allclose([low, high], [[-3], [1]])
    low, high = region.rows_range(codes, np.zeros((1, 2, 2)))
    assert np.isneginf(low).all() and np.isposinf(high).all()


def test_codes_of_one_row_are_walked_as_by_class_means():
    random = np.random.default_rng(5)
    linear = _linear(random)
    codes, labels = _classes(random, linear)
    some, other = (
        Labelled(each[:, :1], labels[part] * 0.9 + 0.05, labels[part])
        for part in (slice(0, 40), slice(40, 60))
        for each in (codes[part],)
    )
    material = fitting.Material(some, other, linear.region, np.zeros((DIM, 0)))
    config = planted.config()
    by_rows, means = (
        fitting.fit(config, method, material)[0]
        for method in ("row_means", "class_means")
    )
    lambdas = np.linspace(-2, 2, 60)[:, None]
    for name in ("offsets", "along"):
        np.testing.assert_allclose(
            getattr(by_rows, name)(codes[:, :1], lambdas),
            getattr(means, name)(codes[:, :1], lambdas),
            atol=1e-5,
        )
    np.testing.assert_allclose(
        by_rows.trusted_range(codes[:, :1]),
        means.trusted_range(codes[:, :1]),
        rtol=1e-5,
    )


def test_the_predictor_is_that_of_the_mean_row():
    """Only the walk is another one."""
    random = np.random.default_rng(6)
    linear = _linear(random)
    codes, labels = _classes(random, linear)
    found = rows.between(linear, codes, _wanted(labels), np.zeros((DIM, 0)))
    np.testing.assert_array_equal(found.logits(codes), linear.logits(codes))
    kept = ("normal", "intercept", "region")
    assert all(
        getattr(found, item.name) is getattr(linear, item.name)
        for item in dataclasses.fields(linear)
        if item.name in kept
    )
