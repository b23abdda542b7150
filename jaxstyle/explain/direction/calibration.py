"""Scores of any scale told as logits, so that probabilities mean the same."""

import logging

import numpy as np
from scipy import optimize, special

# Least rise of the logit over a standard deviation of the scores.
_LEAST_RISE = 1e-3


def calibrate(scores: np.ndarray, goals: np.ndarray) -> tuple[float, float]:
    """The logistic fit of probabilities on one score.

    Minimises the cross-entropy of sigmoid(slope * score + shift), as Platt
    1999 does. Where the goals are decisions, they are moved off 0 and 1 as
    there: a score that separates them would have an infinite slope.

    Args:
      scores: [N] of codes that the score was not fitted on.
      goals: [N] in [0, 1].

    Returns:
      slope > 0 and shift. The slope is next to 0, and a warning is logged,
      where the goals do not rise with the score.
    """
    goals = _off_the_ends(goals)
    centre = scores.mean()
    unit = scores.std() or 1.0
    x = (scores - centre) / unit

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        logits = theta[0] * x + theta[1]
        error = (special.expit(logits) - goals) / len(x)
        gradient = np.array([error @ x, error.sum()])
        return cross_entropy(logits, goals), gradient

    start = np.array([1.0, 0.0])
    bounds = [(_LEAST_RISE, None), (None, None)]
    best = optimize.minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"ftol": 1e-14, "gtol": 1e-9},
    )
    rise, level = best.x
    if rise <= _LEAST_RISE:
        logging.warning(
            "the latent predictor does not rise with what it is to predict "
            "on the validation split; its probabilities say nothing"
        )
    return float(rise / unit), float(level - rise * centre / unit)


def cross_entropy(logits: np.ndarray, goals: np.ndarray) -> float:
    """Mean logistic loss of logits [N] against probabilities [N]."""
    return float(np.mean(np.logaddexp(0, logits) - goals * logits))


def _off_the_ends(goals: np.ndarray) -> np.ndarray:
    if not np.all((goals == 0) | (goals == 1)):
        return goals
    ones = goals.sum()
    high, low = (ones + 1) / (ones + 2), 1 / (len(goals) - ones + 2)
    return np.where(goals == 1, high, low)
