"""A straight walk and the trusted region against algebra and brute force."""

import numpy as np
import pytest
from scipy import special

from jaxstyle.explain.direction import Linear, Region, transport
from jaxstyle.explain.direction import region as region_lib
from jaxstyle.explain.direction.labels import Wanted

DIM = 6


def _region(random):
    """A slanted ellipsoid."""
    skew = random.normal(size=(DIM, DIM))
    values, vectors = np.linalg.eigh(skew @ skew.T + 0.3 * np.eye(DIM))
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    return Region(
        random.normal(size=DIM), whitening, float(random.uniform(2, 4))
    )


def _direction(random):
    """Its normal is not along its walk, as with "whitened"."""
    alpha = random.normal(size=DIM)
    alpha = (alpha / np.linalg.norm(alpha)).astype(np.float32)
    normal = 1.5 * alpha + 0.5 * random.normal(size=DIM)
    if normal @ alpha < 0:
        normal = -normal
    return Linear(alpha, normal, float(random.normal()), _region(random))


def _transported(random):
    """One whose codes each go their own way."""
    linear = _direction(random)
    x = random.normal(size=(400, DIM)) * np.linspace(0.2, 2, DIM)
    labels = (x @ linear.normal > random.normal(size=400)).astype(int)
    x[labels == 1] *= np.linspace(2, 0.5, DIM)
    wanted = Wanted(labels, np.ones(400), np.ones(400))
    return transport.between(linear, x, wanted)


BOTH = pytest.mark.parametrize("made", [_direction, _transported])


@BOTH
@pytest.mark.parametrize("rows", [1, 5])
def test_the_closed_form_reaches_the_target(rows, made):
    random = np.random.default_rng(rows)
    direction = made(random)
    codes = random.normal(size=(7, rows, DIM)).astype(np.float32)
    targets = np.array([0.01, 0.3, 0.5, 0.95])
    lambdas = direction.steps_to(codes, targets)
    assert lambdas.shape == (7, 4)
    offsets = direction.offsets(codes, lambdas)
    assert offsets.shape == (7, 4, 1, DIM) and offsets.dtype == np.float32
    for k, target in enumerate(targets):
        # Every row moves, as in the renderer.
        moved = codes.astype(np.float64) + offsets[:, k]
        reached = special.expit(direction.logits(moved))
        np.testing.assert_allclose(reached, target, atol=1e-5)
    np.testing.assert_allclose(
        direction.along(codes, lambdas), np.tile(targets, (7, 1)), atol=1e-5
    )
    # Lambda is the length of the way.
    np.testing.assert_allclose(
        np.linalg.norm(offsets[:, :, 0], axis=2), np.abs(lambdas), rtol=1e-5
    )


def test_logits_are_those_of_the_mean_row():
    random = np.random.default_rng(0)
    direction = _direction(random)
    codes = random.normal(size=(3, 4, DIM))
    expected = [
        sum(w @ direction.normal for w in code) / 4 + direction.intercept
        for code in codes
    ]
    np.testing.assert_allclose(direction.logits(codes), expected, rtol=1e-6)


def test_distances_are_mahalanobis_s():
    random = np.random.default_rng(0)
    region = _region(random)
    points = random.normal(size=(4, 5, DIM))
    covariance = np.linalg.inv(region.whitening @ region.whitening)
    away = points - region.centre
    squared = np.einsum("...i,ij,...j", away, np.linalg.inv(covariance), away)
    np.testing.assert_allclose(region.distances(points), np.sqrt(squared))
    np.testing.assert_allclose(region.spread**2, np.trace(covariance))


@BOTH
@pytest.mark.parametrize("rows", [1, 5])
def test_the_trusted_range_by_brute_force(rows, made):
    """Every lambda on a fine grid is inside of the region, or is not."""
    random = np.random.default_rng(rows)
    direction = made(random)
    region = direction.region
    root = np.linalg.inv(region.whitening)
    ways = random.normal(size=(60, DIM))
    ways *= (
        random.uniform(0.1, 2, (60, 1))
        * region.radius
        / np.linalg.norm(ways, axis=1, keepdims=True)
    )
    wobble = random.normal(size=(60, rows, DIM))
    wobble -= wobble.mean(axis=1, keepdims=True)
    codes = (region.centre + ways @ root)[:, None] + wobble
    start = region.distances(codes.mean(axis=1))
    inside = start <= region.radius
    assert 10 < inside.sum() < 50

    low, high = direction.trusted_range(codes)
    assert np.all(low <= 0) and np.all(high >= 0)
    grid = np.linspace(-30, 30, 4001)
    lines = np.broadcast_to(direction.ways(codes), (60, DIM))
    moved = codes.mean(axis=1)[:, None] + grid[:, None] * lines[:, None]
    reach = region.distances(moved)
    trusted = reach <= np.maximum(region.radius, start)[:, None] * (1 + 1e-9)
    grid_step = grid[1] - grid[0]
    for n in range(60):
        np.testing.assert_allclose(
            [low[n], high[n]],
            [grid[trusted[n]].min(), grid[trusted[n]].max()],
            atol=1.01 * grid_step,
        )
    # From outside there is no way but inwards, to the mirror image.
    outside = ~inside
    np.testing.assert_allclose(np.minimum(-low, high)[outside], 0, atol=1e-6)
    for end in (low, high):
        moved = codes.mean(axis=1) + end[:, None] * lines
        np.testing.assert_allclose(
            region.distances(moved),
            np.maximum(region.radius, start),
            rtol=1e-6,
        )


