"""Whether a counterfactual still is a picture of the same image."""

import numpy as np
from scipy.spatial.distance import cdist, pdist

from jaxstyle.evaluation.pictures import Pictures

_BLOCK = 1024
# So many originals stand for all where every pair is compared.
_MOST_PAIRED = 1000


def standardised(features: Pictures) -> Pictures:
    """Features in deviations of the originals' from their mean, float64.

    What does not differ among the originals is left out.
    """
    original = features.original.astype(np.float64)
    spread = original.std(axis=0)
    kept = spread > 0
    centre = original.mean(axis=0)[kept]
    return Pictures(*((x[:, kept] - centre) / spread[kept] for x in features))


def retrieved(features: Pictures) -> np.ndarray:
    """Whose original is the nearest one to its counterfactual: [N].

    1 where it is the image's own, by the distance of standardised features.
    Of k equally near ones each counts 1 / k, so that features which tell
    nothing reach the chance level 1 / N.

    Args:
      features: of a network that took no part in making the pictures.
    """
    original, _, counterfactual = standardised(features)
    shares = []
    for start in range(0, len(original), _BLOCK):
        rows = counterfactual[start : start + _BLOCK]
        distances = cdist(rows, original)
        nearest = distances == distances.min(axis=1, keepdims=True)
        own = nearest[np.arange(len(rows)), start + np.arange(len(rows))]
        shares.append(own / nearest.sum(axis=1))
    return np.concatenate(shares)


def feature_change(features: Pictures, seed: int) -> np.ndarray:
    """Distance of counterfactual and reconstruction in features: [N].

    Its unit is the mean distance of two different originals, of which 1000
    random ones stand for more; 1 is as far as another image. In standardised
    features. NaN where the originals do not differ.
    """
    original, reconstruction, counterfactual = standardised(features)
    random = np.random.default_rng(seed)
    some = random.permutation(len(original))[:_MOST_PAIRED]
    pairs = pdist(original[some])
    if not pairs.any():
        return np.full(len(original), np.nan)
    change = np.linalg.norm(counterfactual - reconstruction, axis=1)
    return change / pairs.mean()
