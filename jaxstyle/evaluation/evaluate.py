"""Measures the whole run: f, latent predictor, encoder, walks, generator.

Writes WORKDIR/evaluation/result.json (flat keys, numbers only; the README
tells what each means) and details.json (intervals, and the generator's
numbers on each feature network).
"""

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import predictors, workdir
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import codec as codec_lib
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import distribution, features, statistics
from jaxstyle.evaluation import walks as walks_lib

# The generator's numbers in result.json are on this network, which knows
# neither f nor the data, so that they exist for every black box.
_NETWORK = "random_conv"
_BATCH = 256
# Of a larger training split, so many images stand for all.
_MOST_REAL = 20_000

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
    generator = _generator(config, root, codec)
    chosen = generator[_NETWORK]
    result["gan.fid_features"] = chosen["fid"]
    for name in ("precision", "recall", "nearest_train_distance"):
        result[f"gan.{name}"] = chosen[name]
    workdir.write_json(
        stage.details,
        {"intervals": intervals, "feature_networks": generator},
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
    """Generated against real training images, on each feature network.

    Precision and recall compare equally many of both; distances to the
    nearest training image look at all of them.
    """
    networks = features.networks(config, root)
    count = config.evaluation.samples
    split = pipeline.open_split(config, root, "train")
    order = np.random.default_rng(config.seed).permutation(len(split))
    some = order[:_MOST_REAL]
    chunks: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {
        name: ([], []) for name in networks
    }
    codes = codec.sample_codes(count, config.seed + 1)
    for rows in _chunks(len(some)):
        images = split.images(some[rows])
        for name, network in networks.items():
            chunks[name][0].append(network(images))
    for rows in _chunks(count):
        images = np.clip(codec.decode(codes[rows]), -1, 1)
        for name, network in networks.items():
            chunks[name][1].append(network(images))
    numbers = {}
    for name, parts in chunks.items():
        real, generated = (np.concatenate(part) for part in parts)
        precision, recall = distribution.precision_recall(
            real[:count], generated, config.evaluation.neighbours
        )
        numbers[name] = {
            "fid": distribution.frechet_distance(real, generated),
            "kid": distribution.kid(real, generated),
            "precision": precision,
            "recall": recall,
            "nearest_train_distance": distribution.nearest_distance(
                generated, real
            ),
        }
    return numbers


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _BATCH):
        yield slice(start, min(start + _BATCH, count))
