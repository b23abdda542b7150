"""Codes, what f and the truth say of them, and what is learnt from that."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import special

from jaxstyle import predictors
from jaxstyle.config import Config


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Codes and what is known of them.

    Attributes:
      codes: [N, rows, w_dim].
      judged: f's probability for the image itself, [N].
      targets: ground truth 0 or 1, [N]; empty where there is none.
      groups: the patient of each, [N]; None where each is its own.
    """

    codes: np.ndarray
    judged: np.ndarray
    targets: np.ndarray
    groups: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a latent predictor is to say of N codes.

    Attributes:
      labels: int32 0 or 1, [M], M a multiple of N: codes repeat to match.
      weights: [M], how much each counts within its class.
      values: [N], the logit that a regression fits.
    """

    labels: np.ndarray
    weights: np.ndarray
    values: np.ndarray

    @property
    def balanced(self) -> np.ndarray:
        """Weights [M] of which each class has half."""
        totals = class_totals(self.labels, self.weights)
        return self.weights * (totals.sum() / 2 / totals)[self.labels]

    def some(self, rows: np.ndarray) -> "Wanted | None":
        """Of the codes at `rows`; None where a class is missing."""
        count = len(self.values)
        starts = np.arange(0, len(self.labels), count)
        every = (starts[:, None] + rows[None]).ravel()
        labels, weights = self.labels[every], self.weights[every]
        if class_totals(labels, weights).min() <= 0:
            return None
        return Wanted(labels, weights, self.values[rows])


def summary(codes: np.ndarray) -> np.ndarray:
    """The point of W that stands for a code: [N, rows, D] -> [N, D]."""
    return codes.mean(axis=1)


def decisions(config: Config, probabilities: np.ndarray | float) -> np.ndarray:
    """f's decision for the finding, bool, same shape.

    In float32, as predictors answer: one that says 0.7 reaches 0.7.
    """
    threshold = np.float32(config.target.level)
    return np.asarray(probabilities, np.float32) >= threshold


def margins(config: Config, judged: np.ndarray) -> np.ndarray:
    """f's logit above the one at which it decides: float64, same shape."""
    threshold = np.asarray(config.target.level)
    return predictors.logit(judged) - predictors.logit(threshold)


def goals(config: Config, data: Labelled) -> np.ndarray:
    """The probability [N] that the latent predictor is to give.

    The ground truth where the labels are that. Else f's own, told so that
    0.5 is where f decides, whatever its threshold.
    """
    if config.direction.labels == "ground_truth":
        return data.targets.astype(np.float64)
    return special.expit(margins(config, data.judged))


def wanted(config: Config, data: Labelled) -> Wanted:
    """What the direction is fitted on, as `direction.labels` says.

    Raises:
      ValueError: if one class is missing.
    """
    labels, weights = training_labels(config, data)
    return Wanted(labels, weights, predictors.logit(goals(config, data)))


def training_labels(
    config: Config, data: Labelled
) -> tuple[np.ndarray, np.ndarray]:
    """Labels 0 or 1 and weights to fit on, [M] each.

    Probabilities enter as both labels with weights 1 - p and p, in which
    the logistic loss is linear; then M = 2N, all zeros first.

    Raises:
      ValueError: if one class is missing.
    """
    kind, ones = config.direction.labels, np.ones(len(data.codes))
    labels, weights = decisions(config, data.judged), ones
    if kind == "predictor_prob":
        labels = np.concatenate([0 * ones, ones])
        weights = np.concatenate([1 - data.judged, data.judged])
    elif kind == "ground_truth":
        labels = data.targets
    labels = labels.astype(np.int32)
    totals = class_totals(labels, weights)
    if totals.min() <= 0:
        raise ValueError(
            f"each of the {len(ones)} images that the direction is fitted on "
            f"is of class {totals.argmax()} ({kind}), and both are needed; "
            "check the predictor and target.threshold"
        )
    return labels, weights


def class_totals(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weight of all zeros and of all ones, [2]."""
    return np.bincount(labels, weights, 2)
