"""Walks of given codes, each along a straight line of its own."""

import dataclasses

import numpy as np
from scipy import special

from jaxstyle import predictors
from jaxstyle.explain.direction.protocol import Direction
from jaxstyle.explain.direction.region import Region


@dataclasses.dataclass(frozen=True, eq=False)
class Own:
    """A line for each of N codes, and no other ones (see `explain.nearest`).

    Latent logits are still those of the fitted predictor. What is asked of
    lambdas is answered from f's own logits at both ends of the line, as if
    they rose evenly between them.

    Attributes:
      latent: the fitted latent predictor.
      ways: float32 [N, rows, w_dim], towards the finding; the root mean
        square of the rows' lengths is 1, or 0 where no way was found.
      ends: [N], the lambda up to which each was looked for, negative where
        the way there leads away from the finding.
      margins: [N, 2], f's logit above its decision at 0 and at that end.
    """

    latent: Direction
    ways: np.ndarray
    ends: np.ndarray
    margins: np.ndarray

    @property
    def region(self) -> Region:
        """Where codes are trusted."""
        return self.latent.region

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Latent logits [N] of codes [N, rows, w_dim]."""
        return self.latent.logits(codes)

    def offsets(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """lambda times each one's way: float32 [N, K, rows, w_dim]."""
        del codes
        return lambdas.astype(np.float32)[..., None, None] * self.ways[:, None]

    def along(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """Latent probabilities [N, K] of codes moved by lambdas [N, K]."""
        moved = codes[:, None] + self.offsets(codes, lambdas)
        count, frames, rows, width = moved.shape
        latent = self.latent.logits(moved.reshape(-1, rows, width))
        return special.expit(latent.reshape(count, frames))

    def steps_to(self, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """lambda [N, T] that takes f to each target; 0 without a way."""
        del codes
        start, end = self.margins.T[:, :, None]
        slope = np.where(end != start, end - start, 1) / _or_one(self.ends)
        steps = (predictors.logit(targets)[None] - start) / slope
        return np.where(self.ends[:, None] != 0, steps, 0.0)

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As far as it was looked for, either way, within the region.

        Every row stays in the region, or gets no farther out than it is.
        """
        reach = np.abs(self.ends)
        nearest, farthest = self.region.rows_range(codes, self.ways)
        return np.maximum(-reach, nearest), np.minimum(reach, farthest)


def _or_one(ends: np.ndarray) -> np.ndarray:
    return np.where(ends != 0, ends, 1)[:, None]
