"""The newest checkpoints of one trainer."""

import logging
import shutil
from pathlib import Path
from typing import Any, Protocol

import jax
import orbax.checkpoint as ocp

from jaxstyle import parallel
from jaxstyle.checkpoints import folder as folder_lib
from jaxstyle.checkpoints.folder import CheckpointError, DamagedError

# How Orbax's names of folders end while they are being written.
_TORN = ".orbax-checkpoint-tmp"


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

    Orbax (`CheckpointManager._finalize`) writes into a temporary folder,
    renames it when whole, and only then deletes the oldest checkpoint. A
    kill, a full disk or a failing write in the middle of a save therefore
    leaves all earlier checkpoints in charge.

    Several processes call everything here together. Process 0's position is
    the one that is saved, so that of the others must be equal to it.

    Args:
      directory: made if missing. What a killed save left in it is removed.
      keep: how many of the newest are kept. One more lies on disk while it
        is being written; with 1 there is nothing older to fall back to.
    """

    def __init__(self, directory: Path, keep: int) -> None:
        self._directory = directory.absolute()
        # Of process 0 alone.
        self._manager: Any = None
        if parallel.is_main():
            self._directory.mkdir(parents=True, exist_ok=True)
            for torn in self._directory.glob(f"*{_TORN}"):
                shutil.rmtree(torn)
            self._manager = _manager(self._directory, keep)

    def save(self, step: int, state: Any, iterator: HasPosition) -> None:
        """Starts to save; returns as soon as the arrays are copied.

        Raises:
          CheckpointError: if the disk has no room, if a number in `state` is
            NaN or infinite, or if the save before this one failed. Earlier
            checkpoints are left as they are.
          ValueError: if a later step is there already.
        """
        position = iterator.get_state()
        parallel.on_main(lambda: self._save(step, state, position))

    def restore_latest(self, state: Any, iterator: HasPosition) -> Any:
        """The newest whole state, or `state` itself if none was ever saved.

        `iterator` is set to the position saved with it. Damaged checkpoints
        newer than that are moved to `<directory>.damaged/`, with a warning
        that tells which and why; nothing is deleted. Where none is whole,
        nothing is moved.

        Args:
          state: arrays or abstract arrays, for structure, shapes and types.
          iterator: whose position is set.

        Returns:
          The state, replicated on all devices.

        Raises:
          DamagedError: if there are checkpoints but none is whole.
          ValueError: if what was saved has another structure, shape or type.
        """
        found = []

        def find() -> int | None:
            found.extend(self._newest_whole(state))
            return found[0] if found else None

        step = parallel.on_main(find)
        if step is None:
            return state
        if not found:  # what process 0 could read, the others can
            found = [step, folder_lib.read(self._folder(step), state)]
        tree, position = found[1]
        iterator.set_state(position)
        return parallel.replicated(tree)

    def close(self) -> None:
        """Waits until everything is on disk.

        Raises:
          CheckpointError: on process 0, if the last save failed.
        """
        if self._manager is None:
            return
        try:
            self._finish()
        finally:
            self._manager.close()

    # --- process 0 alone

    def _save(self, step: int, state: Any, position: Any) -> None:
        self._finish()
        if self._manager.latest_step() == step:
            return
        tree = jax.device_get(state)
        folder_lib.require_finite(step, tree, self._left())
        folder_lib.require_room(self._directory, tree, self._left())
        items = folder_lib.items(tree, position)
        try:
            saved = self._manager.save(step, args=items)
        except Exception as error:
            raise self._failure(error) from error
        if not saved:
            raise ValueError(
                f"{self._directory} has a checkpoint later than step {step}; "
                "restore it first, or move it away"
            )

    def _newest_whole(self, like: Any) -> list[Any]:
        """[step, what was read], or [] if nothing was ever saved."""
        self._finish()
        damaged = []
        for step in self._steps():
            try:
                found = folder_lib.read(self._folder(step), like)
            except DamagedError as error:
                damaged.append((step, error))
                continue
            for bad, error in damaged:
                self._set_aside(bad, error)
            return [step, found]
        if damaged:
            # Left where they are: a disk that cannot be read for a while
            # must not cost the whole training.
            told = "; ".join(str(error) for _, error in damaged)
            raise DamagedError(
                f"no checkpoint in {self._directory} is whole: {told}. Move "
                "that folder away, and the same command starts from the "
                "beginning"
            )
        return []

    def _set_aside(self, step: int, error: DamagedError) -> None:
        aside = _free_name(self._damaged / str(step))
        aside.parent.mkdir(exist_ok=True)
        self._folder(step).rename(aside)
        self._manager.reload()
        logging.warning(
            "%s; it now lies in %s, and the newest whole one is used",
            error,
            aside,
        )

    def _finish(self) -> None:
        """Waits for the save under way."""
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            self._manager.reload()
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> CheckpointError:
        return folder_lib.failure(self._directory, error, self._left())

    def _left(self) -> str:
        steps = self._steps()
        if not steps:
            return f"{self._directory} holds no checkpoint yet"
        return (
            f"the last whole checkpoint in {self._directory} is that of step "
            f"{steps[0]}, from which the same command goes on"
        )

    def _steps(self) -> list[int]:
        """What lies on disk, newest first, whatever Orbax thinks of it."""
        names = [path.name for path in self._directory.iterdir()]
        steps = [int(name) for name in names if name.isdecimal()]
        return sorted(steps, reverse=True)

    def _folder(self, step: int) -> Path:
        return self._directory / str(step)

    @property
    def _damaged(self) -> Path:
        return self._directory.with_name(f"{self._directory.name}.damaged")


class _Manager(ocp.CheckpointManager):
    """Leaves JAX's preemption service to `stopping.StopSignals`.

    Orbax would ask it with step numbers of its own, some of them from a
    background thread, and the service takes each for the current step.
    """

    def reached_preemption(self, step: int) -> bool:
        """Never: the trainer itself asks whether to stop."""
        del step
        return False


def _manager(directory: Path, keep: int) -> _Manager:
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        create=False,
        enable_async_checkpointing=True,
        multiprocessing_options=folder_lib.ALONE,
    )
    names = (folder_lib.STATE, folder_lib.RECORD)
    return _Manager(directory, options=options, item_names=names)


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        free = path.with_name(f"{path.name}.{number}")
        number += 1
    return free
