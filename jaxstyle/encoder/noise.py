"""Noise maps that are optimised, and kept white meanwhile.

Karras et al. 2020 (arXiv:1912.04958, appendix D): without a regularisation
the noise would take over what the code should hold.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from jaxstyle.config import Config
from jaxstyle.config.checks import require
from jaxstyle.stylegan2 import networks as gan_networks

_COARSEST = 8
_AXES = (1, 2, 3)


def optimised_layers(config: Config) -> list[int]:
    """The layers whose noise maps are optimised; none without a weight.

    Raises:
      ConfigError: if there is a weight but no noise.
    """
    weight = config.project.noise_weight
    if weight == 0:
        return []
    shapes = gan_networks.noise_shapes(config.data.resolution)
    noisy = [
        layer
        for layer, shape in enumerate(shapes)
        if shape[0] >= config.gan.noise_from
    ]
    require(
        bool(noisy),
        "project.noise_weight",
        weight,
        f"use 0: the generator has no noise, as gan.noise_from = "
        f"{config.gan.noise_from} is above data.resolution",
    )
    return noisy


def start(
    fixed: Sequence[jax.Array], layers: Sequence[int], batch: int
) -> dict[str, jax.Array]:
    """Copies of the fixed maps [1, H, W, 1] for each image, by name."""
    return {
        _name(layer): jnp.broadcast_to(
            fixed[layer], (batch, *fixed[layer].shape[1:])
        )
        for layer in layers
    }


def for_layers(
    fixed: Sequence[jax.Array], optimised: Mapping[str, jax.Array]
) -> list[jax.Array]:
    """What G takes: the optimised map where there is one."""
    return [
        optimised.get(_name(layer), plane) for layer, plane in enumerate(fixed)
    ]


def correlation(planes: Sequence[jax.Array]) -> jax.Array:
    """How far noise maps are from white, at every scale.

    The squared mean product of each map with itself moved by one pixel,
    across and down, wrapped at the border; likewise of the map halved, at
    kept variance, down to 8x8 (appendix D's L_ij).

    Args:
      planes: [B, H, W, 1] each, at least one.

    Returns:
      [B], the sum over maps and scales.
    """
    terms = []
    for plane in planes:
        terms.append(_neighbours(plane))
        while plane.shape[1] > _COARSEST:
            plane = _halved(plane)
            terms.append(_neighbours(plane))
    return jnp.sum(jnp.stack(terms), axis=0)


def normalised(plane: jax.Array) -> jax.Array:
    """[B, H, W, 1] with mean 0 and variance 1 for each image."""
    plane = plane - jnp.mean(plane, _AXES, keepdims=True)
    power = jnp.mean(plane**2, _AXES, keepdims=True)
    return plane * jax.lax.rsqrt(power + 1e-8)


def _name(layer: int) -> str:
    return f"noise_{layer:02d}"


def _neighbours(plane: jax.Array) -> jax.Array:
    down, across = (
        jnp.mean(plane * jnp.roll(plane, 1, axis), _AXES) for axis in (1, 2)
    )
    return down**2 + across**2


def _halved(plane: jax.Array) -> jax.Array:
    batch, height, width, _ = plane.shape
    blocks = plane.reshape(batch, height // 2, 2, width // 2, 2, 1)
    # The mean of four has a quarter of the variance.
    return 2 * jnp.mean(blocks, axis=(2, 4))
