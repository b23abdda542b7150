"""The files of a comparison, and its picture."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxstyle.config import Config
from jaxstyle.explain.measured import Steps
from jaxstyle.report import strips

_PAPER, _INK = (255, 255, 255), (32, 36, 44)
_FONT_SIZE, _LINE, _MARGIN = 18, 26, 14


@dataclasses.dataclass(frozen=True)
class Pictured:
    """One image's walk by one method.

    Attributes:
      image_id: of the image.
      original: [R, R, C] in [-1, 1].
      judged_original: f(x).
      frames: [K, R, R, C] in [-1, 1].
      judged: f on each frame, [K].
      flip_frame: the smallest flip, or -1.
      status: one of `search`'s.
    """

    image_id: str
    original: np.ndarray
    judged_original: float
    frames: np.ndarray
    judged: np.ndarray
    flip_frame: int
    status: str


class Files(Steps):
    """The folder of a comparison, whose steps are the methods.

    Args:
      folder: where everything goes; it exists.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "methods")
        self._folder = folder

    def write(
        self, method: str, numbers: dict[str, Any], pictured: list[Pictured]
    ) -> None:
        """Writes the walks to picture, then the numbers."""
        arrays = {
            f"{n}/{item.name}": getattr(walk, item.name)
            for n, walk in enumerate(pictured)
            for item in dataclasses.fields(walk)
        }
        self.save(method, numbers, arrays)

    def draw(self, methods: Sequence[str], config: Config) -> None:
        """Draws comparison.png: under each image the walks of all methods.

        Args:
          methods: in the order of the rows.
          config: what is asked.
        """
        walks = {method: self._walks(method) for method in methods}
        rows = [
            (f"{walk.image_id}   {method}: {walk.status}", _strip(walk, config))
            for of_image in zip(*walks.values(), strict=True)
            for method, walk in zip(methods, of_image, strict=True)
        ]
        _stacked(rows).save(self._folder / "comparison.png")

    def _walks(self, method: str) -> list[Pictured]:
        arrays = self.arrays(method)
        count = len({key.partition("/")[0] for key in arrays})
        names = [item.name for item in dataclasses.fields(Pictured)]
        return [
            Pictured(**{name: _plain(arrays[f"{n}/{name}"]) for name in names})
            for n in range(count)
        ]


def _strip(walk: Pictured, config: Config) -> Image.Image:
    shown = config.target.shown
    original = strips.Tile(
        "original",
        strips.to_rgb(walk.original),
        f"f {shown(walk.judged_original)}",
    )
    return strips.strip(
        walk.frames,
        [f"f {shown(probability)}" for probability in walk.judged],
        before=[original],
        highlight=walk.flip_frame if walk.flip_frame >= 0 else None,
        ends=config.ends,
    )


def _stacked(rows: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Titled strips under each other."""
    width = max(strip.width for _, strip in rows)
    height = sum(strip.height + _LINE for _, strip in rows) + _MARGIN
    canvas = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_FONT_SIZE)
    y = _MARGIN
    for title, strip in rows:
        draw.text((_MARGIN, y), title, _INK, font)
        canvas.paste(strip, (0, y + _LINE))
        y += strip.height + _LINE
    return canvas


def _plain(array: np.ndarray) -> Any:
    """Numbers and words as they were saved."""
    return array if array.ndim else array.item()
