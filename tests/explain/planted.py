"""A world whose codes, predictor and truth are linear and known.

Images are 8 px grey and hold their code's 64 numbers as pixels.
"""

import numpy as np

from jaxstyle import workdir
from jaxstyle.config import (
    Config,
    DataConfig,
    DirectionConfig,
    EvaluationConfig,
    PredictorConfig,
)

SIDE, DIM = 8, 64
# Codes are images times this.
SCALE = 5.0


def config(**direction) -> Config:
    return Config(
        data=DataConfig(resolution=SIDE, channels=1),
        predictor=PredictorConfig(kind="callable", address="tests:f"),
        direction=DirectionConfig(
            **{"regularisation": (0.01, 1.0)} | direction,
            samples=400,
            bootstraps=5,
        ),
        evaluation=EvaluationConfig(bootstraps=50),
    )


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=DIM)
    return vector / np.linalg.norm(vector)


class World:
    """f = sigmoid(slope * code . alpha + bias); truth along another axis."""

    def __init__(self, rows=1, slope=3.0, bias=0.0, count=500):
        self.alpha, self.truth = unit(1), unit(2)
        self.rows, self.slope, self.bias, self.count = rows, slope, bias, count

    # --- the codec
    def encode(self, images):
        codes = images.reshape(len(images), 1, DIM) * SCALE
        # Rows differ, but their mean is the code.
        wobble = np.arange(self.rows)[None, :, None] - (self.rows - 1) / 2
        return (codes + wobble).astype(np.float32)

    def decode(self, codes):
        images = codes.mean(axis=1) / SCALE
        return images.reshape(-1, SIDE, SIDE, 1).astype(np.float32)

    def sample_codes(self, count, seed):
        codes = np.random.default_rng(seed).normal(size=(count, 1, DIM))
        return codes.astype(np.float32)

    # --- the predictor
    def logits(self, images):
        codes = images.reshape(len(images), DIM).astype(np.float64) * SCALE
        return self.slope * codes @ self.alpha + self.bias

    def predict(self, images):
        p = 1 / (1 + np.exp(-self.logits(images * 2 - 1)))
        return p[:, None].astype(np.float32)

    # --- the data
    def open_split(self, config, root, name):
        seed = {"train": 10, "val": 11, "test": 12}[name]
        return Split(self, self.sample_codes(self.count, seed))


class Split:
    def __init__(self, world, codes):
        self.codes, self._images = codes, world.decode(codes)
        self.targets = (codes[:, 0] @ world.truth > 0).astype(np.float32)
        self.groups = [f"patient {n}" for n in range(len(codes))]

    def batches(self, size):
        for start in range(0, len(self._images), size):
            images = self._images[start : start + size]
            yield np.arange(start, start + len(images)), images


def inputs_done(settings: Config, root) -> None:
    """What the direction's stage reads from counts as complete."""
    for name in ("data", "gan", "encoder"):
        stage = workdir.stage(settings, root, name)
        stage.path.mkdir(parents=True, exist_ok=True)
        workdir.finish(stage, {}, 0.0)
