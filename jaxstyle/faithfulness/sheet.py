"""The contact sheet: explained images with the maps of every method."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxstyle.faithfulness.explanations import METHODS
from jaxstyle.report import strips
from jaxstyle.report.sheet import Sheet, Tile, stacked

_TITLES = {
    "grad_cam": "Grad-CAM",
    "integrated_gradients_black": "IG, black",
    "integrated_gradients_mean": "IG, mean",
    "occlusion": "occlusion",
}


def write(path: Path, runs: Sequence[tuple[str, str, Path]]) -> None:
    """Draws the images of each run's shown.npz, one a row.

    Args:
      path: PNG to write.
      runs: printed below the mask and below the reconstruction (what is to
        be found, and the run), and the file, which may be missing.
    """
    rows = []
    for target, name, file in runs:
        if not file.exists():
            continue
        with np.load(file, allow_pickle=False) as arrays:
            shown = dict(arrays)
        count = len(shown["mask"])
        rows += [_row(target, name, shown, n) for n in range(count)]
    if not rows:
        return
    stacked(rows).save(path)


def _row(
    target: str, name: str, shown: dict[str, np.ndarray], number: int
) -> Image.Image:
    """Original, reconstruction, flip, difference, mask, then attributions."""
    picture = {
        key: shown[key][number]
        for key in ("original", "reconstruction", "flip")
    }
    flipped = bool(shown["flipped"][number])
    # Not white, which is the paper's colour.
    mask = shown["mask"][number][..., None] * np.float32(1.5) - np.float32(1)
    change = strips.difference_map(picture["flip"], picture["reconstruction"])
    flip = strips.to_rgb(picture["flip"])
    if not flipped:
        # Nothing is shown where nothing was found.
        flip = change = np.full_like(flip, 255)
    tiles = [
        Tile(
            "original",
            strips.to_rgb(picture["original"]),
            f"f {shown['probabilities'][number]:.2f}",
        ),
        Tile("reconstruction", strips.to_rgb(picture["reconstruction"]), name),
        Tile("smallest flip", flip, "" if flipped else "none found"),
        Tile("difference", change),
        Tile("mask", strips.to_rgb(mask), target),
    ]
    for method in METHODS[1:]:
        heat = shown[f"map_{method}"][number]
        overlay = strips.heatmap_overlay(
            picture["original"], heat / max(heat.max(), 1e-12)
        )
        tiles.append(Tile(_TITLES[method], overlay))
    sheet = Sheet.for_tiles(tiles, None, False)
    sheet.add_tiles(tiles)
    return sheet.finished()
