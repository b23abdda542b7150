"""What a black box must offer, and nothing more."""

from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """A classifier of images; its gradients are never asked for."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of images.

        Args:
          images: float32 [N, H, W, C] in [0, 1].

        Returns:
          float32 [N, K] in [0, 1], one column per class.
        """
        ...


class PredictorError(ValueError):
    """A predictor cannot be found or answers wrongly; says what and why."""
