"""What happens to each image: the random half of the augmentations.

Distributions are those of Karras et al. 2020 (arXiv:2006.06676), appendix B.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxstyle import rng

Draws = dict[str, jax.Array]

_ROTATIONS = 2  # before and after the anisotropic scale
_BANDS = 4


class _Operation(NamedTuple):
    """How the K numbers of an operation are drawn.

    Attributes:
      neutral: what changes nothing.
      values: float32 [B, K] from uniforms in [0, 1) and normals, both [B, 4].
      coins: 1 where all K numbers are applied together, or K.
    """

    neutral: float
    values: Callable[[jax.Array, jax.Array], jax.Array]
    coins: int = 1


def _angle(uniform: jax.Array) -> jax.Array:
    return math.pi * (2 * uniform - 1)


_OPERATIONS = {
    # Whether to mirror: 0 or 1. Quarter turns: 0 to 3.
    "x_flip": _Operation(0, lambda u, n: jnp.floor(2 * u[:, :1])),
    "rotate90": _Operation(0, lambda u, n: jnp.floor(4 * u[:, :1])),
    # Right and down, in sides of the image.
    "translate_integer": _Operation(0, lambda u, n: (2 * u[:, :2] - 1) / 8),
    "scale": _Operation(1, lambda u, n: jnp.exp2(0.2 * n[:, :1])),
    "rotate": _Operation(0, lambda u, n: _angle(u[:, :2]), _ROTATIONS),
    "anisotropic_scale": _Operation(1, lambda u, n: jnp.exp2(0.2 * n[:, :1])),
    "translate": _Operation(0, lambda u, n: n[:, :2] / 8),
    "brightness": _Operation(0, lambda u, n: 0.2 * n[:, :1]),
    "contrast": _Operation(1, lambda u, n: jnp.exp2(0.5 * n[:, :1])),
    "luma_flip": _Operation(0, lambda u, n: jnp.floor(2 * u[:, :1])),
    "hue": _Operation(0, lambda u, n: _angle(u[:, :1])),
    "saturation": _Operation(1, lambda u, n: jnp.exp2(n[:, :1])),
    "filter": _Operation(1, lambda u, n: jnp.exp2(n), _BANDS),
    "noise": _Operation(0, lambda u, n: 0.1 * jnp.abs(n[:, :1])),
    # The centre, in sides; a square around -1 lies outside of the image.
    "cutout": _Operation(-1, lambda u, n: u[:, :2]),
}


def draw(
    key: jax.Array, ids: jax.Array, p: jax.Array, operations: tuple[str, ...]
) -> Draws:
    """Draws the numbers of each operation for each image.

    Args:
      key: of this step.
      ids: int32 [B], indices of the samples in the global batch; row n
        depends on (key, ids[n], p) only, not on which others are listed.
      p: float32 scalar in [0, 1], how often each is applied.
      operations: names, at least one.

    Returns:
      name -> float32 [B, K], neutral where the operation is not applied.

    Raises:
      ValueError: an operation is unknown.
    """
    for name in operations:
        if name not in _OPERATIONS:
            raise ValueError(
                f"unknown augmentation {name!r}: choose from "
                + ", ".join(_OPERATIONS)
            )
    # All in two flat calls, listed or not: with a key for each name, or drawn
    # in the final shape, they would take twice as long to compile.
    count = 4 * len(_OPERATIONS)
    uniform = rng.uniform(rng.named(key, "uniform"), ids, (2 * count,))
    normal = rng.normal(rng.named(key, "normal"), ids, (count,))
    coins, uniform, normal = (
        numbers.reshape(len(ids), len(_OPERATIONS), 4)
        for numbers in (uniform[:, :count], uniform[:, count:], normal)
    )
    draws = {}
    for row, (name, operation) in enumerate(_OPERATIONS.items()):
        if name not in operations:
            continue
        # Two rotations that happen with q each make one that happens with p.
        chance = 1 - jnp.sqrt(1 - p) if name == "rotate" else p
        applied = coins[:, row, : operation.coins] < chance
        values = operation.values(uniform[:, row], normal[:, row])
        draws[name] = jnp.where(applied, values, operation.neutral)
    return draws


def is_neutral(draws: Draws, names: tuple[str, ...]) -> jax.Array:
    """bool [B]: those of these operations that were drawn change nothing."""
    same = [
        jnp.all(draws[name] == _OPERATIONS[name].neutral, axis=1)
        for name in names
        if name in draws
    ]
    return jnp.all(jnp.stack(same), axis=0)
