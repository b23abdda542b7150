"""The contact sheet: what is on it, and what is left blank."""

import numpy as np
import pytest
from PIL import Image

from jaxstyle.faithfulness import sheet
from jaxstyle.faithfulness.explanations import METHODS
from jaxstyle.report import strips

SIDE = 32
SCALE = strips.enlargement(SIDE)
GREY = 0.5


def _save(path, flipped, mask=None):
    count = len(flipped)
    shape = (count, SIDE, SIDE, 1)
    if mask is None:
        mask = np.zeros(shape[:3], np.bool_)
    arrays = {
        "mask": mask,
        "probabilities": np.linspace(0.9, 0.6, count),
        "flipped": np.asarray(flipped),
        "original": np.zeros(shape, np.float32),
        "reconstruction": np.zeros(shape, np.float32),
        "flip": np.full(shape, GREY, np.float32),
    }
    maps = {f"map_{name}": np.zeros(shape[:3]) for name in METHODS}
    np.savez(path, **arrays, **maps)


def _pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def _count(pixels, colour):
    return int(np.all(pixels == colour, axis=-1).sum())


def test_a_row_for_each_image_of_each_run(tmp_path):
    _save(tmp_path / "a.npz", [True, True])
    _save(tmp_path / "b.npz", [True])
    heights = []
    for names in ("a", "ab", "xab"):
        runs = [("blob", "seed 0", tmp_path / f"{n}.npz") for n in names]
        sheet.write(tmp_path / f"{names}.png", runs)
        heights.append(len(_pixels(tmp_path / f"{names}.png")))
    # That of a run that was not explained is not there.
    assert heights[0] * 3 == heights[1] * 2 == heights[2] * 2
    width = _pixels(tmp_path / "a.png").shape[1]
    # Five tiles of the counterfactual, four of the other methods.
    assert width > 9 * SIDE * SCALE


def test_nothing_is_drawn_of_nothing(tmp_path):
    sheet.write(tmp_path / "none.png", [("", "", tmp_path / "x.npz")])
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize("flipped", [True, False])
def test_without_a_flip_its_tiles_are_blank(tmp_path, flipped):
    _save(tmp_path / "one.npz", [flipped])
    path = tmp_path / "one.png"
    sheet.write(path, [("blob", "seed 0", tmp_path / "one.npz")])
    pixels = _pixels(path)
    tile = (SIDE * SCALE) ** 2
    flip = strips.to_rgb(np.full((1, 1, 1), GREY))[0, 0]
    one = np.zeros((1, 1, 1))
    change = strips.difference_map(one + GREY, one)[0, 0]
    assert _count(pixels, flip) == (tile if flipped else 0)
    assert _count(pixels, change) == (tile if flipped else 0)


def test_the_mask_is_drawn(tmp_path):
    mask = np.zeros((1, SIDE, SIDE), np.bool_)
    mask[0, :4, :4] = True
    _save(tmp_path / "one.npz", [True], mask)
    path = tmp_path / "one.png"
    sheet.write(path, [("blob", "seed 0", tmp_path / "one.npz")])
    inside, outside = (
        strips.to_rgb(np.full((1, 1, 1), level))[0, 0] for level in (0.5, -1)
    )
    # The flip has the mask's grey, too.
    pixels = _pixels(path)
    assert _count(pixels, inside) == (16 + SIDE**2) * SCALE**2
    assert _count(pixels, outside) >= (SIDE**2 - 16) * SCALE**2
