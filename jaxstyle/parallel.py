"""The only module that knows devices and processes.

Steps are pure functions `step(state, batch) -> state, metrics` that know an
axis name at most. `train_step` wraps one in `pmap`; a later move to
`jit` with `NamedSharding` changes this file alone.

State is one ordinary replicated tree (`in_axes=None`), so nothing is
replicated or unreplicated by hand.

Several processes run the same program, each with its own devices. Every
array that a process holds lies on its own devices; nothing but the
collectives inside a `train_step` crosses from one process to another. What
is for one process only, such as writing a file, goes through `on_main`.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

# The coordinator's client has no public name; Orbax uses this one, too.
from jax._src.distributed import global_state

Item = TypeVar("Item")

AXIS = "batch"
# Images that a device works on at once in `in_few`. Rounding depends on the
# shapes of arrays, and hundreds of steps make differences of codes out of it;
# so the shapes are always the same. More gains little on a CPU, and fewer
# waste less on a few images.
_FEW = 4
# Rendering many walks may take days. A process that dies ends the wait.
_WAIT_MS = 30 * 24 * 3600 * 1000

_turns = itertools.count()
_alone = False


class MainProcessError(RuntimeError):
    """Process 0 failed at something that the others waited for."""


def initialise(
    distributed: bool = False,
    coordinator: str = "",
    processes: int = -1,
    process_index: int = -1,
) -> None:
    """Joins the processes of a run; must come before all other use of JAX.

    Without arguments this is a run of one process. If a process dies, the
    others are ended by JAX: within a second if it was process 0, else within
    100 s, or 300 s if it ended by an exception of its own.

    Args:
      distributed: finds the other processes through the environment: a TPU
        pod, Slurm, Open MPI or Kubernetes.
      coordinator: host:port of process 0, where nothing can be found.
      processes: how many there are.
      process_index: which one this is, from 0.

    Raises:
      ValueError: if some but not all of the last three are given, if they do
        not fit, or if no environment is found.
    """
    given = {
        "coordinator": bool(coordinator),
        "processes": processes != -1,
        "process_index": process_index != -1,
    }
    if distributed:
        _initialise_from_environment(given)
    elif any(given.values()):
        _initialise_as_given(coordinator, processes, process_index, given)
    else:
        return
    _meet()


def _initialise_as_given(
    coordinator: str, processes: int, process_index: int, given: dict[str, bool]
) -> None:
    if missing := [name for name, is_given in given.items() if not is_given]:
        raise ValueError(
            f"{', '.join(missing)}: not given; coordinator, processes and "
            "process_index go together"
        )
    if ":" not in coordinator:
        raise ValueError(
            f"coordinator = {coordinator!r}: use host:port of process 0"
        )
    if not 0 <= process_index < processes:
        raise ValueError(
            f"process_index = {process_index}: use 0 to {processes - 1} for "
            f"processes = {processes}"
        )
    jax.distributed.initialize(coordinator, processes, process_index)


def _initialise_from_environment(given: dict[str, bool]) -> None:
    for name, is_given in given.items():
        if is_given:
            raise ValueError(
                f"{name}: not used with distributed, which finds it in the "
                "environment; leave one of them out"
            )
    try:
        jax.distributed.initialize()
    except ValueError as error:
        raise ValueError(
            f"distributed: no pod or cluster was found ({error}); give "
            "coordinator, processes and process_index instead"
        ) from error


def _meet() -> None:
    """A first collective of all devices, for which CPUs wait 30 s only.

    They connect at it. At the first training step they would be late:
    compiling takes one process longer than another.
    """
    ones = np.ones(jax.local_device_count(), np.float32)
    total = jax.pmap(lambda one: jax.lax.psum(one, AXIS), axis_name=AXIS)
    jax.block_until_ready(total(ones))


def is_main() -> bool:
    """Whether this is process 0, the one that writes."""
    return jax.process_index() == 0


def on_main(function: Callable[[], Any]) -> Any:
    """What `function()` returns on process 0; the others wait for it.

    All processes must call this in the same order. Inside of `function`,
    which is process 0's alone, it calls and returns at once.

    Args:
      function: returns JSON values, which the others get as such.

    Raises:
      MainProcessError: on the others, if `function` raised on process 0.
    """
    global _alone
    if _alone or jax.process_count() == 1:
        return function()
    client: Any = global_state.client
    key = f"jaxstyle/on_main/{next(_turns)}"
    if not is_main():
        told = json.loads(client.blocking_key_value_get(key, _WAIT_MS))
        if "error" in told:
            raise MainProcessError(f"process 0 failed: {told['error']}")
        return told["value"]
    _alone = True
    try:
        value = function()
        message = json.dumps({"value": value})
    except BaseException as error:
        told = f"{type(error).__name__}: {error}"
        client.key_value_set(key, json.dumps({"error": told}))
        raise
    finally:
        _alone = False
    client.key_value_set(key, message)
    return value


def wait_for_all() -> None:
    """Returns when all processes have called this; in the same order.

    A process that dies ends the wait, as `initialise` tells.
    """
    if jax.process_count() > 1:
        client: Any = global_state.client
        client.wait_at_barrier(f"jaxstyle/all/{next(_turns)}", _WAIT_MS)


def require_one_process(work: str) -> None:
    """Refuses work that trains beside the stages' order.

    Raises:
      RuntimeError: naming it, in a run of several processes.
    """
    if jax.process_count() > 1:
        raise RuntimeError(
            f"{work} is one process's work: start it without --distributed "
            "and --coordinator; all devices of the machine are used"
        )


def my_share(items: Sequence[Item]) -> Sequence[Item]:
    """This process's block of items that all processes know."""
    count, index = jax.process_count(), jax.process_index()
    ends = [len(items) * n // count for n in (index, index + 1)]
    return items[slice(*ends)]


def train_step(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step(state, batch) -> (state, metrics)` over all processes' devices.

    The batch is this process's share, split over its leading device axis
    (see `shard`); state and metrics are replicated, so `step` must `pmean`
    its gradients and metrics over `AXIS`. The state's buffers are donated.
    """
    mapped = jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=None,  # type: ignore[arg-type]
        donate_argnums=(0,),
    )
    if jax.device_count() == 1 or jax.default_backend() != "cpu":
        return mapped
    # CPU devices that run ahead of each other can deadlock, within one
    # process and across several: two steps under way may wait for each
    # other's collectives.
    return lambda *given: jax.block_until_ready(mapped(*given))


def replicated(tree: Any) -> Any:
    """The tree on each device here, placed as `train_step` returns its state.

    A first state that lies on one device only would make the first step
    compile twice: for that placement and for this one.
    """
    return jax.device_put(tree, everywhere())


def everywhere() -> jax.sharding.NamedSharding:
    """The placement of an array that each of this process's devices holds."""
    devices = jax.sharding.Mesh(jax.local_devices(), (AXIS,))
    return jax.sharding.NamedSharding(devices, jax.sharding.PartitionSpec())


def map_batch(
    function: Callable[..., Any], batched_arguments: int = 1
) -> Callable[..., Any]:
    """`function(constants, *arrays)` over all local devices, host to host.

    Each process calls it, or not, for itself. Arrays are [N, ...] NumPy
    with any N; N is padded up to a multiple of the device count here and cut
    again from the results. Each distinct N compiles once, so callers pad to
    one batch size (see `padded`).
    """
    mapped = jax.pmap(
        function,
        axis_name=AXIS,
        in_axes=(None,) + (0,) * batched_arguments,
        devices=jax.local_devices(),
    )

    return _host_to_host(mapped)


def map_loop(
    begin: Callable[..., Any],
    step: Callable[[Any, Any], Any],
    steps: int,
    batched_arguments: int = 1,
) -> Callable[..., Any]:
    """`step(constants, carry)`, so many times, over all local devices.

    It starts from `begin(constants, *arrays)`, and the last carry, whose
    leaves are [B, ...] or of no rank, comes back as `map_batch` returns
    what it maps; leaves of no rank come once a device. Carries stay on the
    devices. XLA:CPU runs convolutions inside of loops many times slower, so
    there each step is a call.
    """
    own: dict[str, Any] = {
        "axis_name": AXIS,
        "devices": jax.local_devices(),
    }
    axes = (None,) + (0,) * batched_arguments
    if jax.default_backend() != "cpu":

        def whole(constants: Any, *arrays: jax.Array) -> Any:
            return jax.lax.fori_loop(
                0,
                steps,
                lambda _, carry: step(constants, carry),
                begin(constants, *arrays),
            )

        return _host_to_host(jax.pmap(whole, in_axes=axes, **own))

    first = jax.pmap(begin, in_axes=axes, **own)
    next_ = jax.pmap(step, in_axes=(None, 0), donate_argnums=(1,), **own)

    def run(constants: Any, *shards: Any) -> Any:
        constants = replicated(constants)
        carry = first(constants, *shards)
        for _ in range(steps):
            carry = jax.block_until_ready(next_(constants, carry))
        return carry

    return _host_to_host(run)


def _host_to_host(mapped: Callable[..., Any]) -> Callable[..., Any]:
    """Shards [N, ...] arrays for it, and joins and cuts what comes back."""

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
    return in_batches(map_batch(function, batched_arguments), batch_size)


def in_batches(
    mapped: Callable[..., Any], batch_size: int
) -> Callable[..., Any]:
    """`batched` for what `map_batch` or `map_loop` returned."""

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


def in_few(
    begin: Callable[..., Any],
    step: Callable[[Any, Any], Any],
    steps: int,
    batched_arguments: int = 1,
) -> Callable[..., Any]:
    """`map_loop` for any number of images, always a few of them at once."""
    loop = map_loop(begin, step, steps, batched_arguments)
    return in_batches(loop, _FEW * jax.local_device_count())


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
