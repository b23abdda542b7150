"""The latent predictor and its direction alpha.

Schutte et al. 2021 (arXiv:2101.07563, section 2.3): a logistic regression
on codes predicts what f says of the image; the normal of its plane, alpha,
is the direction in W along which f changes most for the least movement.

A W+ code is represented by the mean of its rows; moving every row by
lambda * alpha moves that mean by as much, so the closed form is the same.
"""

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from jaxstyle import predictors, workdir
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import statistics

_FILE = "direction.npz"


@dataclasses.dataclass(frozen=True)
class Direction:
    """p(w) = sigmoid(scale * (w . alpha) + intercept), and where to trust it.

    Attributes:
      alpha: float32 [w_dim], unit norm, towards the finding.
      scale: slope of the logit along alpha, > 0.
      intercept: logit at w = 0.
      centre: float32 [w_dim], mean of W.
      trust_radius: greatest trusted distance of a code from `centre`.
    """

    alpha: np.ndarray
    scale: float
    intercept: float
    centre: np.ndarray
    trust_radius: float

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Latent logits [N] of codes [N, rows, w_dim]."""
        return self.scale * (summary(codes) @ self.alpha) + self.intercept

    def along(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """Latent probabilities [N, K] of codes moved by lambdas [N, K]."""
        start = self.logits(codes).astype(np.float64)
        return special.expit(start[:, None] + self.scale * lambdas)

    def steps_to(self, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """lambda [N, T] that takes each code to each target probability.

        logit(p) = logit(w) + scale * lambda, solved for lambda.
        """
        goals = predictors.logit(targets)[None]
        return (goals - self.logits(codes)[:, None]) / self.scale

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest trusted lambda of each code: [N], [N].

        |w + lambda alpha - centre| <= trust_radius, solved for lambda; a
        code outside of the radius may not move farther out: its range is
        from its own place to its mirror image across the closest approach.
        """
        offset = summary(codes) - self.centre
        along = offset @ self.alpha
        squared = np.sum(offset**2, axis=1)
        radius = np.maximum(self.trust_radius**2, squared)
        reach = np.sqrt(np.maximum(along**2 + radius - squared, 0))
        return -along - reach, -along + reach


def summary(codes: np.ndarray) -> np.ndarray:
    """The point of W that stands for a code: [N, rows, D] -> [N, D]."""
    return codes.mean(axis=1)


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Fits alpha, saves it, and tells how far it can be believed."""
    started = time.monotonic()
    stage = workdir.begin(config, root, "direction")
    codec = encoder_train.load(config, root)
    predictor = predictors.load(config, root)
    splits = {
        name: encoded(config, root, name, codec, predictor)
        for name in ("train", "val", "test")
    }
    sampled = codec.sample_codes(config.direction.samples, config.seed)
    centre = summary(sampled).mean(axis=0)
    # W lives about its mean, at the scale of its own codes.
    unit = float(np.sqrt(np.mean(np.sum((summary(sampled) - centre) ** 2, 1))))

    if config.direction.codes == "sampled":
        images = codec.decode(sampled)
        judged = predictors.probability(predictor, images, config)
        fitting = Labelled(sampled, judged, np.zeros(0, np.float32))
    else:
        fitting = splits["train"]
    labels, weights = training_labels(config, fitting)
    x = (summary(fitting.codes) - centre) / unit
    model = best_fit(config, x, labels, weights, splits["val"], centre, unit)
    direction = in_w(model, centre, unit, trust_radius(config, sampled))
    save(stage.path, direction)

    result = {
        "regularisation": float(model.C),
        "scale": direction.scale,
        "intercept": direction.intercept,
        "trust_radius": direction.trust_radius,
        "codes": len(x),
        "stability": stability(config, x, labels, weights, model, direction),
        **{
            name: quality(config, direction, splits[name])
            for name in ("val", "test")
        },
    }
    workdir.finish(stage, result, time.monotonic() - started)
    return result


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Codes and what is known of them.

    Attributes:
      codes: [N, rows, w_dim].
      judged: f's probability for the image itself, [N].
      targets: ground truth 0 or 1, [N]; empty where there is none.
    """

    codes: np.ndarray
    judged: np.ndarray
    targets: np.ndarray


def encoded(
    config: Config,
    root: str | Path,
    split_name: str,
    codec: codec_lib.Codec,
    predictor: predictors.Predictor,
) -> Labelled:
    """E(x) and f(x) of a whole split."""
    split = pipeline.open_split(config, root, split_name)
    codes, judged = [], []
    for _, images in split.batches(config.predictor.batch_size):
        codes.append(codec.encode(images))
        judged.append(predictors.probability(predictor, images, config))
    return Labelled(
        np.concatenate(codes), np.concatenate(judged), split.targets
    )


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
            "check the predictor and predictor.threshold"
        )
    return labels, weights


