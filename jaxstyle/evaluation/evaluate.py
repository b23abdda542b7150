"""Measures the whole run: f, latent predictor, encoder, walks, generator.

Writes WORKDIR/evaluation/result.json (flat keys, numbers only; the README
tells what each means) and details.json (intervals, and numbers on each
feature network).
"""

import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, workdir
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import (
    counterfactuals,
    features,
    generator,
    statistics,
)
from jaxstyle.evaluation.record import Record

_BATCH = 256


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Computes every number from the finished stages."""
    started = time.monotonic()
    stage = workdir.begin(config, root, "evaluation")
    predictor = predictors.load(config, root)
    walked = workdir.stage(config, root, "render").path
    predictors.require_recorded(walked, predictor, config)
    record = Record(config)
    _predictor(config, root, record, predictor)
    _latent(config, root, record)
    details = counterfactuals.measure(config, root, record, predictor)
    networks = _generator(config, root, record)
    workdir.write_json(
        stage.details,
        {
            "intervals": record.intervals,
            "feature_networks": networks,
            "counterfactuals": details,
        },
    )
    workdir.finish(stage, record.values, time.monotonic() - started)
    return record.values


def _predictor(
    config: Config,
    root: str | Path,
    record: Record,
    predictor: predictors.Predictor,
) -> None:
    """f's AUC against the ground truth, on the test split."""
    split = pipeline.open_asked(config, root, "test")
    judged = np.concatenate(
        [
            predictors.probability(predictor, images, config)
            for _, images in split.batches(_BATCH)
        ]
    )
    interval = statistics.bootstrap_interval(
        statistics.roc_auc,
        judged,
        split.targets,
        resamples=config.evaluation.bootstraps,
        seed=config.seed,
        stratify=split.targets,
        groups=split.groups,
    )
    auc = statistics.roc_auc(judged, split.targets)
    record.put("predictor.auc", auc, interval)


def _latent(config: Config, root: str | Path, record: Record) -> None:
    """The latent predictor on the test split, as its own stage found it."""
    quality = workdir.result(config, root, "direction")["test"]
    for name in ("auc_vs_predictor", "auc_vs_truth", "spearman", "r2"):
        if quality.get(name) is None:
            continue
        interval = None
        if f"{name}_low" in quality:
            interval = (quality[f"{name}_low"], quality[f"{name}_high"])
        record.put(f"latent.{name}", quality[name], interval)


def _generator(
    config: Config, root: str | Path, record: Record
) -> dict[str, dict[str, float]]:
    """Generated against real training images, on each feature network."""
    codec = encoder_train.load(config, root)
    count = config.evaluation.samples
    real = generator.RealImages(config, root, count)
    codes = codec.sample_codes(count, config.seed + 1, real.labels)
    networks = real.compare(
        codec.decode(rows) for rows in generator.chunked(codes)
    )
    chosen = networks[features.DEFAULT]
    record.put("gan.fid_features", chosen["fid"])
    for name in ("precision", "recall", "nearest_train_distance"):
        record.put(f"gan.{name}", chosen[name])
    return networks
