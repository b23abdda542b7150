"""The files of a comparison of inversions, and its picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle.explain.inversion_measure import Shown
from jaxstyle.explain.measured import Steps
from jaxstyle.report import strips
from jaxstyle.report.sheet import Sheet, Tile, stacked


class Files(Steps):
    """The folder of a comparison, whose steps are the ways.

    Args:
      folder: where everything goes; it exists.
    """

    def workdir(self, way: str) -> Path:
        """Of the way's encoder."""
        return self._steps / way

    def write(self, way: str, rows: list[dict[str, Any]], shown: Shown) -> None:
        """Writes the images to picture, then the numbers."""
        self.save(way, rows, vars(shown))

    def draw(self, ways: Sequence[str]) -> None:
        """Draws comparison.png: beside each image what each way makes of it."""
        shown = {way: Shown(**self.arrays(way)) for way in ways}
        count = len(shown[ways[0]].original)
        rows = [_row(shown, number) for number in range(count)]
        stacked(rows).save(self._steps / "comparison.png")


def _row(shown: dict[str, Shown], number: int) -> Image.Image:
    """The original, all encoders' reconstructions, the last one projected."""
    *_, last = shown.values()
    tiles = [
        _tile("original", last.original, last.judged_original, number),
        *(
            _tile(way.replace("_", " "), s.encoded, s.judged_encoded, number)
            for way, s in shown.items()
        ),
        _tile("projected", last.projected, last.judged_projected, number),
    ]
    sheet = Sheet.for_tiles(tiles, None, False)
    sheet.add_tiles(tiles)
    return sheet.finished()


def _tile(
    title: str, images: np.ndarray, judged: np.ndarray, number: int
) -> Tile:
    return Tile(title, strips.to_rgb(images[number]), f"f {judged[number]:.2f}")
