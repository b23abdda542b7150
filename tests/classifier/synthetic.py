"""An easy problem: is there a bright spot in the noise?"""

import numpy as np

from jaxstyle.config import ClassifierConfig, Config, DataConfig
from jaxstyle.data import prepare

SIDE = 16


def spots(count, seed):
    """Images uint8 [count, SIDE, SIDE], half with a spot, and labels."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 120, (count, SIDE, SIDE), np.uint8)
    labels = np.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        if label:
            row, column = generator.integers(2, SIDE - 7, 2)
            image[row : row + 5, column : column + 5] += 100
    return images, labels


def prepared(directory, **classifier):
    """A config whose data are prepared in `directory`."""
    path = directory.parent / "spots.npz"
    if not path.exists():
        images, labels = spots(160, 0)
        split = np.repeat(["train", "val", "test"], [96, 32, 32])
        np.savez(path, image=images, label=labels, split=split)
    settings = {"widths": (8, 16), "batch_size": 32, "epochs": 5}
    config = Config(
        data=DataConfig(
            source="npz", path=str(path), resolution=SIDE, channels=1
        ),
        classifier=ClassifierConfig(
            **settings | {"learning_rate": 1e-2} | classifier
        ),
    )
    prepare.run(config, directory)
    return config
