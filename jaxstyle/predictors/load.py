"""Finds the config's black box."""

from pathlib import Path

from jaxstyle.config import Config
from jaxstyle.predictors.cached import CachedPredictor
from jaxstyle.predictors.callable import CallablePredictor
from jaxstyle.predictors.checkpoint import CheckpointPredictor
from jaxstyle.predictors.http_json import HttpPredictor
from jaxstyle.predictors.onnx_file import OnnxPredictor
from jaxstyle.predictors.probe import fingerprint
from jaxstyle.predictors.protocol import Predictor


def load(config: Config, workdir: str | Path) -> Predictor:
    """The predictor f that `config.predictor` names.

    All but the built-in one are shown the eight images of the fingerprint
    at once, so that what does not fit fails here, and not after hours.

    Raises:
      PredictorError: if it cannot be found, or does not answer as it should.
      WorkdirError: if the built-in classifier has not been trained.
    """
    if config.predictor.kind == "checkpoint":
        return CheckpointPredictor(config, workdir)
    predictor = _external(config)
    told = fingerprint(predictor, config)
    if not config.predictor.cache:
        return predictor
    return CachedPredictor(predictor, config, workdir, told)


def _external(config: Config) -> Predictor:
    if config.predictor.kind == "callable":
        return CallablePredictor(config.predictor.address)
    if config.predictor.kind == "onnx":
        return OnnxPredictor(config)
    return HttpPredictor(config)
