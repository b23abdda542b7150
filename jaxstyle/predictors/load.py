"""Finds the config's black box."""

from pathlib import Path

from jaxstyle.config import Config
from jaxstyle.predictors.callable import CallablePredictor
from jaxstyle.predictors.checkpoint import CheckpointPredictor
from jaxstyle.predictors.protocol import Predictor


def load(config: Config, workdir: str | Path) -> Predictor:
    """The predictor f that `config.predictor` names.

    Raises:
      PredictorError: if its function cannot be found.
      WorkdirError: if the built-in classifier has not been trained.
    """
    if config.predictor.kind == "callable":
        return CallablePredictor(config.predictor.target)
    return CheckpointPredictor(config, workdir)
