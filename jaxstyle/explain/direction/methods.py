"""How to find the normal of a linear latent predictor, and where to walk.

A finder of normals takes points x [N, D], what is wanted of them, and C, the
weight of the data against the squared norm of the normal; it returns a normal
[D], pointing towards the finding, of any length. Walks go along the normal,
but for the methods of `WAYS`.
"""

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from jaxstyle.explain.direction.labels import Wanted

Normal = Callable[[np.ndarray, Wanted, float], np.ndarray]


def logistic(x: np.ndarray, wanted: Wanted, c: float) -> np.ndarray:
    """Logistic regression: Schutte et al. 2021 (arXiv:2101.07563, 2.3)."""
    model = LogisticRegression(C=c, max_iter=2000)
    x = repeated(x, wanted)
    model.fit(x, wanted.labels, sample_weight=wanted.balanced)
    return model.coef_[0]


def least_squares(x: np.ndarray, wanted: Wanted, c: float) -> np.ndarray:
    """Ridge regression on the values, ordinal or continuous ones as well."""
    return Ridge(alpha=1 / c).fit(x, wanted.values).coef_


def svm(x: np.ndarray, wanted: Wanted, c: float) -> np.ndarray:
    """Linear support vector machine with squared hinge loss."""
    # liblinear penalises the intercept, too, over the square of its scaling.
    model = LinearSVC(
        C=c,
        dual=False,  # type: ignore[arg-type]
        intercept_scaling=10,
        # At 1e-6 separable classes stop a Newton step early, askew.
        tol=1e-10,
        max_iter=10_000,
    )
    x = repeated(x, wanted)
    model.fit(x, wanted.labels, sample_weight=wanted.balanced)
    return model.coef_[0]


def class_means(x: np.ndarray, wanted: Wanted) -> np.ndarray:
    """From the mean of the negatives to that of the positives, [D].

    What tells classes apart best is not what differs between them: a normal
    also weighs what only cancels noise in the code (Haufe et al. 2014,
    doi:10.1016/j.neuroimage.2013.10.067). A walk along the
    difference of the means changes what differs.
    """
    negatives, positives = means(x, wanted)
    return positives - negatives


def means(x: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Of the negatives' and the positives' points, weighted: [2, D]."""
    x = repeated(x, wanted)
    return np.stack(
        [
            np.average(
                x[wanted.labels == k], 0, wanted.weights[wanted.labels == k]
            )
            for k in (0, 1)
        ]
    )


# "whitened" is the logistic one, in coordinates where W has unit covariance.
NORMALS: dict[str, Normal] = {
    "logistic": logistic,
    "least_squares": least_squares,
    "svm": svm,
    "class_means": logistic,
    "row_means": logistic,
    "transport": logistic,
    "whitened": logistic,
}
WAYS: dict[str, Callable[[np.ndarray, Wanted], np.ndarray]] = {
    "class_means": class_means,
    # From there on see the modules `rows` and `transport`.
    "row_means": class_means,
    "transport": class_means,
}


def repeated(x: np.ndarray, wanted: Wanted) -> np.ndarray:
    """Points [N, D] as often as `wanted` has labels for them, [M, D]."""
    return np.tile(x, (len(wanted.labels) // len(x), 1))
