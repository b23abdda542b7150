"""The input pipeline alone, against what training takes from it."""

import contextlib
import dataclasses
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from skimage import data as embedded

from jaxstyle import parallel
from jaxstyle.benchmark import timing
from jaxstyle.benchmark.settings import Settings
from jaxstyle.benchmark.subjects import Trainer
from jaxstyle.config import Config, DataConfig
from jaxstyle.data import pipeline, prepare

# Batches of one timing: enough that what was prefetched hardly counts.
_BATCHES = 64
_CROPS = 256


def run(settings: Settings) -> list[dict[str, Any]]:
    """Crops of the embedded section, flipped and turned, at each resolution.

    "kept" holds decoded images in memory, as the pipeline does where all of
    them fit; "decoded" decodes each image each time.

    Returns:
      Rows of both, and at the first resolution of the main training step,
      with how many times either delivers what that takes.
    """
    first = settings.resolutions[0]
    step = Trainer(settings.config(first)).step("main")
    rows = []
    for side in settings.resolutions:
        logging.info("input: %d images of %d px", _CROPS, side)
        with tempfile.TemporaryDirectory() as folder:
            config = _prepared(settings, side, Path(folder))
            subjects = {
                "kept": _delivery(config, folder, pipeline.CACHE_BYTES),
                "decoded": _delivery(config, folder, 0),
            }
            if side == first:
                subjects["training"] = step
            seconds = timing.interleaved(
                subjects, settings.rounds, settings.limit
            )
        rows += _rows(settings, side, seconds)
    return rows


def _rows(
    settings: Settings, side: int, seconds: dict[str, list[float]]
) -> list[dict[str, Any]]:
    rows = []
    for name, taken in seconds.items():
        batches = 1 if name == "training" else _BATCHES
        row = {"suite": "input", "resolution": side, "subject": name}
        row |= timing.speed(batches * settings.batch, taken)
        if batches > 1 and "training" in seconds:
            row["faster_than_training"] = timing.ratio(
                [each / batches for each in taken], seconds["training"]
            )
        rows.append(row)
    return rows


def _prepared(settings: Settings, side: int, folder: Path) -> Config:
    """Random crops of the section, stored as any images are."""
    section = embedded.immunohistochemistry()
    random = np.random.default_rng(0)
    corners = random.integers(0, section.shape[0] - side + 1, (_CROPS, 2))
    crops = [section[y : y + side, x : x + side] for y, x in corners]
    split = np.full(_CROPS, "train")
    split[:2], split[2:4] = "val", "test"
    path = folder / "crops.npz"
    labels = np.arange(_CROPS) % 2
    np.savez(path, image=np.stack(crops), label=labels, split=split)
    config = dataclasses.replace(
        settings.config(side),
        data=DataConfig(
            source="npz",
            path=str(path),
            resolution=side,
            flip_horizontal=True,
            flip_vertical=True,
            rotate90=True,
            # Crops overlap.
            allow_leakage=True,
        ),
    )
    prepare.run(config, folder)
    return config


def _delivery(config: Config, folder: str, kept: int) -> Callable[[], None]:
    """Brings so many batches to the devices; up to `kept` bytes are kept."""
    with _keeping(kept):
        batches = pipeline.training_batches(
            config, folder, "train", config.gan.batch_size, config.seed
        )

    def deliver() -> None:
        for _ in range(_BATCHES):
            parallel.shard(next(batches))

    return deliver


@contextlib.contextmanager
def _keeping(size: int) -> Iterator[None]:
    """Splits opened inside keep decoded images of that many bytes at most."""
    before = pipeline.CACHE_BYTES
    pipeline.CACHE_BYTES = size
    try:
        yield
    finally:
        pipeline.CACHE_BYTES = before
