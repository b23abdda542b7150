"""Walks through W+ on which each layer's row has a direction of its own.

A direction of W moves all rows of a code alike, as if the layers still got
one w. A projected code has left W: each of its rows has gone its own way to
show the image. What the classes differ in then lies in other directions of
one row than of another (StyleSpace, arXiv:2011.12799, and W+ in
arXiv:1904.03189), and a walk along the mean of these moves no row as it
should.
"""

import dataclasses

import numpy as np

from jaxstyle.explain.direction import methods, nuisance
from jaxstyle.explain.direction.labels import Wanted
from jaxstyle.explain.direction.linear import Linear


@dataclasses.dataclass(frozen=True, eq=False)
class ByRows(Linear):
    """A linear predictor of the mean row; each row walks its own line.

    Attributes:
      alpha: the mean of `rows`, which moves the mean row: shorter than 1.
      rows: float32 [L, w_dim], what lambda = 1 adds to each row; the root
        mean square of their lengths is 1.
    """

    rows: np.ndarray

    def offsets(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """lambda times the rows' lines: float32 [N, K, L, w_dim]."""
        del codes
        return lambdas.astype(np.float32)[:, :, None, None] * self.rows

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As the mean row's, and every row stays in the region, too."""
        low, high = super().trusted_range(codes)
        nearest, farthest = self.region.rows_range(codes, self.rows[None])
        return np.maximum(low, nearest), np.minimum(high, farthest)


def between(
    linear: Linear, codes: np.ndarray, wanted: Wanted, removed: np.ndarray
) -> ByRows:
    """From the mean code of the negatives to that of the positives, in W+.

    Args:
      linear: the predictor, walked along the difference of the mean rows.
      codes: [N, L, w_dim].
      wanted: their labels and weights.
      removed: [w_dim, M], orthonormal, in whose directions no row moves.
    """
    flat = codes.reshape(len(codes), -1).astype(np.float64)
    rows = methods.class_means(flat, wanted).reshape(codes.shape[1:])
    rows = nuisance.without(rows, removed)
    rows /= np.sqrt(np.mean(np.sum(rows**2, axis=1)))
    rows = rows.astype(np.float32)
    return ByRows(
        alpha=rows.mean(axis=0),
        normal=linear.normal,
        intercept=linear.intercept,
        region=linear.region,
        rows=rows,
    )
