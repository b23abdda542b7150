"""Asks a black box for the explained class, and checks its answer."""

import numpy as np

from jaxstyle.config import Config
from jaxstyle.predictors.protocol import Predictor, PredictorError

# Probabilities nearer to 0 or 1 count as this near in `logit`.
LOGIT_CLIP = 1e-6
# float32 softmaxes overshoot 1 by so much at most; anything more is wrong.
_ROUNDING = 1e-5


def probability(
    predictor: Predictor, images: np.ndarray, config: Config
) -> np.ndarray:
    """The probability of the explained class.

    Args:
      predictor: any black box.
      images: [N, H, W, C] in [-1, 1]; values outside are clipped.
      config: `predictor.batch_size` images are shown at once, and column
        `predictor.class_index` is taken.

    Returns:
      float32 [N] in [0, 1].

    Raises:
      PredictorError: if what comes back is not N rows of probabilities.
    """
    size = config.predictor.batch_size
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(images), size):
        signed = np.asarray(images[start : start + size], np.float32)
        unit = np.clip(signed * 0.5 + 0.5, 0, 1)
        answer = predictor.predict(unit)
        parts.append(_column(answer, len(unit), config))
    return np.concatenate(parts)


def logit(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64, with p clipped to [1e-6, 1 - 1e-6].

    The clip keeps a saturated predictor finite: results lie in +-13.82.
    """
    p = np.clip(np.asarray(p, np.float64), LOGIT_CLIP, 1 - LOGIT_CLIP)
    return np.log(p) - np.log1p(-p)


def _column(answer: np.ndarray, count: int, config: Config) -> np.ndarray:
    answer = np.asarray(answer)
    name = config.predictor.target or "the built-in classifier"
    wanted = f"probabilities of shape [{count}, K] in [0, 1] are expected"
    if answer.ndim != 2 or len(answer) != count:
        raise PredictorError(
            f"{name} answered {count} images with an array of shape "
            f"{answer.shape}; {wanted}"
        )
    index = config.predictor.class_index
    if not 0 <= index < answer.shape[1]:
        raise PredictorError(
            f"predictor.class_index = {index}, but {name} has "
            f"{answer.shape[1]} classes: use 0 to {answer.shape[1] - 1}"
        )
    p = answer[:, index].astype(np.float32)
    if not np.all(np.isfinite(p)):
        raise PredictorError(
            f"{name} answered with {p[~np.isfinite(p)][0]}; {wanted}"
        )
    if p.min() < -_ROUNDING or p.max() > 1 + _ROUNDING:
        raise PredictorError(
            f"{name} answered with values from {p.min():g} to {p.max():g}; "
            f"{wanted} (apply a sigmoid or softmax to logits)"
        )
    return np.clip(p, 0, 1)
