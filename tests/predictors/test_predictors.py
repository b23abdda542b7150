"""Black boxes: found, asked in batches, and checked."""

import numpy as np
import pytest

from jaxstyle import predictors, workdir
from jaxstyle.classifier import state as state_lib
from jaxstyle.classifier import train
from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    PredictorConfig,
    TargetConfig,
)
from jaxstyle.predictors.callable import CallablePredictor

HERE = "tests.predictors.functions"


def _config(address=f"{HERE}:brightness", column=0, **settings):
    return Config(
        predictor=PredictorConfig(kind="callable", address=address, **settings),
        target=TargetConfig(column=column),
    )


def _images(count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.uniform(-1, 1, (count, 4, 4, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "name, column",
    [("brightness", 0), ("two_classes", 1), ("Nested.predict", 0)],
)
def test_a_function_s_answers(name, column, tmp_path):
    config = _config(f"{HERE}:{name}", column=column)
    predictor = predictors.load(config, tmp_path)
    images = _images(5)
    actual = predictors.probability(predictor, images, config)
    expected = (images / 2 + 0.5).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    assert actual.shape == (5,) and actual.dtype == np.float32


def test_images_come_in_batches_in_the_unit_range():
    seen = []

    class Spy:
        def predict(self, images):
            seen.append(images)
            return np.full((len(images), 1), 0.25, np.float32)

    images = _images(5) * 3
    p = predictors.probability(Spy(), images, _config(batch_size=2))
    np.testing.assert_array_equal(p, np.full(5, 0.25, np.float32))
    assert [len(batch) for batch in seen] == [2, 2, 1]
    shown = np.concatenate(seen)
    np.testing.assert_allclose(
        shown, np.clip((images + 1) / 2, 0, 1), atol=1e-6
    )
    assert shown.dtype == np.float32
    assert shown.min() == 0 and shown.max() == 1
    assert len(predictors.probability(Spy(), images[:0], _config())) == 0


@pytest.mark.parametrize(
    "answer, message",
    [
        (np.zeros((4, 1)), r"5 images with an array of shape \(4, 1\)"),
        (np.zeros((5, 1, 1)), r"shape \(5, 1, 1\); prob.* \[5, K\]"),
        (np.full((5, 1), np.nan), "answered with nan"),
        (np.full((5, 1), 1.5), "from 1.5 to 1.5.*sigmoid"),
        (np.full((5, 1), -0.5), "from -0.5 to -0.5"),
        (np.zeros((5, 0)), r"shape \(5, 0\)"),
        (np.float32(0.5), r"shape \(\)"),
        (np.full((5, 1), 1 + 2e-5), "from 1.00002 to 1.00002"),
        (
            [[0.5, 0.5], [0.5, 3], [0, 0], [0, 0], [0, 0]],
            r"answered with 3 \(image 1 of the batch, class 1",
        ),
        ([[0.5], [0.5], [0.5], [0.5, 0.1], [0.5]], "different lengths"),
        (["0.5"] * 5, r"answered with np.str_\('0.5'\)"),
        (None, "answered with None"),
    ],
)
def test_a_wrong_answer_is_told(answer, message):
    class Wrong:
        def predict(self, images):
            return answer

    with pytest.raises(predictors.PredictorError, match=message) as told:
        predictors.probability(Wrong(), _images(5), _config())
    assert f"callable predictor {HERE}:brightness" in str(told.value)


def test_rounding_is_forgiven():
    class Rounded:
        def predict(self, images):
            return np.array([[1 + 1e-6], [-1e-7]])

    p = predictors.probability(Rounded(), _images(2), _config())
    np.testing.assert_array_equal(p, [1, 0])


def test_a_class_that_is_not_there_is_told(tmp_path):
    told = r"target.column = 2.* 2 classes.*0 to 1"
    config = _config(f"{HERE}:two_classes", column=2)
    with pytest.raises(predictors.PredictorError, match=told):
        predictors.load(config, tmp_path)
    predictor = CallablePredictor(config.predictor.address)
    with pytest.raises(predictors.PredictorError, match=told):
        predictors.probability(predictor, _images(1), config)


@pytest.mark.parametrize(
    "address, message",
    [
        ("no_such_module:f", "cannot import 'no_such_module'"),
        (f"{HERE}:missing", "has no 'missing'"),
        (f"{HERE}:Nested.missing", "has no 'missing'"),
        (f"{HERE}:NUMBER", "3 is not a function"),
    ],
)
def test_a_function_that_is_not_there_is_told(address, message):
    with pytest.raises(predictors.PredictorError, match=message):
        CallablePredictor(address)


def test_logit_is_the_inverse_of_the_sigmoid_and_finite():
    p = np.array([0.01, 0.5, 0.9])
    np.testing.assert_allclose(1 / (1 + np.exp(-predictors.logit(p))), p)
    ends = predictors.logit(np.float32([0, 1]))
    np.testing.assert_allclose(ends, [-13.8155, 13.8155], atol=1e-3)


def test_the_checkpoint_s_calibrated_probabilities(tmp_path):
    config = Config(
        data=DataConfig(resolution=8, channels=3),
        classifier=ClassifierConfig(widths=(8,)),
        predictor=PredictorConfig(batch_size=4),
    )
    with pytest.raises(workdir.WorkdirError, match="train_classifier"):
        predictors.load(config, tmp_path)
    params = state_lib.create(config, 1).params
    _export(config, tmp_path, params, temperature=2.5)

    predictor = predictors.load(config, tmp_path)
    images = np.random.default_rng(0).uniform(0, 1, (7, 8, 8, 3))
    images = images.astype(np.float32)
    network, loaded, temperature = train.load(config, tmp_path)
    assert temperature == 2.5
    logits = np.asarray(network.apply(loaded, images * 2 - 1))
    actual = predictor.predict(images)
    assert actual.shape == (7, 1) and actual.dtype == np.float32
    np.testing.assert_allclose(
        actual, 1 / (1 + np.exp(-logits / 2.5)), rtol=1e-4
    )
    assert np.ptp(actual) > 1e-3
    differentiable = predictors.network(config)
    judged = differentiable(
        predictors.parameters(config, tmp_path), images * 2 - 1
    )
    np.testing.assert_allclose(
        1 / (1 + np.exp(-np.asarray(judged))), actual[:, 0], rtol=1e-4
    )

    assert predictors.identity(predictor, config)["files"] == {}
    assert not (tmp_path / "predictor_cache").exists()


def _export(config, root, params, temperature):
    """What a finished training leaves behind."""
    stage = workdir.stage(config, root, "classifier")
    stage.path.mkdir(parents=True)
    train.export(stage, params, temperature)
    workdir.finish(stage, {}, 0.0)
