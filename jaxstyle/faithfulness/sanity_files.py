"""The files of the sanity checks, and their contact sheet."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle import workdir
from jaxstyle.faithfulness.sanity_walks import ONE_WAY, Explanation
from jaxstyle.report import strips
from jaxstyle.report.sheet import Sheet, Tile, stacked


class Files:
    """The folder of the checks: two files for each step.

    Args:
      folder: where everything goes; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "steps").mkdir(exist_ok=True)

    def is_done(self, step: str) -> bool:
        """Whether the step is measured."""
        return self._path(step, "json").exists()

    def numbers(self, step: str) -> dict[str, Any]:
        """What was measured of it."""
        return workdir.read_json(self._path(step, "json"))

    def explanation(self, step: str) -> Explanation:
        """Its explanations."""
        with np.load(self._path(step, "npz"), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        penalty = float(arrays.pop("penalty"))
        return Explanation(**arrays, penalty=penalty)

    def write(
        self, step: str, numbers: dict[str, Any], found: Explanation
    ) -> None:
        """Writes the explanations, then the numbers."""
        path = self._path(step, "npz")
        draft = path.with_name(path.name + ".draft")
        arrays: Any = {
            item.name: getattr(found, item.name)
            for item in dataclasses.fields(found)
        }
        with draft.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(draft, path)
        workdir.write_json(self._path(step, "json"), numbers)

    def draw(self, name: str, columns: Sequence[tuple[str, str]]) -> None:
        """Draws a contact sheet: an image a row, a network a column.

        Args:
          name: of the PNG file.
          columns: title and step of each; the first is the run's own f.
        """
        shown = [(title, self.explanation(step)) for title, step in columns]
        count = len(shown[0][1].pictured)
        rows = [_row(shown, number) for number in range(count)]
        stacked(rows).save(self._folder / name)

    def _path(self, step: str, suffix: str) -> Path:
        return self._folder / "steps" / f"{step}.{suffix}"


def _row(shown: Sequence[tuple[str, Explanation]], number: int) -> Image.Image:
    own = shown[0][1]
    original = Tile("original", strips.to_rgb(own.originals[number]))
    tiles = [original, *(_tile(*column, number) for column in shown)]
    sheet = Sheet.for_tiles(tiles, None, False)
    sheet.add_tiles(tiles)
    return sheet.finished()


def _tile(title: str, found: Explanation, number: int) -> Tile:
    """What changes until f flips, under f's answer to the image."""
    position = found.pictured[number]
    answer = f"f {found.judged[position]:.2f}"
    change = strips.difference_map(
        found.flips[number], found.reconstructions[number]
    )
    if not found.explained[position]:
        # Nothing is shown where nothing was found.
        change = np.full_like(change, 255)
        answer += ", one way" if found.status[position] == ONE_WAY else ", none"
    return Tile(title, change, answer)
