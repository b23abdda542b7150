"""The files of a comparison of inversions, and its picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle.config import TargetConfig
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

    def draw(self, ways: Sequence[str], target: TargetConfig) -> None:
        """Draws comparison.png: beside each image what each way makes of it."""
        shown = {way: Shown(**self.arrays(way)) for way in ways}
        count = len(shown[ways[0]].original)
        rows = [_row(shown, number, target) for number in range(count)]
        stacked(rows).save(self._steps / "comparison.png")


def _row(
    shown: dict[str, Shown], number: int, target: TargetConfig
) -> Image.Image:
    """The original, all encoders' reconstructions, the last one projected."""

    def tile(title: str, images: np.ndarray, judged: np.ndarray) -> Tile:
        answer = f"f {target.shown(judged[number])}"
        return Tile(title, strips.to_rgb(images[number]), answer)

    *_, last = shown.values()
    tiles = [
        tile("original", last.original, last.judged_original),
        *(
            tile(way.replace("_", " "), s.encoded, s.judged_encoded)
            for way, s in shown.items()
        ),
        tile("projected", last.projected, last.judged_projected),
    ]
    sheet = Sheet.for_tiles(tiles, None, False)
    sheet.add_tiles(tiles)
    return sheet.finished()
