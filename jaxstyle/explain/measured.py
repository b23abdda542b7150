"""Steps of a long measurement, each kept on disk as soon as it is done."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxstyle import workdir


class Steps:
    """Two files for each step: its numbers, and arrays to picture.

    Args:
      folder: where they go; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._steps = folder

    def is_done(self, step: str) -> bool:
        """Whether the step is measured."""
        return self._path(step, "json").exists()

    def numbers(self, step: str) -> Any:
        """What was measured of it."""
        return workdir.read_json(self._path(step, "json"))

    def arrays(self, step: str) -> dict[str, np.ndarray]:
        """Its arrays by name."""
        with np.load(self._path(step, "npz"), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def save(self, step: str, numbers: Any, arrays: Mapping[str, Any]) -> None:
        """Writes the arrays, then the numbers, which say that it is done."""
        with (
            workdir.replacing(self._path(step, "npz")) as draft,
            draft.open("wb") as file,
        ):
            np.savez_compressed(file, **arrays)
        workdir.write_json(self._path(step, "json"), numbers)

    def _path(self, step: str, suffix: str) -> Path:
        return self._steps / f"{step}.{suffix}"
