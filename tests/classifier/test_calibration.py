"""Temperature scaling against known temperatures."""

import numpy as np
import pytest

from jaxstyle.classifier import calibration


def _drawn(temperature, count=20_000):
    """Logits whose true temperature is known, and targets."""
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 3, count)
    p = 1 / (1 + np.exp(-logits / temperature))
    classes = (generator.uniform(size=count) < p).astype(np.int64)
    return logits[:, None], classes


def test_likelihood():
    p = 1 / (1 + np.exp(-np.array([2.0, -1.0]) / 2))
    expected = -np.mean([np.log(p[0]), np.log(1 - p[1])])
    actual = calibration.negative_log_likelihood(
        np.array([[2.0], [-1.0]]), np.array([1, 0]), 2.0
    )
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_finds_the_true_temperature(true):
    logits, targets = _drawn(true)
    found = calibration.fit_temperature(logits, targets)
    assert found == pytest.approx(true, rel=0.05)
    if true != 1:
        nll = calibration.negative_log_likelihood
        assert nll(logits, targets, found) < nll(logits, targets, 1.0) - 0.01


def test_a_handful_of_separated_images_does_no_harm():
    logits = np.array([[-3.0], [-2.0], [2.0], [3.0]])
    targets = np.array([0, 0, 1, 1])
    found = calibration.fit_temperature(logits, targets)
    # The derivative of the objective in b = 1/T vanishes at the optimum.
    b = 1 / found
    slope = (b - 1) - np.sum([2 * x / (1 + np.exp(b * x)) for x in (2, 3)])
    assert slope == pytest.approx(0, abs=1e-3)
    assert 0.5 < found < 1


def test_useless_logits_are_flattened():
    logits, _ = _drawn(1.0, 2000)
    coin = np.random.default_rng(1).integers(0, 2, 2000)
    assert calibration.fit_temperature(logits, coin) > 10


def test_several_classes():
    """Two logits with a difference d are one logit d."""
    one, targets = _drawn(2.0, 500)
    two = np.concatenate([one * 0 + 7, one + 7], axis=1)
    for function in (
        calibration.fit_temperature,
        lambda *of: calibration.negative_log_likelihood(*of, 3.0),
    ):
        assert function(two, targets) == pytest.approx(function(one, targets))
    p = calibration.probabilities(two, 3.0)
    np.testing.assert_allclose(
        p[:, 1:], calibration.probabilities(one, 3.0), rtol=1e-5
    )
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert p.dtype == np.float32


def test_one_logit_is_under_a_sigmoid():
    logits = np.float32([-200, -1, 0, 2, 200])[:, None]
    expected = 1 / (1 + np.exp(-np.clip(logits.astype(float) / 2, -99, 99)))
    actual = calibration.probabilities(logits, 2.0)
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-30)
    assert actual.dtype == np.float32
