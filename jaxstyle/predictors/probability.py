"""Asks a black box what `config.target` asks."""

import numpy as np

from jaxstyle.config import Config
from jaxstyle.predictors import question
from jaxstyle.predictors.answers import answers
from jaxstyle.predictors.protocol import Predictor

# Probabilities nearer to 0 or 1 count as this near in `logit`.
LOGIT_CLIP = 1e-6


def probability(
    predictor: Predictor, images: np.ndarray, config: Config
) -> np.ndarray:
    """The probability of what is asked.

    Args:
      predictor: any black box.
      images: [N, H, W, C] in [-1, 1]; values outside are clipped.
      config: `predictor.batch_size` images are shown at once, and
        `TargetConfig` says what is asked.

    Returns:
      float32 [N] in [0, 1].

    Raises:
      PredictorError: if what comes back does not answer that.
    """
    size = config.predictor.batch_size
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(images), size):
        signed = np.asarray(images[start : start + size], np.float32)
        unit = np.clip(signed * 0.5 + 0.5, 0, 1)
        parts.append(question.asked(answers(predictor, unit, config), config))
    return np.concatenate(parts)


def logit(p: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), float64, with p clipped to [1e-6, 1 - 1e-6].

    The clip keeps a saturated predictor finite: results lie in +-13.82.
    """
    p = np.clip(np.asarray(p, np.float64), LOGIT_CLIP, 1 - LOGIT_CLIP)
    return np.log(p) - np.log1p(-p)
