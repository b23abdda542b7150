"""Each method against an independent solution of a problem made for it."""

import dataclasses

import numpy as np
import pytest
from scipy import optimize, special

from jaxstyle.config import Config, DirectionConfig, EvaluationConfig
from jaxstyle.explain.direction import (
    Curved,
    Labelled,
    Linear,
    Region,
    fitting,
    methods,
)
from jaxstyle.explain.direction import region as region_lib
from jaxstyle.explain.direction.labels import Wanted


def _wanted(labels, weights=None, values=None):
    labels = np.asarray(labels, np.int32)
    ones = np.ones(len(labels))
    return Wanted(
        labels,
        ones if weights is None else weights,
        ones if values is None else values,
    )


def _soft(p):
    """As `training_labels` tells probabilities."""
    labels = np.repeat([0, 1], len(p))
    return _wanted(labels, np.concatenate([1 - p, p]), p)


def _minimum(loss, dimensions):
    return optimize.minimize(loss, np.zeros(dimensions), tol=1e-10).x


@pytest.mark.parametrize("soft", [False, True])
def test_logistic_minimises_the_balanced_loss(soft):
    """Against SciPy on the loss written out, soft labels included."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 3))
    p = special.expit(2 * x[:, 0] - 1.5 + random.normal(size=60))
    p = p if soft else np.round(p)
    wanted = _soft(p) if soft else _wanted(p)
    actual = methods.logistic(x, wanted, 0.3)
    share = p.mean()

    def loss(theta):
        logit = x @ theta[:3] + theta[3]
        of_ones = p * np.logaddexp(0, -logit) * 0.5 / share
        of_zeros = (1 - p) * np.logaddexp(0, logit) * 0.5 / (1 - share)
        data = np.sum(of_ones + of_zeros)
        return 0.3 * data + 0.5 * theta[:3] @ theta[:3]

    np.testing.assert_allclose(actual, _minimum(loss, 4)[:3], atol=2e-3)


def test_svm_minimises_the_squared_hinge():
    random = np.random.default_rng(1)
    x = random.normal(size=(80, 3))
    labels = (x[:, 0] - x[:, 1] + random.normal(size=80) > 0.7).astype(int)
    actual = methods.svm(x, _wanted(labels), 0.2)
    share = labels.mean()
    weight = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share))

    def loss(theta):
        margin = (2 * labels - 1) * (x @ theta[:3] + theta[3])
        data = np.sum(weight * np.maximum(1 - margin, 0) ** 2)
        # liblinear's small penalty on the intercept.
        penalty = theta[:3] @ theta[:3] + (theta[3] / 10) ** 2
        return 0.2 * data + 0.5 * penalty

    np.testing.assert_allclose(actual, _minimum(loss, 4)[:3], atol=2e-3)


def test_svm_has_the_widest_margin_of_separable_data():
    """Two support vectors: the normal joins them, whatever lies behind."""
    random = np.random.default_rng(2)
    behind = random.normal((9, 0), (0.2, 5), (40, 2))
    x = np.concatenate([[[-1, -0.5], [1, 0.5]], behind, -behind])
    labels = np.r_[0, 1, np.ones(40), np.zeros(40)]
    normal = methods.svm(x, _wanted(labels), 1e3)
    np.testing.assert_allclose(
        normal / np.linalg.norm(normal), [2, 1] / np.sqrt(5), atol=1e-3
    )


def test_least_squares_in_closed_form():
    """Of any values: here of three grades."""
    random = np.random.default_rng(3)
    x = random.normal(size=(50, 4)) + 3
    values = random.integers(0, 3, 50).astype(np.float64)
    values += x @ [0.5, 0, -1, 0.2]
    actual = methods.least_squares(x, _wanted(np.ones(50), None, values), 0.4)
    away, rest = x - x.mean(axis=0), values - values.mean()
    expected = np.linalg.solve(away.T @ away + np.eye(4) / 0.4, away.T @ rest)
    np.testing.assert_allclose(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("soft", [False, True])
def test_class_means_by_hand(soft):
    random = np.random.default_rng(4)
    x, p = random.normal(size=(30, 3)), random.uniform(size=30)
    p = p if soft else np.round(p)
    wanted = _soft(p) if soft else _wanted(p)
    expected = p @ x / p.sum() - (1 - p) @ x / (1 - p).sum()
    np.testing.assert_allclose(
        methods.class_means(x, wanted), expected, rtol=1e-6
    )


DIM = 8


def _config(**direction):
    return Config(
        direction=DirectionConfig(
            **{"regularisation": (1.0, 100.0), "bootstraps": 3} | direction
        ),
        evaluation=EvaluationConfig(bootstraps=20),
    )


def _gaussian(seed=0, count=6000, apart=2.0):
    """Two Gaussian classes in W: material, covariance, and their distance.

    Judged as Bayes would, so that f's logit is delta . Sigma^-1 w.
    """
    random = np.random.default_rng(seed)
    root = random.normal(size=(DIM, DIM)) + np.diag(np.linspace(0.2, 4, DIM))
    within = root.T @ root
    delta = random.normal(size=DIM) @ root
    delta *= apart / np.sqrt(delta @ np.linalg.solve(within, delta))

    def labelled(count):
        side = np.where(np.arange(count) % 2, 0.5, -0.5)
        w = side[:, None] * delta + random.normal(size=(count, DIM)) @ root
        p = special.expit(w @ np.linalg.solve(within, delta))
        return Labelled(w[:, None] + 3, p, (side > 0).astype(np.float32))

    whole = within + np.outer(delta, delta) / 4
    sampled, unseen = (labelled(count).codes[:, 0] for _ in range(2))
    material = fitting.Material(
        labelled(count),
        labelled(count // 4),
        region_lib.fit(sampled, unseen, 99.0),
        np.zeros((DIM, 0)),
    )
    return material, whole, delta


def _cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_whitened_is_fisher_s_discriminant():
    """Normal Sigma^-1 delta; and its walk goes along delta itself."""
    material, whole, delta = _gaussian()
    config = _config(labels="ground_truth")
    direction, numbers = fitting.fit(config, "whitened", material)
    fisher = np.linalg.solve(whole, delta)
    assert _cosine(direction.normal, fisher) > 0.995
    assert _cosine(direction.alpha, delta) > 0.98
    # The plain difference of means is far from that normal.
    assert _cosine(delta, fisher) < 0.7
    assert numbers["stability"]["least"] > 0.95


def test_class_means_read_a_code_by_regression_and_move_it_by_means():
    material, _, delta = _gaussian()
    config = _config(labels="ground_truth")
    means, numbers = fitting.fit(config, "class_means", material)
    assert _cosine(means.alpha, delta) > 0.98
    logistic, others = fitting.fit(config, "logistic", material)
    np.testing.assert_allclose(means.normal, logistic.normal, rtol=1e-6)
    assert means.intercept == pytest.approx(logistic.intercept)
    assert _cosine(logistic.alpha, delta) < 0.8
    # A step of the calibrated logit is what it was, along another way.
    assert means.scale == pytest.approx(means.normal @ means.alpha)
    assert numbers["regularisation"] == others["regularisation"]
    assert numbers["stability"]["least"] > 0.95


def test_class_means_against_the_latent_predictor_are_refused(monkeypatch):
    material, _, _ = _gaussian(count=400)
    backwards = {"class_means": lambda x, w: -methods.class_means(x, w)}
    monkeypatch.setattr(methods, "WAYS", backwards)
    with pytest.raises(ValueError, match=r"direction\.method = 'class_means'"):
        fitting.fit(_config(), "class_means", material)


def test_whitened_walks_stay_as_likely_as_they_can():
    """No step that raises the logit by 1 is shorter in Mahalanobis's sense."""
    material, _, _ = _gaussian(seed=1)
    direction, _ = fitting.fit(_config(), "whitened", material)
    whitening = material.region.whitening
    length = np.linalg.norm(direction.alpha @ whitening) / direction.scale
    others = np.random.default_rng(0).normal(size=(500, DIM))
    others = np.concatenate([others, direction.normal[None]])
    rises = others @ direction.normal
    lengths = np.linalg.norm(others @ whitening, axis=1) / np.abs(rises)
    assert lengths.min() >= length * (1 - 1e-5)
    assert lengths[-1] > 1.1 * length  # That of the plain gradient.


