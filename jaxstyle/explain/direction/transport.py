"""Walks along which one class's codes become the other's, as a whole.

The difference of class means moves every code alike, so that what is moved
still has its own class's spread: a counterfactual need not look like any
image of the class it reaches. Between two normal distributions the optimal
transport is affine (Dowson and Landau 1982, doi:10.1016/0047-259X(82)90077-X;
Peyre and Cuturi 2019, arXiv:1803.00567, remark 2.31): it takes mean to mean
and covariance to covariance, and moves codes as little as that allows.
"""

import dataclasses

import numpy as np

from jaxstyle.explain.direction import methods
from jaxstyle.explain.direction.labels import Wanted, summary
from jaxstyle.explain.direction.linear import Linear

# Principal components of the codes in which covariances are matched; in all
# others codes move by the means alone. Between 8 and 128 of 512 made little
# difference on chest X-rays.
_COMPONENTS = 32
# Fewer codes of a class than this for each component tell no covariance.
_CODES_PER_COMPONENT = 10
# Of the greatest variance: smaller ones cannot be inverted.
_LEAST_VARIANCE = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Transported(Linear):
    """A linear predictor; each code walks to where transport takes it.

    A code that the latent predictor counts to a class goes towards its image
    under the transport to the other class, or for lambda < 0 away from it,
    and the other way round for a code of the positive class: lambda rises
    towards the finding. Where the latent logit would not rise along that
    line, it is the difference of the means, `alpha`.

    Attributes:
      means: of the negatives' and the positives' codes, [2, w_dim].
      components: [w_dim, k], orthonormal.
      stretches: [2, k, k], of each class: its transport's matrix less the
        identity.
    """

    means: np.ndarray
    components: np.ndarray
    stretches: np.ndarray

    def ways(self, codes: np.ndarray) -> np.ndarray:
        """Each code's own line, float32 [N, w_dim], of unit length."""
        points = summary(codes).astype(np.float64)
        own = (self.logits(codes) > 0).astype(int)
        spread = (points - self.means[own]) @ self.components
        moved = np.einsum("nk,nkl->nl", spread, self.stretches[own])
        towards = np.where(own > 0, -1.0, 1.0)[:, None]
        between = self.means[1] - self.means[0]
        ways = between + towards * (moved @ self.components.T)
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        rises = (ways @ self.normal > 0)[:, None]
        return np.where(rises, ways, self.alpha).astype(np.float32)


def between(linear: Linear, x: np.ndarray, wanted: Wanted) -> Transported:
    """The transport between two classes of points.

    Args:
      linear: the predictor, walked along the difference of the means.
      x: the points, [N, w_dim].
      wanted: their labels and weights.
    """
    means = methods.means(x, wanted)
    x = methods.repeated(x, wanted)
    weights = [np.where(wanted.labels == k, wanted.weights, 0) for k in (0, 1)]
    spreads = [
        np.cov(x.T, aweights=each, ddof=0).reshape(2 * x.shape[1:])
        for each in weights
    ]
    fewest = min(int(each.sum()) for each in weights)
    count = min(_COMPONENTS, x.shape[1], fewest // _CODES_PER_COMPONENT)
    values, vectors = np.linalg.eigh((spreads[0] + spreads[1]) / 2)
    # What no code varies in, such as a nuisance that was projected out,
    # cannot be matched.
    kept = values[::-1][:count] > _LEAST_VARIANCE * values[-1]
    components = vectors[:, ::-1][:, :count][:, kept]
    inside = [components.T @ each @ components for each in spreads]
    unmoved = np.eye(components.shape[1])
    stretches = np.stack(
        [matrix(*inside) - unmoved, matrix(*inside[::-1]) - unmoved]
    )
    return Transported(
        **{
            item.name: getattr(linear, item.name)
            for item in dataclasses.fields(linear)
        },
        means=means,
        components=components,
        stretches=stretches,
    )


def matrix(own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 of covariances A and B, [k, k]."""
    root, inverse = _power(own, 0.5), _power(own, -0.5)
    return inverse @ _power(root @ other @ root, 0.5) @ inverse


def _power(symmetric: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    least = _LEAST_VARIANCE * values.max(initial=0)
    return (vectors * np.maximum(values, least) ** exponent) @ vectors.T
