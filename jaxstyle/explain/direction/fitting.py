"""Fits a direction by any of the methods."""

import dataclasses
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxstyle.config import Config
from jaxstyle.explain.direction import (
    calibration,
    labels,
    methods,
    mlp,
    nuisance,
    rows,
    transport,
)
from jaxstyle.explain.direction.curved import Curved
from jaxstyle.explain.direction.labels import Labelled, Wanted
from jaxstyle.explain.direction.linear import Linear
from jaxstyle.explain.direction.protocol import Direction
from jaxstyle.explain.direction.region import Region

# A normal of which so little is left points nowhere.
_LEAST_LEFT = 1e-3


@dataclasses.dataclass(frozen=True)
class Material:
    """What directions are fitted on.

    Attributes:
      fitting: codes that the latent predictor is fitted on.
      val: codes that choose its regularisation and calibrate it.
      region: where codes are trusted.
      nuisances: [w_dim, M], slopes of what no walk may change; M may be 0.
    """

    fitting: Labelled
    val: Labelled
    region: Region
    nuisances: np.ndarray


def fit(
    config: Config, method: str, material: Material
) -> tuple[Direction, dict[str, Any]]:
    """Fits one method.

    The latent logit is calibrated on validation codes: those of the fit are
    told apart better than others ever will.

    Args:
      config: labels, C, seed, bootstraps.
      method: one of `DirectionConfig.METHODS`.
      material: codes and the rest.

    Returns:
      The direction, and numbers about the fit; of "row_means" and
      "transport" they are those of the line between the means in W.

    Raises:
      ValueError: if a class is missing, or if nothing is left without the
        nuisances.
    """
    wanted = labels.wanted(config, material.fitting)
    if method == "mlp":
        return _curved(config, material), {"stability": {}}
    linear, numbers = _linear(config, method, material, wanted)
    if method == "row_means":
        removed = nuisance.basis(material.nuisances)
        codes = material.fitting.codes
        return rows.between(linear, codes, wanted, removed), numbers
    if method == "transport":
        return _transported(linear, material, wanted), numbers
    return linear, numbers


class _Coordinates:
    """Points x = (w - centre) T, of root mean square length 1 over W.

    T is a multiple of the identity or, for "whitened", of the whitening of
    W: Mahalanobis's geometry. A normal n in x is T n in W. The step is
    T^-1 n: of all that raise the logit as much it is the shortest in x, so
    that "whitened" walks, which go along Sigma times the normal in W, stay
    as likely under W as they can.
    """

    def __init__(self, method: str, region: Region) -> None:
        self._centre, width = region.centre, len(region.centre)
        self._transform = np.eye(width) / region.spread
        if method == "whitened":
            self._transform = region.whitening / np.sqrt(width)

    def points(self, data: Labelled) -> np.ndarray:
        """x of codes, [N, w_dim]."""
        return (labels.summary(data.codes) - self._centre) @ self._transform

    def slopes(self, in_w: np.ndarray) -> np.ndarray:
        """Slopes [w_dim, M] of linear functions on W, told in x."""
        return np.linalg.solve(self._transform, in_w)

    def step(self, way: np.ndarray) -> np.ndarray:
        """alpha [w_dim], of unit length in W."""
        return _unit(np.linalg.solve(self._transform, way))

    def direction(
        self,
        normal: np.ndarray,
        way: np.ndarray,
        calibrated: tuple[float, float],
        region: Region,
    ) -> Linear:
        """logit = slope * (x . normal) + shift, walked along the way, in W."""
        slope, shift = calibrated
        in_w = slope * (self._transform @ normal)
        alpha = self.step(way).astype(np.float32)
        return Linear(alpha, in_w, float(shift - self._centre @ in_w), region)


