"""The black box f behind one protocol."""

from jaxstyle.predictors.differentiable import network, parameters
from jaxstyle.predictors.load import load
from jaxstyle.predictors.probability import logit, probability
from jaxstyle.predictors.probe import fingerprint, identity
from jaxstyle.predictors.protocol import Predictor, PredictorError
from jaxstyle.predictors.question import asked_logit
from jaxstyle.predictors.record import (
    claim,
    record,
    recorded,
    require_recorded,
)

__all__ = [
    "Predictor",
    "PredictorError",
    "asked_logit",
    "claim",
    "fingerprint",
    "identity",
    "load",
    "logit",
    "network",
    "parameters",
    "probability",
    "record",
    "recorded",
    "require_recorded",
]
