"""All stages in order: skips what is done, resumes what was interrupted.

Training and rendering run on all processes; every other stage is work for
process 0.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxstyle import parallel, predictors, run_log, workdir
from jaxstyle.classifier import train as classifier
from jaxstyle.config import Config, ConfigError
from jaxstyle.data import pipeline as data_pipeline
from jaxstyle.data import prepare, splits
from jaxstyle.encoder import train as encoder
from jaxstyle.evaluation import evaluate
from jaxstyle.explain import direction, render
from jaxstyle.report import build
from jaxstyle.stylegan2 import train as gan

Run = Callable[[Config, str | Path], dict[str, Any]]

_RUN: dict[str, Run] = {
    "data": prepare.run,
    "classifier": classifier.run,
    "gan": gan.run,
    "encoder": encoder.run,
    "direction": direction.run,
    "render": render.run,
    "evaluation": evaluate.run,
    "report": build.run,
}
_ON_ALL = (classifier.run, gan.run, encoder.run, render.run)


def run(config: Config, root: str | Path) -> dict[str, Any]:
    """Runs every stage that is not complete under this config.

    Returns:
      The evaluation's numbers, and the path of the page.

    Raises:
      ConfigError: if the config asks for other images than a split.
      PredictorError: if there is no such black box, before any training; or
        if finished stages explain another one.
      WorkdirError: if a split has no image that is asked about.
    """
    _refuse(config, root)

    def is_complete(name: str) -> bool:
        return parallel.on_main(lambda: workdir.is_complete(config, root, name))

    table = []
    for name in _stages(config):
        if is_complete(name):
            logging.info("%s: complete and unchanged, skipped", name)
            table.append((name, "skipped"))
            continue
        logging.info("%s: starting", name)
        run_stage(_RUN[name], config, root)
        if name == "data":
            _require_asked(config, root)
        taken = workdir.seconds(workdir.stage(config, root, name))
        table.append((name, run_log.clock(taken)))
    page = workdir.stage(config, root, "report").page
    for name, taken in table:
        logging.info("%-12s %s", name, taken)
    return {**workdir.result(config, root, "evaluation"), "page": str(page)}


def run_stage(
    stage_run: Run, config: Config, root: str | Path
) -> dict[str, Any]:
    """Calls `stage_run` as one of possibly several processes should.

    Trainings, rendering and the whole pipeline run on all of them. All else
    runs on process 0 while the others wait; all return its numbers.
    """
    if stage_run in (run, *_ON_ALL):
        return stage_run(config, root)
    return parallel.on_main(lambda: stage_run(config, root))


def _refuse(config: Config, root: str | Path) -> None:
    if config.walk.images:
        raise ConfigError(
            f"walk.images = {config.walk.images!r}: the pipeline renders and "
            "measures a split; render other images with `python -m "
            "launch.render` afterwards"
        )
    if config.predictor.kind != "checkpoint":
        predictor = predictors.load(config, root)
        # What would be skipped must be this model's, whatever its config.
        for name in ("direction", "render"):
            if workdir.is_complete(config, root, name):
                folder = workdir.stage(config, root, name).path
                predictors.require_recorded(folder, predictor, config)


def _require_asked(config: Config, root: str | Path) -> None:
    """Before hours of training: that the question has images."""
    for split in splits.NAMES:
        data_pipeline.open_asked(config, root, split)


def _stages(config: Config) -> list[str]:
    needs_f = config.predictor.kind == "checkpoint"
    return [name for name in workdir.STAGES if needs_f or name != "classifier"]
