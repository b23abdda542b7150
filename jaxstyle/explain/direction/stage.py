"""The stage that fits the latent predictor and its direction alpha.

Schutte et al. 2021 (arXiv:2101.07563, section 2.3): a logistic regression
on codes predicts what f says of the image; the normal of its plane, alpha,
is the direction in W along which f changes most for the least movement.
`direction.method` names other predictors.
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
from jaxstyle.explain.direction import (
    fidelity,
    files,
    fitting,
    labels,
    nuisance,
    region,
)
from jaxstyle.explain.direction.labels import Labelled

# Codes that the covariance of W is not estimated from.
_UNSEEN = 20210117


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Fits a direction, saves it, and tells how far it can be believed.

    Raises:
      ConfigError: naming a nuisance that the prepared data do not have.
      ValueError: if f decides alike for all images, or the nuisances leave
        nothing.
    """
    started = time.monotonic()
    stage = workdir.begin(config, root, "direction")
    codec = encoder_train.load(config, root)
    predictor = predictors.load(config, root)
    material, about = prepare(config, root, codec, predictor)
    direction, numbers = fitting.fit(config, config.direction.method, material)
    files.save(stage.path, direction)
    test = encoded(config, root, "test", codec, predictor)
    result = {
        "method": config.direction.method,
        **about,
        **numbers,
        "val": fidelity.quality(config, direction, material.val),
        "test": fidelity.quality(config, direction, test),
    }
    predictors.record(stage.path, predictor, config)
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def prepare(
    config: Config,
    root: str | Path,
    codec: codec_lib.Codec,
    predictor: predictors.Predictor,
) -> tuple[fitting.Material, dict[str, Any]]:
    """What any method is fitted on, and numbers about it.

    Raises:
      ConfigError: naming a nuisance that the prepared data do not have.
    """
    known = nuisance.columns(
        pipeline.open_asked(config, root, "train"), config.direction.nuisances
    )
    train, val = (
        encoded(config, root, name, codec, predictor)
        for name in ("train", "val")
    )
    fitted_on, trusted = train, _region(config, codec)
    if config.direction.codes == "sampled":
        fitted_on = _sampled(config, codec, predictor)
    slopes, shares = nuisance.slopes(
        (labels.summary(train.codes) - trusted.centre) / trusted.spread, known
    )
    for name, share in shares.items():
        logging.info("nuisance %s: codes tell %.3f of it", name, share)
    return fitting.Material(fitted_on, val, trusted, slopes), {
        "codes": len(fitted_on.codes),
        "trust_radius": trusted.radius,
        "nuisances": shares,
    }


def encoded(
    config: Config,
    root: str | Path,
    split_name: str,
    codec: codec_lib.Codec,
    predictor: predictors.Predictor,
    limit: int = 0,
) -> Labelled:
    """E(x) and f(x) of a split, or of its first `limit` images."""
    split = pipeline.open_asked(config, root, split_name)
    count = min(limit or len(split.targets), len(split.targets))
    codes, judged = [], []
    for indices, images in split.batches(config.predictor.batch_size):
        some = images[indices < count]
        if not len(some):
            break
        codes.append(codec.encode(some))
        judged.append(predictors.probability(predictor, some, config))
    return Labelled(
        np.concatenate(codes),
        np.concatenate(judged),
        split.targets[:count],
        split.groups[:count],
    )


def _sampled(
    config: Config, codec: codec_lib.Codec, predictor: predictors.Predictor
) -> Labelled:
    codes = codec.sample_codes(config.direction.samples, config.seed)
    judged = predictors.probability(predictor, codec.decode(codes), config)
    return Labelled(codes, judged, np.zeros(0, np.float32))


def _region(config: Config, codec: codec_lib.Codec) -> region.Region:
    count, seed = config.direction.samples, config.seed
    sampled, unseen = (
        labels.summary(codec.sample_codes(count, each))
        for each in (seed, seed + _UNSEEN)
    )
    return region.fit(sampled, unseen, config.direction.trust_percentile)
