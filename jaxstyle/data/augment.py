"""Flips and quarter turns, only where the config calls them harmless."""

import numpy as np

from jaxstyle import config as config_lib


def draw(
    random: np.random.Generator, count: int, data: config_lib.DataConfig
) -> np.ndarray:
    """Random moves: int [count, 3] of mirror, upside down, quarter turns.

    A move that the config does not allow is 0. The numbers drawn do not
    depend on what is allowed.
    """
    drawn = random.integers(0, (2, 2, 4), size=(count, 3))
    allowed = (data.flip_horizontal, data.flip_vertical, data.rotate90)
    return drawn * np.asarray(allowed, np.int64)[None]


def move(images: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Applies `draw`'s moves to square images [N, R, R, C], out of place."""
    out = np.empty_like(images)
    for place, (image, (mirror, upside_down, turns)) in enumerate(
        zip(images, moves, strict=True)
    ):
        image = image[:, ::-1] if mirror else image
        image = image[::-1] if upside_down else image
        out[place] = np.rot90(image, turns)
    return out
