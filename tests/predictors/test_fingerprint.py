"""The fingerprint names a model: the same again, another one not."""

import hashlib
import json

import numpy as np
import pytest

from jaxstyle import predictors
from jaxstyle.config import Config, DataConfig, PredictorConfig, TargetConfig
from jaxstyle.predictors import probe
from tests.predictors import functions

HERE = "tests.predictors.functions"


def _config(side=8, channels=3, name="brightness", seed=0, column=0, **of):
    return Config(
        seed=seed,
        target=TargetConfig(column=column),
        data=DataConfig(resolution=side, channels=channels),
        predictor=PredictorConfig(
            kind="callable", address=f"{HERE}:{name}", **of
        ),
    )


class _Constant:
    def __init__(self, *values):
        self._values = values

    def predict(self, images):
        return np.tile(self._values, (len(images), 1))


def _of(*values):
    return predictors.fingerprint(_Constant(*values), _config())


def test_a_model_keeps_its_fingerprint(tmp_path):
    told = set()
    for settings in ({}, {}, {"batch_size": 3}, {"seed": 1}, {"cache": False}):
        config = _config(**settings)
        predictor = predictors.load(config, tmp_path)
        told.add(predictors.fingerprint(predictor, config))
        told.add(predictors.fingerprint(predictor, config))
    assert len(told) == 1
    (fingerprint,) = told
    assert len(fingerprint) == 16 and int(fingerprint, 16)


def test_another_model_has_another_fingerprint():
    told = {_of(0.5), _of(0.6), _of(0.5001), _of(0.5, 0.5), _of(0.5, 0.4999)}
    assert len(told) == 5


def test_noise_below_the_rounding_does_not_count():
    assert _of(0.50001) == _of(0.5) == _of(0.49999)
    assert _of(0.0) == _of(-1e-7)


def test_one_image_is_enough():
    class Odd:
        def predict(self, images):
            return np.where(np.arange(len(images)) == 7, 0.6, 0.5)

    assert predictors.fingerprint(Odd(), _config()) != _of(0.5)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (32, 3), (64, 1)])
def test_probes_are_smooth_and_differ(side, channels):
    images = probe.probes(_config(side, channels))
    assert images.shape == (8, side, side, channels)
    assert images.dtype == np.float32
    levels = images.astype(np.float64) * 255
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-4)
    assert levels.min() >= 0 and levels.max() <= 255.001
    assert len(np.unique(images.reshape(8, -1), axis=0)) == 8
    # Two cells a side are a plane twisted once: linear along each axis.
    for axis in (1, 2):
        bends = np.diff(levels[:2], n=2, axis=axis)
        assert np.abs(bends).max() <= 2.001
    # The corners are the grid's, so neighbouring pixels differ by no more
    # than a cell's share of the range.
    for cells, image in zip((2, 2, 4, 4, 8, 8), levels, strict=False):
        steps = np.abs(np.diff(image, axis=0)).max()
        assert 1 < steps <= 255 * (cells - 1) / (side - 1) + 1


def test_probes_stay_what_they_are():
    """Fingerprints of different versions are compared."""
    images = probe.probes(_config(8, 1))
    levels = np.round(images * 255).astype(np.uint8)
    assert (
        hashlib.sha256(levels.tobytes()).hexdigest()[:16] == "e95dc6a5f62724dd"
    )


def test_the_probes_are_seen_by_the_model_itself(tmp_path):
    config = _config(name="counted")
    predictor = predictors.load(config, tmp_path)
    predictor.predict(probe.probes(config))
    functions.asked.clear()
    predictors.fingerprint(predictor, config)
    assert functions.asked == [8]


def test_an_identity_is_json(tmp_path):
    config = _config(name="two_classes", column=1)
    predictor = predictors.load(config, tmp_path)
    told = predictors.identity(predictor, config)
    assert json.loads(json.dumps(told)) == told
    assert told["kind"] == "callable" and told["target"]["column"] == 1
    assert told["address"] == f"{HERE}:two_classes"
    assert told["fingerprint"] == predictors.fingerprint(predictor, config)
    probes = probe.probes(config)
    np.testing.assert_allclose(
        told["probe_probabilities"], probes.mean(axis=(1, 2, 3)), rtol=1e-5
    )
    with open(functions.__file__, "rb") as file:
        expected = hashlib.sha256(file.read()).hexdigest()
    assert told["files"] == {"functions.py": expected}


def test_a_model_that_answers_wrongly_has_none():
    with pytest.raises(predictors.PredictorError, match="answered with 2"):
        _of(2.0)
