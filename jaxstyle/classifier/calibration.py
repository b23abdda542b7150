"""Temperature scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2)."""

import numpy as np
from scipy import optimize, special

SHARPEST, FLATTEST = 1 / 20, 20.0


def negative_log_likelihood(
    logits: np.ndarray, targets: np.ndarray, temperature: float
) -> float:
    """Mean over images of -log p(target), with p = sigmoid(logit / T)."""
    scaled = np.asarray(logits, np.float64) / temperature
    signs = 2 * np.asarray(targets, np.float64) - 1
    return float(np.mean(np.logaddexp(0, -signs * scaled)))


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature T > 0 under which sigmoid(logit / T) is calibrated.

    Minimises the likelihood's sum over validation images plus
    (1/T - 1)^2 / 2, a prior worth about one image. It leaves many images in
    charge, and keeps a few, or perfectly separated ones, whose likelihood
    alone would take T to 0, from doing harm. The objective is convex in
    1/T, and the likelihood is never worse than at T = 1. Decisions (the
    sign of the logit) stay as they are.

    Args:
      logits: [N].
      targets: [N] of 0 and 1.

    Returns:
      T in [1/20, 20].
    """
    count = len(logits)

    def objective(inverse: float) -> float:
        likelihood = negative_log_likelihood(logits, targets, 1 / inverse)
        return count * likelihood + (inverse - 1) ** 2 / 2

    found = optimize.minimize_scalar(
        objective, bounds=(1 / FLATTEST, 1 / SHARPEST), method="bounded"
    )
    return 1 / float(found.x)  # type: ignore[attr-defined]


def sigmoid(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Calibrated probabilities sigmoid(logit / T), float32, same shape."""
    scaled = np.asarray(logits, np.float64) / temperature
    return special.expit(scaled).astype(np.float32)
