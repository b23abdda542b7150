"""The files of a comparison of inversions, and its picture."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxstyle import workdir
from jaxstyle.explain.inversion_measure import Shown
from jaxstyle.report import strips
from jaxstyle.report.sheet import Sheet, Tile, stacked


class Files:
    """The folder of a comparison.

    Args:
      folder: where everything goes; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def workdir(self, way: str) -> Path:
        """Of the way's encoder."""
        return self._folder / way

    def is_done(self, way: str) -> bool:
        """Whether the way is measured."""
        return self._path(way, "json").exists()

    def rows(self, way: str) -> list[dict[str, Any]]:
        """What was measured of it."""
        return workdir.read_json(self._path(way, "json"))

    def write(self, way: str, rows: list[dict[str, Any]], shown: Shown) -> None:
        """Writes the images to picture, then the numbers."""
        path = self._path(way, "npz")
        draft = path.with_name(path.name + ".draft")
        arrays: Any = {
            item.name: getattr(shown, item.name)
            for item in dataclasses.fields(shown)
        }
        with draft.open("wb") as file:
            np.savez(file, **arrays)
        os.replace(draft, path)
        workdir.write_json(self._path(way, "json"), rows)

    def draw(self, ways: Sequence[str]) -> None:
        """Draws comparison.png: beside each image what each way makes of it."""
        shown = {way: self._shown(way) for way in ways}
        count = len(shown[ways[0]].original)
        rows = [_row(shown, number) for number in range(count)]
        stacked(rows).save(self._folder / "comparison.png")

    def _shown(self, way: str) -> Shown:
        with np.load(self._path(way, "npz"), allow_pickle=False) as file:
            return Shown(**{name: file[name] for name in file.files})

    def _path(self, way: str, suffix: str) -> Path:
        return self._folder / f"{way}.{suffix}"


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
