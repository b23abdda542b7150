"""The encoder's losses; all are dimensionless and of order 1 at the start."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def latent_loss(
    codes: jax.Array, w: jax.Array, w_spread: jax.Array
) -> jax.Array:
    """Mean squared error in units of W's spread.

    Args:
      codes: [B, rows, w_dim], the encoder's.
      w: [B, w_dim], the truth, the same for each row.
      w_spread: [w_dim].
    """
    return jnp.mean(((codes - w[:, None]) / w_spread[None, None]) ** 2)


def image_loss(images: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean absolute error of [B, R, R, C] images in [-1, 1]."""
    return jnp.mean(jnp.abs(images - targets))


def feature_distance(
    features: Sequence[jax.Array], targets: Sequence[jax.Array]
) -> jax.Array:
    """Mean over layers of the squared error as a share of the energy.

    Per image, so that a batch's mean is that of its parts on any number of
    devices.

    Args:
      features: one [B, h, w, F] a layer.
      targets: likewise; their energy is the denominator.

    Returns:
      [B].
    """
    return jnp.mean(
        jnp.stack(
            [
                _share(a.astype(jnp.float32), b.astype(jnp.float32))
                for a, b in zip(features, targets, strict=True)
            ]
        ),
        axis=0,
    )


def predictor_distance(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Kullback-Leibler divergence of f's answers, in nats: [B].

    Args:
      logits: f's of reconstructions, [B].
      targets: f's of the images themselves, [B].
    """
    p = jax.nn.sigmoid(targets)
    cross = jax.nn.softplus(logits) - p * logits
    entropy = jax.nn.softplus(targets) - p * targets
    return cross - entropy


def predictor_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean of `predictor_distance` over the batch."""
    return jnp.mean(predictor_distance(logits, targets))


def _share(a: jax.Array, b: jax.Array) -> jax.Array:
    axes = (1, 2, 3)
    return jnp.mean((a - b) ** 2, axes) / (jnp.mean(b**2, axes) + 1e-8)


def feature_loss(
    features: Sequence[jax.Array], targets: Sequence[jax.Array]
) -> jax.Array:
    """Mean of `feature_distance` over the batch."""
    return jnp.mean(feature_distance(features, targets))
