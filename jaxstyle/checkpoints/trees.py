"""Exported parameters: one tree in one folder, replaced as a whole."""

import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from jaxstyle import parallel
from jaxstyle.checkpoints import folder as folder_lib
from jaxstyle.checkpoints.folder import DamagedError


def save_tree(path: Path, tree: Any) -> None:
    """Saves a tree of arrays, replacing what was there.

    The new tree is written whole to `<path>.new`; then the old one is
    renamed to `<path>.old`, the new one to `path`, and the old one deleted.
    `load_tree` finds a whole tree wherever a kill falls.

    Raises:
      CheckpointError: if it cannot be written; the old tree is left.
    """
    parallel.on_main(lambda: _save(path.absolute(), tree))


def load_tree(path: Path, like: Any) -> Any:
    """Loads a tree with the shapes and types of `like` (may be abstract).

    Returns:
      The tree, replicated on all devices.

    Raises:
      FileNotFoundError: naming the folder, if nothing was saved there.
      DamagedError: if what was saved there is no longer whole.
      ValueError: if what was saved has another structure, shape or type.
    """
    problems = []
    for folder in (path, *_beside(path)):
        if not folder.exists():
            continue
        try:
            tree, _ = folder_lib.read(folder, like)
        except DamagedError as error:
            problems.append(str(error))
            continue
        if problems:
            logging.warning("%s; %s is used", "; ".join(problems), folder)
        return parallel.replicated(tree)
    if problems:
        raise DamagedError(f"{'; '.join(problems)}. Run its stage again")
    raise FileNotFoundError(f"{path} is missing: run its stage first")


def _save(path: Path, tree: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new, old = _beside(path)
    left = f"what was in {path} before is left as it was"
    tree = jax.device_get(tree)
    folder_lib.require_room(path.parent, tree, left)
    items = folder_lib.items(tree, None)
    try:
        with _checkpointer() as checkpointer:
            checkpointer.save(new, args=items, force=True)
    except Exception as error:
        raise folder_lib.failure(path, error, left) from error
    if path.exists():
        _remove(old)
        path.rename(old)
    new.rename(path)
    _remove(old)


def _checkpointer() -> ocp.Checkpointer:
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(
            multiprocessing_options=folder_lib.ALONE
        )
    )
    return ocp.Checkpointer(handler, multiprocessing_options=folder_lib.ALONE)


def _beside(path: Path) -> tuple[Path, Path]:
    """Where a new tree is written, and where the old one waits."""
    return path.with_name(f"{path.name}.new"), path.with_name(
        f"{path.name}.old"
    )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
