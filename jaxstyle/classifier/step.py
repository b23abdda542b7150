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


def class_weights(classes: np.ndarray, count: int) -> tuple[float, ...]:
    """Weights of the classes 0 to count - 1.

    Each class gets the same share of the total weight of the images:
    n / (count n_class).

    Args:
      classes: int [N], each class present.
      count: of classes.
    """
    images = np.bincount(classes, minlength=count)
    return tuple((len(classes) / (count * images)).tolist())


def balanced_loss(
    logits: jax.Array, classes: jax.Array, weights: tuple[float, ...]
) -> jax.Array:
    """Mean cross-entropy with a weight per class.

    Args:
      logits: float32 [B, 1], of class 1 against class 0, or [B, K].
      classes: int32 [B].
      weights: of each class (see `class_weights`).
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(
        of_classes(logits), classes
    )
    return jnp.mean(losses * jnp.asarray(weights, jnp.float32)[classes])


def of_classes(logits: jax.Array) -> jax.Array:
    """Logits [B, K] under a softmax; one logit is of class 1 of two."""
    if logits.shape[1] > 1:
        return logits
    return jnp.concatenate([jnp.zeros_like(logits), logits], axis=1)


def train_step(
    config: Config,
    weights: tuple[float, ...],
    steps: int,
    axis_name: str | None = None,
) -> Step:
    """Makes `step(state, batch) -> state, metrics`.

    Args:
      config: the network, its augmentation and its optimiser.
      weights: of the classes.
      steps: length of the whole training, for the schedule.
      axis_name: where the batch is one device's share of the global one.

    Returns:
      A pure function. `batch` is {"image": float32 [B, R, R, C] in [-1, 1],
      "class": int32 [B]}; metrics are "loss" and "accuracy" over the global
      batch, augmented.
    """
    network = networks.create(config)
    adamw = optimiser(config.classifier, steps)

    def step(state: State, batch: Any) -> tuple[State, dict[str, jax.Array]]:
        key = jax.random.fold_in(state.rng, state.step)
        ids = parallel.sample_ids(len(batch["image"]), axis_name)
        images = augment(batch["image"], key, ids, config.classifier)
        classes = batch["class"]

        def loss(params: Any) -> tuple[jax.Array, jax.Array]:
            logits: Any = network.apply(params, images)
            right = jnp.argmax(of_classes(logits), axis=1) == classes
            return (
                balanced_loss(logits, classes, weights),
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
