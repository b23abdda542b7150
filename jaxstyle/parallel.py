"""The only module that knows devices and hosts.

Steps are pure functions `step(state, batch) -> state, metrics` that know an
axis name at most. `train_step` wraps one in `pmap`; a later move to
`jit` with `NamedSharding` changes this file alone.

State is one ordinary replicated tree (`in_axes=None`), so nothing is
replicated or unreplicated by hand and Orbax saves it as it is.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

AXIS = "batch"


def train_step(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step(state, batch) -> (state, metrics)` over all local devices.

    The batch is sharded over its leading device axis (see `shard`); state and
    metrics are replicated, so `step` must `pmean` its gradients and metrics
    over `AXIS`. The state's buffers are donated.
    """
    return jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,  # type: ignore[arg-type]
        donate_argnums=(0,),
    )


def replicated(tree: Any) -> Any:
    """The tree on every device, placed as `train_step` returns its state.

    A first state that lies on one device only would make the first step
    compile twice: for that placement and for this one.
    """
    return jax.device_put(tree, everywhere())


def everywhere() -> jax.sharding.NamedSharding:
    """The placement of an array that every device holds whole."""
    devices = jax.sharding.Mesh(jax.devices(), (AXIS,))
    return jax.sharding.NamedSharding(devices, jax.sharding.PartitionSpec())


def map_batch(
    function: Callable[..., Any], batched_arguments: int = 1
) -> Callable[..., Any]:
    """`function(constants, *arrays)` over all local devices, host to host.

    Arrays are [N, ...] NumPy with any N; N is padded up to a multiple of
    the device count here and cut again from the results. Each distinct N
    compiles once, so callers pad to one batch size (see `padded`).
    """
    mapped = jax.pmap(
        function, axis_name=AXIS, in_axes=(None,) + (0,) * batched_arguments
    )

    def run(constants: Any, *arrays: np.ndarray) -> Any:
        count = len(arrays[0])
        devices = jax.local_device_count()
        size = -(-count // devices) * devices
        shards = [shard(padded(array, size)) for array in arrays]
        out = jax.device_get(mapped(constants, *shards))
        return jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], out
        )

    return run


def batched(
    function: Callable[..., Any], batch_size: int, batched_arguments: int = 1
) -> Callable[..., Any]:
    """`function(constants, *arrays)` over [N, ...] arrays with any N.

    Every call of `function` sees `batch_size` rows, the last ones repeated
    where they run out, so that it compiles once. All local devices work.

    Args:
      function: maps (constants, *[B, ...] arrays) to a tree of [B, ...].
      batch_size: rows in one call.
      batched_arguments: how many arrays follow the constants.

    Returns:
      `run(constants, *arrays) -> tree of NumPy [N, ...]`, which raises
      ValueError for N = 0.
    """
    mapped = map_batch(function, batched_arguments)

    def run(constants: Any, *arrays: np.ndarray) -> Any:
        count = len(arrays[0])
        if count == 0:
            raise ValueError("there are no images to apply the network to")
        parts = []
        for start in range(0, count, batch_size):
            rows = [array[start : start + batch_size] for array in arrays]
            full = [padded(row, batch_size) for row in rows]
            kept = len(rows[0])
            out = mapped(constants, *full)
            parts.append(jax.tree.map(lambda leaf, n=kept: leaf[:n], out))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)

    return run


def shard(batch: Any) -> Any:
    """Splits [B, ...] leaves into [local devices, B / local devices, ...].

    Raises:
      ValueError: if B is no multiple of the number of local devices.
    """
    devices = jax.local_device_count()

    def split(leaf: np.ndarray) -> np.ndarray:
        if len(leaf) % devices:
            raise ValueError(
                f"a batch of {len(leaf)} images does not divide among "
                f"{devices} devices; use a batch_size that is a multiple"
            )
        return leaf.reshape(devices, len(leaf) // devices, *leaf.shape[1:])

    return jax.tree.map(split, batch)


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """[N, ...] extended to [size, ...] by repeating its last row."""
    missing = size - len(array)
    if missing == 0:
        return array
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])


def local_batch(global_batch: int, multiple: int = 1) -> int:
    """Images of the global batch that this process feeds.

    Args:
      global_batch: images of all processes.
      multiple: what each device's share must be a multiple of.

    Raises:
      ValueError: if the global batch does not divide so among the devices.
    """
    least = jax.device_count() * multiple
    if global_batch % least:
        raise ValueError(
            f"batch_size = {global_batch} does not divide among "
            f"{jax.device_count()} devices in multiples of {multiple}; use a "
            f"multiple of {least}"
        )
    return global_batch // jax.process_count()


def sample_ids(count: int, axis_name: str | None) -> jax.Array:
    """Global indices int32 [count] of this device's samples.

    Random numbers are drawn per sample from these, so that they do not
    depend on the number of devices.
    """
    start = jax.lax.axis_index(axis_name) * count if axis_name else 0
    return start + jnp.arange(count, dtype=jnp.int32)


def pmean(tree: Any, axis_name: str | None) -> Any:
    """The mean over devices; the tree itself outside of `train_step`."""
    return jax.lax.pmean(tree, axis_name) if axis_name else tree
