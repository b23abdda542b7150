"""Temperature scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2)."""

from typing import Any

import numpy as np
from scipy import optimize, special

SHARPEST, FLATTEST = 1 / 20, 20.0


def negative_log_likelihood(
    logits: np.ndarray, classes: np.ndarray, temperature: float
) -> float:
    """Mean over images of -log p(class), with p = softmax(logits / T).

    Args:
      logits: [N, K]; [N, 1] is of class 1 against class 0, under a sigmoid.
      classes: int [N].
      temperature: T.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    if scaled.shape[1] == 1:
        scaled = np.concatenate([np.zeros_like(scaled), scaled], axis=1)
    own = np.take_along_axis(scaled, np.asarray(classes)[:, None], axis=1)
    total: Any = special.logsumexp(scaled, axis=1)
    return float(np.mean(total - own[:, 0]))


def fit_temperature(logits: np.ndarray, classes: np.ndarray) -> float:
    """The temperature T > 0 under which softmax(logits / T) is calibrated.

    Minimises the likelihood's sum over validation images plus
    (1/T - 1)^2 / 2, a prior worth about one image. It leaves many images in
    charge, and keeps a few, or perfectly separated ones, whose likelihood
    alone would take T to 0, from doing harm. The objective is convex in
    1/T, and the likelihood is never worse than at T = 1. Decisions (the
    largest logit) stay as they are.

    Args:
      logits: [N, K], or [N, 1] of a sigmoid.
      classes: int [N].

    Returns:
      T in [1/20, 20].
    """
    count = len(logits)

    def objective(inverse: float) -> float:
        likelihood = negative_log_likelihood(logits, classes, 1 / inverse)
        return count * likelihood + (inverse - 1) ** 2 / 2

    found = optimize.minimize_scalar(
        objective, bounds=(1 / FLATTEST, 1 / SHARPEST), method="bounded"
    )
    return 1 / float(found.x)  # type: ignore[attr-defined]


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Calibrated probabilities, float32, of logits [N, K] or [N, 1].

    softmax(logits / T), and of one logit sigmoid(logit / T); same shape.
    """
    scaled = np.asarray(logits, np.float64) / temperature
    if scaled.shape[1] == 1:
        return special.expit(scaled).astype(np.float32)
    return special.softmax(scaled, axis=1).astype(np.float32)
