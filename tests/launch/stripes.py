"""A config of the smallest sizes for grey tiles, of which some have stripes.

Launchers read it as --config=tests/launch/stripes.py:PATH, PATH being that
of the tiles (see `save`).
"""

from pathlib import Path

import numpy as np

from jaxstyle.config import (
    ClassifierConfig,
    Config,
    DataConfig,
    DirectionConfig,
    EncoderConfig,
    EvaluationConfig,
    GanConfig,
    PredictorConfig,
    TargetConfig,
    WalkConfig,
)
from tests import made_run, tiny

PATIENTS = 40
FILE = "tiles.npz"


def tiles():
    """Grey 8 px images of 40 patients, two each; every other has stripes.

    Returns:
      uint8 [80, 8, 8], labels, patients.
    """
    random = np.random.default_rng(0)
    patients = np.repeat(np.arange(PATIENTS), 2)
    labels = patients % 2
    images = random.integers(0, 100, (len(labels), 8, 8))
    images[labels == 1, ::2] += 150
    return images.astype(np.uint8), labels, patients


def probability(images):
    """A black box for them: [N, 8, 8, 1] in [0, 1] -> two classes [N, 2]."""
    rows = images.mean(axis=(2, 3))
    p = np.clip(0.3 + rows[:, ::2].mean(1) - rows[:, 1::2].mean(1), 0, 1)
    return np.stack([1 - p, p], axis=1)


BLACK_BOX = PredictorConfig(
    kind="callable", address="tests.launch.stripes:probability"
)


def save(folder: Path) -> Path:
    """Writes the tiles as arrays; their path."""
    images, labels, patients = tiles()
    np.savez(folder / FILE, image=images, label=labels, patient=patients)
    return folder / FILE


def config(source, path, space, predictor=None, **gan) -> Config:
    """The tiles in `path`, the encoder's space, and what f is."""
    return Config(
        name=f"test_{source}",
        data=DataConfig(
            source=source,
            path=str(path),
            resolution=8,
            channels=1,
            split_fractions=(0.6, 0.2, 0.2),
        ),
        classifier=ClassifierConfig(
            widths=(8, 8), batch_size=16, epochs=8, learning_rate=1e-2
        ),
        predictor=predictor or PredictorConfig(),
        # The black box has two columns.
        target=TargetConfig(column=int(predictor == BLACK_BOX)),
        gan=GanConfig(**tiny.GAN | gan),
        encoder=EncoderConfig(**made_run.ENCODER, space=space),
        direction=DirectionConfig(samples=32, bootstraps=2),
        walk=WalkConfig(targets=(0.1, 0.5, 0.9), batch_size=4, refinements=0),
        evaluation=EvaluationConfig(samples=16, bootstraps=10),
    )


def get_config(path: str) -> Config:
    """For up to four devices; the GAN learns for four steps."""
    half = {"kimg": 4 * tiny.KIMG, "metrics_kimg": 2 * tiny.KIMG}
    return config("npz", path, "w", mbstd_group=2, metrics_samples=16, **half)