def class_totals(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weight of all zeros and of all ones, [2]."""
    return np.bincount(labels, weights, 2)


def decisions(config: Config, probabilities: np.ndarray | float) -> np.ndarray:
    """f's decision for the finding, bool, same shape.

    In float32, as predictors answer: one that says 0.7 reaches 0.7.
    """
    threshold = np.float32(config.predictor.threshold)
    return np.asarray(probabilities, np.float32) >= threshold


def best_fit(
    config: Config,
    x: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    val: Labelled,
    centre: np.ndarray,
    unit: float,
) -> LogisticRegression:
    """The fit whose regularisation is best on the validation split.

    Best is the lowest logistic loss against f's probabilities (against the
    ground truth where the labels are that). Where the labels are decisions,
    f's threshold counts as a probability of 0.5, as it does for the fit.
    """
    x_val = (summary(val.codes) - centre) / unit
    p = val.judged.astype(np.float64)
    if config.direction.labels == "ground_truth":
        p = val.targets
    elif config.direction.labels == "predictor_hard":
        threshold = np.asarray(config.predictor.threshold)
        p = special.expit(predictors.logit(p) - predictors.logit(threshold))
    wanted = np.concatenate([np.zeros(len(p)), np.ones(len(p))])
    weight = np.concatenate([1 - p, p])
    fits = []
    for c in config.direction.regularisation:
        model = fit(x, labels, weights, c)
        guess = np.tile(model.predict_proba(x_val)[:, 1], 2)
        loss = log_loss(wanted, guess, sample_weight=weight, labels=[0, 1])
        logging.info("direction: C = %g, validation loss %.4f", c, loss)
        fits.append((loss, model))
    return min(fits, key=lambda pair: pair[0])[1]


def fit(
    x: np.ndarray, labels: np.ndarray, weights: np.ndarray, c: float
) -> LogisticRegression:
    """Class-balanced L2 logistic regression; x repeats to match labels."""
    x = np.tile(x, (len(labels) // len(x), 1)).astype(np.float64)
    # Each class weighs as much as the other, and both as all samples do.
    totals = class_totals(labels, weights)
    balanced = weights * (totals.sum() / 2 / totals)[labels]
    model = LogisticRegression(C=c, max_iter=2000)
    return model.fit(x, labels, sample_weight=balanced)


def in_w(
    model: LogisticRegression, centre: np.ndarray, unit: float, radius: float
) -> Direction:
    """The fit on (w - centre) / unit, told in W itself."""
    slope = np.asarray(model.coef_)[0] / unit
    scale = float(np.linalg.norm(slope))
    intercept = float(np.asarray(model.intercept_)[0] - slope @ centre)
    return Direction(
        (slope / scale).astype(np.float32),
        scale,
        intercept,
        centre.astype(np.float32),
        radius,
    )


def trust_radius(config: Config, sampled: np.ndarray) -> float:
    """Percentile of the distances from the mean of codes that G has seen."""
    points = summary(sampled)
    distances = np.linalg.norm(points - points.mean(axis=0), axis=1)
    return float(np.percentile(distances, config.direction.trust_percentile))


def stability(
    config: Config,
    x: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    model: LogisticRegression,
    direction: Direction,
) -> dict[str, float]:
    """Cosines of alpha with its refits on resampled codes: mean and least."""
    random = np.random.default_rng(config.seed)
    copies = len(labels) // len(x)
    cosines = []
    for _ in range(config.direction.bootstraps):
        rows = random.integers(0, len(x), len(x))
        every = np.concatenate([rows + k * len(x) for k in range(copies)])
        if class_totals(labels[every], weights[every]).min() <= 0:
            continue
        again = fit(x[rows], labels[every], weights[every], model.C)
        slope = again.coef_[0] / np.linalg.norm(again.coef_[0])
        cosines.append(float(slope @ direction.alpha))
    if not cosines:
        return {}
    return {"mean": float(np.mean(cosines)), "least": float(np.min(cosines))}


def quality(
    config: Config, direction: Direction, data: Labelled
) -> dict[str, Any]:
    """How well the latent predictor says what f says, and what is true."""
    latent = direction.logits(data.codes)
    result: dict[str, Any] = {
        "n": len(latent),
        "spearman": statistics.spearman(latent, predictors.logit(data.judged)),
    }
    truths = {
        "auc_vs_predictor": decisions(config, data.judged),
        "auc_vs_truth": data.targets > 0.5,
    }
    for name, truth in truths.items():
        if len(np.unique(truth)) < 2:
            logging.warning("%s is not defined: one class only", name)
            continue
        result[name] = statistics.roc_auc(latent, truth)
        low, high = statistics.bootstrap_interval(
            statistics.roc_auc,
            latent,
            truth,
            resamples=config.evaluation.bootstraps,
            seed=config.seed,
            stratify=truth,
        )
        result[f"{name}_low"], result[f"{name}_high"] = low, high
    return result


def save(directory: Path, direction: Direction) -> None:
    """Writes the direction into the stage's folder."""
    np.savez(directory / _FILE, **dataclasses.asdict(direction))


def load(config: Config, root: str | Path) -> Direction:
    """The direction of a finished fit."""
    path = workdir.stage(config, root, "direction").path / _FILE
    with np.load(path, allow_pickle=False) as file:
        return Direction(
            alpha=file["alpha"],
            scale=float(file["scale"]),
            intercept=float(file["intercept"]),
            centre=file["centre"],
            trust_radius=float(file["trust_radius"]),
        )
