"""The black box f behind one protocol."""

from jaxstyle.predictors.differentiable import network, parameters
from jaxstyle.predictors.load import load
from jaxstyle.predictors.probability import logit, probability
from jaxstyle.predictors.protocol import Predictor, PredictorError

__all__ = [
    "Predictor",
    "PredictorError",
    "load",
    "logit",
    "network",
    "parameters",
    "probability",
]
