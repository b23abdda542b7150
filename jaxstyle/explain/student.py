"""A network that learns what a black box decides, for its gradient alone.

A black box has no gradient to follow. The built-in classifier, trained on
the black box's decisions about the same images (Hinton et al. 2015,
arXiv:1503.02531, with decisions for soft targets, as a black box may give
no more), shows the way instead. It only proposes: whether f flips is still
asked of f itself.

Writes WORKDIR/student/, a run folder with the prepared images under new
labels and the classifier.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from jaxstyle import parallel, predictors, workdir
from jaxstyle.classifier import beside
from jaxstyle.config import Config, PredictorConfig, TargetConfig
from jaxstyle.data import linked, pipeline
from jaxstyle.data.splits import NAMES
from jaxstyle.explain.direction import decisions


def taught(
    config: Config, root: str | Path, predictor: predictors.Predictor
) -> tuple[Config, Any]:
    """The student's config and parameters; trained where it is not yet.

    Goes on where an earlier training was stopped. One that learnt the
    answers to another question is moved aside.

    Args:
      config: the run's.
      root: its workdir.
      predictor: f, the teacher.

    Returns:
      What `predictors.network` and its function take: the probability is
      that of f's decision for the finding.

    Raises:
      PredictorError: if it was taught by another f.
      stopping.Stopped: after a signal to stop the training, when it is
        saved.
    """
    mine, folder = config_of(config), workdir.student(root)
    parallel.on_main(lambda: _set_aside_other_answers(config, folder))
    predictors.require_recorded(folder, predictor, config)

    def relabelled(rows: linked.Rows) -> linked.Rows:
        decided = _decisions(config, root, predictor)
        predictors.record(folder, predictor, config)
        return [
            row | {"label": str(decided[row["split"], row["id"]])}
            for row in rows
        ]

    told = beside.trained(config, root, mine, folder, relabelled)
    logging.info("student: its AUC against f is %.3f", told["test"]["auc"])
    return mine, predictors.parameters(mine, folder)


def _set_aside_other_answers(config: Config, folder: Path) -> None:
    """What was taught the answers to another question than the config's."""
    asked = predictors.recorded(folder).get("target")
    if asked and asked != dataclasses.asdict(config.target):
        workdir.set_aside(folder, "another question")


def config_of(config: Config) -> Config:
    """That of the student's run: f's decision is the finding."""
    against, for_it = config.ends
    return dataclasses.replace(
        config,
        data=dataclasses.replace(
            config.data, positive_labels=(1,), class_names=(against, for_it)
        ),
        predictor=PredictorConfig(batch_size=config.predictor.batch_size),
        target=TargetConfig(),
    )


def _decisions(
    config: Config, root: str | Path, predictor: predictors.Predictor
) -> dict[tuple[str, str], int]:
    """What f decides of each prepared image, 0 or 1 by split and name."""
    found = {}
    for name in NAMES:
        split = pipeline.open_split(config, root, name)
        for indices, images in split.batches(config.predictor.batch_size):
            judged = predictors.probability(predictor, images, config)
            for index, decided in zip(
                indices, decisions(config, judged), strict=True
            ):
                found[name, split.ids[index]] = int(decided)
    return found
