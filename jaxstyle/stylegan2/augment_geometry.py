"""Where pixels go: mirror, turn and shift exactly, resample everything else.

Reflection of the image at its border commutes with mirroring and turning,
so these come first, without a filter; what follows is one affine map for
each image (Karras et al. 2020, arXiv:2006.06676, appendix B).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxstyle.stylegan2 import wavelets
from jaxstyle.stylegan2.augment_draws import Draws, is_neutral

# In float32 on any device.
_product = functools.partial(jnp.matmul, precision="highest")
_SUBPIXEL = ("scale", "rotate", "anisotropic_scale", "translate")


def transform(images: jax.Array, draws: Draws) -> jax.Array:
    """Applies all that was drawn: [B, R, R, C] -> [B, R, R, C].

    Images that need whole pixels only are not filtered.
    """
    images = turn(images, draws)
    moves = _whole_moves(draws, images)
    moved = images if moves is None else shift(images, moves)
    if not any(name in draws for name in _SUBPIXEL):
        return moved
    resampled = resample(images, affine(draws, images.shape[1], moves))
    exact = is_neutral(draws, _SUBPIXEL)[:, None, None, None]
    return jnp.where(exact, moved, resampled)


def turn(images: jax.Array, draws: Draws) -> jax.Array:
    """Mirrors left to right, then turns counterclockwise: exact."""

    def choose(chosen: jax.Array, other: jax.Array) -> jax.Array:
        return jnp.where(chosen[:, :, None, None], other, images)

    if "x_flip" in draws:
        images = choose(draws["x_flip"] == 1, images[:, :, ::-1])
    if "rotate90" in draws:
        turns = draws["rotate90"]
        images = choose(turns >= 2, images[:, ::-1, ::-1])
        images = choose(turns % 2 == 1, jnp.rot90(images, axes=(1, 2)))
    return images


def shift(images: jax.Array, moves: jax.Array) -> jax.Array:
    """Moves by whole pixels, exactly; reflections fill the gap.

    Args:
      images: [B, R, R, C].
      moves: float32 [B, 2], whole pixels right and down, of any size.
    """
    pixels = jnp.arange(images.shape[1], dtype=jnp.float32)
    sources = _fold(pixels[None, None] - moves[:, :, None], len(pixels))
    picks = (sources[..., None] == pixels[None, None, None]).astype(
        images.dtype
    )
    return apply_matrices(images, picks[:, 1], picks[:, 0])


def affine(
    draws: Draws, size: int, moves: jax.Array | None = None
) -> jax.Array:
    """The map from a pixel of the result to where it comes from.

    Args:
      draws: of the scales, rotations and the fractional translation; those
        that are missing do nothing.
      size: R.
      moves: float32 [B, 2] pixels, applied before them.

    Returns:
      float32 [B, 2, 3]: (x, y, 1), pixels from the image's centre, right
      and down, to the same.
    """
    batch = len(next(iter(draws.values())))
    linear = jnp.tile(jnp.eye(2)[None], (batch, 1, 1))
    if "scale" in draws:
        linear = linear / draws["scale"][:, :, None]
    angles = draws.get("rotate", jnp.zeros((batch, 2)))
    linear = _product(linear, _rotation(angles[:, 0]))
    if "anisotropic_scale" in draws:
        wider = draws["anisotropic_scale"]
        axes = jnp.concatenate([1 / wider, wider], axis=1)
        linear = linear * axes[:, None, :]
    linear = _product(linear, _rotation(angles[:, 1]))
    offset = jnp.zeros((batch, 2)) if moves is None else -moves
    if "translate" in draws:
        back = draws["translate"] * size
        offset = offset - jnp.sum(linear * back[:, None, :], axis=2)
    return jnp.concatenate([linear, offset[:, :, None]], axis=2)


def resample(images: jax.Array, matrices: jax.Array) -> jax.Array:
    """Moves pixels: doubles the size, interpolates bilinearly, halves it.

    Beyond its border the image is continued by reflection, at any distance.

    Args:
      images: [B, R, R, C].
      matrices: float32 [B, 2, 3], of `affine`.
    """
    size, reach = images.shape[1], wavelets.REACH
    samples = jnp.arange(-reach, 2 * size - 1 + reach, dtype=jnp.float32)
    pixels = (samples - (size - 1)) / 2  # from the centre
    right, down = pixels[None, None, :], pixels[None, :, None]
    m = matrices[..., None, None]
    x, y = (
        m[:, axis, 0] * right + m[:, axis, 1] * down + m[:, axis, 2]
        for axis in (0, 1)
    )
    x, y = (_fold(2 * a + (size - 1), 2 * size - 1) for a in (x, y))
    doubling, halving = wavelets.doubling(size), wavelets.halving(size)
    fine = apply_matrices(images, doubling, doubling)
    return apply_matrices(_interpolate(fine, x, y), halving, halving)


def apply_matrices(
    images: jax.Array,
    rows: jax.Array | np.ndarray,
    columns: jax.Array | np.ndarray,
) -> jax.Array:
    """Multiplies along both axes: [B, H, W, C] -> [B, I, J, C].

    Args:
      images: [B, H, W, C].
      rows: [I, H], or [B, I, H] with a matrix for each image.
      columns: [J, W] or [B, J, W].
    """
    batch = "b" if rows.ndim == 3 else ""
    # The precision picks pixels exactly on any device.
    multiply = functools.partial(jnp.einsum, precision="highest")
    images = multiply(f"{batch}ih,bhwc->biwc", rows, images)
    return multiply(f"{batch}jw,biwc->bijc", columns, images)


def _interpolate(images: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Bilinear samples [B, I, J, C] at x, y [B, I, J] inside the images.

    One flat index for the batch: its gradient is faster than a batched one.
    """
    batch, size, _, channels = images.shape
    left, top = (jnp.minimum(jnp.floor(a), size - 2) for a in (x, y))
    right, low = (x - left)[..., None], (y - top)[..., None]
    first = jnp.arange(batch)[:, None, None] * size
    corner = (first + top.astype(jnp.int32)) * size + left.astype(jnp.int32)
    flat = images.reshape(-1, channels)

    def pixel(step: int) -> jax.Array:
        return flat.at[corner + step].get(mode="promise_in_bounds")

    above = pixel(0) * (1 - right) + pixel(1) * right
    below = pixel(size) * (1 - right) + pixel(size + 1) * right
    return above * (1 - low) + below * low


def _fold(place: jax.Array, size: int) -> jax.Array:
    """Reflects into [0, size - 1] from any distance."""
    place = jnp.mod(place, 2.0 * (size - 1))
    return jnp.minimum(place, 2.0 * (size - 1) - place)


def _whole_moves(draws: Draws, images: jax.Array) -> jax.Array | None:
    if "translate_integer" not in draws:
        return None
    return jnp.round(draws["translate_integer"] * images.shape[1])


def _rotation(angle: jax.Array) -> jax.Array:
    """[B] -> [B, 2, 2]: undoes a counterclockwise turn; y points down."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos, -sin, sin, cos], axis=1).reshape(-1, 2, 2)
