"""A canvas on which labelled tiles are drawn from left to right."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxstyle.report.colours import diverging_table

_SMALLEST_TILE = 96
_PAPER = (255, 255, 255)
_INK = (32, 36, 44)
_FAINT = (106, 114, 128)
_ACCENT = (200, 84, 10)
_GAP, _SECTION_GAP, _MARGIN, _BORDER = 8, 28, 14, 3
_LEGEND_ROOM = 320


class Tile(NamedTuple):
    """An image beside the frames.

    Attributes:
      title: printed above it.
      image: uint8 [H, W, 3], of the frames' size.
      caption: printed below it.
    """

    title: str
    image: np.ndarray
    caption: str = ""


def enlargement(side: int) -> int:
    """The whole factor that makes a tile of `side` pixels >= 96 px wide."""
    return max(1, math.ceil(_SMALLEST_TILE / side))


@dataclasses.dataclass
class Sheet:
    """Draws tiles from left to right on a canvas that is cut when done."""

    canvas: Image.Image
    draw: ImageDraw.ImageDraw
    font: ImageFont.FreeTypeFont
    scale: int
    top: int
    tile_height: int
    margin: int
    x: int

    @classmethod
    def for_tiles(
        cls,
        tiles: list[Tile],
        scale: int | None,
        legend: bool,
        margin: int = _MARGIN,
    ) -> "Sheet":
        """An empty sheet with room for the tiles, which share one size.

        Args:
          tiles: all that will be added.
          scale: whole enlargement; None makes tiles at least 96 px wide.
          legend: whether a colour bar will follow.
          margin: px around; 0 leaves no line above the tiles either.
        """
        height, width = tiles[0].image.shape[:2]
        scale = enlargement(width) if scale is None else scale
        font = _font(min(22, max(13, width * scale // 11)))
        line = round(font.size * 1.7)
        top = margin + (line if margin else 0)
        text = max(_width(font, t.title) for t in tiles)
        text = max(text, *(_width(font, t.caption) for t in tiles))
        # Room for all; `finished` cuts what the legend does not need.
        cell = max(width * scale, text) + _SECTION_GAP
        total = len(tiles) * cell + (_LEGEND_ROOM if legend else 0)
        size = (total + 2 * margin, top + height * scale + line + margin)
        canvas = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(canvas)
        return cls(
            canvas, draw, font, scale, top, height * scale, margin, margin
        )

    def add_tiles(self, tiles: list[Tile]) -> None:
        """A section of titled tiles."""
        for tile in tiles:
            self._add(tile)
        self._end_section(bool(tiles))

    def add_frames(
        self, tiles: list[Tile], highlight: int | None, ends: tuple[str, str]
    ) -> None:
        """The walk, under an arrow from one class to the other."""
        start = self.x
        for index, tile in enumerate(tiles):
            self._add(tile, index == highlight)
        self._arrow(start, self.x - _GAP, ends)
        self._end_section(True)

    def add_legend(self, limit: float) -> None:
        """The colour bar of the difference map."""
        bar = diverging_table()[::-1, None].repeat(12, 1)
        height = self.tile_height
        image = Image.fromarray(bar).resize(
            (12, height), Image.Resampling.BILINEAR
        )
        self.canvas.paste(image, (self.x, self.top))
        labels = (
            (f"+{limit:g} brighter", 0.0, "lt"),
            ("no change", 0.5, "lm"),
            (f"-{limit:g} darker", 1.0, "lb"),
        )
        self._text(self.x, self._above(), "difference", _FAINT, "ls")
        x = self.x + 18
        for text, share, anchor in labels:
            self._text(x, self.top + share * height, text, _INK, anchor)
        self.x = x + max(_width(self.font, text) for text, _, _ in labels)
        self.x += _SECTION_GAP

    def finished(self) -> Image.Image:
        """The canvas without the room that was not needed."""
        right = self.x - _SECTION_GAP + self.margin
        return self.canvas.crop((0, 0, right, self.canvas.height))

    def _add(self, tile: Tile, highlighted: bool = False) -> None:
        image = Image.fromarray(np.ascontiguousarray(tile.image))
        width, height = image.width * self.scale, image.height * self.scale
        texts = (_width(self.font, tile.title), _width(self.font, tile.caption))
        cell = max(width, *texts)
        left, centre = self.x + (cell - width) // 2, self.x + cell / 2
        if highlighted:
            box = (left, self.top, left + width - 1, self.top + height - 1)
            grown = [
                edge + _BORDER * sign
                for edge, sign in zip(box, (-1, -1, 1, 1), strict=True)
            ]
            self.draw.rectangle(grown, _ACCENT)
        self.canvas.paste(
            image.resize((width, height), Image.Resampling.NEAREST),
            (left, self.top),
        )
        self._text(centre, self._above(), tile.title, _FAINT, "ms")
        below = self.top + height + self.font.size * 1.25
        colour = _ACCENT if highlighted else _INK
        self._text(centre, below, tile.caption, colour, "ms")
        self.x += cell + _GAP

    def _arrow(self, start: int, end: int, ends: tuple[str, str]) -> None:
        first, last = ends
        left = start + _width(self.font, first) + _GAP
        right = end - _width(self.font, last) - _GAP
        if right - left < 2 * _GAP:
            return  # Few small frames: no room for words.
        self._text(start, self._above(), first, _FAINT, "ls")
        self._text(end, self._above(), last, _FAINT, "rs")
        y = round(self._above() - self.font.size * 0.3)
        self.draw.line((left, y, right, y), _FAINT)
        head = [(right, y), (right - 6, y - 3), (right - 6, y + 3)]
        self.draw.polygon(head, _FAINT)

    def _above(self) -> float:
        """Baseline of the text above tiles."""
        return self.top - self.font.size * 0.5

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        colour: tuple[int, int, int],
        anchor: str,
    ) -> None:
        self.draw.text((x, y), text, colour, self.font, anchor)

    def _end_section(self, drawn: bool) -> None:
        if drawn:
            self.x += _SECTION_GAP - _GAP


def stacked(rows: Sequence[Image.Image]) -> Image.Image:
    """Pictures under each other, as wide as the widest."""
    size = (max(row.width for row in rows), sum(row.height for row in rows))
    canvas, top = Image.new("RGB", size, _PAPER), 0
    for row in rows:
        canvas.paste(row, (0, top))
        top += row.height
    return canvas


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError(
            "this Pillow was built without FreeType; install a wheel of "
            "Pillow >= 11"
        )
    return font


def _width(font: ImageFont.FreeTypeFont, text: str) -> int:
    return math.ceil(font.getlength(text))
