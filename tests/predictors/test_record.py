"""Explanations of one model are not continued with another."""

import json

import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import Config, DataConfig, PredictorConfig


class _Model:
    """Answers brightness, shifted."""

    def __init__(self, shift=0.0, file="", column=0):
        self._shift, self._column = shift, column
        self.files = {"f": file}

    def predict(self, images):
        p = 0.5 + 0.1 * images.mean(axis=(1, 2, 3))
        rows = np.stack([p, p], axis=1)
        rows[:, self._column] += self._shift
        return rows


def _config(kind="callable"):
    target = "a:b" if kind == "callable" else "f.onnx"
    return Config(
        data=DataConfig(resolution=8),
        predictor=PredictorConfig(kind=kind, address=target),
    )


def test_a_record_is_the_identity(tmp_path):
    assert predictors.recorded(tmp_path) == {}
    told = predictors.record(tmp_path, _Model(), _config())
    assert told == predictors.identity(_Model(), _config())
    assert predictors.recorded(tmp_path) == told
    text = (tmp_path / "predictor.json").read_text()
    assert json.loads(text) == told
    other = predictors.record(tmp_path, _Model(0.1), _config())
    assert predictors.recorded(tmp_path) == other != told


@pytest.mark.parametrize("shift", [0, 5e-5, -1.5e-4])
def test_the_same_model_goes_on(tmp_path, shift):
    predictors.require_recorded(tmp_path, _Model(), _config())
    predictors.record(tmp_path, _Model(), _config())
    # The file of a function says little: it may have got a comment.
    predictors.require_recorded(tmp_path, _Model(shift, "new"), _config())


@pytest.mark.parametrize("shift", [3e-4, -3e-4, 0.1])
def test_another_model_is_refused(tmp_path, shift):
    predictors.record(tmp_path, _Model(), _config())
    with pytest.raises(predictors.PredictorError, match="another model") as of:
        predictors.require_recorded(tmp_path, _Model(shift), _config())
    now = predictors.fingerprint(_Model(shift), _config())
    assert str(tmp_path) in str(of.value) and now in str(of.value)


def test_another_class_of_it_is_refused(tmp_path):
    config = _config()
    model = _Model(0.2, column=1)
    predictors.record(tmp_path, model, config)
    config.target.column = 1
    with pytest.raises(predictors.PredictorError, match="another model"):
        predictors.require_recorded(tmp_path, model, config)


def test_another_onnx_file_is_refused_whatever_it_answers(tmp_path):
    config = _config("onnx")
    predictors.record(tmp_path, _Model(file="a"), config)
    predictors.require_recorded(tmp_path, _Model(file="a"), config)
    with pytest.raises(predictors.PredictorError, match="another model"):
        predictors.require_recorded(tmp_path, _Model(file="b"), config)
