"""How far two sets of images are from each other, by their features.

All work in float64 on features [N, D] of any network, and hold distances of
a block of rows at a time.
"""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.distance import cdist

_BLOCK = 1024


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Frechet distance of the Gaussians fitted to two sets of features.

    |mean_a - mean_b|^2 + tr(A + B - 2 (A^1/2 B A^1/2)^1/2), as in FID
    (Heusel et al. 2017, arXiv:1706.08500, eq. 6). Fewer images bias it
    upwards. Where there are fewer than features, A and B are singular, which
    does no harm to the cross term.

    Args:
      a: features [N, D] of one set, N >= 2.
      b: features [M, D] of the other, M >= 2.
    """
    a, b = _checked(a, b, least=2)
    shift = a.mean(axis=0) - b.mean(axis=0)
    a, b = _scaled(a), _scaled(b)
    spread = np.sum(a * a) + np.sum(b * b)
    distance = shift @ shift + spread - 2 * _cross(a, b)
    # Rounding may leave equal sets a hair below 0.
    return float(max(distance, 0.0))


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """Kernel inception distance: the unbiased squared MMD.

    Kernel (x.y / D + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401, section
    4). Being unbiased, it may fall below 0.

    Args:
      a: features [N, D], N >= 2.
      b: features [M, D], M >= 2.
    """
    a, b = _checked(a, b, least=2)
    n, m = len(a), len(b)
    within_a = _kernel_sum(a, a) - _kernel(np.sum(a * a, axis=1), a).sum()
    within_b = _kernel_sum(b, b) - _kernel(np.sum(b * b, axis=1), b).sum()
    return float(
        within_a / (n * (n - 1))
        + within_b / (m * (m - 1))
        - 2 * _kernel_sum(a, b) / (n * m)
    )


def precision_recall(
    real: np.ndarray, generated: np.ndarray, neighbours: int
) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019).

    arXiv:1904.06991, eqs. 1 and 2: the share of generated images inside of
    the manifold of real ones, and the reverse. A manifold is the union of
    balls around each image that reach its k-th nearest neighbour.

    Args:
      real: features [N, D].
      generated: features [M, D].
      neighbours: k, less than N and M.

    Returns:
      (precision, recall), each in [0, 1].
    """
    real, generated = _checked(real, generated, least=neighbours + 1)
    precision = _inside(generated, real, neighbours)
    return precision, _inside(real, generated, neighbours)


def nearest_distance(generated: np.ndarray, train: np.ndarray) -> float:
    """Mean distance of a generated image to the nearest training image.

    Near 0 where the generator repeats what it was shown. Set beside the
    same number of unseen real images.

    Args:
      generated: features [N, D].
      train: features [M, D].
    """
    generated, train = _checked(generated, train, least=1)
    nearest = [cdist(rows, train).min(axis=1) for rows in _blocks(generated)]
    return float(np.concatenate(nearest).mean())


def _checked(
    a: np.ndarray, b: np.ndarray, least: int
) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features of shapes {a.shape} and {b.shape} cannot be compared; "
            "give [N, D] and [M, D] of the same network"
        )
    if min(len(a), len(b)) < least:
        raise ValueError(
            f"{len(a)} and {len(b)} images are too few: {least} are needed of "
            "each"
        )
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise ValueError("some features are NaN or infinite")
    return a, b


def _scaled(rows: np.ndarray) -> np.ndarray:
    """Rows x for which x.T x is the covariance."""
    return (rows - rows.mean(axis=0)) / np.sqrt(len(rows) - 1)


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    """tr (A^1/2 B A^1/2)^1/2 for A = a.T a and B = b.T b.

    Its terms are the singular values of a b.T, too: cheaper for few images.
    """
    if min(len(a), len(b)) <= a.shape[1]:
        return float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    values, vectors = np.linalg.eigh(a.T @ a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ (b.T @ b) @ root)
    return float(np.sqrt(np.maximum(inner, 0)).sum())


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]


def _kernel(products: np.ndarray, like: np.ndarray) -> np.ndarray:
    return (products / like.shape[1] + 1) ** 3


def _kernel_sum(a: np.ndarray, b: np.ndarray) -> float:
    return sum(float(_kernel(rows @ b.T, b).sum()) for rows in _blocks(a))


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance [N] of each to its k-th nearest other one."""
    radii = []
    for rows in _blocks(features):
        # The nearest, at index 0, is the image itself.
        ordered = np.partition(cdist(rows, features), neighbours, axis=1)
        radii.append(ordered[:, neighbours])
    return np.concatenate(radii)


def _inside(images: np.ndarray, manifold: np.ndarray, neighbours: int) -> float:
    radii = _radii(manifold, neighbours)
    hits = [
        (cdist(rows, manifold) <= radii[None]).any(axis=1)
        for rows in _blocks(images)
    ]
    return float(np.concatenate(hits).mean())
