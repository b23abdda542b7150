"""One folder on disk: a tree of arrays and its record."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxstyle.checkpoints import checksums

STATE, RECORD = "state", "record"

# Free space that a save leaves for logs, metadata and other programs.
SPARE_BYTES = 16 * 2**20

# Orbax runs on process 0 and must not wait for the others.
ALONE = ocp.options.MultiprocessingOptions(
    primary_host=0, active_processes={0}, barrier_sync_key_prefix="alone"
)


class CheckpointError(RuntimeError):
    """A checkpoint could not be written; says why and what is left."""


class DamagedError(CheckpointError):
    """What lies on disk is not what was saved; says where it is now."""


def items(tree: Any, position: Any) -> Any:
    """What Orbax writes into a folder.

    Args:
      tree: NumPy arrays.
      position: JSON values.
    """
    content = {
        STATE: ocp.args.StandardSave(tree),  # type: ignore[call-arg]
        RECORD: ocp.args.JsonSave(  # type: ignore[call-arg]
            checksums.record(tree, position)
        ),
    }
    return ocp.args.Composite(**content)


def read(folder: Path, like: Any) -> tuple[Any, Any]:
    """(tree of NumPy arrays, position) as they were saved, bit for bit.

    Into host memory, so that a failure is never that of a device.

    Args:
      folder: that Orbax wrote `items` to.
      like: arrays or abstract arrays, for structure, shapes and types.

    Raises:
      DamagedError: naming the folder, and what is wrong in it.
      PermissionError: naming the file.
      ValueError: if what was saved has another structure, shape or type.
    """
    # Made before anything is read: what is amiss here is no damage.
    wanted = jax.tree.map(_placeholder, like)
    states = ocp.PyTreeCheckpointHandler(type_handler_registry=_one_by_one())
    arguments = ocp.args.PyTreeRestore(  # type: ignore[call-arg]
        item=wanted,
        restore_args=ocp.checkpoint_utils.construct_restore_args(wanted),
    )
    records = ocp.JsonCheckpointHandler()
    with _damage(folder):
        record: Any = records.restore(_at(folder, RECORD))
        leaves, position = checksums.opened(record)
    checksums.require_alike(leaves, like, folder)
    with _damage(folder):
        tree = states.restore(_at(folder, STATE), args=arguments)
        checksums.require_unaltered(leaves, tree)
    return tree, position


def require_room(folder: Path, tree: Any, left: str) -> None:
    """Refuses to write a tree of NumPy arrays where it would not fit.

    Args:
      folder: on the disk in question; exists.
      tree: what will be written.
      left: what there is already, for the message.

    Raises:
      CheckpointError: naming the folder, the bytes needed and free.
    """
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    needed = size + size // 10 + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"no room in {folder}: a checkpoint needs {needed / 2**20:.1f} MiB "
            f"but {free / 2**20:.1f} MiB are free; delete something on that "
            f"disk, or move the workdir to a larger one; {left}"
        )


def require_finite(step: int, tree: Any, left: str) -> None:
    """Refuses to save a tree of NumPy arrays that nothing can go on from.

    A step's losses are those before its update, so they may still be finite
    where the update was not.

    Args:
      step: after which it is to be saved.
      tree: what would be written.
      left: what there is already, for the message.

    Raises:
      CheckpointError: naming the step and the array.
    """
    for path, leaf in jax.tree.leaves_with_path(tree):
        if not np.all(np.isfinite(leaf)):
            raise CheckpointError(
                f"{jax.tree_util.keystr(path)} is not finite after step "
                f"{step}, which is not saved; lower the learning rate; {left}"
            )


def failure(folder: Path, error: Exception, left: str) -> CheckpointError:
    """What to raise for an error of Orbax's while writing."""
    return CheckpointError(
        f"{folder} could not be written ({_told(error)}); look for a full "
        f"disk, a quota or missing rights; {left}"
    )


@contextlib.contextmanager
def _damage(folder: Path) -> Iterator[None]:
    """Any failure to read is damage: Orbax's own metadata may be torn."""
    try:
        yield
    except (MemoryError, PermissionError):
        raise
    except Exception as error:
        raise DamagedError(f"{folder} is damaged ({_told(error)})") from error


def _told(error: Exception) -> str:
    """An error in one line; TensorStore's have many."""
    first = str(error).partition("\n")[0][:300]
    return f"{type(error).__name__}: {first}"


class _OneByOne(ocp.type_handlers.NumpyHandler):
    """Reads one leaf after the other.

    Read at once, as Orbax does it, those that end after the first failure
    report to an event loop that is closed by then, with a traceback each.
    """

    async def deserialize(self, infos: Any, args: Any = None) -> list[Any]:
        leaves = []
        for info, arg in zip(infos, args, strict=True):
            leaves += await super().deserialize([info], [arg])
        return leaves


def _one_by_one() -> Any:
    # Orbax warns where none is for jax.Array, although none is read.
    return ocp.type_handlers.create_type_handler_registry(
        (np.ndarray, _OneByOne()), (jax.Array, ocp.type_handlers.ArrayHandler())
    )


def _at(folder: Path, item: str) -> Any:
    """An item's folder, typed as Orbax's paths, which know clouds as well."""
    return folder / item


def _placeholder(leaf: Any) -> np.ndarray:
    """Asks Orbax for a NumPy array; takes no memory itself."""
    return np.broadcast_to(np.zeros((), leaf.dtype), leaf.shape)
