"""A linear latent predictor, walked along straight lines."""

import dataclasses

import numpy as np
from scipy import special

from jaxstyle import predictors
from jaxstyle.explain.direction.labels import summary
from jaxstyle.explain.direction.region import Region


@dataclasses.dataclass(frozen=True)
class Linear:
    """p(w) = sigmoid(normal . w + intercept); walks go to w + lambda alpha.

    A W+ code is represented by the mean of its rows; moving every row by
    lambda * alpha moves that mean by as much, so the closed form is the same.

    Attributes:
      alpha: float32 [w_dim], unit norm, towards the finding.
      normal: [w_dim], gradient of the logit; with alpha an acute angle.
      intercept: logit at w = 0.
      region: where codes are trusted.
    """

    alpha: np.ndarray
    normal: np.ndarray
    intercept: float
    region: Region

    @property
    def scale(self) -> float:
        """Slope of the logit along alpha, > 0."""
        return float(self.normal @ self.alpha)

    def ways(self, codes: np.ndarray) -> np.ndarray:
        """The unit line of all codes, [w_dim]; or of each, [N, w_dim]."""
        del codes
        return self.alpha

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Latent logits [N] of codes [N, rows, w_dim]."""
        return summary(codes) @ self.normal + self.intercept

    def offsets(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """lambda times the unit line: float32 [N, K, 1, w_dim]."""
        ways = self.ways(codes)[..., None, None, :]
        return lambdas.astype(np.float32)[:, :, None, None] * ways

    def along(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """Latent probabilities [N, K] of codes moved by lambdas [N, K]."""
        start = self.logits(codes).astype(np.float64)[:, None]
        return special.expit(start + self._slopes(codes)[..., None] * lambdas)

    def steps_to(self, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """lambda [N, T] that takes each code to each target probability.

        logit(p) = logit(w) + slope * lambda, solved for lambda.
        """
        missing = predictors.logit(targets)[None] - self.logits(codes)[:, None]
        return missing / self._slopes(codes)[..., None]

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Within `Region.line_range` and `Region.logit_limit`.

        A code whose logit is beyond the limit may move inwards only.
        """
        low, high = self.region.line_range(summary(codes), self.ways(codes))
        centre = self.normal @ self.region.centre + self.intercept
        start = self.logits(codes) - centre
        reach = np.maximum(self.region.logit_limit(self.normal), np.abs(start))
        slopes = self._slopes(codes)
        return (
            np.maximum(low, (-reach - start) / slopes),
            np.minimum(high, (reach - start) / slopes),
        )

    def _slopes(self, codes: np.ndarray) -> np.ndarray:
        """Of the logit along `ways`, > 0: a number, or [N]."""
        return np.asarray(self.ways(codes) @ self.normal, np.float64)