def _linear(
    config: Config, method: str, material: Material, wanted: Wanted
) -> tuple[Linear, dict[str, Any]]:
    space = _Coordinates(method, material.region)
    removed = nuisance.basis(space.slopes(material.nuisances))

    def normal(x: np.ndarray, wanted: Wanted, c: float) -> np.ndarray:
        return _without(methods.NORMALS[method](x, wanted, c), removed)

    def way(x: np.ndarray, wanted: Wanted) -> np.ndarray:
        if method in methods.WAYS:
            return _without(methods.WAYS[method](x, wanted), removed)
        return normal(x, wanted, c)

    x, x_val = space.points(material.fitting), space.points(material.val)
    goals = labels.goals(config, material.val)
    c = _best_penalty(config, lambda c: x_val @ normal(x, wanted, c), goals)
    found = normal(x, wanted, c)
    direction = space.direction(
        *(found, way(x, wanted) if method in methods.WAYS else found),
        *(calibration.calibrate(x_val @ found, goals), material.region),
    )
    if direction.scale <= 0:
        raise ValueError(
            f"direction.method = {method!r}: towards the mean of the positives "
            "the latent predictor falls; use 'logistic'"
        )
    numbers: dict[str, Any] = {
        "regularisation": c,
        "scale": direction.scale,
        "intercept": direction.intercept,
    }
    refits = [
        space.step(way(x[rows], some)) @ direction.alpha
        for rows, some in _resamples(config, wanted)
    ]
    if refits:
        least, mean = float(np.min(refits)), float(np.mean(refits))
        numbers["stability"] = {"mean": mean, "least": least}
    return direction, {"stability": {}} | numbers


def _transported(
    linear: Linear, material: Material, wanted: Wanted
) -> transport.Transported:
    """What was fitted, walked along lines without the nuisances."""
    points = labels.summary(material.fitting.codes).astype(np.float64)
    left = nuisance.without(points, nuisance.basis(material.nuisances))
    return transport.between(linear, left, wanted)


def _without(found: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """What is left of a direction without the nuisances, of length 1."""
    left = nuisance.without(found, removed)
    if np.linalg.norm(left) < _LEAST_LEFT * np.linalg.norm(found):
        raise ValueError(
            "direction.nuisances: codes tell the classes apart by the "
            "nuisances alone; leave some of them out"
        )
    return _unit(left)


def _best_penalty(
    config: Config, scores: Callable[[float], np.ndarray], goals: np.ndarray
) -> float:
    """The C whose calibrated scores of the validation codes fit best."""
    losses = {}
    for c in config.direction.regularisation:
        found = scores(c)
        slope, shift = calibration.calibrate(found, goals)
        losses[c] = calibration.cross_entropy(slope * found + shift, goals)
        logging.info("direction: C = %g, validation loss %.4f", c, losses[c])
    return float(min(losses, key=losses.__getitem__))


def _curved(config: Config, material: Material) -> Curved:
    region, val = material.region, material.val
    # Each dimension of about unit variance.
    unit = region.spread / np.sqrt(len(region.centre))
    found = mlp.train(
        (labels.summary(material.fitting.codes) - region.centre) / unit,
        labels.goals(config, material.fitting),
        (labels.summary(val.codes) - region.centre) / unit,
        labels.goals(config, val),
        config.seed,
    )
    hidden = found.hidden / unit
    raw = Curved(
        hidden=hidden,
        hidden_bias=found.hidden_bias - region.centre @ hidden,
        out=found.out,
        out_bias=found.out_bias,
        removed=nuisance.basis(material.nuisances),
        region=region,
    )
    slope, shift = calibration.calibrate(
        raw.logits(val.codes), labels.goals(config, val)
    )
    return dataclasses.replace(
        raw, out=slope * raw.out, out_bias=slope * raw.out_bias + shift
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _resamples(
    config: Config, wanted: Wanted
) -> Iterator[tuple[np.ndarray, Wanted]]:
    """Yields rows drawn with replacement, and what is wanted of them."""
    random = np.random.default_rng(config.seed)
    count = len(wanted.values)
    for _ in range(config.direction.bootstraps):
        rows = random.integers(0, count, count)
        some = wanted.some(rows)
        if some is not None:
            yield rows, some
