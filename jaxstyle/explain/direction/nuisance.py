"""Directions that predict what a walk shall leave as it is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from jaxstyle.config.checks import require

# Columns of numbers with more different values are quantities; others, and
# columns of words, are categories.
_FEWEST_VALUES = 10
_MOST_CATEGORIES = 50
_PENALTIES = tuple(10.0**k for k in range(-3, 4))
# Singular values below this belong to directions that are there already.
_INDEPENDENT = 1e-6


def columns(split: Any, names: Iterable[str]) -> dict[str, np.ndarray]:
    """What is known of each image of a prepared split, by column: [N].

    Args:
      split: a `data.pipeline.Split`.
      names: `config.direction.nuisances`.

    Raises:
      ConfigError: naming the column that the data do not have.
    """
    found = {}
    for name in names:
        carried = {"height": split.sizes[:, 0], "width": split.sizes[:, 1]}
        carried |= split.columns
        require(
            name in carried,
            "direction.nuisances",
            name,
            "the prepared data have no such column; there are "
            + ", ".join(carried),
        )
        found[name] = carried[name]
    return found


def slopes(
    x: np.ndarray, values: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, float]]:
    """How codes predict the columns, linearly.

    Ridge regression of each column, of each of its categories if it has
    some, the penalty chosen by leave-one-out. A move at right angles to all
    slopes leaves every prediction as it is.

    Args:
      x: points [N, D], about 0.
      values: columns [N] of numbers or words; "" and NaN are not known.

    Returns:
      Slopes [D, M] of the predictions, M = 0 without columns, and for each
      column the share of its variance that is predicted, leave-one-out
      (negative where its mean predicts better).

    Raises:
      ValueError: naming a column that is constant, or has too many
        categories.
    """
    spans, shares = [np.zeros((x.shape[1], 0))], {}
    for name, column in values.items():
        known, targets = encoded(name, column)
        model: Any = RidgeCV(alphas=_PENALTIES).fit(x[known], targets)
        shares[name] = 1 + float(model.best_score_)
        spans.append(np.atleast_2d(model.coef_).T)
    return np.concatenate(spans, axis=1), shares


def encoded(name: str, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A column as numbers of mean 0 and variance 1.

    Returns:
      The rows where it is known, and there [n, 1] for a quantity or [n, k]
      for k categories.
    """
    known, numbers = _numbers(column)
    distinct = np.unique(column[known])
    if len(distinct) < 2:
        raise ValueError(
            f"direction.nuisances: {name!r} is the same in all images that "
            "have it; leave it out"
        )
    if numbers is None or len(distinct) <= _FEWEST_VALUES:
        if len(distinct) > _MOST_CATEGORIES:
            raise ValueError(
                f"direction.nuisances: {name!r} has {len(distinct)} "
                f"categories; use numbers, or {_MOST_CATEGORIES} at most"
            )
        targets = (column[known][:, None] == distinct).astype(np.float64)
    else:
        targets = numbers[known][:, None]
    return known, (targets - targets.mean(axis=0)) / targets.std(axis=0)


def without(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Vectors [..., D] less what lies in the span of a basis [D, M]."""
    return vectors - (vectors @ basis) @ basis.T


def _numbers(column: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows that are known, and [N] floats where all of them are."""
    if column.dtype.kind in "biuf":
        numbers = column.astype(np.float64)
        return np.isfinite(numbers), numbers
    words: Sequence[str] = [str(word).strip() for word in column]
    known = np.array([word != "" for word in words])
    try:
        numbers = np.array([float(word or "nan") for word in words])
    except ValueError:
        return known, None
    return known & np.isfinite(numbers), numbers


def basis(spans: np.ndarray) -> np.ndarray:
    """An orthonormal basis [D, R] of the span of columns [D, M]."""
    lengths = np.linalg.norm(spans, axis=0)
    units = spans[:, lengths > 0] / lengths[lengths > 0]
    if not units.size:
        return units
    left, sizes, _ = np.linalg.svd(units, full_matrices=False)
    return left[:, sizes > _INDEPENDENT * sizes[0]]
