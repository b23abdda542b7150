"""The only module that knows Orbax.

A checkpoint is a state (one tree of arrays) plus the position of the data
iterator. Orbax writes into a temporary folder and renames it when whole, so
a kill in the middle of a save leaves the previous checkpoint in charge.
"""

from pathlib import Path
from typing import Any, Protocol

import jax
import orbax.checkpoint as ocp

from jaxstyle import parallel

STATE, POSITION = "state", "position"


class HasPosition(Protocol):
    """A data iterator whose position is JSON values (Grain's are)."""

    def get_state(self) -> dict[str, Any]:
        """The position after the last batch handed out."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes back to a position."""
        ...


class Checkpoints:
    """The newest checkpoints of one trainer, written asynchronously.

    Args:
      directory: made if missing.
      keep: how many of the newest are kept.
    """

    def __init__(self, directory: Path, keep: int) -> None:
        self._manager = ocp.CheckpointManager(
            directory.absolute(),
            options=ocp.CheckpointManagerOptions(
                max_to_keep=keep, enable_async_checkpointing=True
            ),
            item_names=(STATE, POSITION),
        )

    def save(self, step: int, state: Any, iterator: HasPosition) -> None:
        """Starts to save; returns as soon as the arrays are copied."""
        if self._manager.latest_step() == step:
            return
        self._manager.save(
            step,
            args=ocp.args.Composite(
                **{
                    STATE: ocp.args.StandardSave(state),
                    POSITION: ocp.args.JsonSave(iterator.get_state()),
                }
            ),
        )

    def restore_latest(self, state: Any, iterator: HasPosition) -> Any:
        """The newest saved state, or `state` itself where there is none.

        `iterator` is set to the position saved with it.
        """
        step = self._manager.latest_step()
        if step is None:
            return state
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                **{
                    STATE: ocp.args.StandardRestore(abstract(state)),
                    POSITION: ocp.args.JsonRestore(),
                }
            ),
        )
        iterator.set_state(restored[POSITION])
        return restored[STATE]

    def close(self) -> None:
        """Waits until everything is on disk."""
        self._manager.wait_until_finished()
        self._manager.close()


def save_tree(path: Path, tree: Any) -> None:
    """Saves a tree of arrays, replacing what was there."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path.absolute(), tree, force=True)


def load_tree(path: Path, like: Any) -> Any:
    """Loads a tree with the shapes and types of `like` (may be abstract).

    Raises:
      FileNotFoundError: naming the folder, if nothing was saved there.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run its stage first")
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(path.absolute(), abstract(like))


def abstract(tree: Any) -> Any:
    """Shapes, types and placement (replicated, on this machine's devices)."""
    placement = parallel.everywhere()
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=placement
        ),
        tree,
    )
