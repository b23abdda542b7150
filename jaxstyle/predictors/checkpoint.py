"""The classifier trained in this workdir, as a black box."""

from pathlib import Path

import numpy as np

from jaxstyle import parallel
from jaxstyle.classifier import calibration, train
from jaxstyle.config import Config


class CheckpointPredictor:
    """Calibrated probabilities of the built-in classifier.

    Args:
      config: names the classifier and the batch size.
      workdir: where it was trained.

    Raises:
      WorkdirError: if it has not been trained under this config.
    """

    def __init__(self, config: Config, workdir: str | Path) -> None:
        network, self._params, self._temperature = train.load(config, workdir)
        self._apply = parallel.batched(
            network.apply, config.predictor.batch_size
        )

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities [N, 1] of the finding, or [N, K] of the classes.

        Args:
          images: [N, H, W, C] in [0, 1].
        """
        signed = np.asarray(images, np.float32) * 2 - 1
        logits = self._apply(self._params, signed)
        return calibration.probabilities(logits, self._temperature)
