"""StyleGAN2's losses as pure functions.

Shapes: images [B, R, R, C] in [-1, 1]; logits [B]; ws [B, L, w_dim].
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxstyle import rng
from jaxstyle.stylegan2 import networks


def generator_loss(fake_logits: jax.Array) -> jax.Array:
    """Non-saturating logistic loss, mean of -log sigmoid(D(G(z)))."""
    return jnp.mean(jax.nn.softplus(-fake_logits))


def fake_loss(fake_logits: jax.Array) -> jax.Array:
    """D's share for generated images, mean of -log(1 - sigmoid(D))."""
    return jnp.mean(jax.nn.softplus(fake_logits))


def real_loss(real_logits: jax.Array) -> jax.Array:
    """D's share for real images, mean of -log sigmoid(D)."""
    return jnp.mean(jax.nn.softplus(-real_logits))


def r1_penalty(
    logits: Callable[[jax.Array], jax.Array], images: jax.Array
) -> jax.Array:
    """Squared gradient norm at each real image: [B].

    Mescheder et al. 2018 (arXiv:1801.04406), equation 9, without gamma / 2.

    Args:
      logits: images -> [B]; only minibatch deviation may mix the images.
      images: real images.
    """
    slope = jax.grad(lambda x: jnp.sum(logits(x)))(images)
    return jnp.sum(slope**2, axis=(1, 2, 3))


def path_lengths(
    synthesis: Callable[[jax.Array], jax.Array],
    ws: jax.Array,
    directions: jax.Array,
) -> jax.Array:
    """Lengths |J_w^T y| for random image directions y: [B].

    Karras et al. 2020 (arXiv:1912.04958), section 3.2; the norm is over
    w_dim and the mean square over layers.

    Args:
      synthesis: ws -> images.
      ws: latent codes.
      directions: y, standard normal, of the images' shape. Scaled here by
        1 / sqrt(height * width).
    """
    _, height, width, _ = directions.shape
    y = directions / (height * width) ** 0.5
    slope = jax.grad(lambda w: jnp.sum(synthesis(w) * y))(ws)
    return jnp.sqrt(jnp.mean(jnp.sum(slope**2, axis=2), axis=1))


def mixed_codes(
    generator: networks.Generator,
    params: Any,
    key: jax.Array,
    ids: jax.Array,
    z_dim: int,
    mixing: float,
    labels: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Codes with style mixing: ws [B, L, w_dim], and the unmixed w.

    A share `mixing` of the images takes its rows from a random row on from
    a second latent (Karras et al. 2019, arXiv:1812.04948, section 3.1), of
    the same label where there are classes.
    """
    z = rng.normal(rng.named(key, "z"), ids, (2, z_dim))
    twice = None if labels is None else jnp.repeat(labels, 2)
    both = generator.apply(params, z.reshape(-1, z_dim), twice, method="map")
    both = both.reshape(z.shape[0], 2, -1)  # type: ignore[union-attr]
    rows = networks.layer_count(generator.resolution)
    draw = rng.uniform(rng.named(key, "mixing"), ids, (2,))
    cut = 1 + jnp.floor(draw[:, 0] * (rows - 1)).astype(jnp.int32)
    cut = jnp.where(draw[:, 1] < mixing, cut, rows)
    first = jnp.arange(rows, dtype=jnp.int32)[None] < cut[:, None]
    ws = jnp.where(first[:, :, None], both[:, None, 0], both[:, None, 1])
    return ws, both[:, 0]


def layer_noise(
    key: jax.Array, ids: jax.Array, shapes: Sequence[Sequence[int]]
) -> list[jax.Array]:
    """Fresh noise for each layer, drawn per sample."""
    key = rng.named(key, "noise")
    return [
        rng.normal(jax.random.fold_in(key, layer), ids, shape)
        for layer, shape in enumerate(shapes)
    ]
