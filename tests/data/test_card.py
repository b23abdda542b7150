"""The dataset's card, against what is known of the images."""

import json

import numpy as np
import pytest
from PIL import Image

from jaxstyle.data import prepare, survey
from tests.data import images


@pytest.fixture(scope="module")
def carded(tmp_path_factory):
    """24 images of which four are odd: the stage's folder, its result."""
    folder = tmp_path_factory.mktemp("card")
    rows = images.write_folder(folder)
    for row in rows[:3]:
        row[2] = "p0"
    Image.new("L", (8, 8), 51).save(folder / rows[0][0])
    pale = images.random_pixels(8, 20) // 16 + 100
    Image.fromarray(pale).save(folder / rows[1][0])
    white = images.random_pixels(8, 8, seed=78)
    white[:5] = 255
    Image.fromarray(white).save(folder / rows[2][0])
    wide = images.random_pixels(8, 20, seed=77)
    Image.fromarray(wide).save(folder / rows[3][0])
    manifest = images.write_manifest(folder, "path,label,patient", rows)
    config = images.folder_config(manifest)
    result = prepare.run(config, folder / "run")
    return folder / "run" / "data", result


def test_the_numbers(carded):
    stage, result = carded
    card = json.loads((stage / "card.json").read_text())
    assert card["images"] == 24 and card["classes"] == result["classes"]
    assert card["sizes"]["width"] == {"min": 8, "median": 8, "max": 20}
    assert card["sizes"]["height"] == {"min": 8, "median": 8, "max": 8}
    assert card["sizes"]["not_square"] == 2
    told = card["intensities"]
    assert told["black_and_white"] == [
        {"black": 0.0, "white": 255.0, "images": 24}
    ]
    assert told["different_black_and_white"] == 1
    # The constant one is 51 / 255; padding counts for nothing.
    assert told["brightest"]["min"] == pytest.approx(0.2, abs=1e-6)
    assert told["darkest"]["max"] > 0.35
    assert card["duplicates"] == {
        "within_splits": 0,
        "across_splits": 0,
        "nearly_across_splits": 0,
    }
    assert result["warnings"] == card["warnings"]


def test_the_warnings(carded):
    warnings = "\n".join(carded[1]["warnings"])
    assert "1 image(s) are of one value throughout (image00)" in warnings
    assert "1 image(s) use less than a tenth of the range" in warnings
    assert "the intensity window right? (image01)" in warnings
    assert "1 image(s) are white in more than half" in warnings
    assert "window right for them? (image02)" in warnings
    assert "split 'val' has" in warnings and "mean little" in warnings
    assert "its own patient" not in warnings


def test_images_without_patients_are_told(tmp_path):
    rows = [row[:2] for row in images.write_folder(tmp_path)]
    manifest = images.write_manifest(tmp_path, "path,label", rows)
    result = prepare.run(images.folder_config(manifest), tmp_path / "run")
    assert any("its own patient" in text for text in result["warnings"])


def test_the_contact_sheet_shows_the_images(carded):
    stage, result = carded
    with Image.open(stage / "card.png") as image:
        sheet = np.asarray(image.convert("L")).astype(int)
    assert sheet.shape[1] >= survey.SHOWN * survey.TILE
    # Tiles are 64 px: the constant image is somewhere, and whole.
    blank = np.lib.stride_tricks.sliding_window_view(sheet == 51, (64, 64))
    assert blank.all(axis=(2, 3)).sum() == 1
    # White paper, and as much else as there are tiles.
    counts = [
        min(10, n) for c in result["classes"].values() for n in c.values()
    ]
    covered = (sheet < 250).sum() / 64**2
    assert 0.9 * sum(counts) < covered < 1.1 * sum(counts)
