"""One training step of the classifier, as a pure function."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxstyle import optimisation, parallel
from jaxstyle.classifier import networks
from jaxstyle.classifier.augment import augment
from jaxstyle.classifier.state import State, optimiser
from jaxstyle.config import Config

Step = Callable[[State, Any], tuple[State, dict[str, jax.Array]]]


def class_weights(targets: np.ndarray) -> tuple[float, float]:
    """Weights of the absence and the presence of the finding.

    Each class gets half of the total weight of the images: n / (2 n_class).

    Args:
      targets: [N] of 0 and 1, both present.
    """
    positives = float(np.sum(targets))
    count = len(targets)
    return count / (2 * (count - positives)), count / (2 * positives)


def balanced_loss(
    logits: jax.Array, targets: jax.Array, weights: tuple[float, float]
) -> jax.Array:
    """Mean binary cross-entropy with a weight per class.

    Args:
      logits: float32 [B].
      targets: float32 [B] of 0 and 1.
      weights: of targets 0 and 1 (see `class_weights`).
    """
    losses = optax.sigmoid_binary_cross_entropy(logits, targets)
    absent, present = weights
    return jnp.mean(losses * (absent + (present - absent) * targets))


def train_step(
    config: Config,
    weights: tuple[float, float],
    steps: int,
    axis_name: str | None = None,
) -> Step:
    """Makes `step(state, batch) -> state, metrics`.

    Args:
      config: the network, its augmentation and its optimiser.
      weights: of the two classes.
      steps: length of the whole training, for the schedule.
      axis_name: where the batch is one device's share of the global one.

    Returns:
      A pure function. `batch` is {"image": float32 [B, R, R, C] in [-1, 1],
      "target": float32 [B]}; metrics are "loss" and "accuracy" over the
      global batch, augmented.
    """
    network = networks.create(config)
    adamw = optimiser(config.classifier, steps)

    def step(state: State, batch: Any) -> tuple[State, dict[str, jax.Array]]:
        key = jax.random.fold_in(state.rng, state.step)
        ids = parallel.sample_ids(len(batch["image"]), axis_name)
        images = augment(batch["image"], key, ids, config.classifier)
        targets = batch["target"]

        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            logits = network.apply(params, images)[:, 0]  # type: ignore[index]
            right = (logits > 0) == (targets > 0)
            return (
                balanced_loss(logits, targets, weights),
                jnp.mean(right.astype(jnp.float32)),
            )

        (value, accuracy), gradients = jax.value_and_grad(loss, has_aux=True)(
            state.params
        )
        gradients, metrics = parallel.pmean(
            (gradients, {"loss": value, "accuracy": accuracy}), axis_name
        )
        params, opt = optimisation.update(
            adamw, gradients, state.opt, state.params
        )
        return State(state.step + 1, state.rng, params, opt), metrics

    return step
