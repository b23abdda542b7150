"""All that the classifier's training needs to go on."""

import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct

from jaxstyle import rng
from jaxstyle.classifier import networks
from jaxstyle.config import ClassifierConfig, Config

_WARM_UP_SHARE = 0.1


@struct.dataclass
class State:
    """What a training step changes.

    Attributes:
      step: int32, steps done.
      rng: uint32 [2]; each step folds its number in.
      params: the network's parameters.
      opt: AdamW's state.
    """

    step: jax.Array
    rng: jax.Array
    params: Any
    opt: Any


@struct.dataclass
class Best:
    """The best epoch so far, by validation AUC; ties go to the lower loss.

    Attributes:
      params: the parameters after it.
      auc: float32, its validation AUC (of several classes, their mean, each
        against the rest); -1 before the first epoch.
      loss: float32, its validation loss.
      epoch: int32, its number, from 1.
      waited: int32, epochs since then.
    """

    params: Any
    auc: jax.Array
    loss: jax.Array
    epoch: jax.Array
    waited: jax.Array


def optimiser(
    config: ClassifierConfig, steps: int
) -> optax.GradientTransformation:
    """AdamW with a linear warm-up and a cosine decay to 0 over `steps`.

    Weight decay leaves scales and biases alone.
    """
    warm_up = max(1, round(_WARM_UP_SHARE * steps))
    schedule = optax.warmup_cosine_decay_schedule(
        init_value=config.learning_rate / warm_up,
        peak_value=config.learning_rate,
        warmup_steps=warm_up,
        decay_steps=max(steps, warm_up + 1),
    )
    return optax.adamw(
        schedule,
        weight_decay=config.weight_decay,
        mask=lambda params: jax.tree.map(lambda leaf: leaf.ndim > 1, params),
    )


def epoch_steps(images: int, batch_size: int) -> int:
    """Steps in which `images` images are shown once."""
    return math.ceil(images / batch_size)


def create(config: Config, steps: int) -> State:
    """The state before the first of `steps`; follows from the seed."""
    key = rng.named(jax.random.PRNGKey(config.seed), "classifier")
    side = config.data.resolution
    images = jnp.zeros((1, side, side, config.data.channels))
    params = _init(networks.create(config), rng.named(key, "params"), images)
    return State(
        step=jnp.zeros((), jnp.int32),
        rng=rng.named(key, "steps"),
        params=params,
        opt=optimiser(config.classifier, steps).init(params),
    )


@functools.partial(jax.jit, static_argnums=0)
def _init(network: nn.Module, key: jax.Array, images: jax.Array) -> Any:
    """Compiled once for all equal networks: it takes seconds."""
    return network.init(key, images)


def nothing_yet(params: Any) -> Best:
    """Before the first epoch; `params` are copied."""
    return Best(
        params=jax.tree.map(jnp.copy, params),
        auc=jnp.full((), -1, jnp.float32),
        # Above any, but finite, as all that is saved.
        loss=jnp.full((), jnp.finfo(jnp.float32).max, jnp.float32),
        epoch=jnp.zeros((), jnp.int32),
        waited=jnp.zeros((), jnp.int32),
    )


def after_epoch(
    best: Best, params: Any, auc: float, loss: float, epoch: int
) -> Best:
    """Takes note of an epoch; copies `params` where it is a better one."""
    order = (jnp.float32(auc), -jnp.float32(loss))
    if tuple(map(float, order)) <= (float(best.auc), -float(best.loss)):
        return best.replace(waited=best.waited + 1)  # type: ignore[attr-defined]
    return Best(
        # The next step donates the buffers of `params`.
        params=jax.tree.map(jnp.copy, params),
        auc=jnp.float32(auc),
        loss=jnp.float32(loss),
        epoch=jnp.int32(epoch),
        waited=jnp.int32(0),
    )