def test_whitened_does_not_depend_on_units():
    """Stretched W: the same logits for the same codes, the same walks."""
    material, _, _ = _gaussian(seed=2)
    stretch = np.diag(np.linspace(0.05, 20, DIM))
    region = material.region
    values, vectors = np.linalg.eigh(
        stretch @ np.linalg.inv(region.whitening @ region.whitening) @ stretch
    )
    stretched = fitting.Material(
        _moved(material.fitting, stretch),
        _moved(material.val, stretch),
        Region(
            region.centre @ stretch,
            (vectors / np.sqrt(values)) @ vectors.T,
            region.radius,
        ),
        material.nuisances,
    )
    config = _config(bootstraps=0)
    one, _ = fitting.fit(config, "whitened", material)
    two, _ = fitting.fit(config, "whitened", stretched)
    np.testing.assert_allclose(
        two.logits(stretched.val.codes),
        one.logits(material.val.codes),
        atol=0.02,
    )
    assert _cosine(two.alpha, one.alpha @ stretch) > 0.9999


def _moved(data, matrix):
    return dataclasses.replace(data, codes=data.codes @ matrix)


@pytest.mark.parametrize("method", ["logistic", "least_squares", "svm"])
def test_linear_methods_find_f_s_own_normal(method):
    """f's logit is linear here, and calibrated logits are f's."""
    material, _, _ = _gaussian(seed=3)
    direction, numbers = fitting.fit(_config(), method, material)
    f = special.logit(material.val.judged)
    latent = direction.logits(material.val.codes)
    assert np.corrcoef(latent, f)[0, 1] > 0.99
    slope, level = np.polyfit(f, latent, 1)
    assert slope == pytest.approx(1, abs=0.1)
    assert level == pytest.approx(0, abs=0.1)
    assert _cosine(direction.normal, direction.alpha) > 1 - 1e-6
    assert numbers["regularisation"] in (1.0, 100.0)


