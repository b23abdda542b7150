"""Light augmentation inside of the classifier's training step.

Nothing here mirrors or turns an image: that is the data pipeline's work,
which does it only where the config says that it is safe.
"""

import jax
import jax.numpy as jnp

from jaxstyle import rng
from jaxstyle.config import ClassifierConfig


def augment(
    images: jax.Array, key: jax.Array, ids: jax.Array, config: ClassifierConfig
) -> jax.Array:
    """Random brightness, contrast and shift, each sample its own.

    Args:
      images: float32 [B, H, W, C] in [-1, 1].
      key: of this step.
      ids: int32 [B], indices of the samples in the global batch; sample n
        depends on (key, ids[n]) only.
      config: how strong each is; 0 switches it off.

    Returns:
      float32 [B, H, W, C] in [-1, 1].
    """
    drawn = rng.uniform(rng.named(key, "tone"), ids, (2, 1, 1, 1)) * 2 - 1
    images = tone(
        images,
        config.augment_brightness * drawn[:, 0],
        1 + config.augment_contrast * drawn[:, 1],
    )
    most = config.augment_shift
    if most == 0:
        return images
    drawn = rng.uniform(rng.named(key, "shift"), ids, (2,))
    moves = jnp.floor(drawn * (2 * most + 1)).astype(jnp.int32) - most
    return shift(images, moves, most)


def tone(
    images: jax.Array, brightness: jax.Array, contrast: jax.Array
) -> jax.Array:
    """Scales around each image's mean, adds, and clips to [-1, 1].

    Args:
      images: [B, H, W, C] in [-1, 1].
      brightness: [B, 1, 1, 1], added.
      contrast: [B, 1, 1, 1], factor of the distance from the mean.
    """
    mean = jnp.mean(images, axis=(1, 2, 3), keepdims=True)
    return jnp.clip((images - mean) * contrast + mean + brightness, -1, 1)


def shift(images: jax.Array, moves: jax.Array, most: int) -> jax.Array:
    """Moves [B, H, W, C] down and right; the border's pixels fill the gap.

    Args:
      images: [B, H, W, C].
      moves: int32 [B, 2], rows and columns, each in [-most, most].
      most: largest move in pixels.
    """
    padding = ((0, 0), (most, most), (most, most), (0, 0))
    padded = jnp.pad(images, padding, mode="edge")
    size = images.shape[1:]

    def window(image: jax.Array, move: jax.Array) -> jax.Array:
        start = (most - move[0], most - move[1], jnp.int32(0))
        return jax.lax.dynamic_slice(image, start, size)

    return jax.vmap(window)(padded, moves)
