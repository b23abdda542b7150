"""A linear latent predictor, walked along a straight line."""

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

    def logits(self, codes: np.ndarray) -> np.ndarray:
        """Latent logits [N] of codes [N, rows, w_dim]."""
        return summary(codes) @ self.normal + self.intercept

    def offsets(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """lambda * alpha, whatever the codes: float32 [N, K, 1, w_dim]."""
        del codes
        return lambdas.astype(np.float32)[:, :, None, None] * self.alpha

    def along(self, codes: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        """Latent probabilities [N, K] of codes moved by lambdas [N, K]."""
        start = self.logits(codes).astype(np.float64)
        return special.expit(start[:, None] + self.scale * lambdas)

    def steps_to(self, codes: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """lambda [N, T] that takes each code to each target probability.

        logit(p) = logit(w) + scale * lambda, solved for lambda.
        """
        wanted = predictors.logit(targets)[None]
        return (wanted - self.logits(codes)[:, None]) / self.scale

    def trusted_range(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Within `Region.line_range` and `Region.logit_limit`.

        A code whose logit is beyond the limit may move inwards only.
        """
        low, high = self.region.line_range(summary(codes), self.alpha)
        centre = self.normal @ self.region.centre + self.intercept
        start = self.logits(codes) - centre
        reach = np.maximum(self.region.logit_limit(self.normal), np.abs(start))
        return (
            np.maximum(low, (-reach - start) / self.scale),
            np.minimum(high, (reach - start) / self.scale),
        )
