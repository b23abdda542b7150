"""The augmentations in front of the discriminator.

Adaptive discriminator augmentation (Karras et al. 2020, "Training
generative adversarial networks with limited data", arXiv:2006.06676,
section 2.2 and appendix B). What D sees, real or generated, went through
these with the same probability p, and G's gradient goes back through them.
While p < 1 they can be undone in distribution, so G learns the images as
they were.
"""

import jax
import jax.numpy as jnp

from jaxstyle import rng
from jaxstyle.stylegan2 import augment_colour, augment_geometry, wavelets
from jaxstyle.stylegan2.augment_draws import draw, is_neutral

# How images share their power among the bands: it falls with frequency.
_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


def augment(
    images: jax.Array,
    key: jax.Array,
    ids: jax.Array,
    p: jax.Array,
    operations: tuple[str, ...],
) -> jax.Array:
    """Augments each image on its own; the map of its pixels is affine.

    Args:
      images: float32 [B, R, R, C] in [-1, 1], C 1 or 3.
      key: of this step.
      ids: int32 [B], indices of the samples in the global batch; sample n
        depends on (key, ids[n], p) only.
      p: float32 scalar in [0, 1], how often each operation is applied. At 0
        the result is the images.
      operations: names out of `config.AUGMENT_OPERATIONS`, static; applied
        in the order there.

    Returns:
      float32 [B, R, R, C], which may leave [-1, 1].

    Raises:
      ValueError: an operation is unknown, or needs colours and the images
        have none.
    """
    if not operations:
        return images
    draws = draw(key, ids, p, operations)
    images = augment_geometry.transform(images, draws)
    images = augment_colour.recolour(images, draws)
    if "filter" in draws:
        filtered = amplify(images, normalised_gains(draws["filter"]))
        same = is_neutral(draws, ("filter",))[:, None, None, None]
        images = jnp.where(same, images, filtered)
    if "noise" in draws:
        pixels = rng.named(rng.named(key, "noise"), "pixels")
        noise = rng.normal(pixels, ids, images.shape[1:])
        images = images + noise * draws["noise"][:, :, None, None]
    if "cutout" in draws:
        images = cut_out(images, draws["cutout"])
    return images


def normalised_gains(gains: jax.Array) -> jax.Array:
    """Gains [B, 4] that keep the power of a typical image, each by itself."""
    alone = jnp.where(jnp.eye(4, dtype=bool)[None], gains[:, :, None], 1)
    power = jnp.sum(alone**2 * jnp.array(_POWER)[None, None], axis=2)
    return jnp.prod(alone * jax.lax.rsqrt(power)[:, :, None], axis=1)


def amplify(images: jax.Array, gains: jax.Array) -> jax.Array:
    """Scales four frequency bands: [B, R, R, C], [B, 4] -> [B, R, R, C].

    The same filter along rows and columns; reflections surround the image.
    """
    bands = wavelets.bands(images.shape[1])
    matrices = jnp.einsum("bk,kij->bij", gains, bands, precision="highest")
    return augment_geometry.apply_matrices(images, matrices, matrices)


def cut_out(images: jax.Array, centres: jax.Array) -> jax.Array:
    """Greys a square with half the side of the image.

    Args:
      images: [B, R, R, C].
      centres: float32 [B, 2], x and y in sides; the square may reach beyond
        the image.
    """
    size = images.shape[1]
    places = (jnp.arange(size, dtype=jnp.float32) + 0.5) / size
    near = jnp.abs(places[None, None] - centres[:, :, None]) < 0.25
    inside = near[:, 1, :, None] & near[:, 0, None, :]
    return jnp.where(inside[..., None], 0, images)
