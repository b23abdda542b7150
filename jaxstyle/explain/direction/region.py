"""Where codes can be trusted: near those that the generator has seen."""

import dataclasses

import numpy as np
from scipy import special
from sklearn.covariance import LedoitWolf


@dataclasses.dataclass(frozen=True)
class Region:
    """Points w of W with |whitening (w - centre)| <= radius.

    The length is Mahalanobis's: each direction counts in units of W's own
    standard deviation along it. Of hundreds of dimensions each code has its
    radius from all of them, so that along any single one it could go far out
    before the radius tells. Hence the second limit, along the walk alone.

    Attributes:
      centre: [w_dim], mean of W.
      whitening: [w_dim, w_dim], symmetric, the square root of the inverse of
        W's covariance.
      radius: greatest trusted distance.
      deviations: greatest trusted distance of the latent logit from that at
        the centre, in its standard deviations over W.
    """

    centre: np.ndarray
    whitening: np.ndarray
    radius: float
    deviations: float = np.inf

    @property
    def spread(self) -> float:
        """Root mean square of |w - centre| over W."""
        return float(np.linalg.norm(np.linalg.inv(self.whitening)))

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Mahalanobis distances [...] of points [..., w_dim] from `centre`."""
        return np.linalg.norm((points - self.centre) @ self.whitening, axis=-1)

    def logit_limit(self, normal: np.ndarray) -> float:
        """How far a logit of this gradient, [w_dim], is trusted to go."""
        over_w = np.linalg.norm(np.linalg.solve(self.whitening, normal))
        return float(self.deviations * over_w)

    def line_range(
        self, points: np.ndarray, alpha: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest trusted lambda of w + lambda alpha.

        The distance squared is a quadratic in lambda, solved for the radius.
        A point outside of the region may not move farther out: its range is
        from its own place to its mirror image across the closest approach.

        Args:
          points: [N, w_dim].
          alpha: [w_dim], or each point's own, [N, w_dim].

        Returns:
          [N] <= 0 and [N] >= 0.
        """
        offset = (points - self.centre) @ self.whitening
        step = alpha @ self.whitening
        length = np.sum(step**2, axis=-1)
        along = np.sum(offset * step, axis=-1) / length
        squared = np.sum(offset**2, axis=1)
        room = np.maximum(self.radius**2 - squared, 0) / length
        reach = np.sqrt(along**2 + room)
        return -along - reach, -along + reach

    def rows_range(
        self, codes: np.ndarray, ways: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest trusted lambda of lines through W+.

        As `line_range` has it, for every row at once; one that does not move
        sets no limit.

        Args:
          codes: [N, 1 or L, w_dim].
          ways: [1 or N, 1 or L, w_dim].

        Returns:
          [N] <= 0 and [N] >= 0; infinite for a code of which no row moves.
        """
        codes, ways = np.broadcast_arrays(codes, ways)
        low, high = np.full(len(codes), -np.inf), np.full(len(codes), np.inf)
        for row in range(codes.shape[1]):
            moves = np.any(ways[:, row] != 0, axis=-1)
            nearest, farthest = self.line_range(
                codes[moves, row], ways[moves, row]
            )
            low[moves] = np.maximum(low[moves], nearest)
            high[moves] = np.minimum(high[moves], farthest)
        return low, high


def fit(sampled: np.ndarray, unseen: np.ndarray, percentile: float) -> Region:
    """The region that holds a share of W.

    The covariance is shrunk as in Ledoit and Wolf 2004
    (doi:10.1016/S0047-259X(03)00096-4), so that it can be inverted. Points
    that it was estimated from lie too close, hence the others.

    Args:
      sampled: [N, w_dim], points that the covariance is estimated from.
      unseen: [M, w_dim], others, whose distances give the radius.
      percentile: of these distances, and of a normal distribution's
        deviations.
    """
    found = LedoitWolf().fit(sampled.astype(np.float64))
    values, vectors = np.linalg.eigh(found.covariance_)
    whitening = (vectors / np.sqrt(values)) @ vectors.T
    deviations = float(special.ndtri(0.5 + percentile / 200))
    region = Region(found.location_, whitening, np.inf, deviations)
    radius = np.percentile(region.distances(unseen), percentile)
    return dataclasses.replace(region, radius=float(radius))
