"""What trainings and searches of codes share: length, updates, choices."""

from typing import Any

import jax
import jax.numpy as jnp
import optax


def update(
    optimiser: optax.GradientTransformation, grads: Any, opt: Any, params: Any
) -> tuple[Any, Any]:
    """New parameters and optimiser state."""
    # Optax raises its betas, floats, to an integer count, which strict type
    # promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        updates, opt = optimiser.update(grads, opt, params)
    return optax.apply_updates(params, updates), opt


def steps_for(kimg: float, batch_size: int) -> int:
    """Steps that show at least `kimg` thousand images; at least 1."""
    return max(1, -(-round(kimg * 1000) // batch_size))


def where(chosen: jax.Array, new: Any, old: Any) -> Any:
    """Of each image the new where it is chosen, else the old.

    Args:
      chosen: bool [B].
      new: a tree of [B, ...].
      old: likewise.
    """
    return jax.tree.map(
        lambda a, b: jnp.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b),
        new,
        old,
    )
