"""Suspected text: real images without, the same with a name drawn in."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw, ImageFont

from jaxstyle.config import DataConfig
from jaxstyle.data import burned_in, files, prepare
from tests import shared_data
from tests.data import dicoms, images

NAME = "DOE^JOHN 1961-04-12"


def _unit(pixels):
    unit = np.asarray(pixels, np.float32) / 255
    return unit[..., None] if unit.ndim == 2 else unit[..., :3]


def _with_name(pixels, size, level):
    picture = Image.fromarray(pixels)
    fill = level if picture.mode == "L" else (level,) * 3
    ImageDraw.Draw(picture).text(
        (8, 8), NAME, fill, ImageFont.load_default(size)
    )
    return np.asarray(picture)


@pytest.mark.parametrize(
    "name",
    ["camera", "moon", "cell", "immunohistochemistry", "brick", "grass", "cat"],
)
def test_real_images_have_none(name):
    assert not burned_in.suspected(_unit(getattr(skimage.data, name)()))


@pytest.mark.parametrize("size", [12, 16, 24, 40])
@pytest.mark.parametrize(
    ("name", "level"),
    [("moon", 255), ("moon", 0), ("cell", 255), ("immunohistochemistry", 0)],
)
def test_a_name_is_seen(name, level, size):
    pixels = getattr(skimage.data, name)()
    assert burned_in.suspected(_unit(_with_name(pixels, size, level)))


def test_a_printed_page_is_text():
    assert burned_in.suspected(_unit(skimage.data.page()))


def test_a_mark_of_a_side_is_no_word():
    picture = Image.fromarray(skimage.data.moon())
    ImageDraw.Draw(picture).text((8, 8), "L", 255, ImageFont.load_default(40))
    assert not burned_in.suspected(_unit(picture))


def test_small_images_and_noise_are_not_suspected():
    random = np.random.default_rng(0)
    for side in (32, 64, 200):
        noise = random.uniform(size=(side, side, 1)).astype(np.float32)
        assert not burned_in.suspected(noise)
    assert not burned_in.suspected(np.zeros((128, 128, 3), np.float32))


def test_shared_tiles_have_none():
    for name in ("chest_xray_64.npz", "nuclei_128.npz"):
        with np.load(shared_data.path(name)) as arrays:
            pixels = arrays["image"][:200]
        assert not any(burned_in.suspected(_unit(image)) for image in pixels)


def test_the_card_warns(tmp_path):
    rows = images.write_folder(tmp_path)
    moon = skimage.data.moon()
    Image.fromarray(_with_name(moon, 16, 255)).save(tmp_path / rows[4][0])
    Image.fromarray(moon[::-1].copy()).save(tmp_path / rows[5][0])
    manifest = images.write_manifest(tmp_path, "path,label,patient", rows)
    prepare.run(images.folder_config(manifest), tmp_path / "run")
    card = json.loads((tmp_path / "run" / "data" / "card.json").read_text())
    (told,) = [text for text in card["warnings"] if "burned in" in text]
    assert told.startswith("1 image(s) seem to have text burned in")


@pytest.mark.parametrize("says", ["YES", "NO"])
def test_dicom_says_it_itself(tmp_path, says):
    image = dicoms.made(np.zeros((8, 8), np.uint8), BurnedInAnnotation=says)
    path = dicoms.save(tmp_path / "one.dcm", image)
    sample = files.read(path, 0, DataConfig(resolution=8, channels=1))
    assert sample.text == (says == "YES")
