"""Measures the whole run: f, latent predictor, encoder, walks, generator.

Writes WORKDIR/evaluation/result.json (flat keys, numbers only; the README
tells what each means) and details.json (intervals, and the generator's
numbers on each feature network).
"""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, workdir
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import features, generator, statistics
from jaxstyle.evaluation import walks as walks_lib

_BATCH = 256

Intervals = dict[str, tuple[float, float]]


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Computes every number from the finished stages."""
    started = time.monotonic()
    stage = workdir.begin(config, root, "evaluation")
    codec = encoder_train.load(config, root)
    intervals: Intervals = {}
    result = {
        **_predictor(config, root, intervals),
        **_latent(config, root, intervals),
        **_reconstruction(config, root, codec),
        **_walks(config, root, intervals),
    }
    networks = _generator(config, root, codec)
    chosen = networks[features.DEFAULT]
    result["gan.fid_features"] = chosen["fid"]
    for name in ("precision", "recall", "nearest_train_distance"):
        result[f"gan.{name}"] = chosen[name]
    workdir.write_json(
        stage.details,
        {"intervals": intervals, "feature_networks": networks},
    )
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def _predictor(
    config: Config, root: str | Path, intervals: Intervals
) -> dict[str, float]:
    """f's AUC against the ground truth, on the test split."""
    split = pipeline.open_split(config, root, "test")
    predictor = predictors.load(config, root)
    judged = np.concatenate(
        [
            predictors.probability(predictor, images, config)
            for _, images in split.batches(_BATCH)
        ]
    )
    intervals["predictor.auc"] = statistics.bootstrap_interval(
        statistics.roc_auc,
        judged,
        split.targets,
        resamples=config.evaluation.bootstraps,
        seed=config.seed,
        stratify=split.targets,
    )
    return {"predictor.auc": statistics.roc_auc(judged, split.targets)}


def _latent(
    config: Config, root: str | Path, intervals: Intervals
) -> dict[str, float]:
    """The latent predictor on the test split, as its own stage found it."""
    quality = workdir.result(config, root, "direction")["test"]
    numbers = {"latent.spearman": quality["spearman"]}
    for name in ("auc_vs_predictor", "auc_vs_truth"):
        if name not in quality:
            continue
        numbers[f"latent.{name}"] = quality[name]
        intervals[f"latent.{name}"] = (
            quality[f"{name}_low"],
            quality[f"{name}_high"],
        )
    return numbers


def _reconstruction(
    config: Config, root: str | Path, codec: codec_lib.Codec
) -> dict[str, float]:
    numbers = encoder_train.reconstruction(config, root, codec)
    return {
        f"reconstruction.{name}": numbers[name]
        for name in ("psnr", "ssim", "gap")
    }


def _walks(
    config: Config, root: str | Path, intervals: Intervals
) -> dict[str, float]:
    rendered = workdir.stage(config, root, "render")
    walks = walks_lib.load(rendered.path, rendered.manifest, rendered.summary)
    series = {
        "walk.flip_rate": walks_lib.flips(walks),
        "walk.monotonicity": walks_lib.monotonicity(walks),
        "walk.proximity": walks_lib.proximity(walks),
    }
    if config.data.source == "ihc":
        series["concept.dab_monotonicity"] = walks_lib.dab_monotonicity(walks)
    numbers = {}
    for name, values in series.items():
        if not len(values):
            logging.warning("%s is not defined: no image was flipped", name)
            continue
        numbers[name] = float(values.mean())
        intervals[name] = statistics.bootstrap_interval(
            lambda x: float(np.mean(x)),
            values,
            resamples=config.evaluation.bootstraps,
            seed=config.seed,
        )
    return numbers


def _generator(
    config: Config, root: str | Path, codec: codec_lib.Codec
) -> dict[str, dict[str, float]]:
    """Generated against real training images, on each feature network."""
    count = config.evaluation.samples
    real = generator.RealImages(config, root, count)
    codes = codec.sample_codes(count, config.seed + 1, real.labels)
    return real.compare(codec.decode(rows) for rows in generator.chunked(codes))
