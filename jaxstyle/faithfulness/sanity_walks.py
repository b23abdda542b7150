"""Explains the same images for each of several networks.

Images are inverted once, as the renderer does it; only what f says of them
changes.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import parallel, predictors
from jaxstyle.classifier import networks as classifier_networks
from jaxstyle.config import NEAREST, Config
from jaxstyle.data import pipeline
from jaxstyle.encoder import projection
from jaxstyle.encoder import train as encoder_train
from jaxstyle.explain import nearest, search, walk
from jaxstyle.explain.attribution import grad_cam
from jaxstyle.explain.direction import Direction, decisions
from jaxstyle.faithfulness import sanity_networks
from jaxstyle.faithfulness.sanity_directions import Fitter, tangents
from jaxstyle.faithfulness.sanity_networks import Weights

# Beside those of `search`.
ONE_WAY = "f decides alike for all images"
# Images that are pictured, of either decision.
_PICTURED = 3
# (codes [N, rows, w_dim], f's decisions [N]) -> what their walks follow.
Ways = Callable[[np.ndarray, np.ndarray], Direction]


@dataclasses.dataclass(frozen=True)
class Explanation:
    """How one network's decisions on N images are explained.

    Attributes:
      judged: f on the images, [N].
      status: N of `search`'s, or all `ONE_WAY`.
      maps: |flip - reconstruction| summed over channels, [N, R, R]; 0 where
        nothing flips.
      heat: Grad-CAM for this f's decision, [N, R, R] in [0, 1].
      tangents: along which the walk leaves each code towards the finding,
        of length 1, [N, w_dim], or [N, rows * w_dim] where each image goes
        its own way; 0 without one.
      fitted: f on the images that the direction is fitted on, [M].
      penalty: the C of that fit.
      pictured: int [P], positions of the images to picture.
      originals: [P, R, R, C] in [-1, 1].
      reconstructions: likewise.
      flips: likewise; the reconstruction where nothing flips.
    """

    judged: np.ndarray
    status: np.ndarray
    maps: np.ndarray
    heat: np.ndarray
    tangents: np.ndarray
    fitted: np.ndarray
    penalty: float
    pictured: np.ndarray
    originals: np.ndarray
    reconstructions: np.ndarray
    flips: np.ndarray

    @property
    def explained(self) -> np.ndarray:
        """Where there is a counterfactual, bool [N]."""
        return self.status == search.FLIPPED

    @property
    def one_way(self) -> bool:
        """Whether f decides alike for all that the direction is fitted on."""
        return bool(np.all(self.status == ONE_WAY))


class Explainer:
    """All that is the same for every network.

    The images are the first `walk.limit` of `walk.split`.

    Args:
      config: the run; its f is the built-in one.
      root: its workdir.

    Attributes:
      trained: the run's own f.
      fitter: fits directions.
      ids: names of the N images.
      groups: the patient of each, [N].
    """

    def __init__(self, config: Config, root: str | Path) -> None:
        self._config = config
        self.trained = sanity_networks.trained(config, root)
        self._f = sanity_networks.Exchangeable(config, self.trained)
        codec = encoder_train.load(config, root)
        self.fitter = Fitter(config, root, codec, self._f)
        split = pipeline.open_split(config, root, config.walk.split)
        self.ids = split.ids[: config.walk.limit or None]
        self.groups = np.asarray(split.groups[: len(self.ids)])
        self._images = split.images(range(len(self.ids)))
        start = projection.starts(config, root, codec)
        self._codes = start(self.ids, self._images)
        self._pictured = _first_of_each(decisions(config, self._judged()))
        self._walker = walk.Walker(config, codec, None, self._f)  # type: ignore[arg-type]
        self._nearest = None
        if config.walk.along == NEAREST:
            f = sanity_networks.differentiable(self.trained)
            self._nearest = nearest.Nearest(config, codec, None, config, f)  # type: ignore[arg-type]
        network = classifier_networks.create(config)
        self._grad_cam = parallel.batched(
            lambda *arrays: grad_cam.grad_cam(network, *arrays),
            config.walk.batch_size,
            batched_arguments=2,
        )

    def __call__(
        self,
        weights: Weights,
        tell: Callable[[int], None],
        rows: np.ndarray | None = None,
    ) -> Explanation:
        """Fits the direction on this network's answers, and walks.

        Where the config's walks take each image's own way, that is searched
        with this network's gradient; where they may go is fitted all the same.

        Args:
          weights: of the network.
          tell: called with the number of images walked so far.
          rows: which of the fitter's codes to fit on; None takes all.
        """
        self._f.weights = weights
        judged = self._judged()
        decided = decisions(self._config, judged)
        signs = np.where(decided, 1, -1).astype(np.float32)
        fitted = self.fitter.fit(rows)
        if fitted.direction is None:
            tell(len(self.ids))
            found = self._nothing()
        else:
            ways = self._ways(weights, fitted.direction)
            found = self._walked(ways, decided, tell)
        return Explanation(
            judged=judged,
            heat=self._grad_cam(weights.params, self._images, signs),
            fitted=fitted.judged,
            penalty=fitted.penalty,
            pictured=self._pictured,
            originals=self._images[self._pictured],
            **found,
        )

    def _judged(self) -> np.ndarray:
        return predictors.probability(self._f, self._images, self._config)

    def _ways(self, weights: Weights, fitted: Direction) -> Ways:
        """What the walks of some images, with f's decisions, follow."""
        if self._nearest is None:
            return lambda codes, decided: fitted
        return self._nearest.asking(
            fitted, sanity_networks.differentiable(weights)
        )

    def _walked(
        self, ways: Ways, decided: np.ndarray, tell: Callable[[int], None]
    ) -> dict[str, np.ndarray]:
        """Walks all images, and keeps what `Explanation` tells of them."""
        status: list[str] = []
        maps, before, after, leaving = [], [], [], []
        count, size = len(self.ids), self._config.walk.batch_size
        for start in range(0, count, size):
            rows = np.arange(start, min(start + size, count))
            direction = ways(self._codes[rows], decided[rows])
            found, *ends = self._ends(direction, rows, decided[rows])
            leaving.append(tangents(direction, self._codes[rows]))
            maps.append(np.abs(ends[1] - ends[0]).sum(axis=-1))
            shown = np.isin(rows, self._pictured)
            before.append(ends[0][shown])
            after.append(ends[1][shown])
            status += found
            tell(len(status))
        return {
            "status": np.asarray(status),
            "maps": np.concatenate(maps),
            "tangents": np.concatenate(leaving),
            "reconstructions": np.concatenate(before),
            "flips": np.concatenate(after),
        }

    def _ends(
        self, direction: Direction, rows: np.ndarray, decided: np.ndarray
    ) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Status, reconstruction and smallest flip of some images."""
        config, codes = self._config, self._codes[rows]
        walker = self._walker.redirected(direction)
        lambdas = search.find_walks(
            config, direction, codes, decided, walker.judge
        )
        frames = walker.frames(codes, lambdas)
        found = search.verdicts(
            config, lambdas, decided, walker.judge_frames(frames)
        )
        last = np.where(
            found.flip_frame >= 0, found.flip_frame, found.reconstruction_frame
        )
        every = np.arange(len(rows))
        before = frames[every, found.reconstruction_frame]
        return found.status, before, frames[every, last]

    def _nothing(self) -> dict[str, Any]:
        """What there is where no direction can be fitted."""
        count, side = len(self.ids), self._config.data.resolution
        shown = self._images[self._pictured]
        return {
            "status": np.full(count, ONE_WAY),
            "maps": np.zeros((count, side, side), np.float32),
            "tangents": np.zeros((count, self._codes.shape[-1]), np.float32),
            "reconstructions": shown,
            "flips": shown,
        }


def _first_of_each(decided: np.ndarray) -> np.ndarray:
    """Positions of the first images of either decision."""
    first = [np.flatnonzero(decided == k)[:_PICTURED] for k in (False, True)]
    return np.sort(np.concatenate(first))
