"""Fits one method after the other, and walks with each."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import parallel, predictors
from jaxstyle.config import NEAREST, Config, DirectionConfig
from jaxstyle.data import pipeline
from jaxstyle.encoder import train as encoder_train
from jaxstyle.evaluation import features
from jaxstyle.evaluation import images as image_metrics
from jaxstyle.explain import nearest, search, walk
from jaxstyle.explain.compare_files import Pictured
from jaxstyle.explain.direction import (
    Direction,
    decisions,
    fidelity,
    fitting,
    stage,
)

# Each image's own way stands beside the fitted directions.
METHODS = (*DirectionConfig.METHODS, NEAREST)
# Of a larger training split, so many images stand for all.
_MOST_REAL = 1000
# Images that are pictured, of either decision.
_PICTURED = 2


class Comparison:
    """Everything that is the same for all methods.

    Args:
      config: the run.
      root: its workdir.

    Attributes:
      count: images walked with each method.
    """

    def __init__(self, config: Config, root: str | Path) -> None:
        self._config, self._root = config, root
        codec = self._codec = encoder_train.load(config, root)
        predictor = self._predictor = predictors.load(config, root)
        self._material, _ = stage.prepare(config, root, codec, predictor)
        self._split = pipeline.open_asked(config, root, config.walk.split)
        self._data = stage.encoded(
            config,
            root,
            config.walk.split,
            codec,
            predictor,
            config.walk.limit,
        )
        self._decided = decisions(config, self._data.judged)
        self.count = len(self._decided)
        self._pictured = _first_of_each(self._decided)
        self._features = features.networks(config, root)[features.DEFAULT]
        self._train = pipeline.open_asked(config, root, "train")
        self._walker = walk.Walker(config, codec, None, predictor)  # type: ignore[arg-type]

    def flipped(self, codes: np.ndarray | None = None) -> np.ndarray:
        """Which walks along the config's own direction flip f: bool [N].

        Args:
          codes: of the first N images, to start at instead of E(x).
        """
        along, count = self._own_direction, self.count
        if codes is not None:
            count = len(codes)
        size, found = self._config.walk.batch_size, []
        for start in range(0, count, size):
            rows = np.arange(start, min(start + size, count))
            some = None if codes is None else codes[rows]
            walked = self._walked(along, rows, some)
            found.append(walked.verdicts.flip_frame >= 0)
        return np.concatenate(found)

    @functools.cached_property
    def _own_direction(self) -> Direction:
        method = self._config.direction.method
        return fitting.fit(self._config, method, self._material)[0]

    def __call__(
        self, method: str, tell: Callable[[int], None]
    ) -> tuple[dict[str, Any], list[Pictured]]:
        """Measures one method.

        Args:
          method: one of `METHODS`; "nearest" has the latent predictor of
            the config's own direction.
          tell: called with the number of images walked so far.

        Returns:
          Numbers, and the images to picture. Numbers are those of the fit;
          "fidelity" (see `fidelity.quality`); and "walks", of each image its
          id, status, whether it was "flipped", and if so: flip_lambda, the
          length of the walk in W; proximity, the mean absolute change of
          pixels in [0, 1]; and off_target, the change of random features
          (`evaluation.features`) in units of the mean distance of two real
          images. That counts all that changes, the finding included: of two
          ways to flip an image the one with less of it changes less besides.
        """
        own = method == NEAREST
        fitted = self._config.direction.method if own else method
        direction, numbers = fitting.fit(self._config, fitted, self._material)
        search_nearest = self._nearest(direction) if own else None
        numbers["fidelity"] = fidelity.quality(
            self._config, direction, self._data
        )
        walks, pictured = [], []
        size = self._config.walk.batch_size
        for start in range(0, self.count, size):
            rows = np.arange(start, min(start + size, self.count))
            if search_nearest is not None:
                direction = search_nearest(
                    self._data.codes[rows], self._decided[rows]
                )
            found = self._walked(direction, rows)
            walks += self._measured(rows, found)
            pictured += [
                self._picture(int(row), found, n)
                for n, row in enumerate(rows)
                if row in self._pictured
            ]
            tell(len(walks))
        return numbers | {"walks": walks}, pictured

    def _nearest(self, latent: Direction) -> nearest.Nearest:
        if self._config.predictor.kind != "checkpoint":
            # Its student is trained on all of them, and this is one's work.
            parallel.require_one_process("the comparison with a black box")
        return nearest.load(
            self._config, self._root, self._codec, latent, self._predictor
        )

    def _walked(
        self,
        direction: Direction,
        rows: np.ndarray,
        codes: np.ndarray | None = None,
    ) -> "_Walks":
        walker = self._walker.redirected(direction)
        decided = self._decided[rows]
        codes = self._data.codes[rows] if codes is None else codes
        lambdas = search.find_walks(
            self._config, direction, codes, decided, walker.judge
        )
        frames = walker.frames(codes, lambdas)
        judged = walker.judge_frames(frames)
        verdicts = search.verdicts(self._config, lambdas, decided, judged)
        return _Walks(lambdas, frames, judged, verdicts)

    def _measured(
        self, rows: np.ndarray, found: "_Walks"
    ) -> list[dict[str, Any]]:
        """What `__call__` tells of each image."""
        every = np.arange(len(rows))
        flips = found.verdicts.flip_frame
        before = found.frames[every, found.verdicts.reconstruction_frame]
        # Those without a flip are left out below.
        after = found.frames[every, flips]
        change = np.linalg.norm(
            self._features(after) - self._features(before), axis=1
        )
        measures = {
            "flip_lambda": np.abs(found.lambdas[every, flips]),
            "proximity": image_metrics.l1(after, before) / image_metrics.RANGE,
            "off_target": change / self._unit,
        }
        return [
            {
                "id": self._split.ids[row],
                "status": found.verdicts.status[n],
                "flipped": bool(flips[n] >= 0),
            }
            | {
                name: float(values[n])
                for name, values in measures.items()
                if flips[n] >= 0
            }
            for n, row in enumerate(rows)
        ]

    def _picture(self, row: int, found: "_Walks", n: int) -> Pictured:
        return Pictured(
            image_id=self._split.ids[row],
            original=self._split.images([row])[0],
            judged_original=float(self._data.judged[row]),
            frames=found.frames[n],
            judged=found.judged[n],
            flip_frame=int(found.verdicts.flip_frame[n]),
            status=found.verdicts.status[n],
        )

    @functools.cached_property
    def _unit(self) -> float:
        """Mean distance of the features of two training images."""
        split = self._train
        random = np.random.default_rng(self._config.seed)
        some = random.permutation(len(split))[:_MOST_REAL]
        size = self._config.predictor.batch_size
        seen = np.concatenate(
            [
                self._features(split.images(some[start : start + size]))
                for start in range(0, len(some), size)
            ]
        )
        # Each beside the next one in random order.
        apart = np.linalg.norm(seen - np.roll(seen, 1, axis=0), axis=1)
        return float(apart.mean())


@dataclasses.dataclass(frozen=True)
class _Walks:
    """Walks of N images.

    Attributes:
      lambdas: [N, K].
      frames: [N, K, R, R, C] in [-1, 1].
      judged: f on them, [N, K].
      verdicts: what they show.
    """

    lambdas: np.ndarray
    frames: np.ndarray
    judged: np.ndarray
    verdicts: search.Verdicts


def _first_of_each(decided: np.ndarray) -> np.ndarray:
    """Positions of the first images of either decision."""
    return np.sort(
        np.concatenate(
            [np.flatnonzero(decided == k)[:_PICTURED] for k in (False, True)]
        )
    )
