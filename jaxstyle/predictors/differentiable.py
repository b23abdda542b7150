"""The built-in predictor as a function that gradients flow through."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxstyle.classifier import networks, train
from jaxstyle.config import Config
from jaxstyle.predictors import question


def network(config: Config) -> Callable[[Any, jax.Array], jax.Array]:
    """`judge(parameters, images [B, R, R, C] in [-1, 1])`: logits [B].

    Their sigmoid is what `probability` answers for the same images.
    """
    classifier = networks.create(config)

    def judge(parameters: Any, images: jax.Array) -> jax.Array:
        logits: Any = classifier.apply(
            parameters["network"], jnp.clip(images, -1, 1)
        )
        return question.asked_logit(logits / parameters["temperature"], config)

    return judge


def parameters(config: Config, root: str | Path) -> dict[str, Any]:
    """What `network` needs, of the classifier that was trained in `root`.

    Raises:
      WorkdirError: if it has not been trained under this config.
    """
    _, params, temperature = train.load(config, root)
    return {"network": params, "temperature": jnp.float32(temperature)}
