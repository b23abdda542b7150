"""A latent predictor with one hidden layer, stopped early on validation."""

import dataclasses
import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from jaxstyle import optimisation, rng

_HIDDEN = 64
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 1e-2
_BATCH = 128
_EPOCHS, _PATIENCE = 300, 20


class Network(nn.Module):
    """Points [B, D] of unit variance -> logits [B]."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Softplus: smooth, so that walks are, and never flat far out."""
        x = nn.softplus(nn.Dense(_HIDDEN, name="hidden")(x))
        return nn.Dense(1, name="logit")(x)[:, 0]


@dataclasses.dataclass(frozen=True)
class Weights:
    """logit(x) = out . softplus(hidden . x + hidden_bias) + out_bias.

    Attributes:
      hidden: float64 [D, H].
      hidden_bias: [H].
      out: [H].
      out_bias: a number.
    """

    hidden: np.ndarray
    hidden_bias: np.ndarray
    out: np.ndarray
    out_bias: float


def train(
    x: np.ndarray,
    goals: np.ndarray,
    x_val: np.ndarray,
    goals_val: np.ndarray,
    seed: int,
) -> Weights:
    """Fits probabilities; the epoch that is best on validation counts.

    Cross-entropy by AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).

    Args:
      x: [N, D], of about unit variance in each dimension.
      goals: probabilities [N].
      x_val: [M, D].
      goals_val: [M].
      seed: of weights and order.
    """
    key = rng.named(jax.random.PRNGKey(seed), "direction_mlp")
    x, goals = x.astype(np.float32), goals.astype(np.float32)
    held_out = [jnp.asarray(a, jnp.float32) for a in (x_val, goals_val)]
    params = Network().init(key, x[:1])
    state, best, least, waited = _optimiser().init(params), params, np.inf, 0
    for epoch in range(_EPOCHS):
        rows = _order(len(x), seed, epoch)
        params, state = _epoch(params, state, x[rows], goals[rows])
        loss = float(_loss(params, *held_out))
        waited += 1
        if loss < least:
            best, least, waited = params, loss, 0
        if waited == _PATIENCE:
            break
    logging.info("direction: mlp, validation loss %.4f", least)
    return _weights(best)


def _optimiser() -> optax.GradientTransformation:
    return optax.adamw(_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)


def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    """Rows [steps, B] of one epoch, every row at least once."""
    order = np.random.default_rng([seed, epoch]).permutation(count)
    size = min(_BATCH, count)
    return np.resize(order, (-(-count // size), size))


@jax.jit
def _loss(params: Any, x: jax.Array, goals: jax.Array) -> jax.Array:
    logits = Network().apply(params, x)
    return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, goals))  # type: ignore[arg-type]


@jax.jit
def _epoch(params: Any, state: Any, x: jax.Array, goals: jax.Array) -> Any:
    """One step on each of the batches x [steps, B, D]."""

    def step(carry: Any, batch: Any) -> tuple[Any, None]:
        params, state = carry
        gradient = jax.grad(_loss)(params, *batch)
        return optimisation.update(_optimiser(), gradient, state, params), None

    return jax.lax.scan(step, (params, state), (x, goals))[0]


def _weights(params: Any) -> Weights:
    hidden, logit = (
        {key: np.asarray(leaf, np.float64) for key, leaf in layer.items()}
        for layer in (params["params"]["hidden"], params["params"]["logit"])
    )
    return Weights(
        hidden["kernel"],
        hidden["bias"],
        logit["kernel"][:, 0],
        float(logit["bias"][0]),
    )
