"""How well a latent predictor says what f says, and what is true."""

import logging
from typing import Any

import numpy as np

from jaxstyle import predictors
from jaxstyle.config import Config
from jaxstyle.evaluation import statistics
from jaxstyle.explain.direction import labels
from jaxstyle.explain.direction.protocol import Direction


def quality(
    config: Config, direction: Direction, data: labels.Labelled
) -> dict[str, Any]:
    """Numbers of the latent predictor on codes that it was not fitted on.

    Returns:
      n; trusted, the share of codes inside of the region; spearman, of the
      latent logit and f's; and, where both classes are there, r2 (see
      `r_squared`), auc_vs_predictor and auc_vs_truth, each with its 95 %
      interval (over patients, stratified by class) as `<name>_low` and
      `<name>_high`.
    """
    latent = direction.logits(data.codes)
    decided = labels.decisions(config, data.judged)
    margins = labels.margins(config, data.judged)
    distances = direction.region.distances(labels.summary(data.codes))
    result: dict[str, Any] = {
        "n": len(latent),
        "trusted": float(np.mean(distances <= direction.region.radius)),
        "spearman": statistics.spearman(latent, predictors.logit(data.judged)),
    }
    truth = data.targets > 0.5
    measures = {
        "r2": (r_squared, margins, decided),
        "auc_vs_predictor": (statistics.roc_auc, decided, decided),
        "auc_vs_truth": (statistics.roc_auc, truth, truth),
    }
    for name, (metric, expected, classes) in measures.items():
        if len(np.unique(classes)) < 2:
            logging.warning("%s is not defined: one class only", name)
            continue
        result[name] = metric(latent, expected)
        result[f"{name}_low"], result[f"{name}_high"] = (
            statistics.bootstrap_interval(
                metric,
                latent,
                expected,
                resamples=config.evaluation.bootstraps,
                seed=config.seed,
                stratify=classes,
                groups=data.groups,
            )
        )
    return result


def r_squared(predicted: np.ndarray, expected: np.ndarray) -> float:
    """1 - SS_res / SS_tot of [N] and [N]; below 0 worse than the mean.

    Raises:
      ValueError: if all expected values are the same.
    """
    total = np.sum((expected - expected.mean()) ** 2)
    if total == 0:
        raise ValueError("R2 needs values that differ")
    return float(1 - np.sum((expected - predicted) ** 2) / total)
