"""Colours as one affine map for each image.

After Karras et al. 2020 (arXiv:2006.06676), appendix B, around the axis of
equal channels, where the luma lies. A grey image's only channel is that axis.
"""

import functools
import math

import jax
import jax.numpy as jnp

from jaxstyle.stylegan2.augment_draws import Draws

# In float32 on any device.
_product = functools.partial(jnp.matmul, precision="highest")
_NAMES = ("brightness", "contrast", "luma_flip", "hue", "saturation")


def recolour(images: jax.Array, draws: Draws) -> jax.Array:
    """Applies what was drawn: [B, R, R, C] -> [B, R, R, C]."""
    if not any(name in draws for name in _NAMES):
        return images
    return apply_colours(images, colour_matrices(draws, images.shape[-1]))


def colour_matrices(draws: Draws, channels: int) -> jax.Array:
    """float32 [B, C + 1, C + 1], to be multiplied by (channels, 1).

    Args:
      draws: operations that are missing do nothing.
      channels: C, 1 or 3. With 1, brightness is added, contrast scales and
        the luma flip negates.

    Raises:
      ValueError: hue or saturation of one channel.
    """
    for name in ("hue", "saturation"):
        if name in draws and channels == 1:
            raise ValueError(
                f"augmentation {name!r} needs 3 channels, the images have 1: "
                "leave it out of the operations"
            )
    batch = len(next(iter(draws.values())))
    luma = jnp.full((channels, channels), 1 / channels)  # onto the axis
    unit = jnp.eye(channels)
    linear = jnp.tile(unit[None], (batch, 1, 1))
    offset = jnp.zeros((batch, channels, 1))

    def number(name: str) -> jax.Array:
        return draws[name][:, :, None]

    if "brightness" in draws:
        offset = offset + number("brightness")
    if "contrast" in draws:
        linear, offset = (a * number("contrast") for a in (linear, offset))
    if "luma_flip" in draws:
        turned = unit[None] - 2 * number("luma_flip") * luma[None]
        linear, offset = _product(turned, linear), _product(turned, offset)
    if "hue" in draws:
        # Neither this nor the next moves the offset, which is on the axis.
        linear = _product(_hue_rotation(number("hue"), luma), linear)
    if "saturation" in draws:
        more = number("saturation") - 1
        linear = _product(unit[None] + more * (unit - luma)[None], linear)
    top = jnp.concatenate([linear, offset], axis=2)
    bottom = jnp.tile(jnp.eye(channels + 1)[-1:][None], (batch, 1, 1))
    return jnp.concatenate([top, bottom], axis=1)


def apply_colours(images: jax.Array, matrices: jax.Array) -> jax.Array:
    """[B, H, W, C], [B, C + 1, C + 1] -> [B, H, W, C].

    Sums over channels singly: with three of them no matrix product pays.
    """
    channels = images.shape[-1]
    m = matrices[:, None, None, :channels]
    result = images[..., :1] * m[..., 0]
    for channel in range(1, channels):
        result += images[..., channel : channel + 1] * m[..., channel]
    return result + m[..., channels]


def _hue_rotation(angle: jax.Array, luma: jax.Array) -> jax.Array:
    """[B, 1, 1] radians -> [B, 3, 3] around the axis (Rodrigues)."""
    cross = jnp.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    unit = jnp.eye(3)
    sideways = jnp.sin(angle) * cross[None]
    return unit[None] + sideways - (1 - jnp.cos(angle)) * (unit - luma)[None]
