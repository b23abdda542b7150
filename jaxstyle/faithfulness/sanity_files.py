"""The files of the sanity checks, and their contact sheet."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle.explain.measured import Steps
from jaxstyle.faithfulness.sanity_walks import ONE_WAY, Explanation
from jaxstyle.report import strips
from jaxstyle.report.sheet import Sheet, Tile, stacked


class Files(Steps):
    """The folder of the checks.

    Args:
      folder: where everything goes; it exists.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "steps")
        self._folder = folder

    def explanation(self, step: str) -> Explanation:
        """Its explanations."""
        arrays = self.arrays(step)
        penalty = float(arrays.pop("penalty"))
        return Explanation(**arrays, penalty=penalty)

    def write(
        self, step: str, numbers: dict[str, Any], found: Explanation
    ) -> None:
        """Writes the explanations, then the numbers."""
        self.save(step, numbers, vars(found))

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
