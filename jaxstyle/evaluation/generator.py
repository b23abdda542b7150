"""How generated images compare with real ones, on each feature network."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.evaluation import distribution, features

_BATCH = 256
# Of a larger training split, so many images stand for all.
_MOST_REAL = 20_000


class RealImages:
    """The training images, as each feature network sees them.

    Args:
      config: the data, the networks and k of precision and recall.
      root: the run folder.
      count: generated images that will be compared with them.

    Attributes:
      labels: int32 [count], those of training images in random order, for
        generated images of the same classes.
    """

    def __init__(self, config: Config, root: str | Path, count: int) -> None:
        split = pipeline.open_split(config, root, "train")
        order = np.random.default_rng(config.seed).permutation(len(split))
        some = order[:_MOST_REAL]
        self.labels = np.resize(split.labels[some], count)
        self._count = count
        self._neighbours = config.evaluation.neighbours
        self._networks = features.networks(config, root)
        self._features = self._seen(
            split.images(rows) for rows in chunked(some)
        )

    def compare(
        self, generated: Iterable[np.ndarray]
    ) -> dict[str, dict[str, float]]:
        """Numbers by the name of the feature network.

        Precision and recall compare equally many of both; distances to the
        nearest training image look at all of them.

        Args:
          generated: batches of images float32 [n, R, R, C], clipped here to
            [-1, 1]; `count` in all.
        """
        seen = self._seen(np.clip(images, -1, 1) for images in generated)
        return {
            name: self._numbers(self._features[name], seen[name])
            for name in self._networks
        }

    def _seen(self, batches: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
        parts: dict[str, list[np.ndarray]] = {n: [] for n in self._networks}
        for images in batches:
            for name, network in self._networks.items():
                parts[name].append(network(images))
        return {name: np.concatenate(rows) for name, rows in parts.items()}

    def _numbers(
        self, real: np.ndarray, generated: np.ndarray
    ) -> dict[str, float]:
        precision, recall = distribution.precision_recall(
            real[: self._count], generated, self._neighbours
        )
        return {
            "fid": distribution.frechet_distance(real, generated),
            "kid": distribution.kid(real, generated),
            "precision": precision,
            "recall": recall,
            "nearest_train_distance": distribution.nearest_distance(
                generated, real
            ),
        }


def chunked(rows: np.ndarray) -> Iterable[np.ndarray]:
    """Consecutive parts of at most 256 rows."""
    for start in range(0, len(rows), _BATCH):
        yield rows[start : start + _BATCH]
