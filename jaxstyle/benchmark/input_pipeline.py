"""The input pipeline alone, against what training takes from it."""

import dataclasses
import logging
import tempfile
from typing import Any

from jaxstyle import parallel
from jaxstyle.benchmark import timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import Trainer
from jaxstyle.config import DataConfig
from jaxstyle.data import pipeline, prepare

# Batches of one timing: enough that what was prefetched hardly counts.
_BATCHES = 256


def run(settings: Settings) -> list[dict[str, Any]]:
    """The embedded images, flipped and turned, at the first resolution.

    Returns:
      Rows of the pipeline, with how many times it delivers what the main
      step takes, and of that step.
    """
    side = settings.resolutions[0]
    logging.info("input: embedded images at %d px", side)
    data = DataConfig(
        resolution=side,
        flip_horizontal=True,
        flip_vertical=True,
        rotate90=True,
    )
    config = dataclasses.replace(settings.config(side), data=data)
    train = Trainer(config).step("main")
    with tempfile.TemporaryDirectory() as folder:
        prepare.run(config, folder)
        batches = pipeline.training_batches(
            config, folder, "train", settings.batch, config.seed
        )

        def deliver() -> None:
            for _ in range(_BATCHES):
                parallel.shard(next(batches))

        seconds = timing.interleaved(
            {"input": deliver, "training": train},
            settings.rounds,
            settings.limit,
        )
    images = {"input": _BATCHES * settings.batch, "training": settings.batch}
    rows = [
        {
            "suite": "input",
            "resolution": side,
            "subject": name,
            **timing.speed(images[name], taken),
        }
        for name, taken in seconds.items()
    ]
    a_step = [taken / _BATCHES for taken in seconds["input"]]
    rows[0]["faster_than_training"] = timing.ratio(a_step, seconds["training"])
    return rows
