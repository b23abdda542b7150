"""What walks, search and evaluation ask of a latent predictor."""

from typing import Protocol

import numpy as np

from jaxstyle.explain.direction.region import Region


class Direction(Protocol):
    """A latent predictor, and the walk along which it rises.

    Codes are [N, rows, w_dim], and a walk moves all rows of a code by the
    same offset, or each by its own; lambda is the length of the walk in W
    (the root mean square over the rows), positive towards the finding.
    """

    @property
    def region(self) -> Region:
        """Where codes are trusted."""
        ...

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Latent logits [N]; 0 is where f decides."""
        ...

    def offsets(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """What to add to a code: [N, K] -> float32 [N, K, 1 or L, w_dim]."""
        ...

    def along(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """Latent probabilities [N, K] of codes moved by lambdas [N, K]."""
        ...

    def steps_to(self, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """lambda [N, T] that takes each code to each target probability."""
        ...

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and highest trusted lambda of each code: [N], [N]."""
        ...
