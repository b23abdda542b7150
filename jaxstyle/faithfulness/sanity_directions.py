"""Fits the direction on the answers of any network, on the same codes."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from jaxstyle import predictors
from jaxstyle.config import Config
from jaxstyle.data import pipeline
from jaxstyle.encoder.codec import Codec
from jaxstyle.explain.direction import (
    Direction,
    Labelled,
    decisions,
    fitting,
    stage,
)
from jaxstyle.faithfulness import sanity_networks
from jaxstyle.faithfulness.sanity_networks import Exchangeable, Weights

# Of W's spread: so far to each side a walk's tangent is looked at.
_NEAR = 1e-2


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A direction, and what it takes to fit it again on other rows.

    Attributes:
      judged: f on the images of the codes that it is fitted on, [M].
      direction: None where f decides alike for all of them.
      penalty: the C of the fit; 1 where the method has none.
    """

    judged: np.ndarray
    direction: Direction | None
    penalty: float


class Fitter:
    """The codes, which are the same for all networks.

    Args:
      config: the run.
      root: its workdir.
      codec: its encoder and generator.
      f: asked for its answers; its weights may change between two calls.

    Attributes:
      count: M, how many codes the direction is fitted on.

    Raises:
      ValueError: if the run's own f, which `f` is now, decides alike for all.
    """

    def __init__(
        self, config: Config, root: str | Path, codec: Codec, f: Exchangeable
    ) -> None:
        # How a direction varies by itself is not asked here.
        alone = dataclasses.replace(config.direction, bootstraps=0)
        self._config = dataclasses.replace(config, direction=alone)
        self._codec, self._f = codec, f
        self._material, _ = stage.prepare(config, root, codec, f)
        self._train, self._val = (
            pipeline.open_split(config, root, name) for name in ("train", "val")
        )
        decided = decisions(config, self._material.fitting.judged)
        self._positives, self.count = int(decided.sum()), len(decided)
        if self._positives in (0, self.count):
            raise ValueError(
                f"f decides alike for all {self.count} images that the "
                "direction is fitted on, so there is nothing to check; look at "
                "the classifier and target.threshold"
            )

    def fit(self, rows: np.ndarray | None = None) -> Fitted:
        """Fits on the present network's answers.

        Args:
          rows: which of the codes to fit on; None takes all.
        """
        size = self._config.predictor.batch_size
        codes, val = self._material.fitting, self._material.val
        judged = self._judged(self._images())
        some = dataclasses.replace(codes, judged=judged)
        if rows is not None:
            some = _some(some, rows)
        if not _both(self._config, some):
            return Fitted(some.judged, None, 1.0)
        judged = self._judged(images for _, images in self._val.batches(size))
        material = dataclasses.replace(
            self._material,
            fitting=some,
            val=dataclasses.replace(val, judged=judged),
        )
        direction, numbers = fitting.fit(
            self._config, self._config.direction.method, material
        )
        penalty = numbers.get("regularisation", 1.0)
        return Fitted(some.judged, direction, penalty)

    def refit(
        self,
        judged: np.ndarray,
        penalty: float,
        used: np.ndarray | None,
        rows: np.ndarray,
    ) -> np.ndarray | None:
        """A straight direction had there been other codes to fit on.

        Args:
          judged: `Fitted.judged`.
          penalty: `Fitted.penalty`.
          used: the rows of that fit; None if all.
          rows: which of these, drawn with replacement.

        Returns:
          [w_dim], of length 1; None where f decides alike for all of them.
        """
        codes = self._material.fitting
        every = codes if used is None else _some(codes, used)
        some = _some(dataclasses.replace(every, judged=judged), rows)
        if not _both(self._config, some):
            return None
        mine = dataclasses.replace(
            self._config.direction, regularisation=(penalty,)
        )
        config = dataclasses.replace(self._config, direction=mine)
        material = dataclasses.replace(self._material, fitting=some)
        with _quiet():
            direction, _ = fitting.fit(config, mine.method, material)
        return tangents(direction, some.codes[:1])[0]

    def balanced(self, weights: Weights) -> Weights:
        """Those that decide for as many of the images as the run's own f."""
        self._f.weights = weights
        logits = [
            self._f.logits(np.clip(images * 0.5 + 0.5, 0, 1))[:, 0]
            for images in self._images()
        ]
        return sanity_networks.balanced(
            self._config, weights, np.concatenate(logits), self._positives
        )

    def _images(self) -> Iterator[np.ndarray]:
        """Of the codes that the direction is fitted on, in batches."""
        size = self._config.predictor.batch_size
        codes = self._material.fitting.codes
        if self._config.direction.codes == "sampled":
            for start in range(0, len(codes), size):
                yield self._codec.decode(codes[start : start + size])
        else:
            for _, images in self._train.batches(size):
                yield images

    def _judged(self, batches: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate(
            [
                predictors.probability(self._f, images, self._config)
                for images in batches
            ]
        )


def tangents(direction: Direction, codes: np.ndarray) -> np.ndarray:
    """Along which walks leave codes [N, rows, w_dim] towards the finding.

    Returns:
      [N, w_dim] where all rows move alike, else [N, rows * w_dim]; of length
      1, or 0 where a walk cannot leave its code.
    """
    near = np.float32(_NEAR * direction.region.spread)
    ends = np.tile([-near, near], (len(codes), 1))
    offsets = direction.offsets(codes, ends)
    behind, ahead = np.moveaxis(offsets.reshape(*ends.shape, -1), 1, 0)
    steps = ahead - behind
    lengths = np.linalg.norm(steps, axis=-1, keepdims=True)
    return steps / np.where(lengths > 0, lengths, 1)


def _both(config: Config, data: Labelled) -> bool:
    """Whether f decides both ways."""
    decided = decisions(config, data.judged)
    return bool(decided.any() and not decided.all())


def _some(data: Labelled, rows: np.ndarray) -> Labelled:
    # Sampled codes have no targets.
    targets = data.targets[rows] if len(data.targets) else data.targets
    return Labelled(data.codes[rows], data.judged[rows], targets)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # Each fit logs its penalty: hundreds of refits need not.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
