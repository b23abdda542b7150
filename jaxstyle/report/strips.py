"""Labelled strips and animations of a walk: pure NumPy and Pillow.

Frames are enlarged by whole factors with nearest neighbour and stored without
loss, so every pixel on view is one that the generator made.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxstyle.report.colours import (
    DIFFERENCE_LIMIT,
    difference_map,
    heatmap_overlay,
    to_rgb,
)
from jaxstyle.report.sheet import Sheet, Tile, enlargement

__all__ = [
    "DIFFERENCE_LIMIT",
    "Tile",
    "difference_map",
    "enlargement",
    "heatmap_overlay",
    "save_animation",
    "strip",
    "to_rgb",
]

FRAME_MILLISECONDS = 180
END_MILLISECONDS = 700
# Enlarged pixels pack well at any level, and files are written beside the
# rendering: the lowest level takes a third of the default's time.
COMPRESSION = 1


def strip(
    frames: np.ndarray,
    captions: Sequence[str],
    before: Sequence[tuple] = (),
    after: Sequence[tuple] = (),
    *,
    scale: int | None = None,
    highlight: int | None = None,
    ends: tuple[str, str] = ("negative", "positive"),
    legend: float | None = None,
) -> Image.Image:
    """One row: tiles, the frames of a walk, more tiles, a colour bar.

    Args:
      frames: float [K, H, W, 1 or 3] in [-1, 1].
      captions: printed below each frame, such as f's probability.
      before: `Tile`s (or their fields) to the left, such as the original
        and the reconstruction.
      after: those to the right, such as difference map and Grad-CAM.
      scale: whole enlargement; None makes each tile at least 96 px wide.
      highlight: frame at which the decision flips, drawn in a thick box.
      ends: what the first and the last frame lean to, printed above them.
      legend: limit of the difference map, which draws its colour bar.

    Returns:
      RGB image.

    Raises:
      ValueError: if captions or tiles do not fit the frames.
    """
    _check(frames, captions)
    shown = [
        Tile("", to_rgb(frame), text)
        for frame, text in zip(frames, captions, strict=True)
    ]
    left = [Tile(*item) for item in before]
    right = [Tile(*item) for item in after]
    for tile in (*left, *right):
        if tile.image.shape != shown[0].image.shape:
            raise ValueError(
                f"{tile.title!r} is {tile.image.shape}, frames are "
                f"{shown[0].image.shape}: give tiles of the frames' size"
            )
    sheet = Sheet.for_tiles([*left, *shown, *right], scale, legend is not None)
    sheet.add_tiles(left)
    sheet.add_frames(shown, highlight, ends)
    sheet.add_tiles(right)
    if legend is not None:
        sheet.add_legend(legend)
    return sheet.finished()


def save_animation(
    path: str | Path,
    frames: np.ndarray,
    captions: Sequence[str],
    scale: int | None = None,
) -> None:
    """Writes a lossless APNG that runs through the walk, forth and back.

    Args:
      path: file to write, ending in .png.
      frames: float [K, H, W, 1 or 3] in [-1, 1].
      captions: printed below each frame, such as f's probability.
      scale: whole enlargement; None makes frames at least 96 px wide.

    Raises:
      ValueError: if there are not as many captions as frames.
    """
    _check(frames, captions)
    count = len(frames)
    order = [*range(count), *range(count - 2, 0, -1)]
    pictures = [
        _captioned(frame, text, scale)
        for frame, text in zip(frames, captions, strict=True)
    ]
    turns = {0, count - 1}
    pictures[0].save(
        path,
        format="PNG",
        save_all=True,
        append_images=[pictures[index] for index in order[1:]],
        duration=[
            END_MILLISECONDS if index in turns else FRAME_MILLISECONDS
            for index in order
        ],
        loop=0,
        compress_level=COMPRESSION,
    )


def _captioned(frame: np.ndarray, text: str, scale: int | None) -> Image.Image:
    tile = Tile("", to_rgb(frame), text)
    sheet = Sheet.for_tiles([tile], scale, False, margin=0)
    sheet.add_tiles([tile])
    return sheet.finished()


def _check(frames: np.ndarray, captions: Sequence[str]) -> None:
    if frames.ndim != 4 or not len(frames) or len(captions) != len(frames):
        raise ValueError(
            f"frames {frames.shape} with {len(captions)} captions: give "
            "[K, H, W, C] with K >= 1 and one caption a frame"
        )
