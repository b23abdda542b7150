"""A second opinion: do counterfactuals fool f, or change the finding?

An image can be changed so that one classifier alone decides otherwise
(adversarial examples, Szegedy et al. 2014, arXiv:1312.6199). So a second
classifier is asked about the frames that the renderer saved: the built-in
one, of the same settings and another seed, trained on the same images and
their true labels. Neither the walks nor f know of it.

It shares f's training images, and f's architecture where that is built in:
what fools both (ibid., section 4.2) is not told from what changes the
finding. Where it stays with its decision, f alone was moved.

Writes WORKDIR/second_classifier/, a run folder with the second classifier,
and WORKDIR/second_opinion/: opinions.csv, what both say of each image, and
result.json.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import parallel, predictors, workdir
from jaxstyle.classifier import beside
from jaxstyle.config import Config, PredictorConfig
from jaxstyle.config.checks import require
from jaxstyle.data import pipeline
from jaxstyle.evaluation import walks as walks_lib
from jaxstyle.faithfulness import opinions

TABLE = "opinions.csv"
# From the run's seed to that of the second classifier.
ANOTHER_SEED = 1312_6199


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Trains the second classifier, once, and asks it.

    Returns:
      "classifier": auc on the test images, auc_low, auc_high, and epochs;
      and all that `opinions.numbers` returns.

    Raises:
      ConfigError: if the built-in classifier cannot answer what is asked,
        or if the config asks for other images than a split.
      WorkdirError: if the walks are not rendered under this config.
      stopping.Stopped: after a signal to stop the training, when it is
        saved.
    """
    started = time.monotonic()
    other = second(config)
    parallel.require_one_process("the second opinion")
    stage = workdir.begin(config, root, "second_opinion")
    folder = workdir.second_classifier(root)
    learnt = _train(config, root, other, folder)
    network = predictors.load(other, folder)

    def judge(images: np.ndarray) -> np.ndarray:
        return predictors.probability(network, images, other)

    there = workdir.stage(config, root, "render")
    walks = walks_lib.load(there.path, there.manifest, there.summary)
    own = opinions.of_f(walks)
    asked = opinions.asked(judge, walks, config.predictor.batch_size)
    opinions.write(stage.path / TABLE, walks, own, asked)
    split = pipeline.open_split(config, root, config.walk.split)
    groups = walks_lib.groups(walks, split)
    result = {
        "classifier": learnt,
        **opinions.numbers(config, walks, own, asked, groups),
    }
    workdir.finish(stage, result, time.monotonic() - started)
    return result


def second(config: Config) -> Config:
    """The config of the second classifier's run.

    Its one answer to a finding is that of `data.positive_labels`, whatever
    column of f's has it.

    Raises:
      ConfigError: naming what has no second opinion.
    """
    target = config.target
    require(
        target.kind != "value",
        "target.kind",
        target.kind,
        "the second classifier is the built-in one, which gives "
        "probabilities: there is no second opinion on a value",
    )
    require(
        not config.walk.images,
        "walk.images",
        config.walk.images,
        "the second classifier is asked about a split; leave it empty",
    )
    if target.kind == "finding":
        target = dataclasses.replace(target, column=0)
    return dataclasses.replace(
        config,
        seed=config.seed + ANOTHER_SEED,
        target=target,
        predictor=PredictorConfig(batch_size=config.predictor.batch_size),
    )


def _train(
    config: Config, root: str | Path, other: Config, folder: Path
) -> dict[str, Any]:
    """Its numbers; goes on where an earlier training was stopped."""
    told = beside.trained(config, root, other, folder)
    test = {name: told["test"][name] for name in ("auc", "auc_low", "auc_high")}
    return {**test, "epochs": told["epochs"]}
