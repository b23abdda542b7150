"""Random numbers: one seed, keys split by name, draws per sample.

Drawing per sample, from the sample's index in the global batch, makes a
step's result independent of the number of devices.
"""

import zlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp


def named(key: jax.Array, name: str) -> jax.Array:
    """The key of one purpose; different names never share numbers."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()) & 0x7FFFFFFF)


def normal(key: jax.Array, ids: jax.Array, shape: Sequence[int]) -> jax.Array:
    """Standard normals [N, *shape], row n depending on (key, ids[n]) only."""
    return jax.vmap(
        lambda index: jax.random.normal(
            jax.random.fold_in(key, index), tuple(shape), jnp.float32
        )
    )(ids)


def uniform(key: jax.Array, ids: jax.Array, shape: Sequence[int]) -> jax.Array:
    """Uniforms in [0, 1), likewise."""
    return jax.vmap(
        lambda index: jax.random.uniform(
            jax.random.fold_in(key, index), tuple(shape), jnp.float32
        )
    )(ids)