def test_the_region_of_a_gaussian():
    """Fitted to few samples, it holds the share asked of many others."""
    random = np.random.default_rng(0)
    root = random.normal(size=(20, 20)) / 4 + np.diag(np.linspace(0.1, 3, 20))
    centre = random.normal(size=20) * 5
    sampled, unseen, others = (
        (centre + random.normal(size=(n, 20)) @ root).astype(np.float32)
        for n in (400, 400, 20_000)
    )
    region = region_lib.fit(sampled, unseen, 95.0)
    share = np.mean(region.distances(others) <= region.radius)
    assert share == pytest.approx(0.95, abs=0.02)
    np.testing.assert_allclose(region.centre, sampled.mean(axis=0), atol=1e-4)
    # Of many samples it is the covariance that they were drawn with.
    whitening = region_lib.fit(others, unseen, 95.0).whitening
    np.testing.assert_allclose(
        np.linalg.inv(whitening @ whitening),
        root.T @ root,
        atol=0.1 * np.trace(root.T @ root) / 20,
    )


def test_samples_of_its_own_would_make_a_region_too_small():
    random = np.random.default_rng(1)
    sampled, others = random.normal(size=(2, 300, 64))
    # Of different variances, so that shrinkage does not hide it.
    sampled, others = (x * np.linspace(0.2, 2, 64) for x in (sampled, others))
    honest = region_lib.fit(sampled, others, 90.0).radius
    assert honest > 1.05 * region_lib.fit(sampled, sampled, 90.0).radius


def test_fewer_samples_than_dimensions():
    random = np.random.default_rng(2)
    sampled, unseen = random.normal(size=(2, 10, 32))
    region = region_lib.fit(sampled, unseen, 99.0)
    assert np.all(np.isfinite(region.whitening)) and region.radius > 0


def test_no_walk_goes_where_the_logit_does_not_go_in_w():
    """Of many dimensions the radius alone would let it."""
    random = np.random.default_rng(3)
    root = random.normal(size=(200, 200)) / 14 + np.eye(200)
    sampled, unseen, others = (
        (2 + random.normal(size=(n, 200)) @ root).astype(np.float32)
        for n in (4000, 1000, 4000)
    )
    region = region_lib.fit(sampled, unseen, 99.0)
    normal = random.normal(size=200)
    alpha = (normal / np.linalg.norm(normal)).astype(np.float32)
    direction = Linear(alpha, normal, -1.0, region)
    codes = others[:50, None]
    low, high = direction.trusted_range(codes)
    radius_low, radius_high = region.line_range(others[:50], alpha)
    cut = (low > radius_low) & (high < radius_high)
    assert np.mean(cut) > 0.8
    logits = others @ normal - 1
    share = np.mean(np.abs(logits - logits.mean()) <= 2.576 * logits.std())
    assert share == pytest.approx(0.99, abs=0.005)
    for end, sign in ((low, -1), (high, 1)):
        reached = (direction.logits(codes) + direction.scale * end)[cut]
        np.testing.assert_allclose(
            (reached - logits.mean()) / logits.std(), sign * 2.576, atol=0.25
        )


def test_a_logit_beyond_its_limit_moves_inwards_only():
    region = Region(np.zeros(4), np.eye(4), 100.0, 2.0)
    normal = np.array([3.0, 0, 0, 0])
    direction = Linear(np.eye(4, dtype=np.float32)[0], normal, 0.0, region)
    codes = np.zeros((3, 1, 4), np.float32)
    codes[:, 0, 0] = [1, 5, -5]
    low, high = direction.trusted_range(codes)
    np.testing.assert_allclose(low, [-3, -10, 0], atol=1e-6)
    np.testing.assert_allclose(high, [1, 0, 10], atol=1e-6)
