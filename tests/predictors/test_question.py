"""What is asked, of probabilities and of logits, by definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import (
    Config,
    DataConfig,
    PredictorConfig,
    TargetConfig,
)
from jaxstyle.predictors import question

FOUR = DataConfig(resolution=8, class_names=("a", "b", "c", "d"))
QUESTIONS = {
    "class": TargetConfig(kind="class", column=2),
    "pair": TargetConfig(kind="pair", column=0, against=3),
    "grade": TargetConfig(kind="grade", column=1),
}


def _config(target, data=FOUR):
    predictor = PredictorConfig(kind="callable", address="a:b", batch_size=4)
    return Config(data=data, target=target, predictor=predictor)


class _Answers:
    """Gives these rows, whatever it is shown."""

    def __init__(self, rows):
        self._rows = np.asarray(rows)

    def predict(self, images):
        return self._rows[: len(images)]


def _ask(rows, target, data=FOUR):
    images = np.zeros((len(rows), 8, 8, 3), np.float32)
    return predictors.probability(_Answers(rows), images, _config(target, data))


def _softmax(logits):
    e = np.exp(logits.astype(np.float64))
    return e / e.sum(axis=1, keepdims=True)


def _by_definition(name, p):
    return {
        "class": p[:, 2],
        "pair": p[:, 0] / (p[:, 0] + p[:, 3]),
        "grade": p[:, 1] + p[:, 2] + p[:, 3],
    }[name]


@pytest.mark.parametrize("name", QUESTIONS)
def test_probabilities_and_logits_say_the_same(name):
    logits = np.random.default_rng(0).normal(0, 3, (4, 4)).astype(np.float32)
    p = _softmax(logits)
    expected = _by_definition(name, p)
    found = _ask(p, QUESTIONS[name])
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.dtype == np.float32
    told = question.asked_logit(jnp.asarray(logits), _config(QUESTIONS[name]))
    np.testing.assert_allclose(
        jax.nn.sigmoid(told), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", QUESTIONS)
def test_far_logits_stay_finite_and_so_do_gradients(name):
    logits = jnp.asarray([[90.0, -90.0, 0.0, -90.0], [-200.0, 0.0, 9.0, 4.0]])
    config = _config(QUESTIONS[name])

    def total(x):
        return jnp.sum(question.asked_logit(x, config))

    assert np.isfinite(total(logits))
    slope = np.asarray(jax.grad(total)(logits))
    assert np.isfinite(slope).all()
    # A constant added to all logits changes nothing.
    np.testing.assert_allclose(slope.sum(axis=1), 0, atol=1e-5)


def test_one_logit_is_the_finding_s():
    logits = jnp.asarray([[0.3], [-2.0]])
    config = _config(TargetConfig(), DataConfig(resolution=8))
    np.testing.assert_array_equal(
        question.asked_logit(logits, config), np.float32([0.3, -2.0])
    )


def test_a_pair_without_any_probability_is_undecided():
    assert _ask([[0.0, 1.0, 0.0, 0.0]], QUESTIONS["pair"]) == [0.5]


def test_one_of_several_findings_need_not_exclude_the_others():
    rows = [[0.9, 0.8, 0.7], [0.1, 0.0, 0.6]]
    data = DataConfig(resolution=8)
    np.testing.assert_allclose(
        _ask(rows, TargetConfig(column=2), data), [0.7, 0.6]
    )


def test_a_value_is_told_on_the_logistic_scale():
    target = TargetConfig(kind="value", column=1, threshold=30.0, scale=5.0)
    rows = [[0.0, 30.0], [0.0, 35.0], [0.0, -1e6], [0.0, 20.0]]
    found = _ask(rows, target, DataConfig(resolution=8))
    expected = [0.5, 1 / (1 + np.exp(-1)), 0.0, 1 / (1 + np.exp(2))]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "target", "told"),
    [
        ([[0.5, 0.5]], QUESTIONS["class"], "target.column = 2, .* 2 classes"),
        ([[0.2] * 5], QUESTIONS["class"], "has 5 classes, but data.class_n"),
        ([[0.9, 0.8, 0.1, 0.7]], QUESTIONS["pair"], "add up to 2.5 .*softmax"),
        ([[0.1, 0.1, 0.1, 0.1]], QUESTIONS["grade"], "add up to 0.4"),
    ],
)
def test_an_answer_to_another_question_is_refused(rows, target, told):
    with pytest.raises(predictors.PredictorError, match=told):
        _ask(rows, target)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_value_has_to_be_finite(wrong):
    target = TargetConfig(kind="value")
    with pytest.raises(predictors.PredictorError, match="finite values"):
        _ask([[1.0], [wrong]], target, DataConfig(resolution=8))


def test_large_values_have_fingerprints_of_their_own():
    """Volumes in cubic millimetres, far from the threshold."""
    target = TargetConfig(kind="value", threshold=1.2e6, scale=1e4)
    config = _config(target, DataConfig(resolution=8))

    def told(value):
        rows = np.full((8, 1), value)
        return predictors.fingerprint(_Answers(rows), config)

    found = {told(value) for value in (1.2e6, 1.3e6, 3e5, 1.2e6 + 5)}
    assert len(found) == 4
    assert told(1.2e6 + 0.1) == told(1.2e6)


def test_a_model_is_known_by_all_that_it_says(tmp_path):
    """Not by the asked class alone, of which there may be nothing."""
    config = _config(QUESTIONS["class"])
    one, other = np.zeros((8, 4)), np.zeros((8, 4))
    one[:, 0] = other[:, 1] = 1
    predictors.record(tmp_path, _Answers(one), config)
    predictors.require_recorded(tmp_path, _Answers(one), config)
    with pytest.raises(predictors.PredictorError, match="another model"):
        predictors.require_recorded(tmp_path, _Answers(other), config)
