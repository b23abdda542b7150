"""The built-in f, and others of its kind that know less than it does.

Adebayo et al. 2018 (arXiv:1810.03292, section 3.2): layers are initialised
again one after the other from the logits down, each network on top of the
last one ("cascading randomization").
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from jaxstyle import parallel, predictors
from jaxstyle.classifier import networks
from jaxstyle.classifier import state as state_lib
from jaxstyle.classifier import train as classifier_train
from jaxstyle.config import Config

LOGITS, STEM = "logits", "stem"
# From the run's seed to that of the new weights.
_ANOTHER = 1810_03292


@dataclasses.dataclass(frozen=True)
class Weights:
    """What tells one such network from another.

    Attributes:
      params: the network's parameters.
      temperature: its logits are divided by that.
      shift: added to the calibrated logit.
    """

    params: Any
    temperature: float
    shift: float = 0.0


class Exchangeable:
    """The built-in network, a black box of which the weights may change.

    It compiles once for all of them.

    Args:
      config: describes the network.
      weights: the first ones.

    Attributes:
      weights: those it answers with.
    """

    def __init__(self, config: Config, weights: Weights) -> None:
        self.weights = weights
        self._apply = parallel.batched(
            networks.create(config).apply, config.predictor.batch_size
        )

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities [N, 1] of the finding, images [N,H,W,C] in [0, 1]."""
        return special.expit(self.logits(images)).astype(np.float32)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Calibrated and shifted, float64 [N, 1]."""
        signed = np.asarray(images, np.float32) * 2 - 1
        logits = self._apply(self.weights.params, signed).astype(np.float64)
        return logits / self.weights.temperature + self.weights.shift


def differentiable(weights: Weights) -> dict[str, Any]:
    """What `predictors.network` needs, to answer as `Exchangeable` does."""
    last = weights.params["params"]["last"]
    # Before the temperature divides it.
    shift = np.float32(weights.shift * weights.temperature)
    moved = weights.params["params"] | {
        "last": last | {"bias": last["bias"] + shift}
    }
    return {
        "network": {"params": moved},
        "temperature": np.float32(weights.temperature),
    }


def trained(config: Config, root: str | Path) -> Weights:
    """Those of the classifier that was trained in `root`.

    Raises:
      WorkdirError: if it has not been trained under this config.
    """
    _, params, temperature = classifier_train.load(config, root)
    return Weights(params, temperature)


def layers(config: Config) -> dict[str, tuple[str, ...]]:
    """Layers from the logits down, and the trunk's modules in each.

    The normalisation before the pooling counts as the last block's.
    """
    blocks = [
        f"stage_{stage}_block_{block}"
        for stage in range(len(config.classifier.widths))
        for block in range(config.classifier.blocks)
    ][::-1]
    trunk: dict[str, tuple[str, ...]] = {name: (name,) for name in blocks}
    trunk[blocks[0]] = ("norm", blocks[0])
    return {LOGITS: (), **trunk, STEM: ("stem",)}


def fresh(config: Config) -> Any:
    """Parameters as before a training with another seed."""
    other = dataclasses.replace(config, seed=config.seed + _ANOTHER)
    return state_lib.create(other, 1).params


def randomised(config: Config, weights: Weights, new: Any, down_to: str) -> Any:
    """The weights with all layers from the logits down to one made new.

    Args:
      config: describes the network.
      weights: the trained ones, of which the others are kept as they are.
      new: of the same network (see `fresh`).
      down_to: the lowest layer to exchange, one of `layers`.
    """
    every = layers(config)
    modules = set()
    for name, mine in every.items():
        modules.update(mine)
        if name == down_to:
            break
    trunk = {
        name: (new if name in modules else weights.params)["params"]["trunk"][
            name
        ]
        for name in weights.params["params"]["trunk"]
    }
    params = {"params": {"last": new["params"]["last"], "trunk": trunk}}
    return dataclasses.replace(weights, params=params)


def balanced(
    config: Config, weights: Weights, logits: np.ndarray, positives: int
) -> Weights:
    """The weights with a shift, so that f decides for as many images.

    A network with random weights often says the same of all images. That is
    its level alone: moved, it tells them apart by something.

    Args:
      config: f's threshold.
      weights: without a shift.
      logits: of some images, [N].
      positives: for how many of them it is to decide, 1 to N - 1.

    Returns:
      Weights that decide for the images with the highest logits. Images
      with equal ones stay together.
    """
    falling = np.sort(logits)[::-1]
    cut = (falling[positives - 1] + falling[positives]) / 2
    level = float(predictors.logit(np.asarray(config.target.level)))
    return dataclasses.replace(weights, shift=level - float(cut))
