"""A latent predictor with a hidden layer, walked along its gradient."""

import dataclasses

import numpy as np
from scipy import special

from jaxstyle import predictors
from jaxstyle.explain.direction import flow
from jaxstyle.explain.direction.labels import summary
from jaxstyle.explain.direction.region import Region

# Of W's spread: the arc length of a step. Half of it changes paths by less
# than a thousandth of their length.
_STEP = 1 / 32
# As many to each side: three times W's spread.
_STEPS = 96
# Where W's whole spread would move the logit by less than this, a path ends.
_FLAT = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Curved:
    """p(w) = sigmoid(out . softplus(hidden . w + hidden_bias) + out_bias).

    A walk follows the normalised gradient of the logit, up for positive and
    down for negative lambdas, which are arc lengths. A path ends where the
    gradient vanishes, and farther lambdas stay there.

    Attributes:
      hidden: [w_dim, H].
      hidden_bias: [H].
      out: [H].
      out_bias: a number.
      removed: [w_dim, M], orthonormal, in whose directions no walk goes.
      region: where codes are trusted.
    """

    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    out_bias: float
    removed: np.ndarray
    region: Region
    # The paths of the codes asked about last: a search asks many times.
    _latest: dict[bytes, flow.Paths] = dataclasses.field(
        default_factory=dict, init=False, repr=False
    )

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Latent logits [N] of codes [N, rows, w_dim]."""
        return self._logit(summary(codes))

    def offsets(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """To the points of the paths, float32 [N, K, 1, w_dim]."""
        moved = self._paths(codes).offsets(lambdas)
        return moved.astype(np.float32)[:, :, None]

    def along(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """Latent probabilities [N, K] of codes moved by lambdas [N, K]."""
        moved = self._paths(codes).offsets(lambdas)
        return special.expit(self._logit(summary(codes)[:, None] + moved))

    def steps_to(self, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """lambda [N, T] that takes each code to each target probability.

        Where its path ends before, to that end.
        """
        return self._paths(codes).reaching(predictors.logit(targets))

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest trusted lambda of each code: [N], [N].

        Up to where the path first leaves the region, or first gets farther
        out than a code that starts outside. The logit's spread over W is
        that of its gradient at the centre.
        """
        paths, centre = self._paths(codes), self.region.centre[None]
        low, high = paths.inside(self.region.distances, self.region.radius)
        middle = self._logit(centre)[0]
        limit = self.region.logit_limit(self._gradient(centre)[0])
        reach = np.maximum(limit, np.abs(self.logits(codes) - middle))
        nearest, farthest = (
            paths.where(middle + sign * reach) for sign in (-1, 1)
        )
        return np.maximum(low, nearest), np.minimum(high, farthest)

    def _paths(self, codes: np.ndarray) -> flow.Paths:
        start = summary(codes).astype(np.float64)
        key = start.tobytes()
        found = self._latest.get(key)
        if found is None:
            spread = self.region.spread
            found = flow.integrate(
                self._logit,
                self._gradient,
                start,
                step=_STEP * spread,
                steps=_STEPS,
                flat=_FLAT / spread,
            )
            self._latest.clear()
            self._latest[key] = found
        return found

    def _logit(self, points: np.ndarray) -> np.ndarray:
        softplus = np.logaddexp(0, points @ self.hidden + self.hidden_bias)
        return softplus @ self.out + self.out_bias

    def _gradient(self, points: np.ndarray) -> np.ndarray:
        """Of the logit, without what is removed: [..., w_dim], likewise."""
        share = special.expit(points @ self.hidden + self.hidden_bias)
        slope = (share * self.out) @ self.hidden.T
        return slope - (slope @ self.removed) @ self.removed.T
