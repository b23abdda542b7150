"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) for the built-in f."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle import parallel, predictors
from jaxstyle.classifier import train
from jaxstyle.classifier.networks import Classifier
from jaxstyle.config import Config

# Logits [B, K] of the classes -> the logit [B] of what is asked.
Question = Callable[[jax.Array], jax.Array]

# (images [N, H, W, C] in [-1, 1], signs [N]) -> heatmaps [N, H, W].
Heatmaps = Callable[[np.ndarray, np.ndarray], np.ndarray]


def load(config: Config, workdir: str | Path) -> Heatmaps:
    """Heatmaps of the classifier trained in `workdir`.

    Returns:
      `heatmaps(images, signs)`: images float32 [N, H, W, C] in [-1, 1]; a
      sign of 1 asks for the evidence for the finding, -1 for the evidence
      against it. Heatmaps are float32 [N, H, W] in [0, 1], each one's
      maximum 1, or 0 all over where there is no such evidence. Any N, in
      batches of `config.walk.batch_size`, compiled once.

    Raises:
      WorkdirError: if it has not been trained under this config.
    """
    network, params, temperature = train.load(config, workdir)

    def question(logits: jax.Array) -> jax.Array:
        return predictors.asked_logit(logits / temperature, config)

    return heatmaps(network, params, config.walk.batch_size, question)


def the_only(logits: jax.Array) -> jax.Array:
    """The logit [B] of a classifier that has one, [B, 1]."""
    return logits[:, 0]


def heatmaps(
    network: Classifier,
    params: Any,
    batch_size: int,
    question: Question = the_only,
) -> Heatmaps:
    """Likewise, of any classifier and its parameters."""

    def function(params: Any, images: jax.Array, signs: jax.Array) -> jax.Array:
        return grad_cam(network, params, images, signs, question)

    run = parallel.batched(function, batch_size, batched_arguments=2)

    def apply(images: np.ndarray, signs: np.ndarray) -> np.ndarray:
        return run(
            params,
            np.asarray(images, np.float32),
            np.asarray(signs, np.float32),
        )

    return apply


def grad_cam(
    network: Classifier,
    params: Any,
    images: jax.Array,
    signs: jax.Array,
    question: Question = the_only,
) -> jax.Array:
    """Heatmaps float32 [B, H, W] in [0, 1] (eqs. 1 and 2).

    The score is sign * logit, the map the trunk's last one. Its heat is
    enlarged bilinearly, so that it is as coarse as the map was.

    Args:
      network: a classifier.
      params: its parameters.
      images: float32 [B, H, W, C] in [-1, 1].
      signs: float32 [B], 1 for the finding and -1 against it.
      question: the logit of what is asked.
    """
    activations = network.apply(params, images, method="features_map")

    def score(activations: Any) -> jax.Array:
        logits = network.apply(params, activations, method="head")
        # Images do not mix, so one gradient of the sum serves all.
        return jnp.sum(signs * question(logits))  # type: ignore[arg-type]

    weights = jnp.mean(jax.grad(score)(activations), axis=(1, 2))  # eq. 1
    heat = jax.nn.relu(jnp.einsum("bhwf,bf->bhw", activations, weights))
    heat = jax.image.resize(heat, images.shape[:3], "bilinear")
    most = jnp.max(heat, axis=(1, 2), keepdims=True)
    return heat / jnp.where(most > 0, most, 1)
