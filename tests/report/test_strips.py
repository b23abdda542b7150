"""Strips and animations: every pixel of every frame is there, as it is."""

import numpy as np
import pytest
from PIL import Image

from jaxstyle.report import strips
from jaxstyle.report.colours import diverging_table
from jaxstyle.report.sheet import _ACCENT

CAPTIONS = ["0.02", "0.31", "0.64", "0.97"]


def _frames(channels=3, side=8):
    levels = np.random.default_rng(0).integers(
        0, 256, (4, side, side, channels)
    )
    return (levels / 127.5 - 1).astype(np.float32)


def _place(sheet, tile):
    """(x, y) of a tile in the sheet; fails unless it is there once."""
    height, width = tile.shape[:2]
    where = np.argwhere((sheet == tile[0, 0]).all(-1))
    found = [
        (x, y)
        for y, x in where.tolist()
        if np.array_equal(sheet[y : y + height, x : x + width], tile)
    ]
    assert len(found) == 1, f"found {len(found)} times"
    return found[0]


def _enlarged(image, scale):
    return image.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_strip_holds_every_tile_from_left_to_right(channels):
    frames = _frames(channels)
    rng = np.random.default_rng(1)
    sides = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(4)]
    sheet = np.asarray(
        strips.strip(
            frames,
            CAPTIONS,
            [("original", sides[0], "0.03"), ("reconstruction", sides[1])],
            [strips.Tile("difference", sides[2]), ("Grad-CAM", sides[3])],
            scale=3,
        )
    )
    tiles = [*sides[:2], *map(strips.to_rgb, frames), *sides[2:]]
    places = [_place(sheet, _enlarged(tile, 3)) for tile in tiles]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert len({y for _, y in places}) == 1


def test_scale_makes_small_tiles_large_and_leaves_large_ones():
    assert [strips.enlargement(s) for s in (8, 32, 64, 96, 256)] == [
        *(12, 3, 2, 1, 1)
    ]
    frames = _frames(side=32)
    sheet = np.asarray(strips.strip(frames, CAPTIONS))
    for frame in frames:
        _place(sheet, _enlarged(strips.to_rgb(frame), 3))


def test_each_caption_is_printed_below_its_frame():
    frames = _frames(side=32)
    first = np.asarray(strips.strip(frames, CAPTIONS))
    other = [*CAPTIONS[:2], "0.58", CAPTIONS[3]]
    second = np.asarray(strips.strip(frames, other))
    changed = np.argwhere((first != second).any(-1))
    x, y = _place(first, _enlarged(strips.to_rgb(frames[2]), 3))
    assert len(changed) > 20
    assert changed[:, 0].min() >= y + 96
    assert changed[:, 1].min() >= x and changed[:, 1].max() < x + 96
    # Legible: ten pixels from the lowest to the highest at least.
    dark = np.argwhere((first[y + 96 :, x : x + 96] < 128).all(-1))
    assert np.ptp(dark[:, 0]) >= 8


def test_the_flip_alone_is_highlighted():
    frames = _frames(side=32)
    sheet = np.asarray(strips.strip(frames, CAPTIONS, highlight=2))
    for index, frame in enumerate(frames):
        x, y = _place(sheet, _enlarged(strips.to_rgb(frame), 3))
        around = [sheet[y + 5, x - 2], sheet[y - 2, x + 5]]
        around += [sheet[y + 5, x + 97], sheet[y + 97, x + 5]]
        marked = [tuple(pixel.tolist()) == _ACCENT for pixel in around]
        assert marked == [index == 2] * 4, index


def test_legend_shows_the_whole_colour_bar():
    frames = _frames(side=32)
    plain = strips.strip(frames, CAPTIONS)
    with_bar = strips.strip(frames, CAPTIONS, legend=0.3)
    assert with_bar.width > plain.width and with_bar.height == plain.height
    beyond = np.asarray(with_bar)[:, plain.width - 14 :]
    top, bottom = diverging_table()[[-1, 0]].astype(int)
    rows = [
        np.argwhere((np.abs(beyond - colour) < 6).all(-1))[:, 0].mean()
        for colour in (top, bottom)
    ]
    assert rows[0] < rows[1]


def test_words_of_the_axis_are_left_out_where_there_is_no_room():
    frames = _frames(side=32)[:1]
    long = ("a long name of a class", "another long name")
    with_words = np.asarray(strips.strip(frames, ["x"], ends=long))
    without = np.asarray(strips.strip(frames, ["x"], ends=("", "")))
    _, y = _place(with_words, _enlarged(strips.to_rgb(frames[0]), 3))
    assert (with_words[:y] == 255).all()
    assert with_words.shape == without.shape


def test_strip_refuses_what_does_not_fit():
    frames = _frames()
    with pytest.raises(ValueError, match="one caption a frame"):
        strips.strip(frames, CAPTIONS[:3])
    with pytest.raises(ValueError, match="'original'"):
        strips.strip(
            frames, CAPTIONS, [("original", np.zeros((9, 8, 3), np.uint8))]
        )


@pytest.mark.parametrize("channels", [1, 3])
def test_animation_is_lossless_and_runs_forth_and_back(tmp_path, channels):
    frames = _frames(channels)
    path = tmp_path / "walk.png"
    strips.save_animation(path, frames, CAPTIONS, scale=4)
    pictures, times = [], []
    with Image.open(path) as animation:
        assert animation.n_frames == 6 and animation.info["loop"] == 0
        for index in range(6):
            animation.seek(index)
            pictures.append(np.asarray(animation.convert("RGB")))
            times.append(animation.info["duration"])
    for picture, index in zip(pictures, (0, 1, 2, 3, 2, 1), strict=True):
        tile = _enlarged(strips.to_rgb(frames[index]), 4)
        _, y = _place(picture, tile)
        assert y == 0
        assert (picture[y + 32 :] < 128).any(), "no caption"
    assert times == [700, 180, 180, 700, 180, 180]


def test_animation_of_one_frame(tmp_path):
    path = tmp_path / "still.png"
    strips.save_animation(path, _frames()[:1], ["0.5"])
    with Image.open(path) as image:
        _place(
            np.asarray(image.convert("RGB")),
            _enlarged(strips.to_rgb(_frames()[0]), 12),
        )
