"""The smallest benchmark: 16 px images on disk, and settings for them."""

from pathlib import Path

import numpy as np

from jaxstyle.config import Config, DataConfig
from jaxstyle.config.faithfulness import FaithfulnessConfig, PlantsConfig
from tests import made_run, tiny

SIDE = 16
TRAIN, VAL, TEST = 40, 16, 16


def save(path: Path) -> None:
    """Grey images of patients, with labels 0 to 2; 2 is the finding."""
    random = np.random.default_rng(0)
    count = TRAIN + VAL + TEST
    np.savez(
        path,
        image=random.integers(100, 156, (count, 20, 20), np.uint8),
        label=np.arange(count) % 3,
        split=np.repeat(["train", "val", "test"], [TRAIN, VAL, TEST]),
        patient=[f"p{n // 2}" for n in range(count)],
        name=[f"image {n}" for n in range(count)],
    )


def config(path: Path, **plants) -> FaithfulnessConfig:
    """For the images in `path`; keywords change what is planted."""
    run = Config(
        name="planted",
        data=DataConfig(
            source="npz",
            path=str(path),
            resolution=SIDE,
            channels=1,
            positive_labels=(2,),
            class_names=("well", "ill"),
        ),
        gan=made_run.settings(path).gan,
        encoder=made_run.settings(path).encoder,
        walk=made_run.settings(path).walk,
    )
    assert run.gan.batch_size == tiny.BATCH
    return FaithfulnessConfig(
        seeds=(0, 1), run=run, plants=PlantsConfig(**plants), bootstraps=20
    )