def test_validation_chooses_the_penalty():
    """With hardly more codes than dimensions: a strong one."""
    random = np.random.default_rng(0)
    normal = random.normal(size=60) / 8

    def labelled(count):
        w = random.normal(size=(count, 60))
        noise = 3 * random.normal(size=count)
        p = special.expit(4 * w @ normal + noise)
        return Labelled(w[:, None], p, np.zeros(count))

    region = Region(np.zeros(60), np.eye(60), 9.0)
    material = fitting.Material(
        labelled(70), labelled(2000), region, np.zeros((60, 0))
    )
    config = _config(regularisation=(1e-2, 1e6), bootstraps=0)
    _, numbers = fitting.fit(config, "least_squares", material)
    assert numbers["regularisation"] == 1e-2


def test_calibration_is_for_codes_that_were_not_fitted():
    """Training codes are separated: their slope would be far too steep."""
    random = np.random.default_rng(5)

    def labelled(count):
        w = random.normal(size=(count, 60))
        p = special.expit(2 * w[:, 0])
        return Labelled(w[:, None], p, np.zeros(count))

    region = Region(np.zeros(60), np.eye(60), 9.0)
    material = fitting.Material(
        labelled(70), labelled(2000), region, np.zeros((60, 0))
    )
    config = _config(regularisation=(100.0,), bootstraps=0)
    direction, _ = fitting.fit(config, "logistic", material)
    new = labelled(4000)
    p = special.expit(direction.logits(new.codes))
    for share in np.array_split(np.argsort(p), 5):
        assert p[share].mean() == pytest.approx(
            new.judged[share].mean(), abs=0.04
        )
    assert p.min() < 0.2 and p.max() > 0.8


def test_no_curved_walk_goes_where_the_logit_does_not_go_in_w():
    """The same limit as a straight walk's where the logit is all but linear."""
    random = np.random.default_rng(5)
    normal = random.normal(size=DIM)
    region = Region(random.normal(size=DIM), np.eye(DIM) / 2, 1e3, 0.5)
    curved = Curved(
        hidden=np.stack([normal, -normal], axis=1),
        hidden_bias=np.zeros(2),
        # softplus(x) - softplus(-x) = x
        out=np.array([1.0, -1.0]),
        out_bias=0.3,
        removed=np.zeros((DIM, 0)),
        region=region,
    )
    alpha = (normal / np.linalg.norm(normal)).astype(np.float32)
    linear = Linear(alpha, normal, 0.3, region)
    codes = region.centre + 1.5 * random.normal(size=(9, 1, DIM))
    for mine, straight in zip(
        curved.trusted_range(codes), linear.trusted_range(codes), strict=True
    ):
        np.testing.assert_allclose(mine, straight, atol=0.02)
